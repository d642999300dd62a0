"""`ipi-es results`: print a job's results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

import click

from ipi_es.addresses import canonical
from ipi_es.cli.results_columns import COLUMNS, KINDS
from ipi_es.cli.shared.csv_output import RESULT_FIELDS, result_rows
from ipi_es.cli.shared.influencer_lines import NAMED, joined, who
from ipi_es.cli.shared.output import STYLE, emit, format_option, tenths
from ipi_es.cli.shared.shell import clock, folded_job, shell
from ipi_es.cli.shared.zones import time_zone_option
from ipi_es.config.given_verdict import CLOSING, COMPROMISED
from ipi_es.errors import UsageError
from ipi_es.lists import some
from ipi_es.pages.text import TimeShown, counted
from ipi_es.results.documents.explanation import sentence
from ipi_es.results.documents.visible import visible
from ipi_es.results.reading.queries import ResultFilter, check_kind
from ipi_es.results.words import NO_ALARM, SCHEDULED_EVENTS, SCORE_FIELDS, VERDICT, is_settled
from ipi_es.scoring.probability import Severity, severity
from ipi_es.times import format_span, from_ms, iso, parse_span, parse_time
from ipi_es.worker.typed_names import named_address, named_entity, require_key

if TYPE_CHECKING:
    from ipi_es.cli.shared.shell import Shell
    from ipi_es.cluster.port import Cluster
    from ipi_es.config.job_config import Job
    from ipi_es.results.reading.listing import Quiet
    from ipi_es.results.reading.network_filter import NetworkFilter

REASONS = 3
"""Reasons that an incident's line has, in order of time; JSON has all."""

REMARKS = {"is_interim": "interim", "repeat_of": "repeat", "suppressed_by": "allowed", SCHEDULED_EVENTS: "scheduled"}
"""Field of a result that raises no alert → the word for it."""

PLAIN = ("sort", "desc", "min_score", "entity", "ip", "network", "size", "exclude_interim", "bucket_span", "top_n")
"""Options that are taken as they are."""

NAMES = {"overall": "overall buckets"}
"""Kind → its name in text, where this differs."""

SCORES = {"overall": "overall_score", "incidents": "incident_score"} | {
    f"{kind}s": field for kind, field in SCORE_FIELDS.items()
}
"""Kind → the score field that decides a result's severity."""


def _number(_ctx: click.Context, _option: click.Parameter, value: float | None) -> float | None:
    """Reject “nan”, which click's range accepts."""
    if value is not None and isnan(value):
        raise click.BadParameter("nan is not a number from 0 to 100.")
    return value


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("job_name", metavar="JOB")
@click.option("--start", help="Begin, inclusive; default: everything.")
@click.option("--end", help="End, exclusive.")
@click.option("--sort", help="Field to sort by; default: the score.")
@click.option("--desc/--asc", default=True, show_default=True, help="Direction of the sort.")
@click.option(
    "--min-score", type=click.FloatRange(0, 100), callback=_number, help="Only results of at least this score."
)
@click.option("--entity", help="Only results of this entity.")
@click.option("--ip", help="Only results of this address.")
@click.option(
    "--network",
    metavar="NETWORK",
    help="Only results of a network, such as 198.51.100.0/24, or of an operator: AS64500, or a part of its name.",
)
@click.option("--all", "everything", is_flag=True, help="With repeats, what was expected, and what verdicts closed.")
@click.option(
    "--new",
    is_flag=True,
    help="Without them: what may alert. Tables of records and influencers are so by themselves; buckets, JSON and CSV "
    "have everything by default.",
)
@click.option("--exclude-interim", is_flag=True, help="Without interim results.")
@click.option("--bucket-span", metavar="SPAN", help="Span of overall buckets, such as 1d; default: the jobs' longest.")
@click.option(
    "--top-n", type=click.IntRange(1), default=1, show_default=True, help="Jobs that an overall score is the mean of."
)
@click.option("--size", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@time_zone_option
@format_option
@click.pass_context
def results(
    ctx: click.Context, /, kind: str, job_name: str, shown: TimeShown, output_format: str, **chosen: Any
) -> None:
    """Print a job's incidents, records, influencers or buckets, the worst first; or overall buckets of several jobs.

    An incident joins the records and influencers of the same accounts and networks within `incident_gap` (a day).

    Tables of records and influencers show what is new, and say how many repeats they leave out; --all shows those too.
    In a table of influencers an entity and its addresses of one event share a line. For overall, JOB may be several
    job_ids with commas between them; a bucket in a scheduled event, or that a verdict closed, counts as 0 there.
    Spans that --start or --end cuts are left out.

    Example: ipi-es results records jobs/logins.yml --start now-1d --min-score 50
    """
    asked = ResultsRequest.of(chosen, kind, table=output_format == "table", now=clock())
    here = shell(ctx)
    with here.cluster() as cluster:
        if kind == "overall":
            found = _overall(here, cluster, [here.job(name) for name in job_name.split(",")], asked)
        elif kind == "incidents":
            found = _incidents(here, cluster, _named(here, cluster, job_name, asked), asked, shown)
        else:
            found = _of_job(here, cluster, _named(here, cluster, job_name, asked), kind, asked, shown)
    for note in found.notes:
        click.secho(f"note: {note}", fg="yellow", err=True)
    if output_format == "csv":
        emit(result_rows(found.rows, kind), (), output_format, empty="", fields=RESULT_FIELDS[kind])
    elif output_format != "table":
        emit(found.rows, (), output_format, empty="")
    else:
        lines = [for_people(row, kind, shown) for row in found.lines]
        emit(lines, COLUMNS[kind], output_format, empty=found.empty)
        if lines:
            click.echo(_summary(found, kind, asked), err=True)


@dataclass(frozen=True, slots=True)
class ResultsRequest:
    """The parsed options. Times in epoch seconds; ``now`` is the present time."""

    start: int | None
    end: int | None
    now: int
    sort: str | None
    desc: bool
    min_score: float | None
    entity: str | None
    ip: str | None
    network: NetworkFilter | None
    new: bool
    """Leave out repeats, what the allow list allows, and what is in a scheduled event."""
    size: int
    table: bool
    everything: bool = False
    """With repeats and what is expected or closed."""
    exclude_interim: bool = False
    bucket_span: str | None = None
    """The span of overall buckets."""
    top_n: int = 1
    """Jobs whose scores an overall bucket averages."""

    @classmethod
    def of(cls, chosen: dict[str, Any], kind: str, *, table: bool, now: int) -> ResultsRequest:
        """Parse the options. Raises UsageError if they contradict each other or don't apply to the kind."""
        new, everything, entity, ip = (chosen[name] for name in ("new", "everything", "entity", "ip"))
        if kind == "overall" and ((entity, ip, chosen["sort"]) != (None, None, None) or new or everything):
            raise UsageError(
                "overall buckets have no entity and no IP address, know no repeats, and are sorted by their score",
                hint="leave out --entity, --ip, --all, --new and --sort, or ask for records",
            )
        if kind != "overall" and (chosen["bucket_span"] is not None or chosen["top_n"] != 1):
            raise UsageError(
                "--bucket-span and --top-n are for overall buckets", hint="leave them out, or ask for overall"
            )
        if kind == "incidents" and chosen["exclude_interim"]:
            raise UsageError("incidents have no interim results", hint="leave out --exclude-interim")
        if kind == "incidents" and (chosen["sort"] is not None or not chosen["desc"] or new):
            raise UsageError(
                "incidents are sorted by their score, the worst first", hint="leave out --sort, --asc and --new"
            )
        if new and everything:
            raise UsageError("--new and --all contradict each other", hint="leave one of them out")
        if kind == "influencers" and entity is not None and ip is not None:
            raise UsageError(
                "an influencer is an entity or an address, and never both",
                hint="give --entity or --ip, or ask for records",
            )
        network = None if chosen["network"] is None else _network(chosen["network"], kind, entity)
        start, end = (None if text is None else parse_time(text, now=now) for text in (chosen["start"], chosen["end"]))
        if start is not None and end is not None and end <= start:
            raise UsageError(
                f"--end {chosen['end']} is not after --start {chosen['start']}",
                hint="times are [start, end), such as now-7d and now",
            )
        new = new or (table and kind in ("records", "influencers") and not everything)
        plain = {name: chosen[name] for name in PLAIN} | {"network": network}
        return cls(start=start, end=end, now=now, new=new, table=table, everything=everything, **plain)

    def filter(self, job: Job) -> ResultFilter:
        """Return what is asked for, spelled as in the job's results. Raises UsageError for an invalid address."""
        return ResultFilter(
            self.start,
            self.end,
            min_score=self.min_score,
            entity=None if self.entity is None else named_entity(job, self.entity),
            ip=None if self.ip is None else canonical(named_address(self.ip, job)),
            network=None if self.network is None else self.network.query(job),
            interim=not self.exclude_interim,
            new=self.new,
        )


def _network(text: str, kind: str, entity: str | None) -> NetworkFilter:
    """Return the network or operator that is asked for. Raises UsageError where results of a kind don't have it."""
    from ipi_es.results.reading.network_filter import NetworkFilter

    if kind in ("buckets", "overall"):
        raise UsageError("buckets are of all networks", hint="leave out --network, or ask for records")
    network = NetworkFilter.of(text)
    if kind == "influencers" and (network.network is None or entity is not None):
        raise UsageError(
            "influencers have no operator, and those of entities have no network",
            hint="name a network and no --entity, or ask for records",
        )
    return network


@dataclass(frozen=True, slots=True)
class FoundResults:
    """The results: ``rows`` for programs, ``lines`` for a table."""

    rows: list[dict[str, Any]]
    lines: list[dict[str, Any]]
    empty: str
    left_out: Quiet | None = None
    notes: tuple[str, ...] = ()


def _named(here: Shell, cluster: Cluster, job_name: str, asked: ResultsRequest) -> Job:
    """Return the job, as it spells the entity that is asked for."""
    job = here.job(job_name)
    if asked.entity is None:
        return job
    require_key(cluster, job, asked.entity)
    return folded_job(cluster, job)


def _overall(here: Shell, cluster: Cluster, jobs: Sequence[Job], asked: ResultsRequest) -> FoundResults:
    from ipi_es.results.reading.overall import OverallFilter, overall
    from ipi_es.worker.results_there import newest_result

    seen = [newest_result(cluster, job, here.settings.snapshots.directory) for job in jobs]
    where = OverallFilter(
        asked.start,
        asked.end,
        bucket_span=None if asked.bucket_span is None else parse_span(asked.bucket_span),
        top_n=asked.top_n,
        min_score=asked.min_score or 0.0,
        interim=not asked.exclude_interim,
    )
    rows = overall(cluster, {job.job_id: job.bucket_span for job in jobs}, where)
    rows = sorted(rows, key=lambda row: -row["overall_score"] if asked.desc else row["overall_score"])[: asked.size]
    newest = max((end for end, _ in seen if end is not None), default=None)
    empty = "nothing was scored yet" if newest is None else f"the results go up to {iso(newest)}"
    span = format_span(where.span_of(max(job.bucket_span for job in jobs)))
    return FoundResults(
        rows, rows, f"No overall buckets of {span}; {empty}.", None, tuple(note for _, note in seen if note)
    )


def _incidents(here: Shell, cluster: Cluster, job: Job, asked: ResultsRequest, shown: TimeShown) -> FoundResults:
    from ipi_es.results.reading.incident_grouping import network_of_address
    from ipi_es.results.reading.incident_list import IncidentFilter, partly_listed
    from ipi_es.results.reading.incidents_there import incident_rows, stored_incidents
    from ipi_es.worker.results_there import incidents_note, newest_result

    where, closed = asked.filter(job), asked.everything or not asked.table
    network = None if where.ip is None else network_of_address(where.ip)
    found = [each.source for each in stored_incidents(cluster, job.job_id, asked.start, asked.end)]
    all_rows = incident_rows(found, min_score=asked.min_score, entity=where.entity, network=network)
    if asked.network is not None:
        all_rows = asked.network.of_incidents(cluster, job, asked.start, asked.end).select(all_rows)
    rows = [each for each in all_rows if closed or each["state"] not in CLOSING]
    newest, note = newest_result(cluster, job, here.settings.snapshots.directory)
    searched = IncidentFilter(asked.start, asked.end, entity=where.entity, address=where.ip, network=where.network)
    partly = partly_listed(cluster, job.job_id, searched)
    notes = tuple(each for each in (note, incidents_note(cluster, job), partly) if each is not None)
    left_out = len(all_rows) - len(rows)
    if left_out:
        notes = (*notes, f"left out: {counted(left_out, 'incident')} that verdicts closed; --all shows them")
    scored = "nothing was scored" if newest is None else f"job {job.job_id} is scored up to {shown.copyable(newest)}"
    return FoundResults(rows[: asked.size], rows[: asked.size], f"No incidents; {scored}.", None, notes)


def _of_job(
    here: Shell, cluster: Cluster, job: Job, kind: str, asked: ResultsRequest, shown: TimeShown
) -> FoundResults:
    from ipi_es.results.reading.listing import count_quiet, pairs_of
    from ipi_es.results.reading.result_reader import ResultReader
    from ipi_es.worker.results_there import newest_result

    singular = check_kind(kind)
    where = asked.filter(job)
    store = ResultReader(cluster, job.job_id)
    found = store.read(singular, where, sort=asked.sort, desc=asked.desc, size=asked.size)
    rows = lines = [{"id": each.id, **each.source} for each in found]
    newest, note = newest_result(cluster, job, here.settings.snapshots.directory)
    notes = () if note is None else (note,)
    if newest is None or not asked.table:
        return FoundResults(rows, lines, f"No {kind}: nothing of job {job.job_id} was scored yet.", None, notes)
    left_out = count_quiet(cluster, job.job_id, singular, where) if where.new else None
    if kind == "influencers" and rows:
        places = [row["timestamp"] for row in rows], [row["influencer_field_value"] for row in rows]
        lines = joined(rows, pairs_of(cluster, job.job_id, *places), job.entity_field)
    empty = "" if rows else _nothing(job, kind, asked, newest, shown, left_out) + _guess(cluster, job, asked)
    return FoundResults(rows, lines, empty, left_out, notes)


def for_people(row: dict[str, Any], kind: str, shown: TimeShown) -> dict[str, Any]:
    """Return a result with the extra cells of a table; a result that raises no alert is dim."""
    if kind == "incidents":
        return _incident(row, shown)
    out = {**row, "time": shown.copyable(from_ms(row["timestamp"]))}
    out |= {name: tenths(float(value)) for name, value in row.items() if name.startswith("initial_")}
    remarks = [word for field, word in REMARKS.items() if row.get(field)]
    remarks += [row[VERDICT]] if row.get(VERDICT) in CLOSING else []
    if remarks:
        out[STYLE] = "dim"
    out["remarks"] = ", ".join([*remarks, *([COMPROMISED] if row.get(VERDICT) == COMPROMISED else [])])
    if kind == "records":
        # the sentence already mentions repeats and the allow list
        out["why"] = ("Interim. " if row.get("is_interim") else "") + sentence(row)
    if kind == "influencers":
        out["who"] = who(row)
    if kind == "buckets":
        names = (", ".join(row[field]) for field in ("top_entities", "top_ips") if row.get(field))
        out["why"] = row.get("reason") or "; ".join(names)  # earlier versions wrote no reason
    if kind == "overall":
        out["jobs"] = [_job_score(each) for each in row["jobs"]]
    return out


def _job_score(job: dict[str, Any]) -> str:
    scheduled = f" (scheduled: {', '.join(job[SCHEDULED_EVENTS])})" if SCHEDULED_EVENTS in job else ""
    return f"{job['job_id']} {job['max_anomaly_score']:.0f}{scheduled}"


def _incident(row: dict[str, Any], shown: TimeShown) -> dict[str, Any]:
    line = {
        **row,
        "time": shown.copyable(from_ms(row["timestamp"])),
        "until": shown.copyable(from_ms(row["end_timestamp"])),
        "who": some(row["entities"], NAMED, total=row["entity_count"]),
        "where": some(row["networks"], NAMED, total=row["network_count"]),
        "found": row["record_count"] + row["influencer_count"],
        "why": " ".join(row["reasons"][:REASONS]),
    }
    return {**line, STYLE: "dim"} if row["state"] in CLOSING else line


def _nothing(job: Job, kind: str, asked: ResultsRequest, newest: int, shown: TimeShown, left_out: Quiet | None) -> str:
    """Say why there are no results: nothing unusual was found, or the time isn't scored yet."""
    scored = f"job {job.job_id} is scored up to {shown.copyable(newest)}"
    if asked.start is not None and asked.start >= newest:
        return f"No {kind}, but {scored} only."
    quiet = _left_out(left_out)
    return f"No new {kind}; {scored}. {quiet}" if quiet else f"No {kind}; {scored}."


def _guess(cluster: Cluster, job: Job, asked: ResultsRequest) -> str:
    """Suggest a known name that is similar to the requested one; empty if there is none."""
    from ipi_es.results.reading.listing import nearest_entity

    if asked.entity is None:
        return ""
    guess = nearest_entity(cluster, job, named_entity(job, asked.entity))
    return "" if guess is None else f" Did you mean “{visible(guess)}”?"


def _left_out(quiet: Quiet | None) -> str:
    """Say how many results are left out: ``Left out: 12 repeats; --all shows them.``."""
    if quiet is None or not any(quiet):
        return ""
    parts = [counted(quiet.repeats, "repeat")] if quiet.repeats else []
    parts += [f"{quiet.allowed:,} that the allow list allows"] if quiet.allowed else []
    parts += [f"{quiet.scheduled:,} in scheduled events"] if quiet.scheduled else []
    parts += [f"{quiet.closed:,} that a verdict closed"] if quiet.closed else []
    return f"Left out: {' and '.join(parts)}; --all shows them."


def _summary(found: FoundResults, kind: str, asked: ResultsRequest) -> str:
    """Summarize: ``50 records: 2 critical, 48 warning.``, what is left out, and whether there may be more."""
    field = SCORES[kind]
    counts = Counter(severity(float(row[field])) for row in found.lines)
    levels = ", ".join(f"{counts[level]} {level}" for level in reversed(Severity) if counts[level])
    number, name = len(found.rows), NAMES.get(kind, kind)
    text = f"{number:,} {name if number != 1 else name.removesuffix('s')}"
    if len(found.lines) < number:
        text += f" in {counted(len(found.lines), 'line')}"
    among = sum(any(row.get(name) for name in NO_ALARM) or is_settled(row) for row in found.rows)
    quiet = f"{among:,} of them raise no alarm; --new leaves those out." if among else _left_out(found.left_out)
    more = "There may be more: ask with a larger --size." if number == asked.size else ""
    named = "--format json shows their ids, for `ipi-es verdict` and `ipi-es rule add`." if kind == "incidents" else ""
    return " ".join(part for part in (f"{text}: {levels}.", quiet, more, named) if part)
