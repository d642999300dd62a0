"""The swim-lanes of a page: rows of cells that lead to their time, from scores that were aggregated on the cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ipi_es.pages.lanes import Axis, Gap, Lane, Series, Tick, axis_of, event_series, gaps_of, lane_of, ticks_of
from ipi_es.results.reading.lane_columns import (
    Name,
    bucket_columns,
    leading_names,
    name_columns,
    pair_columns,
    record_columns,
)
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.serve.explorer.links import span, with_parameters
from ipi_es.serve.explorer.visit import SHOWN, TimeRange, Visit
from ipi_es.times import format_span, from_ms

ROWS = 5
"""Entities, and addresses, on one page of the lanes; the others are on further pages."""

PAIRS = 20
"""Addresses of an entity, or entities of an address, that its own page shows as lanes: the worst."""

KEPT = ("start", "end", "search", "network", "severity", "answered", "entities", "addresses")
"""Parameters of a job's page that its links keep; others have no meaning, and may be of any length."""

SHOWN_FROM = 1.0
"""Influencers with lower scores are stored for look-ups and not shown."""


@dataclass(frozen=True, slots=True)
class LaneCell:
    """A column of a lane, and the address of the page that shows its time alone."""

    column: int
    height: int
    severity: str
    title: str
    href: str


@dataclass(frozen=True, slots=True)
class LaneRow:
    """One name over time."""

    lane: Lane
    cells: tuple[LaneCell, ...]
    href: str | None
    """The name's own page."""


@dataclass(frozen=True, slots=True)
class LaneGroup:
    """The rows of one field, and the addresses of the pages before and after."""

    title: str
    rows: Sequence[LaneRow]
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Lanes:
    """A job's lanes."""

    axis: Axis
    width: str
    """The width of a column as text: ``1h``."""
    ticks: Sequence[Tick]
    gaps: Sequence[Gap]
    series: Series
    groups: Sequence[LaneGroup]

    @property
    def columns(self) -> list[str]:
        """The starts of the columns and the end, for a script that turns a drag into a range of time."""
        return [SHOWN.iso(self.axis.time(column)) for column in range(self.axis.columns + 1)]


def aligned(start: int, end: int, bucket_span: int) -> Axis:
    """Return the axis of [start, end), epoch seconds, with columns that begin at multiples of their width."""
    step = axis_of(start, end, bucket_span).step
    begin = start // step * step
    return Axis(begin, step, max(-(-(end - begin) // step), 1))


def job_lanes(visit: Visit, time: TimeRange) -> Lanes:
    """Return the lanes of the job, of its entities and of its addresses."""
    job = visit.job
    axis = aligned(time.start, time.end, job.bucket_span)
    buckets = bucket_columns(visit.cluster, job.job_id, axis.start, axis.end, axis.step)
    points = [(from_ms(each["timestamp"]), float(each["anomaly_score"])) for each in buckets]
    groups = [
        LaneGroup("Whole job", [row_of("All", points, axis, lambda **at: here(visit, **at))]),
        _group(visit, axis, job.entity_field, "entities", visit.links.entity),
        _group(visit, axis, job.ip_field, "addresses", visit.links.address),
    ]
    return _lanes(axis, buckets, groups)


def pair_lanes(
    visit: Visit, time: TimeRange, where: ResultFilter, other: str, link: Callable[..., str | None]
) -> Lanes:
    """Return the lanes of a name's records over time, by the names on the other side of its pairs.

    ``other`` is the field of these, ``link`` makes the address of their pages.
    """
    job, cluster = visit.job, visit.cluster
    axis = aligned(time.start, time.end, job.bucket_span)
    within = replace(where, start=axis.start, end=axis.end)
    found = pair_columns(cluster, job.job_id, within, other, PAIRS, axis.step)

    def own(**at: str) -> str:
        return f"?{with_parameters(at)}"

    def there(name: str) -> Callable[..., str]:
        return lambda **at: link(job.job_id, name, **at) or own(**at)

    rows = [
        row_of(name, columns, axis, there(name), link(job.job_id, name, **span(axis.start, axis.end)))
        for name, columns in found.items()
    ]
    whole = row_of("All", record_columns(cluster, job.job_id, within, axis.step), axis, own)
    field = job.ip_field if other == "by_field_value" else job.entity_field
    title = f"{field}, the {PAIRS} worst" if len(rows) == PAIRS else field
    buckets = bucket_columns(cluster, job.job_id, axis.start, axis.end, axis.step)
    return _lanes(axis, buckets, [LaneGroup("Its records", [whole]), LaneGroup(title, rows)])


def _lanes(axis: Axis, buckets: Sequence[dict[str, Any]], groups: Sequence[LaneGroup]) -> Lanes:
    return Lanes(
        axis,
        format_span(axis.step),
        ticks_of(axis, SHOWN),
        gaps_of(buckets, axis, SHOWN),
        event_series(buckets, axis),
        groups,
    )


def _group(visit: Visit, axis: Axis, field: str, parameter: str, link: Callable[..., str | None]) -> LaneGroup:
    """Return one page of the names of a field; the parameter is the number of the page."""
    number, job_id = visit.page(ROWS, parameter), visit.job.job_id
    where = ResultFilter(axis.start, axis.end, min_score=SHOWN_FROM)
    names = leading_names(visit.cluster, job_id, field, where, number * ROWS + 1)
    chosen = names[(number - 1) * ROWS : number * ROWS]
    columns = name_columns(visit.cluster, job_id, field, [each.value for each in chosen], where, axis.step)
    at = span(axis.start, axis.end)
    rows = [
        row_of(name.value, columns[name.value], axis, _of_name(visit, name), link(job_id, name.value, **at))
        for name in chosen
    ]
    pages = [here(visit, **{parameter: each}) for each in (number - 1 if number > 2 else None, number + 1)]
    return LaneGroup(field, rows, pages[0] if number > 1 else None, pages[1] if len(names) > number * ROWS else None)


def _of_name(visit: Visit, name: Name) -> Callable[..., str]:
    return lambda **at: here(visit, search=name.value, **at)


def row_of(
    name: str,
    points: Iterable[tuple[int, float]],
    axis: Axis,
    address: Callable[..., str],
    href: str | None = None,
) -> LaneRow:
    """Return the row of (time, score) points; ``address`` makes a cell's address of ``start`` and ``end``."""
    lane = lane_of(name, points, axis, SHOWN)
    cells = tuple(
        LaneCell(
            each.column,
            each.height,
            each.severity,
            each.title,
            address(**span(axis.time(each.column), axis.time(each.column + 1))),
        )
        for each in lane.cells
    )
    return LaneRow(lane, cells, href)


def here(visit: Visit, **changes: Any) -> str:
    """Return the address of the job's page with some parameters changed; another page of lanes is kept unless asked."""
    kept = {name: visit.parameters.get(name) for name in KEPT}
    return visit.links.job(visit.job.job_id, **{**kept, **changes})
