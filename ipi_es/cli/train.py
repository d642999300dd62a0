"""`ipi-es train`: learn which entities use which addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ipi_es.cli.shared.shell import clock, shell
from ipi_es.cli.train_csv import hyperparameter_options, train_csv
from ipi_es.errors import UsageError
from ipi_es.times import iso, parse_time


def _underscored(name: str) -> str:
    """Return an option name with underscores, as in SageMaker's names; dashes are accepted too."""
    return name.replace("-", "_")


@click.command(context_settings={"token_normalize_func": _underscored})
@click.argument("job_name", metavar="[JOB]", required=False)
@click.option("--start", help="Begin of the events to learn from; default: training.window before the end.")
@click.option("--end", default="now", show_default=True, help="Exclusive end, rounded down to a UTC day.")
@click.option(
    "--from-scratch",
    is_flag=True,
    help="Begin with a new network. Default: go on from the job's last snapshot, its entities keep their rows.",
)
@click.option(
    "--csv",
    metavar="FILE",
    help="Train on pairs instead of a job's events: a headerless CSV of entity,ip or entity,ip,time, plain or gzip, a "
    "folder of them, or - for standard input.",
)
@click.option(
    "--validation",
    metavar="FILE",
    help="With --csv. Rows to measure and calibrate on, as --csv takes them; default: a tenth of the rows, by chance; "
    "of rows with times those of the last days.",
)
@click.option(
    "--snapshots",
    "--model-dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="With --csv. Directory to store the snapshot in; default: snapshots.directory of ipi-es.yml.",
)
@click.option(
    "--hyperparameters",
    type=click.Path(path_type=Path),
    help="With --csv. A JSON or YAML file of hyperparameters; SageMaker's, whose values are all strings, will do.",
)
@hyperparameter_options
@click.pass_context
def train(
    ctx: click.Context,
    /,
    job_name: str | None,
    start: str | None,
    end: str,
    from_scratch: bool,
    csv: str | None,
    validation: str | None,
    directory: Path | None,
    hyperparameters: Path | None,
    **given: Any,
) -> None:
    """Train a network on a job's events, calibrate it, and let the job go on from it.

    A job that was trained before keeps its network where the new one is worse on the part that neither was trained on;
    history and calibration are the new training's all the same.

    JOB is a job's file, or the job_id of one that ipi-es.yml names. Scoring then begins at the end of what was learned.

    With --csv, no cluster and no job's file are needed: the pure network (architecture ip_insights) is trained on pairs
    as SageMaker's IP Insights is, with its hyperparameters and its log lines. Rows of entity,ip have no times: there is
    no history to join with, all rows count as of the day before --end, and rows to measure on are drawn by chance,
    which flatters. With the time in a third column (ISO 8601 or epoch) the network is joined with its history
    (architecture hybrid), and measured on the last days. JOB is only the snapshot's name, ip-insights if left out.

    Example: ipi-es train jobs/logins.yml --end 2026-05-01
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    if csv is not None:
        if start is not None:
            raise UsageError("--start is of no use with --csv", hint="leave earlier rows out of the file")
        if from_scratch:
            raise UsageError(
                "--from-scratch is of no use with --csv", hint="leave it out: --csv always trains from scratch"
            )
        train_csv(
            shell(ctx),
            job_name,
            csv=csv,
            validation=validation,
            directory=directory,
            hyperparameters=hyperparameters,
            given=chosen,
            end=end,
        )
        return
    others = {"validation": validation, "snapshots": directory, "hyperparameters": hyperparameters}
    unused = [f"--{name}" for name, value in (others | chosen).items() if value is not None]
    if unused:
        raise UsageError(
            f"{', '.join(unused)} goes with --csv only",
            hint="a job's hyperparameters are in its file, under ip_insights",
        )
    if job_name is None:
        raise UsageError(
            "which job?", hint="name its file or its job_id, or train on pairs: --csv FILE --snapshots DIR"
        )
    _train_job(ctx, job_name, start, end, from_scratch=from_scratch)


def _train_job(ctx: click.Context, job_name: str, start: str | None, end: str, *, from_scratch: bool) -> None:
    from ipi_es.cli.shared.progress import ProgressReporter
    from ipi_es.extras import TRAIN, require
    from ipi_es.scoring.history_age import YOUNG_DAYS
    from ipi_es.setup.checks.judge import require_templates, require_usable
    from ipi_es.worker.changed_settings import OnChange
    from ipi_es.worker.job_resources import JobResources
    from ipi_es.worker.open_session import open_session
    from ipi_es.worker.training.job_training import TrainingCallbacks
    from ipi_es.worker.training.training_range import training_range

    require("training", TRAIN)
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
    with here.cluster() as cluster, ProgressReporter(job.bucket_span) as progress:
        require_templates(cluster, [job])
        require_usable(cluster, job)
        resources = JobResources(cluster, job, snapshots=here.settings.snapshots.directory)
        with open_session(resources, doing="training", on_change=OnChange.IGNORE) as session:
            progress.reading(first, stop)
            learned = session.train(
                first, stop, TrainingCallbacks(progress.read, progress.training), from_scratch=from_scratch
            )
            snapshot_id = session.state.snapshot_id
    about, dropped = learned.snapshot.network.about, learned.collected.dropped
    click.echo(
        f"Trained on {learned.collected.event_count:,} events from {iso(first)} to {iso(stop)}: {about['entities']:,} "
        f"entities, {about['addresses']:,} addresses."
    )
    left_out = {name.replace("_", " "): count for name, count in dropped.counts().items() if count}
    if left_out:
        click.echo("Left out: " + ", ".join(f"{count:,} with {name}" for name, count in left_out.items()) + ".")
    click.echo(f"The network {learned.begun}.")
    if learned.compared is not None:
        click.echo(f"{learned.compared}.")
    click.echo(
        f"Snapshot {snapshot_id}: discriminator_auc {learned.snapshot.network.metrics['discriminator_auc']:.4f}, "
        f"calibrated on {learned.snapshot.references.failures.calibration.total:,} pairs."
    )
    age = learned.history.age
    if age < YOUNG_DAYS:
        click.echo(
            f"Warming up: its history is {age} days long. Until it has {YOUNG_DAYS}, what entities with fewer than six "
            "events do scores below 50 by itself."
        )
    click.echo(f"Next: ipi-es backfill {job_name} --start {iso(stop)} --end now")
