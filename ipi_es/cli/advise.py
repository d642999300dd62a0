"""`ipi-es advise`: show how many alarms a day each threshold gives, and propose one."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from ipi_es.cli.shared.output import Column, emit, format_option
from ipi_es.cli.shared.shell import clock, shell
from ipi_es.errors import UsageError
from ipi_es.times import SECONDS, iso, parse_time

if TYPE_CHECKING:
    from ipi_es.alerts.advice.advice import Advice, AdviceRequest
    from ipi_es.alerts.advice.alarm_counts import AlarmCount
    from ipi_es.cluster.port import Cluster
    from ipi_es.config.job_config import Job

OF_VERDICTS = (Column("judged", "With a verdict", right=True), Column("precision", "Precision"))
"""Columns that a table has only where an alarm has a verdict."""

COLUMNS = (
    Column("level", "Level"),
    Column("threshold", "Threshold", right=True),
    Column("mark", ""),
    Column("a_day", "Alarms a day", right=True),
    Column("worst", "Worst day"),
    Column("alarms", "Alarms", right=True),
    *OF_VERDICTS,
)

FIELDS = (
    "job_id", "level", "threshold", "configured", "proposed", "alarms_per_day", "worst_day", "worst_day_alarms",
    "alarms", "alarms_with_verdict", "alarms_compromised", "precision", "precision_low", "precision_high", "merged",
    "start", "end", "counted_days", "missing_buckets",
)  # fmt: skip
"""The columns of CSV."""

DEFAULT_DAYS = 30
"""Default length of the period in days, up to the newest bucket."""


def _finite(_ctx: click.Context, _option: click.Parameter, value: float) -> float:
    """Reject “nan” and “inf”, which click's range accepts."""
    if not isfinite(value):
        raise click.BadParameter(f"{value} is no number of alarms a day.")
    return value


@click.command()
@click.argument("job_name", metavar="JOB")
@click.option(
    "--at-most",
    type=click.FloatRange(0, min_open=True),
    callback=_finite,
    default=1.0,
    show_default=True,
    help="Propose thresholds that give at most so many alarms a day.",
)
@click.option("--start", help="Begin, inclusive; default: 30 days before the end.")
@click.option("--end", help="End, exclusive; default: the end of the newest bucket.")
@click.option("--consoles", is_flag=True, help="Count the alerts of consoles, which merge no findings.")
@format_option
@click.pass_context
def advise(
    ctx: click.Context, /, job_name: str, at_most: float, consoles: bool, output_format: str, **given: Any
) -> None:
    """Show how many alarms a day each threshold gives in the stored results, and propose one for each level.

    Counts what would have alerted at the time of its bucket: no repeats, and nothing that a rule allows. Where results
    have verdicts, shows which share of the alarms was right. Changes nothing.

    Example: ipi-es advise sign-ins --at-most 2
    """
    from ipi_es.alerts.advice.advice import AdviceRequest
    from ipi_es.alerts.advice.advice_text import sentences
    from ipi_es.worker.results_there import newest_result

    here, now = shell(ctx), clock()
    job = here.job(job_name)
    start, end = (None if given[name] is None else parse_time(given[name], now=now) for name in ("start", "end"))
    with here.cluster() as cluster:
        newest, note = newest_result(cluster, job, here.settings.snapshots.directory)
        if note is not None:
            click.secho(f"note: {note}", fg="yellow", err=True)
        last = end if end is not None else newest or now
        first = start if start is not None else last - DEFAULT_DAYS * SECONDS["d"]
        if last <= first:
            raise UsageError(
                f"the period's end, {iso(last)}, is not after its start, {iso(first)}",
                hint="name an earlier --start; without --end, the period ends with the newest bucket",
            )
        found = _advice(cluster, job, AdviceRequest(first, last, at_most, merged=not consoles))
    table = output_format == "table"
    rows = list(_rows(found))
    if rows or not table:
        columns = COLUMNS if any(row["alarms_with_verdict"] for row in rows) else COLUMNS[: -len(OF_VERDICTS)]
        emit([_for_people(row) for row in rows] if table else rows, columns, output_format, empty="", fields=FIELDS)
    for sentence in sentences(found, newest):
        click.echo(sentence, err=not table)


def _advice(cluster: Cluster, job: Job, asked: AdviceRequest) -> Advice:
    from ipi_es.alerts.advice.advice import advise as advice_on
    from ipi_es.results.reading.result_reader import MAX_PAGE, ResultReader
    from ipi_es.worker.job_annotations import warm_ups

    said = ResultReader(cluster, job.job_id).annotations(end=asked.end, types=["warm_up"], size=MAX_PAGE)
    return advice_on(cluster, job, asked, warm_ups(said, asked.end))


def _rows(found: Advice) -> Iterator[dict[str, Any]]:
    """Yield a row for each level and shown threshold; none where nothing was counted."""
    from ipi_es.alerts.advice.advice import SHOWN_THRESHOLDS

    own = found.job.alerts.threshold
    for level in found.levels if found.time.seconds else ():
        for count in level.counts:
            if count is level.proposed or count.threshold in (*SHOWN_THRESHOLDS, own):
                yield {
                    "job_id": found.job.job_id,
                    "level": level.name,
                    "threshold": count.threshold,
                    "configured": count.threshold == own,
                    "proposed": count is level.proposed,
                    **_counted(count, found.time.days),
                    "merged": found.asked.merged,
                    "start": iso(found.asked.start),
                    "end": iso(found.asked.end),
                    "counted_days": found.time.days,
                    "missing_buckets": found.time.missing_buckets,
                }


def _counted(count: AlarmCount, days: float) -> dict[str, Any]:
    from ipi_es.alerts.advice.share_interval import share_interval

    alarms, judged, compromised = count.total
    low, high = share_interval(compromised, judged) if judged else (None, None)
    return {
        "alarms_per_day": alarms / days,
        "worst_day": None if count.worst_day is None else iso(count.worst_day * SECONDS["d"])[:10],
        "worst_day_alarms": count.of_worst_day,
        "alarms": alarms,
        "alarms_with_verdict": judged,
        "alarms_compromised": compromised,
        "precision": compromised / judged if judged else None,
        "precision_low": low,
        "precision_high": high,
    }


def _for_people(row: dict[str, Any]) -> dict[str, Any]:
    judged = row["alarms_with_verdict"]
    share = "{precision:.0%} ({precision_low:.0%} to {precision_high:.0%})"
    return {
        "level": row["level"],
        "threshold": f"{row['threshold']:g}",
        "mark": ", ".join(name for name in ("configured", "proposed") if row[name]),
        "a_day": f"{row['alarms_per_day']:,.2f}",
        "worst": f"{row['worst_day_alarms']:,} on {row['worst_day']}" if row["worst_day"] else None,
        "alarms": f"{row['alarms']:,}",
        "judged": f"{judged:,}" if judged else None,
        "precision": share.format(**row) if judged else None,
    }
