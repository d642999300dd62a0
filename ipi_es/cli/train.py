"""`ipi-es train`: learn who uses which addresses."""

from __future__ import annotations

import click

from ipi_es.cli.context import clock, shell
from ipi_es.errors import UsageError
from ipi_es.times import iso, parse_time


@click.command()
@click.argument("job_name", metavar="JOB")
@click.option("--start", help="Begin of the events to learn from; default: training.window before the end.")
@click.option("--end", default="now", show_default=True, help="Exclusive end, rounded down to a UTC day.")
@click.pass_context
def train(ctx: click.Context, job_name: str, start: str | None, end: str) -> None:
    """Train a network on a job's events, calibrate it, and let the job go on from it.

    JOB is a job's file, or the job_id of one that ipi-es.yml names. Scoring then begins at the end of what was learned.

    Example: ipi-es train jobs/logins.yml --end 2026-05-01
    """
    from ipi_es.cli.told import Telling
    from ipi_es.setup.check import require_templates, require_usable
    from ipi_es.worker.job_work import JobWork
    from ipi_es.worker.training import Told, training_range

    here, now = shell(ctx), clock()
    job = here.job(job_name)
    first, stop = training_range(job, parse_time(end, now=now))
    if start is not None:
        first = parse_time(start, now=now)
    if first >= stop:
        raise UsageError(
            f"the start {iso(first)} is not before the end {iso(stop)}",
            hint="the end is rounded down to a whole UTC day",
        )
    with here.cluster() as cluster, Telling(job.bucket_span) as told:
        require_templates(cluster)
        require_usable(cluster, job)
        work = JobWork(cluster, job, snapshots=here.settings.snapshots.directory)
        with work.claimed() as claim:
            told.reading(first, stop)
            learned = claim.train(first, stop, Told(told.read, told.training))
            snapshot_id = claim.state.snapshot_id
    about, dropped = learned.snapshot.network.about, learned.collected.dropped
    click.echo(
        f"Trained on {learned.collected.event_count:,} events from {iso(first)} to {iso(stop)}: {about['entities']:,} "
        f"entities, {about['addresses']:,} addresses."
    )
    left_out = {name.replace("_", " "): count for name, count in dropped.counts().items() if count}
    if left_out:
        click.echo("Left out: " + ", ".join(f"{count:,} with {name}" for name, count in left_out.items()) + ".")
    click.echo(
        f"Snapshot {snapshot_id}: discriminator_auc {learned.snapshot.network.metrics['discriminator_auc']:.4f}, "
        f"calibrated on {learned.snapshot.calibration.total:,} pairs."
    )
    click.echo(f"Next: ipi-es backfill {job_name} --start {iso(stop)} --end now")
