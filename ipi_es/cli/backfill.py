"""`ipi-es backfill`: score a range of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ipi_es.cli.shared.output import accept_change_option
from ipi_es.cli.shared.shell import clock, shell
from ipi_es.config.files.loading import with_dask_options
from ipi_es.errors import ClusterError, DaskError, NoEvents, UsageError
from ipi_es.times import SECONDS, format_span, iso, parse_time

if TYPE_CHECKING:
    from ipi_es.cli.shared.progress import ProgressReporter
    from ipi_es.cluster.port import Cluster
    from ipi_es.config.job_config import Job
    from ipi_es.worker.job_resources import JobResources
    from ipi_es.worker.job_session import BackfillRange
    from ipi_es.worker.scoring.dry_run import AlertCounts

DAYS = 10
"""Days before the newest event that are scored where no range is given."""

KEPT = "What was finished is kept; run the same command again to go on."


@click.command()
@click.argument("job_name", metavar="JOB")
@click.option("--start", help="Begin, inclusive: ISO 8601 or date math (now-7d).  [default: ten days before the end]")
@click.option("--end", help="End, exclusive.  [default: now; without --start, the newest event's bucket]")
@click.option("--dry-run", is_flag=True, help="Write nothing; print how many alerts a day each threshold would give.")
@click.option(
    "--again", is_flag=True, help="Score the range again from --start and replace the results of earlier runs."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 512),
    metavar="N",
    help="Read and score on N processes of this machine (needs the extra [dask]).  [default: dask.workers]",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Read and score on the workers of a Dask scheduler, as tcp://host:8786.  [default: dask.scheduler, or "
    "$DASK_SCHEDULER_ADDRESS]",
)
@accept_change_option
@click.pass_context
def backfill(
    ctx: click.Context,
    /,
    job_name: str,
    start: str | None,
    end: str | None,
    *,
    dry_run: bool,
    again: bool,
    workers: int | None,
    scheduler: str | None,
    accept_change: bool,
) -> None:
    """Score a job's events of [--start, --end), by default those of the newest ten days, and write the results.

    A job that has no snapshot yet is trained first, on the events before --start. A run that was stopped, however it
    was, is continued where it stopped by the same command.

    With --workers or --scheduler, events are read and scored by several processes or machines; the results are the
    same.

    Example: ipi-es backfill jobs/logins.yml --start now-30d --end now
    """
    from ipi_es.cli.shared.progress import ProgressReporter
    from ipi_es.setup.checks.judge import require_templates, require_usable
    from ipi_es.worker.changed_settings import OnChange
    from ipi_es.worker.distributed.dask_client import require_dask
    from ipi_es.worker.distributed.read_ahead import read_ahead_by
    from ipi_es.worker.job_resources import JobResources
    from ipi_es.worker.open_session import open_session
    from ipi_es.worker.scoring.dry_run import count_alerts
    from ipi_es.worker.training.job_training import TrainingCallbacks
    from ipi_es.worker.training.training_range import training_range

    here, now = shell(ctx), clock()
    on_change = OnChange.ACCEPT if accept_change else OnChange.REFUSE
    if dry_run and (workers or scheduler):
        raise UsageError("a dry run is scored by one process", hint="leave out --workers and --scheduler")
    dask = with_dask_options(here.settings, {"workers": workers, "scheduler": scheduler}).dask
    if dask.used and not dry_run:
        require_dask()
    job = here.job(job_name)
    span = job.bucket_span
    given = _whole_buckets(parse_time(start, now=now), parse_time(end or "now", now=now), now, span) if start else None
    with here.cluster() as cluster, ProgressReporter(span) as progress:
        if not dry_run:
            require_templates(cluster, [job])
        require_usable(cluster, job)
        first, stop = given or _newest_days(cluster, job, now, end)
        resources = JobResources(cluster, job, snapshots=here.settings.snapshots.directory)
        _require_trainable(resources)
        learning = TrainingCallbacks(progress.read, progress.training)
        if dry_run:
            progress.scoring(first, stop)
            counted = count_alerts(resources, first, stop, progress.scored, learning, on_change)
        else:
            with open_session(resources, on_change=on_change) as session:
                if session.state.snapshot_id is None:
                    learn_from, learn_to = training_range(job, first)
                    progress.reading(learn_from, learn_to)
                    session.train(learn_from, learn_to, learning)
                planned = session.plan(first, stop, again=again)
                _print_plan(planned)
                progress.scoring(planned.start, planned.end)
                try:
                    with read_ahead_by(dask, resources, session.state.trained.snapshot_id, here.config):
                        session.backfill(planned, progress.scored, again=again)
                except (ClusterError, DaskError):
                    click.echo(f"Stopped. {KEPT}", err=True)
                    raise
    if dry_run:
        _print_counts(counted, progress.buckets)
        return
    _print_done(job_name, first, stop, progress)


def _print_done(job_name: str, first: int, stop: int, progress: ProgressReporter) -> None:
    click.echo(f"Scored {progress.events:,} events in {progress.buckets:,} buckets up to {iso(stop)}.")
    if not progress.events:
        note = f"note: there was no event in any of them; `ipi-es check {job_name}` says what the job's query finds"
        click.secho(note, fg="yellow", err=True)
    click.echo(f"Next: ipi-es results records {job_name} --start {iso(first)} --desc")


def _print_plan(planned: BackfillRange) -> None:
    if planned.resumed:
        click.echo(f"Going on from {iso(planned.start)}, where an earlier run stopped.", err=True)
    if planned.never_scored:
        click.echo(
            f"note: {planned.never_scored:,} buckets before that have no results and get none now; "
            "--again scores everything from --start.",
            err=True,
        )


def _require_trainable(resources: JobResources) -> None:
    """Raise ExtraMissing if the job has to be trained first and that can't be done, before anything is read."""
    from ipi_es.extras import TRAIN, require

    state = resources.stores.states.read(resources.job.job_id)
    if state is None or state.snapshot_id is None:
        require("the job's first training", TRAIN)


def _newest_days(cluster: Cluster, job: Job, now: int, end: str | None) -> tuple[int, int]:
    """Return the range of the newest events before ``end``, in whole buckets, and print it. Raises NoEvents."""
    from ipi_es.setup.facts.facts_events import event_facts

    last = parse_time(end, now=now) if end else event_facts(cluster, job, now, count_teaching=False)[0].last + 1
    if last <= 1:
        raise NoEvents(f"job {job.job_id} has no events", hint=f"ipi-es check {job.job_id} shows what it reads")
    stop = -(-last // job.bucket_span) * job.bucket_span
    first, stop = _whole_buckets(stop - DAYS * SECONDS["d"], stop, now, job.bucket_span)
    click.echo(f"From {iso(first)} to {iso(stop)}; --start and --end choose another range.", err=True)
    return first, stop


def _whole_buckets(start: int, end: int, now: int, span: int) -> tuple[int, int]:
    """Round the range to whole buckets that are over (epoch seconds); a bucket scored in part is never scored again.

    Raises UsageError for a range without such a bucket.
    """
    first, stop = start // span * span, min(end, now) // span * span
    if start >= now:  # checked before the order, because the default end is now
        raise UsageError(f"the start {iso(start)} lies in the future", hint="`ipi-es run` scores what comes")
    if end <= start:
        raise UsageError(
            f"the start {iso(start)} is not before the end {iso(end)}", hint="give --start and --end in this order"
        )
    if first >= stop:
        raise UsageError(
            f"no {format_span(span)} bucket that begins at {iso(first)} or later is over by {iso(min(end, now))}",
            hint="only whole buckets are scored: give a later --end or an earlier --start",
        )
    return first, stop


def _print_counts(counted: AlertCounts, buckets: int) -> None:
    from ipi_es.cli.shared.output import Column, print_table
    from ipi_es.results.words import RESULT_KINDS
    from ipi_es.times import SECONDS
    from ipi_es.worker.scoring.dry_run import THRESHOLDS

    rows = []
    for kind in RESULT_KINDS:
        for day in sorted(counted.days):
            counts = {str(threshold): counted.alerts[day, kind, threshold] for threshold in THRESHOLDS}
            rows.append({"day": iso(day * SECONDS["d"])[:10], "kind": f"{kind}s", **counts})
    columns = [Column("kind", "Alerts for"), Column("day", "Day")]
    columns += [Column(str(threshold), f"≥ {threshold}", right=True) for threshold in THRESHOLDS]
    print_table(rows, columns, title="Alerts a day by threshold")
    days = max(len(counted.days), 1)
    for kind in RESULT_KINDS:
        total = {
            threshold: sum(counted.alerts[day, kind, threshold] for day in counted.days) for threshold in THRESHOLDS
        }
        mean = ", ".join(f"{count / days:.1f} at {threshold}" for threshold, count in total.items())
        click.echo(f"{kind}s: on average {mean} a day")
    click.echo(f"Nothing was written. {buckets:,} buckets would have given {counted.documents:,} documents.")
