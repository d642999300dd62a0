"""An entity's networks, or an address's entities, by day: of all sign-ins that the job reads, the usual ones too."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from ipi_es.cluster.port import Json
from ipi_es.config.job_config import Job
from ipi_es.datafeed.bucket_context import networks_of
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.named_events import NamedEvents, ip_types, read_named
from ipi_es.datafeed.searches.name_queries import address_query, entity_query, finds_each_spelling
from ipi_es.errors import IpiEsError, PermissionDenied
from ipi_es.ipinsights.prefixes import site_text
from ipi_es.lists import some
from ipi_es.networks.network_values import country_text
from ipi_es.pages.lanes import LANE_HEIGHT, Axis, Gap, Tick, ticks_of
from ipi_es.pages.text import counted
from ipi_es.results.documents.visible import visible
from ipi_es.serve.explorer.lane_rows import LaneCell, aligned
from ipi_es.serve.explorer.links import span, with_parameters
from ipi_es.serve.explorer.visit import SHOWN, TimeRange, Visit
from ipi_es.times import SECONDS

DAY = SECONDS["d"]

LENGTH, LEAST = 90 * DAY, 30 * DAY
"""Seconds up to the end of the page's time that are read at least, and that are shown where nothing is before them."""

AFTER = 30 * DAY
"""Seconds after the page's time that are shown, as far as there are results."""

PICTURED, OFTEN = 12, 8
"""Rows as pictures: so many, of which the most used ones are at least so many; the others are of the page's time."""

LISTED = 200
"""Rows of the table."""

STEPS = (1, 2, 10, 100)
"""The lowest number of sign-ins of a cell of each height."""

KEY = tuple(f"{low}" if low + 1 == high else f"{low}–{high - 1}" for low, high in pairwise(STEPS))
HEIGHTS = tuple(zip((*KEY, f"{STEPS[-1]} or more"), range(1, LANE_HEIGHT + 1), strict=True))
"""(numbers of sign-ins as text, height of their cell)."""

NAMED = 5
"""Addresses that the text of a cell names."""


class SignIn(NamedTuple):
    """Equal sign-ins of a column of time: ``name`` is a network or an entity, ``at`` the column's start, epoch s."""

    at: int
    name: str
    ip: str
    operator: int
    country: int
    succeeded: bool
    events: int


@dataclass(frozen=True, slots=True)
class SignInRow:
    """A network of an entity, or an entity of an address, over time."""

    name: str
    href: str | None
    place: str
    """Operator and country as text."""
    organization: str
    """The operator's name; empty where it isn't known."""
    cells: Sequence[LaneCell]
    sign_ins: int
    failed: int
    days: int
    """Columns with sign-ins."""
    first: str
    """The day of the first sign-in of the time that is shown."""
    last: str
    summary: str


@dataclass(frozen=True, slots=True)
class SignIns:
    """Sign-ins by day, or by longer columns; ``trouble`` says why they aren't known."""

    axis: Axis
    unit: str
    """A column as text: “day”, “week”, “4 weeks”."""
    ticks: Sequence[Tick] = ()
    gaps: Sequence[Gap] = ()
    pictured: Sequence[SignInRow] = ()
    listed: Sequence[SignInRow] = ()
    chosen: tuple[int, int] | None = None
    """First column and number of columns of the page's time; None: all."""
    total: int = 0
    """Rows, those that aren't listed too."""
    note: str | None = None
    """Which sign-ins may be missing."""
    trouble: str | None = None
    hint: str | None = None

    @property
    def placed(self) -> bool:
        """Whether the operator or country of any row is known."""
        return any(row.place for row in self.listed)

    @property
    def columns(self) -> list[str]:
        """The starts of the columns and the end, for a script that turns a drag into a range of time."""
        return [SHOWN.iso(self.axis.time(column)) for column in range(self.axis.columns + 1)]


@dataclass(frozen=True, slots=True)
class _Grouping:
    """Whose sign-ins are shown, and by what they are grouped."""

    own: str | None
    """The address of its page."""
    query: Callable[[Job], Json]
    wanted: Callable[[str, str], bool]
    """Whether an (entity, address) belongs to it."""
    name: Callable[[str, bytes], str]
    """The group of an (entity, address)."""
    link: Callable[..., str | None]
    """The address of a group's page."""
    with_place: bool = False
    """Whether a group has an operator and a country of its own."""


def of_entity(visit: Visit, entity: str, time: TimeRange, newest: int | None) -> SignIns:
    """Return the networks that an entity, as results spell it, signed in from.

    ``newest`` is the end of the newest result, epoch seconds, as far as which :data:`AFTER` reaches.
    """
    grouping = _Grouping(
        visit.links.entity(visit.job.job_id, entity),
        lambda job: entity_query(job, entity),
        lambda who, _: who == entity,
        lambda _, ip: site_text(ip),
        visit.links.network,
        with_place=True,
    )
    return _sign_ins(visit, time, newest, grouping)


def of_address(visit: Visit, ip: str, time: TimeRange, newest: int | None) -> SignIns:
    """Return the entities that signed in from a canonical address; ``newest`` as in :func:`of_entity`."""
    grouping = _Grouping(
        visit.links.address(visit.job.job_id, ip),
        lambda job: address_query(job, ip, ip_types(visit.cluster, job)),
        lambda _, where: where == ip,
        lambda who, _: who,
        visit.links.entity,
    )
    found = _sign_ins(visit, time, newest, grouping)
    if found.trouble is not None or finds_each_spelling(types := ip_types(visit.cluster, visit.job)):
        return found
    note = (
        f"{visit.job.ip_field} has several types ({', '.join(sorted(types))}): of its texts, only {ip} itself is found."
    )
    return replace(found, note=note)


def _sign_ins(visit: Visit, time: TimeRange, newest: int | None, grouping: _Grouping) -> SignIns:
    end = max(time.end, min(newest or 0, time.end + AFTER))
    axis = aligned(min(time.start, max(end - LENGTH, 0)), end, DAY)
    unit = _unit(axis.step)
    try:
        found = _read(visit, axis, grouping.query)
    except IpiEsError as error:
        return SignIns(axis, unit, trouble=error.message, hint=error.hint)
    by_name = defaultdict[str, list[SignIn]](list)
    for each in (row for bucket in found.columns for row in _rows(bucket, visit.job, grouping)):
        by_name[each.name].append(each)
    if found.start == axis.start:
        axis = _trimmed(axis, min((each.at for rows in by_name.values() for each in rows), default=axis.start))
    made = [_row(visit, axis, unit, each, grouping) for each in by_name.values()]
    made.sort(key=lambda row: (-row.days, -row.sign_ins, row.name))
    return SignIns(
        axis,
        unit,
        ticks_of(axis, SHOWN),
        _unread(axis, found.start),
        _pictured(made, axis, time),
        made[:LISTED],
        _chosen(axis, time),
        len(made),
    )


def _trimmed(axis: Axis, first: int) -> Axis:
    """Return the axis without the empty columns before the first sign-in, as far as these are beyond ``LEAST``."""
    empty = max(axis.column(min(first, axis.end - LEAST)), 0)
    return Axis(axis.time(empty), axis.step, axis.columns - empty)


def _rows(bucket: EventBucket, job: Job, grouping: _Grouping) -> Iterator[SignIn]:
    succeeded = bucket.with_outcome(job.datafeed_config.learn_outcomes).tolist()
    context = bucket.context if grouping.with_place else None
    for row, (who, where) in enumerate(zip(bucket.entity.tolist(), bucket.ip.tolist(), strict=True)):
        entity, ip = bucket.entities[who], bucket.ips[where]
        if grouping.wanted(entity, ip):
            name = grouping.name(entity, bucket.addresses[where].tobytes())
            operator, country = (
                (0, 0) if context is None else (int(context.operator[where]), int(context.country[where]))
            )
            yield SignIn(bucket.start, name, ip, operator, country, succeeded[row], int(bucket.count[row]))


def _read(visit: Visit, axis: Axis, query: Callable[[Job], Json]) -> NamedEvents:
    """Read the events. Raises PermissionDenied where the caller may not; Elasticsearch would leave them out."""
    indices = visit.job.datafeed_config.indices
    ours = [each for each in indices if not each.startswith("-") and ":" not in each]
    try:
        if not visit.cluster.lacking((), dict.fromkeys(ours, ("read",))):
            job = visit.folded_job()
            return read_named(visit.cluster, job, query(job), axis.start, axis.end, axis.step)
    except PermissionDenied:
        pass
    raise PermissionDenied(
        f"you may not read the job's events in {some(indices)}", hint="The right to read them is enough.", status=403
    )


def _unit(step: int) -> str:
    for length, noun in ((SECONDS["w"], "week"), (DAY, "day")):
        if step % length == 0:
            return noun if step == length else f"{step // length} {noun}s"
    raise AssertionError("columns are whole days")


def _unread(axis: Axis, start: int) -> list[Gap]:
    """Return the gap of what wasn't read before ``start``."""
    columns = axis.column(start)
    return [Gap(0, columns, f"before {SHOWN.at(start)}: too many sign-ins to read")] if columns > 0 else []


def _columns(axis: Axis, time: TimeRange) -> range:
    """Return the columns of the page's time."""
    return range(max(axis.column(time.start), 0), axis.column(time.end - 1) + 1)


def _chosen(axis: Axis, time: TimeRange) -> tuple[int, int] | None:
    columns = _columns(axis, time)
    return (columns.start, len(columns)) if len(columns) < axis.columns else None


def _pictured(rows: Sequence[SignInRow], axis: Axis, time: TimeRange) -> list[SignInRow]:
    """Return the most used rows and, of the others, those of the page's time before those of earlier times."""
    columns = _columns(axis, time)
    others = sorted(rows[OFTEN:], key=lambda row: not any(each.column in columns for each in row.cells))
    chosen = {row.name for row in (*rows[:OFTEN], *others[: PICTURED - OFTEN])}
    return [row for row in rows if row.name in chosen]


@dataclass(slots=True)
class _Column:
    succeeded: int = 0
    failed: int = 0
    addresses: Counter[str] = field(default_factory=Counter)


def _row(visit: Visit, axis: Axis, unit: str, found: Sequence[SignIn], grouping: _Grouping) -> SignInRow:
    columns = defaultdict[int, _Column](_Column)
    for each in found:
        column = columns[axis.column(each.at)]
        column.succeeded += each.events if each.succeeded else 0
        column.failed += 0 if each.succeeded else each.events
        column.addresses[each.ip] += each.events
    total, failed = sum(each.events for each in found), sum(each.failed for each in columns.values())
    name, in_order = found[0].name, sorted(columns.items())
    operator = next((each.operator for each in reversed(found) if each.operator), 0)
    country = next((each.country for each in reversed(found) if each.country), 0)
    networks = networks_of(visit.job)
    first, last = (SHOWN.iso(axis.time(in_order[place][0]))[:10] for place in (0, -1))
    used = f"{counted(total, 'sign-in')} on {counted(len(columns), unit)}" if unit == "day" else f"{total:,} sign-ins"
    summary = f"{used}, the first {first}, the last {last}" + (f", {failed:,} failed" if failed else "")
    return SignInRow(
        visible(name),
        grouping.link(visit.job.job_id, name, **span(axis.start, axis.end)),
        " ".join(each for each in (f"AS{operator}" if operator else None, country_text(country)) if each),
        visible((networks and networks.organization(operator)) or ""),
        [_cell(axis, unit, column, each, grouping.own) for column, each in in_order],
        total,
        failed,
        len(columns),
        first,
        last,
        summary,
    )


def _cell(axis: Axis, unit: str, column: int, found: _Column, own: str | None) -> LaneCell:
    number, start = found.succeeded + found.failed, axis.time(column)
    height = sum(number >= least for least in STEPS)
    failed = "" if not found.failed else ", all failed" if not found.succeeded else f", {found.failed:,} failed"
    addresses = some([ip for ip, _ in found.addresses.most_common()], NAMED)
    when = SHOWN.day(start) if unit == "day" else f"{unit} from {SHOWN.iso(start)[:10]}"
    title = f"{when}: {counted(number, 'sign-in')}{failed}; {addresses}"
    href = f"{own}?{with_parameters(span(start, axis.time(column + 1)))}" if own is not None else "#used"
    return LaneCell(column, height, "used" if found.succeeded else "failed", title, href)
