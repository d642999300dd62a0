"""`ipi-es status`: show the state of the jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ipi_es.cli.shared.output import Column, Toned, emit, format_option
from ipi_es.cli.shared.shell import clock, shell
from ipi_es.cli.shared.zones import time_zone_option
from ipi_es.pages.text import TimeShown, counted

if TYPE_CHECKING:
    from ipi_es.config.job_config import Job
    from ipi_es.state.job_state import JobState
    from ipi_es.worker.job_status import JobStatus

COLUMNS = (
    Column("job_id", "Job"),
    Column("state", "State"),
    Column("checkpoint", "Scored to"),
    Column("lag", "Lag", right=True),
    Column("snapshot", "Learned to"),
    Column("warm_up", "History", right=True),
    Column("remarks", "Remarks", wrap=True, sentence=True),
)

FIELDS = ("job_id", "state", "configured", "checkpoint", "lag_buckets", "blind", "last_error")
"""The first columns of CSV; the other fields of a job follow."""

NOTEWORTHY, WRONG = "yellow", "bold red"
"""rich's styles for what needs attention and for errors; the words alone say the same."""

STATE_COLOURS = {"running": "green", "waiting": NOTEWORTHY, "paused": NOTEWORTHY, "new": "cyan"}
"""State of a job → colour; an idle job has none: its lag shows whether something is wrong."""

DAY, HOUR, MINUTE = 86_400, 3_600, 60


@click.command()
@click.argument("job_names", metavar="[JOB]...", nargs=-1)
@time_zone_option
@format_option
@click.pass_context
def status(ctx: click.Context, job_names: tuple[str, ...], shown: TimeShown, output_format: str) -> None:
    """Show how the jobs stand: who runs them, how far they are scored, what they have learned, the last error.

    All jobs that have a file here or a state in the cluster, or those named. It asks the cluster alone, no worker.

    Example: ipi-es status --format json
    """
    from ipi_es.config.files.loading import read_jobs
    from ipi_es.results.reading.result_reader import ResultReader
    from ipi_es.state.blobs import BlobStore
    from ipi_es.state.cluster_blobs import ClusterBlobs
    from ipi_es.state.directory_blobs import DirectoryBlobs
    from ipi_es.state.job_state import StateStore
    from ipi_es.worker.job_status import JobStatusReader

    here, now = shell(ctx), clock()
    configured, bad = read_jobs(here.settings)
    for each in bad:
        click.secho(f"note: a job file can't be used: {each.error.message}", fg="yellow", err=True)
    directory = here.settings.snapshots.directory
    with here.cluster() as cluster:
        states = StateStore(cluster).all()
        jobs, states = _chosen(job_names, configured, states, here.job)
        blobs: BlobStore = ClusterBlobs(cluster) if directory is None else DirectoryBlobs(directory)
        overview = JobStatusReader(lambda job: ResultReader(cluster, job.job_id), blobs, now)
        found = overview.of(jobs, states)
    rows = [_for_people(each, now, shown) if output_format == "table" else each.to_dict(now) for each in found]
    empty = "No job yet: write a file into jobs/, then `ipi-es check JOB`."
    emit(rows, COLUMNS, output_format, empty=empty, fields=FIELDS)


def _chosen(
    names: tuple[str, ...], jobs: list[Job], states: list[JobState], find: Callable[[str], Job]
) -> tuple[list[Job], list[JobState]]:
    """Return the named jobs and states, or all. A name is a file, or the job_id of a job with a file or a state."""
    if not names:
        return jobs, states
    known = {state.job_id for state in states}
    by_id = {job.job_id: job for job in jobs}
    wanted = {name: by_id.get(name) for name in names if name in known or name in by_id}
    chosen = [job for job in wanted.values() if job is not None]
    chosen += [find(name) for name in names if name not in wanted]
    ids = set(wanted) | {job.job_id for job in chosen}
    return chosen, [state for state in states if state.job_id in ids]


def _for_people(found: JobStatus, now: int, shown: TimeShown) -> dict[str, Any]:
    from ipi_es.worker.job_status import StoredStatus

    state = str(found.stands)
    if found.holder:
        state += f" on {_host(found.holder)}"
        if found.doing is not None:
            state += f", {found.doing[0]} for {_long(now - found.doing[1])}"
    elif found.last_worker and found.stands is StoredStatus.IDLE:
        state += f", last on {_host(found.last_worker)}"
    age = None
    if found.trained_to is not None:
        # training ends at a midnight UTC; in another zone that is no midnight
        moment = shown.copyable(found.trained_to)
        age = f"{moment.removesuffix('T00:00:00Z')} ({_long(now - found.trained_to)})"
    history = None if found.history_days is None else f"{found.history_days}d"
    wrong = found.blind or found.last_error is not None or bool(found.changed)
    return {
        "job_id": found.job_id,
        "state": Toned(state, STATE_COLOURS.get(str(found.stands), "")),
        "checkpoint": None if found.checkpoint is None else shown.copyable(found.checkpoint),
        "lag": None if found.lag_buckets is None else _lag(found.lag_buckets),
        "snapshot": age,
        "warm_up": Toned(f"{history}, warming up", NOTEWORTHY) if found.warming_up else history,
        "remarks": Toned("; ".join(_remarks(found, shown)), WRONG if wrong else ""),
    }


def _lag(buckets: int) -> Toned:
    """Format a lag; more than one bucket is highlighted, because more than the newest bucket is missing."""
    return Toned(counted(buckets, "bucket"), NOTEWORTHY if buckets > 1 else "")


def _host(owner: str) -> str:
    """Return the host of a lease owner ``host:pid:start``."""
    return owner.split(":", maxsplit=1)[0]


def _remarks(found: JobStatus, shown: TimeShown) -> list[str]:
    remarks = []
    if not found.configured:
        remarks.append("no file for it here")
    if found.waits_for:
        remarks.append(f"waits for {found.waits_for}")
    if found.missing_results:
        remarks.append(found.missing_results)
    remarks += [f"{change}: train the job, or accept it with --accept-change" for change in found.changed]
    if found.empty_buckets:
        remarks.append(f"no events in the last {found.empty_buckets} bucket{'s' * (found.empty_buckets != 1)}")
    if found.blindness is not None:
        remarks.append(f"{found.blindness.state.replace('_', ' ')}: {found.blindness.text}")
    if found.last_error is not None:
        error = found.last_error
        remarks.append(f"{shown.copyable(error.at)} {error.kind}: {error.text}")
    return remarks


def _long(seconds: int) -> str:
    """Format an age with its largest unit: ``3d``, ``5h``, ``12m``, ``40s``."""
    for name, unit in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if seconds >= unit:
            return f"{seconds // unit}{name}"
    return f"{max(seconds, 0)}s"
