"""How often a job is called blind without a cause, and how soon with one: simulated companies, and real events.

    python benchmarks/blindness.py [--seeds 20] [--people 300] [--days 60] [--office] [--events PATH ...]

Each company has four weeks of known days, then days that are evaluated, with two public holidays among them. False
calls are counted over the evaluated days. Then each case begins at every hour of a working day, and the buckets until
the job is called blind are counted. Only counts are needed, so nothing is scored. `--events` names files of real events
(comma-separated values with a column `timestamp`), on which calls are counted. The last line is JSON.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ipi_es.datafeed.bucket_counts import BucketCounts
from ipi_es.demo.company import Simulation, simulate
from ipi_es.demo.signin_columns import CLOUD, INTERNET, SERVICE
from ipi_es.service.blindness.blind_change import BlindChange
from ipi_es.service.blindness.blindness import Blindness
from ipi_es.times import iso

HOUR, DAY = 3_600, 86_400
MONDAY = 1_780_272_000
"""2026-06-01, the start of a Monday: the end of the simulated days."""

KNOWN_DAYS = 28
"""Known days before the evaluated ones."""

HOLIDAY_LEVEL = 0.07
"""People's sign-ins on a public holiday, as a share of a working day's; as on a Sunday (`ipi_es.demo.days`)."""

HOLIDAYS = (20, 7)
"""Days before the end: a Tuesday and a Monday. A holiday begins at the hour of the day with the fewest sign-ins."""

JUDGED_DAY = 19
"""Days before the end: the Wednesday on which the cases begin."""

WORKING_HOURS = range(8, 16)
"""UTC hours of the day in which most of a company works."""

AFTER = 3
"""Default of `blind_after`, buckets."""

Counts = list[BucketCounts]


@dataclass(frozen=True)
class Case:
    """A change of the events from some bucket on."""

    name: str
    change: Callable[[BucketCounts, np.random.Generator], BucketCounts]


def _renamed(one: BucketCounts, _: np.random.Generator) -> BucketCounts:
    return replace(one, missing_ip=one.events, outcomes={})


def _respelled(one: BucketCounts, _: np.random.Generator) -> BucketCounts:
    return replace(one, outcomes={name: 0 for name in one.outcomes if name != "success"})


def _few(one: BucketCounts, rng: np.random.Generator) -> BucketCounts:
    outcomes = {name: int(rng.binomial(count, 0.1)) for name, count in one.outcomes.items()}
    return BucketCounts(sum(outcomes.values()), outcomes=outcomes)


def _none(_: BucketCounts, __: np.random.Generator) -> BucketCounts:
    return BucketCounts(0)


CASES = (
    Case("IP field renamed", _renamed),
    Case("outcome is `Success` now", _respelled),
    Case("90 % of the events gone", _few),
    Case("no events", _none),
)


def counted(sim: Simulation, span: int, holidays: Sequence[int], *, office: bool) -> Counts:
    """Return a company's counts by bucket; on holidays people sign in as on a Sunday, services and guesses as usual."""
    time, rng = sim.timestamp, np.random.default_rng([sim.seed, 7])
    people = ~np.isin(sim.kind_code, (SERVICE, CLOUD, INTERNET))
    quietest = int(np.argmin(np.bincount(time[people] % DAY // HOUR, minlength=24))) * HOUR
    day = (sim.end - time + quietest - 1) // DAY + 1  # days before the end
    kept = ~(np.isin(day, holidays) & people & (rng.random(len(time)) >= HOLIDAY_LEVEL))
    if office:
        kept &= people
    slot = ((time - sim.start) // span)[kept]
    buckets = (sim.end - sim.start) // span
    both = [np.bincount(slot[sim.success[kept] == ok], minlength=buckets).tolist() for ok in (True, False)]
    return [
        BucketCounts(good + bad, outcomes={"success": good, "failure": bad}) for good, bad in zip(*both, strict=True)
    ]


def changes(counts: Iterable[tuple[int, BucketCounts]], span: int, outcomes: Sequence[str]) -> Iterator[BlindChange]:
    """Yield each change to blind or half blind of a job with these buckets, (end, counts); each start once."""
    blindness, called = Blindness(span, AFTER, ("success",), outcomes), set[int]()
    for end, one in counts:
        change = blindness.note(end, one)
        if change is not None and change.goes_on and change.start not in called:
            called.add(change.start)
            yield change


def timed(counts: Counts, start: int, span: int) -> list[tuple[int, BucketCounts]]:
    """Return each bucket's (end in epoch seconds, counts); ``start`` and ``span`` in seconds."""
    return [(start + (i + 1) * span, one) for i, one in enumerate(counts)]


def called_after(known: Blindness, counts: list[tuple[int, BucketCounts]], case: Case) -> int | None:
    """Return the number of buckets until the case, which begins with the first, is called; None: it isn't called."""
    rng, blindness = np.random.default_rng(counts[0][0]), deepcopy(known)
    for place, (end, one) in enumerate(counts):
        change = blindness.note(end, case.change(one, rng))
        if change is not None and change.goes_on:
            return place + 1
    return None


def company(seed: int, span: int, *, people: int, days: int, office: bool) -> list[tuple[int, BucketCounts]]:
    """Return (end, counts) of a company's buckets; its days end on a Monday. ``office``: only people sign in."""
    sim = simulate(seed, end=MONDAY, people=people, days=days)
    return timed(counted(sim, span, HOLIDAYS, office=office), sim.start, span)


def real(path: Path, span: int) -> tuple[Counts, int]:
    """Return (counts by bucket, start in epoch seconds) of a file of real events; all count as successes."""
    body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    times = [int(_seconds(row["timestamp"])) for row in csv.DictReader(body.decode().splitlines())]
    start = min(times) // DAY * DAY
    found = Counter((time - start) // span for time in times)
    counts = [found.get(i, 0) for i in range(max(found) + 1)]
    return [BucketCounts(count, outcomes={"success": count}) for count in counts], start


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=300)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--span", type=int, nargs="*", default=[900, 3_600, 10_800])
    parser.add_argument("--events", type=Path, nargs="*", default=[])
    parser.add_argument(
        "--office", action="store_true", help="companies without services, and without guesses from outside"
    )
    asked = parser.parse_args()
    done: dict[str, object] = {}
    for span in asked.span:
        done[f"{span}s"] = _companies(asked, span)
    for path in asked.events:
        for span in asked.span:
            done[f"{path.name} {span}s"] = _real(path, span)
    print(json.dumps(done))


def _companies(asked: argparse.Namespace, span: int) -> dict[str, object]:
    said: list[BlindChange] = []
    soon: dict[str, list[int | None]] = {}
    for seed in range(asked.first, asked.first + asked.seeds):
        counts = company(seed, span, people=asked.people, days=asked.days, office=asked.office)
        said += changes(counts, span, ("failure",))
        for name, found in _cases(counts, span):
            soon.setdefault(name, []).append(found)
    months = asked.seeds * (asked.days - KNOWN_DAYS) / 30
    print(f"span {span} s: {len(said)} false calls in {months:.1f} months of {asked.seeds} companies")
    for one in said:
        print(f"    {iso(one.start)} to {iso(one.end)}: {one.reason}, {one.seen} of {one.usual}")
    summary = {}
    for name, times in soon.items():
        within, ever = (sum(each is not None and each <= most for each in times) for most in (AFTER, DAY // span))
        summary[name] = (within, ever, len(times))
        print(f"  {name:40} within {AFTER} buckets {within}/{len(times)}, within a day {ever}/{len(times)}")
    return {"false": len(said), "months": months, "found": summary}


def _cases(counts: list[tuple[int, BucketCounts]], span: int) -> Iterator[tuple[str, int | None]]:
    """Yield (name, buckets until called or None) of each case at each hour of the working day after a holiday."""
    blindness, middle = Blindness(span, AFTER, ("success",), ("failure",)), len(counts) - JUDGED_DAY * DAY // span
    for place, (end, one) in enumerate(counts[: middle + DAY // span]):
        hour = (end - span) % DAY / HOUR
        if place >= middle and hour.is_integer():
            part = "at work" if hour in WORKING_HOURS else "else"
            for case in CASES:
                yield f"{case.name}, {part}", called_after(blindness, counts[place : place + DAY // span], case)
        blindness.note(end, one)


def _real(path: Path, span: int) -> dict[str, object]:
    counts, start = real(path, span)
    said = list(changes(timed(counts, start, span), span, ()))
    months = Counter(iso(one.end)[:7] for one in said)
    length = len(counts) * span / DAY / 30
    most = max(months.values(), default=0)
    print(f"{path.name}, span {span} s: {len(said)} calls in {length:.1f} months, at most {most} in one")
    for one in said:
        print(f"    {iso(one.start)} to {iso(one.end)}: {one.reason}, {one.seen} of {one.usual}")
    return {"calls": len(said), "months": length}


if __name__ == "__main__":
    main()
