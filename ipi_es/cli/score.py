"""`ipi-es score`: read (entity, address) pairs from standard input, write their compatibility to standard output."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipi_es.cli.pairs.pair_scorer import PairScorer
from ipi_es.cli.pairs.score_rows import Row, RowFormat, read_rows, write_row
from ipi_es.cli.pairs.score_sagemaker import JSON, Answer, MediaType, request_rows
from ipi_es.cli.shared.shell import shell
from ipi_es.errors import SnapshotMissing, UsageError

if TYPE_CHECKING:
    from ipi_es.cli.shared.shell import Shell
    from ipi_es.cluster.port import Cluster
    from ipi_es.config.job_config import Job
    from ipi_es.state.blobs import BlobStore
    from ipi_es.worker.history.history_keeper import HistoryId
    from ipi_es.worker.training.job_snapshot import JobSnapshot

BLOCK_ROWS = 4_096
"""Rows that are scored together: enough to be fast, and few enough that a pipe gets output soon."""


@click.command()
@click.argument("job_name", metavar="[JOB]", required=False)
@click.option(
    "--snapshot",
    "--model-dir",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory with the job's snapshots (snapshots.directory): no cluster is asked then.",
)
@click.option("--snapshot-id", help="Which snapshot; by default the one in use, in a directory the newest.")
@click.option(
    "--input", "input_format", type=click.Choice(["auto", "csv", "json"]), default="auto", help="Default: auto."
)
@click.option(
    "--content-type",
    metavar="TYPE",
    help="Take a request as SageMaker's IP Insights does: text/csv, application/json or application/jsonlines.",
)
@click.option(
    "--accept",
    metavar="TYPE",
    help="Answer as SageMaker's IP Insights does, in one of these types; ;verbose=True behind it adds the embeddings. "
    "Default with --content-type: application/json.",
)
@click.pass_context
def score(
    ctx: click.Context,
    job_name: str | None,
    directory: Path | None,
    snapshot_id: str | None,
    input_format: str,
    content_type: str | None,
    accept: str | None,
) -> None:
    """Score (entity, IP address) pairs of standard input with JOB's snapshot; nothing is written or learned.

    Takes CSV (`alice,192.0.2.1`, no header) or JSON lines (`{"entity": "alice", "ip": "192.0.2.1"}`, or SageMaker's
    `{"features": ["alice", "192.0.2.1"]}`) and answers in the same form: compatibility (high = usual), probability
    (small = unusual) and how much history the entity has; SageMaker's form has `dot_product` too, the network's
    log-odds without history against as many sampled pairs as real ones (below 0: more probably a sampled one). CSV
    columns: entity, ip, compatibility, probability, history class, error.

    With --content-type or --accept, requests and answers are SageMaker's:
    `{"instances": [{"features": ["alice", "192.0.2.1"]}]}` gives `{"predictions": [{"dot_product": 3.1}]}`. JOB may be
    left out where --snapshot has the snapshots of one job only.

    Example: echo alice,192.0.2.1 | ipi-es score sign-ins
    """
    asked = None if content_type is None else MediaType.parse(content_type, "--content-type")
    answer = None
    if accept is not None or asked is not None:
        answer = MediaType.parse(accept or JSON, "--accept")
        if input_format != "auto":
            raise UsageError("--input is of no use with --content-type or --accept", hint="leave it out")
    if sys.stdin.isatty():
        click.echo("Type entity,ip and end with Ctrl-D.", err=True)
    surroundings = shell(ctx)
    with _open(surroundings, _named(job_name, directory), directory, snapshot_id) as scorer:
        lines = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", errors="surrogateescape", newline="")
        if answer is None:
            form, rows = read_rows(lines, None if input_format == "auto" else _format(input_format))
            _score_all(scorer, rows, form)
        else:
            _answer_all(scorer, request_rows(lines, asked), answer)
        lines.detach()


def _named(job_name: str | None, directory: Path | None) -> str:
    """Return the job's name: the given one, else that of the only job with snapshots in the directory.

    Raises UsageError or SnapshotMissing if there isn't exactly one.
    """
    if job_name is not None:
        return job_name
    if directory is None:
        raise UsageError(
            "which job?", hint="name its file or its job_id, or a directory with snapshots: --snapshot DIR"
        )
    from ipi_es.state.directory_blobs import DirectoryBlobs

    blobs = DirectoryBlobs(directory)
    found = sorted(folder.name for folder in directory.iterdir() if folder.is_dir())
    jobs = [name for name in found if _has_networks(blobs, name)]
    if len(jobs) == 1:
        return jobs[0]
    if not jobs:
        raise _no_snapshot(directory)
    raise UsageError(f"{directory} has snapshots of {', '.join(jobs)}", hint=f"name one: ipi-es score {jobs[0]}")


def _no_snapshot(directory: Path) -> SnapshotMissing:
    """Return the error for a directory without snapshots; its hint depends on the files found there."""
    if any(directory.glob("*.blob")):
        above = directory.resolve().parent
        return SnapshotMissing(f"{directory} is the folder of one job", hint=f"name the one above it: {above}")
    if any(directory.glob("*/*.blob")):
        return SnapshotMissing(
            f"{directory} has files of snapshots, but none that is whole", hint="copy them again, or train again"
        )
    return SnapshotMissing(f"{directory} has no snapshot", hint="make one: ipi-es train --csv FILE --snapshots DIR")


def _has_networks(blobs: BlobStore, name: str) -> bool:
    try:
        return bool(blobs.list(name, "network"))
    except UsageError:  # not a valid job name
        return False


def _format(text: str) -> RowFormat:
    return "json" if text == "json" else "csv"


def _score_all(scorer: PairScorer, rows: Iterator[Row], form: RowFormat) -> None:
    malformed = _Malformed()
    while block := list(islice(rows, BLOCK_ROWS)):
        for row, result in zip(block, scorer.score(block), strict=True):
            sys.stdout.write(write_row(row, result, form))
            malformed.see(row)
        sys.stdout.flush()
    malformed.say()


def _answer_all(scorer: PairScorer, rows: Iterator[Row], accept: MediaType) -> None:
    if scorer.snapshot.network.combiner is not None:
        click.secho(
            "note: dot_product is the network's alone; this snapshot joins it with history: without --content-type and "
            "--accept you get that compatibility",
            fg="yellow",
            err=True,
        )
    answer, malformed = Answer(accept), _Malformed()
    sys.stdout.write(answer.begin())
    while block := list(islice(rows, BLOCK_ROWS)):
        for row, prediction in zip(block, scorer.predict(block, verbose=accept.verbose), strict=True):
            sys.stdout.write(answer.one(row, prediction))
            malformed.see(row)
        sys.stdout.flush()
    sys.stdout.write(answer.end())
    sys.stdout.flush()
    malformed.say()


@dataclass(slots=True)
class _Malformed:
    """Counts the rows that can't be scored."""

    total: int = 0
    count: int = 0
    first: str = ""

    def see(self, row: Row) -> None:
        """Count one row."""
        self.total += 1
        if row.error:
            self.count += 1
            self.first = self.first or f"line {row.line}: {row.error}"

    def say(self) -> None:
        """Print a note if there are malformed rows. Raises UsageError if no row could be scored."""
        if self.count:
            text = f"{self.count:,} of {self.total:,} rows are malformed and not scored (first: {self.first})"
            click.secho(text, fg="yellow", err=True)
            if self.count == self.total:
                raise UsageError(
                    "no row was scored",
                    hint="write one pair a line: alice,192.0.2.1 (`ipi-es score --help` has the other forms)",
                )


@contextmanager
def _open(surroundings: Shell, job_name: str, directory: Path | None, snapshot_id: str | None) -> Iterator[PairScorer]:
    if directory is not None:
        yield _from_directory(surroundings, job_name, directory, snapshot_id)
        return
    with surroundings.cluster() as cluster:
        yield _from_cluster(cluster, surroundings, job_name, snapshot_id)


def _from_cluster(cluster: Cluster, surroundings: Shell, job_name: str, snapshot_id: str | None) -> PairScorer:
    """Load the named snapshot and its newest history, or by default those that the job's state points to."""
    from ipi_es.worker.changed_settings import require_same_key
    from ipi_es.worker.history.history_keeper import HistoryId
    from ipi_es.worker.job_resources import JobResources

    job = surroundings.job(job_name)
    work = JobResources(cluster, job, snapshots=surroundings.settings.snapshots.directory)
    state = work.stores.states.read(job.job_id)
    require_same_key(job, state)
    in_use = None if state is None else state.snapshot_id
    wanted = snapshot_id or in_use
    snapshot = work.snapshot(wanted)
    if wanted == in_use and state is not None and state.history_id is not None:
        history = HistoryId.parse(state.history_id)
    else:
        history = _newest_history(work.stores.blobs, job.job_id, str(wanted))
    return _scorer(work.stores.blobs, snapshot, history, work.folded_job())


def _from_directory(surroundings: Shell, job_name: str, directory: Path, snapshot_id: str | None) -> PairScorer:
    from ipi_es.state.directory_blobs import DirectoryBlobs
    from ipi_es.worker.training.job_snapshot import JobSnapshot

    job_id, job = _job_of(surroundings, job_name)
    blobs = DirectoryBlobs(directory)
    if snapshot_id is None:
        found = blobs.list(job_id, "network")
        if not found:
            raise SnapshotMissing(
                f"{directory} has no snapshot of job {job_id}",
                hint="name the folder that snapshots.directory of ipi-es.yml names, above the folders of the jobs",
            )
        snapshot_id = found[-1].id
    snapshot = JobSnapshot.from_bytes(blobs.read(job_id, snapshot_id), job_id)
    if job is None and snapshot.network.about.get("source") != "csv":
        note = f"note: there is no file of job {job_id} here; entities are taken as they are spelled"
        click.secho(note, fg="yellow", err=True)
    return _scorer(blobs, snapshot, _newest_history(blobs, job_id, snapshot_id), job)


def _job_of(surroundings: Shell, job_name: str) -> tuple[str, Job | None]:
    """Return (job_id, job); the job is None where a snapshot is used without the job's file."""
    from ipi_es.errors import ConfigError

    try:
        job = surroundings.job(job_name)
    except ConfigError:
        raise
    except UsageError:
        return job_name, None
    return job.job_id, job


def _newest_history(blobs: BlobStore, job_id: str, snapshot_id: str) -> HistoryId:
    """Return the id of the snapshot's history with all days that were added to it."""
    from ipi_es.worker.history.history_keeper import HistoryId, history_base

    base = history_base(snapshot_id)
    day = int(blobs.info(job_id, base).attributes["day"])
    deltas = blobs.list(job_id, "history_delta")
    days = [int(info.attributes["day"]) + 1 for info in deltas if info.attributes.get("base") == base]
    return HistoryId(base, max([day, *days]))


def _scorer(blobs: BlobStore, snapshot: JobSnapshot, history: HistoryId, job: Job | None) -> PairScorer:
    from ipi_es.datafeed.bucket_context import networks_of
    from ipi_es.ipinsights.scorer import Scorer
    from ipi_es.worker.history.history_keeper import load_history

    loaded = load_history(blobs, snapshot.job_id, history)
    scorer = Scorer(snapshot.network, loaded)
    if job is None:
        return PairScorer(snapshot, scorer, str)
    return PairScorer(snapshot, scorer, job.stored_entity, networks_of(job), job.datafeed_config.translators)
