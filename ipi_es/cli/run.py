"""`ipi-es run`: the worker."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

from ipi_es.cli.shared.output import accept_change_option
from ipi_es.cli.shared.shell import shell
from ipi_es.cli.stopping import leave, stopped_by_signals

if TYPE_CHECKING:
    from ipi_es.cli.shared.shell import Shell
    from ipi_es.config.job_config import Job
    from ipi_es.service.tick_outcome import TickOutcome


@click.command()
@click.argument("job_names", metavar="[JOB]…", nargs=-1)
@click.option(
    "--once",
    is_flag=True,
    help="Do what is due, and end: for cron. Exit code 1 if a job failed or its file has mistakes.",
)
@click.option("--listen", metavar="HOST:PORT", help="Serve /healthz, /readyz and /metrics; default: worker.listen.")
@click.option(
    "--serve",
    "serves",
    is_flag=True,
    help="Do what `ipi-es serve` does as well, in this process: see serve in ipi-es.yml.",
)
@accept_change_option
@click.pass_context
def run(
    ctx: click.Context, job_names: tuple[str, ...], once: bool, listen: str | None, serves: bool, accept_change: bool
) -> None:
    """Follow the events of all jobs, or of those named, until it is stopped.

    A job without a snapshot is trained once its events go back training.min_history; then every bucket is scored as
    soon as it is complete, late events are mended, and the job is trained again every training.every. After an outage
    of any length it goes on where it stopped. Several workers may run the same jobs: one works, the others take over.

    A job file with mistakes stops only that job: it is named in the log and in /readyz, and read again at the next
    start.

    SIGTERM and Ctrl-C end it within ten seconds.

    Example: ipi-es run --listen 127.0.0.1:9274
    """
    from ipi_es.config.files.loading import BadFile, all_of, find_job, read_jobs
    from ipi_es.errors import UsageError
    from ipi_es.malloc import few_arenas
    from ipi_es.service.worker import Worker
    from ipi_es.worker.changed_settings import OnChange
    from ipi_es.worker.clock import SystemClock

    few_arenas()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up messages don't help here
    surroundings = shell(ctx)
    settings = surroundings.settings
    _keep_the_log()
    bad: list[BadFile] = []
    jobs = [find_job(name, settings) for name in job_names]
    if not jobs:
        jobs, bad = read_jobs(settings)
    if bad and not jobs:
        raise all_of(bad)
    for each in bad:
        logging.getLogger(__name__).error("a job file can't be used, the others run: %s", each.error)
    if not jobs:
        raise UsageError("there is no job", hint="write a job file into jobs/, or name files in ipi-es.yml under jobs")
    for name, given in (("--listen", listen is not None), ("--serve", serves)):
        if once and given:
            raise UsageError(f"{name} is of no use with --once", hint="leave one of them out")
    for job in jobs:
        for warning in job.warnings():
            click.secho(f"note: job {job.job_id}: {warning}", fg="yellow", err=True)
    _warn_of_missing_extras(jobs)
    worker = Worker(
        settings,
        jobs,
        surroundings.connect,
        SystemClock(),
        stopped_by_signals(),
        bad=bad,
        on_change=OnChange.ACCEPT if accept_change else OnChange.REFUSE,
    )
    if once:
        sys.exit(_print_outcomes(worker.once()) or int(bool(bad)))
    with _serving(surroundings, jobs) if serves else nullcontext():
        finished = worker.run(_checked(listen) or settings.worker.listen)
    if not finished:
        logging.getLogger(__name__).warning("stopped in the middle of the work; the next run continues there")
    leave()


@contextmanager
def _serving(surroundings: Shell, jobs: Sequence[Job]) -> Iterator[None]:
    """Serve the jobs' results as `ipi-es serve` does. Raises UsageError where it can't listen."""
    from ipi_es.cli.shared.shell import clock
    from ipi_es.serve.server import Server

    with Server(surroundings.settings, jobs, surroundings.connection(), clock) as server:
        click.echo(f"Serving results at {server.listener.url}.")
        yield


def _warn_of_missing_extras(jobs: Sequence[Job]) -> None:
    """Log at the start what this installation can't do for these jobs; the rest of the work goes on without it."""
    from ipi_es.extras import NOTIFY, TRAIN

    log = logging.getLogger(__name__)
    if not TRAIN.installed:
        log.warning("%s is not installed: this worker scores, and trains no job", TRAIN.label)
    unsent = [each.name for job in jobs for each in job.alerts.notify if not each.is_webhook]
    if unsent and not NOTIFY.installed:
        log.warning("%s is not installed: nothing is sent to %s", NOTIFY.label, ", ".join(unsent))


def _print_outcomes(outcomes: dict[str, TickOutcome]) -> int:
    """Print each job's outcome; return the exit code, 1 if a job failed."""
    from ipi_es.service.tick_outcome import TickResult

    for job_id, outcome in outcomes.items():
        text = f"{' for' if outcome.did is TickResult.WAITED else ':'} {outcome.text}" if outcome.text else ""
        scored = f", {outcome.buckets:,} buckets scored" if outcome.buckets else ""
        click.echo(f"{job_id}: {outcome.did}{scored}{text}", err=outcome.did is TickResult.FAILED)
    return int(any(outcome.did is TickResult.FAILED for outcome in outcomes.values()))


def _checked(listen: str | None) -> str | None:
    """Validate `--listen` as the settings do. Raises click.BadParameter if it is invalid."""
    from ipi_es.config.settings.serve_settings import listen_address

    if listen is None:
        return None
    try:
        return listen_address(listen)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--listen") from None


def _keep_the_log() -> None:
    """Send the log to a copy of stderr: stderr itself can't be written while TensorFlow is imported."""
    stream = sys.__stderr__
    if stream is None or sys.stderr is not stream:
        return  # in a test runner
    own = os.fdopen(os.dup(stream.fileno()), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is stream:
            handler.setStream(own)
