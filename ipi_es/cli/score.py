"""`ipi-es score`: (entity, address) pairs on standard input, their compatibility on standard output."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipi_es.cli.context import shell
from ipi_es.cli.score_rows import Row, RowFormat, Score, read_rows, write_row
from ipi_es.errors import SnapshotMissing, UsageError

if TYPE_CHECKING:
    from ipi_es.cli.context import Shell
    from ipi_es.cluster.port import Cluster
    from ipi_es.config.entity_names import EntityStep
    from ipi_es.ipinsights.scorer import Scorer
    from ipi_es.state.blobs import BlobStore
    from ipi_es.worker.history_keeper import HistoryId
    from ipi_es.worker.job_snapshot import JobSnapshot

BLOCK_ROWS = 4_096
"""Rows that are scored together: enough to be fast, and few enough that a pipe flows."""


@dataclass(frozen=True, slots=True)
class PairScorer:
    """A snapshot with its history, ready for rows."""

    snapshot: JobSnapshot
    scorer: Scorer
    steps: tuple[EntityStep, ...]

    def score(self, rows: Sequence[Row]) -> list[Score | None]:
        """The scores of rows in their order; None for a malformed one."""
        import numpy as np

        from ipi_es.config.entity_names import normalize_entity
        from ipi_es.scoring.calibration import CLASS_NAMES
        from ipi_es.scoring.probability import written_probability

        good = [row for row in rows if not row.error]
        if not good:
            return [None] * len(rows)
        names = [normalize_entity(row.entity, self.steps) for row in good]
        entities = {name: index for index, name in enumerate(dict.fromkeys(names))}
        packed = {blob: index for index, blob in enumerate(dict.fromkeys(row.address for row in good))}
        entity = np.array([entities[name] for name in names], dtype=np.int32)
        ip = np.array([packed[row.address] for row in good], dtype=np.int32)
        addresses = np.frombuffer(b"".join(packed), dtype=np.uint8).reshape(-1, 16)
        seen = self.scorer.score(list(entities), addresses, entity, ip)
        history = self.scorer.history
        classes = self.snapshot.calibration.classes(seen.prior_events[entity], history.day - history.origin)
        ln_p = self.snapshot.calibration.ln_probability(seen.log_odds, classes).ln_p
        scored = zip(seen.log_odds.tolist(), written_probability(ln_p).tolist(), classes.tolist(), strict=True)
        found = iter([Score(odds, probability, CLASS_NAMES[class_]) for odds, probability, class_ in scored])
        return [None if row.error else next(found) for row in rows]


@click.command()
@click.argument("job_name", metavar="JOB")
@click.option(
    "--snapshot",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory with the job's snapshots (snapshots.directory): no cluster is asked then.",
)
@click.option("--snapshot-id", help="Which snapshot; by default the one in use, in a directory the newest.")
@click.option(
    "--input", "input_format", type=click.Choice(["auto", "csv", "json"]), default="auto", help="Default: auto."
)
@click.pass_context
def score(
    ctx: click.Context, job_name: str, directory: Path | None, snapshot_id: str | None, input_format: str
) -> None:
    """Score (entity, IP address) pairs of standard input with JOB's snapshot; nothing is written or learned.

    Takes CSV (`alice,192.0.2.1`, no header) or JSON lines (`{"entity": "alice", "ip": "192.0.2.1"}`, or SageMaker's
    `{"features": ["alice", "192.0.2.1"]}`) and answers in the same form: compatibility (high = usual; `dot_product`
    in SageMaker's form), probability (small = unusual) and how much history the entity has. CSV columns: entity, ip,
    compatibility, probability, history class, error.

    Example: echo alice,192.0.2.1 | ipi-es score sign-ins
    """
    if sys.stdin.isatty():
        click.echo("Type entity,ip and end with Ctrl-D.", err=True)
    surroundings = shell(ctx)
    with _open(surroundings, job_name, directory, snapshot_id) as scorer:
        lines = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", errors="surrogateescape", newline="")
        form, rows = read_rows(lines, None if input_format == "auto" else _format(input_format))
        _score_all(scorer, rows, form)
        lines.detach()


def _format(text: str) -> RowFormat:
    return "json" if text == "json" else "csv"


def _score_all(scorer: PairScorer, rows: Iterator[Row], form: RowFormat) -> None:
    total, malformed, first = 0, 0, ""
    while block := list(islice(rows, BLOCK_ROWS)):
        for row, result in zip(block, scorer.score(block), strict=True):
            sys.stdout.write(write_row(row, result, form))
            total += 1
            if row.error:
                malformed += 1
                first = first or f"line {row.line}: {row.error}"
        sys.stdout.flush()
    if malformed:
        click.secho(
            f"{malformed:,} of {total:,} rows are malformed and not scored (first: {first})", fg="yellow", err=True
        )


@contextmanager
def _open(surroundings: Shell, job_name: str, directory: Path | None, snapshot_id: str | None) -> Iterator[PairScorer]:
    if directory is not None:
        yield _from_directory(surroundings, job_name, directory, snapshot_id)
        return
    with surroundings.cluster() as cluster:
        yield _from_cluster(cluster, surroundings, job_name, snapshot_id)


def _from_cluster(cluster: Cluster, surroundings: Shell, job_name: str, snapshot_id: str | None) -> PairScorer:
    """The snapshot and the history that the job's state points to, or the ones asked for."""
    from ipi_es.worker.history_keeper import HistoryId
    from ipi_es.worker.job_work import JobWork

    job = surroundings.job(job_name)
    work = JobWork(cluster, job, snapshots=surroundings.settings.snapshots.directory)
    state = work.stores.states.read(job.job_id)
    in_use = None if state is None else state.snapshot_id
    wanted = snapshot_id or in_use
    snapshot = work.snapshot(wanted)
    if wanted == in_use and state is not None and state.history_id is not None:
        history = HistoryId.parse(state.history_id)
    else:
        history = _newest_history(work.stores.blobs, job.job_id, str(wanted))
    return _scorer(work.stores.blobs, snapshot, history, job.datafeed_config.entity_normalize)


def _from_directory(surroundings: Shell, job_name: str, directory: Path, snapshot_id: str | None) -> PairScorer:
    from ipi_es.state.directory_blobs import DirectoryBlobs
    from ipi_es.worker.job_snapshot import JobSnapshot

    job_id, steps = _job_of(surroundings, job_name)
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
    return _scorer(blobs, snapshot, _newest_history(blobs, job_id, snapshot_id), steps)


def _job_of(surroundings: Shell, job_name: str) -> tuple[str, tuple[EntityStep, ...]]:
    """(job_id, entity_normalize); a snapshot may be used where the job's file isn't."""
    from ipi_es.errors import ConfigError

    try:
        job = surroundings.job(job_name)
    except ConfigError:
        raise
    except UsageError:
        note = f"note: there is no file of job {job_name} here; entities are taken as they are spelled"
        click.secho(note, fg="yellow", err=True)
        return job_name, ()
    return job.job_id, job.datafeed_config.entity_normalize


def _newest_history(blobs: BlobStore, job_id: str, snapshot_id: str) -> HistoryId:
    """The snapshot's history with all days that were added to it."""
    from ipi_es.worker.history_keeper import HistoryId
    from ipi_es.worker.training import history_base

    base = history_base(snapshot_id)
    day = int(blobs.info(job_id, base).attributes["day"])
    deltas = blobs.list(job_id, "history_delta")
    days = [int(info.attributes["day"]) + 1 for info in deltas if info.attributes.get("base") == base]
    return HistoryId(base, max([day, *days]))


def _scorer(blobs: BlobStore, snapshot: JobSnapshot, history: HistoryId, steps: tuple[EntityStep, ...]) -> PairScorer:
    from ipi_es.ipinsights.scorer import Scorer
    from ipi_es.worker.history_keeper import load_history

    loaded = load_history(blobs, snapshot.job_id, history)
    return PairScorer(snapshot, Scorer(snapshot.network, loaded), steps)
