"""`ipi-es snapshots`: what trainings left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ipi_es.cli.context import clock, shell
from ipi_es.cli.output import Column, emit, format_option

if TYPE_CHECKING:
    from ipi_es.state.blobs import BlobInfo, BlobStore
    from ipi_es.state.job_state import JobState

# an id must be seen whole to be copied, so that a table of 80 columns has to do
COLUMNS = (
    Column("snapshot_id", "snapshot"),
    Column("trained_to", "trained to"),
    Column("size", "size", right=True),
    Column("discriminator_auc", "AUC", right=True),
    Column("history_days", "days", right=True),
    Column("in_use", "in use"),
)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The snapshots of one job, and the state that says which is in use; None: the job never ran."""

    job_id: str
    blobs: BlobStore
    state: JobState | None

    def uses(self, snapshot_id: str) -> bool:
        """Whether the state points to the snapshot or to its history."""
        from ipi_es.worker.training import history_base

        state = self.state
        base = (state.history_id or "").rpartition("+")[0] if state else ""
        return state is not None and (state.snapshot_id == snapshot_id or base == history_base(snapshot_id))

    def parts(self, snapshot_id: str) -> list[BlobInfo]:
        """The history that belongs to a snapshot: deltas, then their base."""
        from ipi_es.worker.training import history_base

        base = history_base(snapshot_id)
        deltas = [info for info in self.blobs.list(self.job_id, "history_delta") if info.attributes.get("base") == base]
        return deltas + [info for info in self.blobs.list(self.job_id, "history_base") if info.id == base]


@click.group()
def snapshots() -> None:
    """List and delete the snapshots that trainings made.

    Example: ipi-es snapshots list sign-ins
    """


@snapshots.command("list")
@click.argument("job_name", metavar="JOB")
@format_option
@click.pass_context
def list_(ctx: click.Context, job_name: str, output_format: str) -> None:
    """Show JOB's snapshots, oldest first: trained to, size with history, quality, and which is in use.

    Example: ipi-es snapshots list sign-ins --format json
    """
    with _shelf(ctx, job_name) as shelf:
        rows = [_row(shelf, info) for info in shelf.blobs.list(shelf.job_id, "network")]
    if output_format == "table":
        rows = [{**row, "size": _size(row["size"]), "in_use": "yes" if row["in_use"] else ""} for row in rows]
    emit(rows, COLUMNS, output_format, empty=f"No snapshot of {job_name} yet. Make one: ipi-es train {job_name}")


@snapshots.command()
@click.argument("job_name", metavar="JOB")
@click.argument("snapshot_ids", metavar="SNAPSHOT...", nargs=-1, required=True)
@click.pass_context
def delete(ctx: click.Context, job_name: str, snapshot_ids: tuple[str, ...]) -> None:
    """Delete snapshots of JOB, with the history that belongs to them; never the one in use.

    Example: ipi-es snapshots delete sign-ins 20260501T000000Z-1f3a9c0b
    """
    with _shelf(ctx, job_name) as shelf:
        for snapshot_id in snapshot_ids:
            _refuse(shelf, snapshot_id)
        for snapshot_id in dict.fromkeys(snapshot_ids):
            parts = shelf.parts(snapshot_id)
            shelf.blobs.delete(shelf.job_id, snapshot_id)  # first: nobody may find a snapshot without its history
            for info in parts:
                shelf.blobs.delete(shelf.job_id, info.id)
            click.echo(f"{snapshot_id} is deleted, with {len(parts)} parts of its history.")


@contextmanager
def _shelf(ctx: click.Context, job_name: str) -> Iterator[Shelf]:
    from ipi_es.state.cluster_blobs import ClusterBlobs
    from ipi_es.state.directory_blobs import DirectoryBlobs
    from ipi_es.state.job_state import StateStore

    surroundings = shell(ctx)
    job_id = surroundings.job(job_name).job_id
    directory = surroundings.settings.snapshots.directory
    with surroundings.cluster() as cluster:
        blobs: BlobStore = ClusterBlobs(cluster) if directory is None else DirectoryBlobs(directory)
        yield Shelf(job_id, blobs, StateStore(cluster).read(job_id))


def _refuse(shelf: Shelf, snapshot_id: str) -> None:
    """Raise unless the snapshot is there, is one, and nobody needs it. A damaged one may go."""
    from ipi_es.config.nearest import nearest
    from ipi_es.errors import SnapshotError, SnapshotMissing, UsageError

    job_id = shelf.job_id
    if shelf.uses(snapshot_id):
        raise UsageError(
            f"snapshot {snapshot_id} of job {job_id} is in use",
            hint=f"train again first (ipi-es train {job_id}), or delete the whole job",
        )
    try:
        info = shelf.blobs.info(job_id, snapshot_id)
    except SnapshotMissing as error:
        guess = nearest(snapshot_id, [info.id for info in shelf.blobs.list(job_id, "network")])
        raise SnapshotMissing(error.message, hint=f"did you mean {guess}?" if guess else error.hint) from error
    except SnapshotError:
        return
    if info.kind != "network":
        raise UsageError(
            f"{snapshot_id} is a part of a snapshot's history", hint="name the snapshot: its history goes with it"
        )
    if _may_be_next(shelf, info):
        raise UsageError(
            f"snapshot {snapshot_id} is newer than the one in use, and a worker is at work on job {job_id}",
            hint="it may be about to take it: wait until it has, or stop it",
        )


def _may_be_next(shelf: Shelf, info: BlobInfo) -> bool:
    state = shelf.state
    if state is None or state.lease_owner is None or (state.lease_expires or 0) <= clock():
        return False
    used = [other.created for other in shelf.blobs.list(shelf.job_id, "network") if other.id == state.snapshot_id]
    return not used or info.created >= used[0]


def _row(shelf: Shelf, info: BlobInfo) -> dict[str, Any]:
    from ipi_es.times import iso

    parts = shelf.parts(info.id)
    metrics = {key: value for key, value in info.attributes.items() if key not in ("trained_to", "history")}
    return {
        "snapshot_id": info.id,
        "trained_to": info.attributes.get("trained_to"),
        "created": iso(info.created),
        "size": info.size + sum(part.size for part in parts),
        "history_days": sum(part.kind == "history_delta" for part in parts),
        "in_use": shelf.uses(info.id),
        **metrics,
    }


def _size(size: int) -> str:
    """``1.4 MiB``."""
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 2**10:,.0f} KiB"
