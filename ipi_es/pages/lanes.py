"""The swim-lanes and the timeline: scores and events over time, in a limited number of columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ipi_es.pages.text import TimeShown, score_text, severity_name
from ipi_es.results.documents.visible import visible
from ipi_es.scoring.probability import Severity, severity
from ipi_es.times import SECONDS, from_ms

MAX_COLUMNS = 120
"""Columns of a lane: 3 pixels each on a phone, 7 on a screen; each is a whole number of buckets."""

MAX_TICKS = 8
"""Labels under the lanes, where there is room; a phone shows every other one."""

GAPS_NAMED = 3
"""Gaps that the text names; the others show their time in a tooltip."""

LAST_TICK = 92.0
"""Percent of the width beyond which a label would run over the edge."""

LANE_HEIGHT = 4
"""Units of a lane's height; a cell has one for a warning and four where it is critical, so that a lane can be read
without its colours: on paper, and by colour-blind readers."""

_NICE = tuple(
    number * SECONDS[unit]
    for unit, numbers in (("m", (1, 5, 10, 15, 30)), ("h", (1, 2, 3, 4, 6, 8, 12)), ("d", (1, 2)), ("w", (1, 2, 4)))
    for number in numbers
)
"""Round widths of columns, seconds."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Time in columns: ``columns`` of ``step`` seconds from ``start``, epoch seconds."""

    start: int
    step: int
    columns: int

    @property
    def end(self) -> int:
        """Exclusive end, epoch seconds."""
        return self.start + self.step * self.columns

    def column(self, seconds: int) -> int:
        """Return the column of a time in epoch seconds; outside the axis it is below 0 or beyond the last."""
        return (seconds - self.start) // self.step

    def time(self, column: int) -> int:
        """Return the start of a column, epoch seconds."""
        return self.start + column * self.step


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of the axis; ``at`` is its place in percent of the width."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A column of a lane whose worst score is at least 1."""

    column: int
    height: int
    severity: str
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """The scores of one name over time."""

    name: str
    cells: tuple[Cell, ...]
    worst: float
    """0–100, high = unusual."""
    worst_at: int
    """Time of the worst score, epoch seconds."""
    total: float
    """The sum of the scores."""
    summary: str
    """The lane in words."""


def axis_of(start: int, end: int, bucket_span: int) -> Axis:
    """Return the axis of [start, end), epoch seconds: the narrowest round columns of whole buckets, at most 120."""
    begin = start // bucket_span * bucket_span
    for step in (bucket_span, *_NICE):
        if step % bucket_span == 0 and -(-(end - begin) // step) <= MAX_COLUMNS:
            break
    else:
        step = -(-(end - begin) // (MAX_COLUMNS * bucket_span)) * bucket_span
    return Axis(begin, step, max(-(-(end - begin) // step), 1))


def ticks_of(axis: Axis, shown: TimeShown) -> list[Tick]:
    """Return labels at the starts of days, or, with fewer than two of these, at times of day."""
    columns = [column for column in range(axis.columns) if shown.midnight(axis.time(column))]
    label = shown.day
    if len(columns) < 2:
        columns, label = list(range(axis.columns)), lambda seconds: shown.minute(seconds)[5:]
    every = -(-len(columns) // MAX_TICKS)
    found = [Tick(100.0 * column / axis.columns, label(axis.time(column))) for column in columns[::every]]
    return [tick for tick in found if tick.at <= LAST_TICK] or found[:1]


def lane_of(name: str, points: Iterable[tuple[int, float]], axis: Axis, shown: TimeShown) -> Lane:
    """Return the lane of (time in epoch seconds, score); a column shows its worst score, if that is at least 1."""
    worst: dict[int, tuple[float, int]] = {}
    total = 0.0
    for time, score in points:
        column = axis.column(time)
        total += score
        if score >= 1.0 and 0 <= column < axis.columns and score > worst.get(column, (0.0, 0))[0]:
            worst[column] = score, time
    cells = tuple(
        Cell(
            column,
            int(severity(score)) + 1,
            severity_name(score),
            f"{shown.at(time)}: {score_text(score)} {severity_name(score)}",
        )
        for column, (score, time) in sorted(worst.items())
    )
    highest = max(worst.values(), default=(0.0, axis.start))
    return Lane(visible(name), cells, highest[0], highest[1], total, _in_words(worst.values(), highest, shown))


def _in_words(found: Iterable[tuple[float, int]], highest: tuple[float, int], shown: TimeShown) -> str:
    counts: dict[Severity, int] = defaultdict(int)
    for score, _ in found:
        counts[severity(score)] += 1
    if not counts:
        return "nothing of a score of 1 or more"
    columns = ", ".join(f"{counts[level]} {level}" for level in reversed(Severity) if counts[level])
    return f"highest {score_text(highest[0])} {severity_name(highest[0])} at {shown.at(highest[1])}; columns: {columns}"


@dataclass(frozen=True, slots=True)
class Series:
    """Events over time as an area: ``path`` in an SVG of ``columns`` × 100 units."""

    path: str
    most: int
    """Events of the column with the most."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Adjacent columns in which no bucket was scored; this isn't the same as nothing unusual."""

    column: int
    columns: int
    title: str


def gaps_of(buckets: Sequence[dict[str, Any]], axis: Axis, shown: TimeShown) -> list[Gap]:
    """Return the gaps in order of time; a column with a scored bucket is in no gap."""
    scored = {axis.column(from_ms(each["timestamp"])) for each in buckets}
    edges = [-1, *sorted(each for each in scored if 0 <= each < axis.columns), axis.columns]
    return [
        Gap(begin, end - begin, f"{shown.at(axis.time(begin))} to {shown.at(axis.time(end))}: not scored")
        for begin, end in ((before + 1, after) for before, after in pairwise(edges))
        if end > begin
    ]


def event_series(buckets: Sequence[dict[str, Any]], axis: Axis) -> Series:
    """Return the events of each column as an area."""
    counts = [0] * axis.columns
    for each in buckets:
        column = axis.column(from_ms(each["timestamp"]))
        if 0 <= column < axis.columns:
            counts[column] += int(each["event_count"])
    most = max(counts)
    heights = [100.0 - (100.0 * count / most if most else 0.0) for count in counts]
    steps = " ".join(f"V{height:.1f}H{column + 1}" for column, height in enumerate(heights))
    return Series(f"M0 100{steps}V100Z", most)
