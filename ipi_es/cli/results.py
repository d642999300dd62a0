"""`ipi-es results`: what was found."""

from __future__ import annotations

from collections import Counter
from math import isnan
from typing import TYPE_CHECKING, Any

import click

from ipi_es.addresses import canonical
from ipi_es.cli.context import clock, named_address, named_entity, shell
from ipi_es.cli.output import STYLE, Column, emit, format_option
from ipi_es.cli.zones import time_zone_option
from ipi_es.errors import UsageError
from ipi_es.report.findings import newest_end
from ipi_es.report.text import TimeShown
from ipi_es.results.explanation import sentence
from ipi_es.results.words import SCORE_FIELDS
from ipi_es.scoring.probability import Severity, severity
from ipi_es.times import parse_time

if TYPE_CHECKING:
    from ipi_es.config.job import Job
    from ipi_es.results.store import ResultStore

KINDS = ("records", "influencers", "buckets", "overall")

COLUMNS = {
    "records": [
        Column("time", "Time"),
        Column("record_score", "Score", score=True),
        Column("initial_record_score", "Initially", right=True),
        Column("partition_field_value", "Entity"),
        Column("by_field_value", "IP"),
        Column("probability", "Probability", right=True),
        Column("why", "Why", wrap=True, sentence=True),
    ],
    "influencers": [
        Column("time", "Time"),
        Column("influencer_score", "Score", score=True),
        Column("initial_influencer_score", "Initially", right=True),
        Column("influencer_field_name", "Field"),
        Column("influencer_field_value", "Value"),
        Column("probability", "Probability", right=True),
        Column("remarks", "Remarks"),
    ],
    "buckets": [
        Column("time", "Time"),
        Column("anomaly_score", "Score", score=True),
        Column("initial_anomaly_score", "Initially", right=True),
        Column("event_count", "Events", right=True),
        Column("record_count", "Records", right=True),
        Column("remarks", "Remarks"),
        Column("who", "Who and where", wrap=True, sentence=True),
    ],
    "overall": [
        Column("time", "Time"),
        Column("overall_score", "Score", score=True),
        Column("jobs", "Jobs", wrap=True),
    ],
}

REMARKS = {"is_interim": "interim", "repeat_of": "repeat", "suppressed_by": "allowed"}
"""Field of a result that raises no alert → the word for it."""

NAMED = 4
"""A bucket's entities and addresses that a table names; JSON has all."""

NAMES = {"overall": "overall buckets"}
"""What people call a kind, where it isn't its own name."""

QUIET = ("repeat_of", "suppressed_by")
"""Fields of what raises no alert, which --new leaves out."""

SCORES = {"overall": "overall_score"} | {f"{kind}s": field for kind, field in SCORE_FIELDS.items()}
"""What each kind is coloured and counted by."""


def _number(_ctx: click.Context, _option: click.Parameter, value: float | None) -> float | None:
    """A range takes “nan”, which nothing is at least."""
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
@click.option("--new", is_flag=True, help="Without repeats and what the allow list allows: what may alert.")
@click.option("--size", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@time_zone_option
@format_option
@click.pass_context
def results(
    ctx: click.Context,
    kind: str,
    job_name: str,
    start: str | None,
    end: str | None,
    sort: str | None,
    desc: bool,
    min_score: float | None,
    entity: str | None,
    ip: str | None,
    new: bool,
    size: int,
    shown: TimeShown,
    output_format: str,
) -> None:
    """Print a job's records, influencers or buckets, the worst first; or the overall buckets of one or more jobs.

    For overall, JOB may be several job_ids with commas between them.

    Example: ipi-es results records jobs/logins.yml --start now-1d --min-score 50 --new
    """
    from ipi_es.results.overall import overall
    from ipi_es.results.store import ResultStore
    from ipi_es.results.words import ResultKind

    if kind == "overall" and ((entity, ip, sort) != (None, None, None) or new):
        raise UsageError(
            "overall buckets have no entity and no IP address, know no repeats, and are sorted by their score",
            hint="leave out --entity, --ip, --new and --sort, or ask for records",
        )
    here, now = shell(ctx), clock()
    first = parse_time(start, now=now) if start else None
    stop = parse_time(end, now=now) if end else None
    if first is not None and stop is not None and stop <= first:
        raise UsageError(
            f"--end {end} is not after --start {start}", hint="times are [start, end), such as now-7d and now"
        )
    rows: list[dict[str, Any]]
    empty = f"No {NAMES.get(kind, kind)}."
    with here.cluster() as cluster:
        if kind == "overall":
            jobs = [here.job(name) for name in job_name.split(",")]
            rows = overall(
                cluster,
                [job.job_id for job in jobs],
                first or 0,
                now if stop is None else stop,
                bucket_span=max(job.bucket_span for job in jobs),
                min_score=min_score or 0.0,
            )
            rows = sorted(rows, key=lambda row: -row["overall_score"] if desc else row["overall_score"])[:size]
        else:
            singular: ResultKind = kind.removesuffix("s")  # type: ignore[assignment]
            job = here.job(job_name)
            store = ResultStore(cluster, job.job_id, job.results_index_name)
            values = _values(job, entity, ip)
            found = store.read(
                singular, first, stop, sort=sort, desc=desc, min_score=min_score, values=values, size=size, new=new
            )
            rows = [each.source for each in found]
            if not rows and output_format == "table":
                empty = _nothing(store, job, kind, first, shown)
    told = rows if output_format != "table" else [for_people(row, kind, shown) for row in rows]
    emit(told, COLUMNS[kind], output_format, empty=empty)
    if output_format == "table" and rows:
        click.echo(_summary(rows, kind, size), err=True)


def _values(job: Job, entity: str | None, ip: str | None) -> list[str]:
    """What is asked for, spelled as results spell it. UsageError for an address that is none."""
    found = [] if entity is None else [named_entity(job, entity)]
    return found if ip is None else [*found, canonical(named_address(ip, job))]


def for_people(row: dict[str, Any], kind: str, shown: TimeShown) -> dict[str, Any]:
    """A result with what a table shows besides its fields; what raises no alert is dim."""
    out = {**row, "time": shown.copyable(int(row["timestamp"]) // 1_000)}
    remarks = [word for field, word in REMARKS.items() if row.get(field)]
    out["remarks"] = ", ".join(remarks)
    if remarks:
        out[STYLE] = "dim"
    if kind == "records":
        # the sentence says of repeats and allowed ones itself
        out["why"] = ("Interim. " if row.get("is_interim") else "") + sentence(row)
    if kind == "buckets":
        out["who"] = "; ".join(_some(row[field]) for field in ("top_entities", "top_ips") if row.get(field))
    if kind == "overall":
        out["jobs"] = [f"{each['job_id']} {each['max_anomaly_score']:.0f}" for each in row["jobs"]]
    return out


def _nothing(store: ResultStore, job: Job, kind: str, first: int | None, shown: TimeShown) -> str:
    """Why there may be nothing: a quiet time and one that nobody looked at are not the same."""
    newest = newest_end(store, job.bucket_span)
    if newest is None:
        return f"No {kind}: nothing of job {job.job_id} was scored yet."
    scored = f"job {job.job_id} is scored up to {shown.copyable(newest)}"
    return f"No {kind}, but {scored} only." if first is not None and first >= newest else f"No {kind}; {scored}."


def _some(names: list[str]) -> str:
    """``alice, bob, carol and 7 more``."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _summary(rows: list[dict[str, Any]], kind: str, size: int) -> str:
    """``50 records: 2 critical, 48 warning``, and whether there may be more."""
    field = SCORES[kind]
    counts = Counter(severity(float(row[field])) for row in rows)
    found = ", ".join(f"{counts[level]} {level}" for level in reversed(Severity) if counts[level])
    quiet = sum(any(row.get(name) for name in QUIET) for row in rows)
    more = f" {quiet:,} of them are repeats or allowed: --new leaves them out." if quiet else ""
    more += " There may be more: ask with a larger --size." if len(rows) == size else ""
    name = NAMES.get(kind, kind)
    return f"{len(rows):,} {name if len(rows) != 1 else name.removesuffix('s')}: {found}.{more}"
