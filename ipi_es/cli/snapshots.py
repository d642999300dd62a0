"""`ipi-es snapshots`: list, delete and revert to snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ipi_es.cli.shared.output import Column, accept_change_option, confirmed, emit, format_option, yes_option
from ipi_es.cli.shared.shell import clock, shell

if TYPE_CHECKING:
    from ipi_es.errors import UsageError
    from ipi_es.state.blobs import BlobInfo, BlobStore
    from ipi_es.worker.job_resources import JobResources
    from ipi_es.worker.training.revert import Reversion
    from ipi_es.worker.training.snapshot_inventory import SnapshotInventory

# an id must be shown whole, so that it can be copied; the table must fit 80 characters
COLUMNS = (
    Column("snapshot_id", "snapshot"),
    Column("trained_to", "trained to"),
    Column("size", "size", right=True),
    Column("discriminator_auc", "AUC", right=True),
    Column("history_days", "days", right=True),
    Column("in_use", "in use"),
)

FIELDS = ("snapshot_id", "trained_to", "created", "size", "history_days", "in_use", "discriminator_auc")
"""The first columns of CSV; the other metrics of the training follow."""


@click.group()
def snapshots() -> None:
    """List and delete the snapshots that trainings made, or go back to one.

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
    from ipi_es.errors import SnapshotMissing

    with _inventory(ctx, job_name) as inventory:
        rows = [_row(inventory, info) for info in inventory.networks]
    if output_format == "table":
        rows = [{**row, "size": _size(row["size"]), "in_use": "yes" if row["in_use"] else ""} for row in rows]
    empty = f"No snapshot of {job_name} yet. Make one: ipi-es train {job_name}"
    emit(rows, COLUMNS, output_format, empty=empty, fields=FIELDS)
    missing = None if inventory.state is None else inventory.state.snapshot_id
    if missing is not None and missing not in {info.id for info in inventory.networks}:
        raise SnapshotMissing(
            f"snapshot {missing}, which job {inventory.job_id} uses, is not there",
            hint=f"look at snapshots.directory of ipi-es.yml, bring it back, or train again: ipi-es train {job_name}",
        )


@snapshots.command()
@click.argument("job_name", metavar="JOB")
@click.argument("snapshot_ids", metavar="SNAPSHOT...", nargs=-1, required=True)
@click.pass_context
def delete(ctx: click.Context, job_name: str, snapshot_ids: tuple[str, ...]) -> None:
    """Delete snapshots of JOB, with the history that belongs to them; never the one in use.

    Example: ipi-es snapshots delete sign-ins 20260501T000000Z-1f3a9c0b
    """
    with _inventory(ctx, job_name) as inventory:
        for snapshot_id in snapshot_ids:
            _refuse(inventory, snapshot_id)
        for snapshot_id in dict.fromkeys(snapshot_ids):
            click.echo(f"{snapshot_id} is deleted, with {inventory.delete(snapshot_id)} parts of its history.")


@snapshots.command()
@click.argument("job_name", metavar="JOB")
@click.argument("snapshot_id", metavar="SNAPSHOT")
@click.option("--delete-results", is_flag=True, help="Delete the results after it now, and not one by one later.")
@accept_change_option
@yes_option
@click.pass_context
def revert(
    ctx: click.Context, job_name: str, snapshot_id: str, delete_results: bool, accept_change: bool, yes: bool
) -> None:
    """Go back to SNAPSHOT of JOB: network, history, quantiles and checkpoint together, as they were at its end.

    The worker (or `ipi-es backfill`) scores everything after it again, and replaces the results. The next training is
    due `training.every` after where the job stands now. What people said stays; what was said of later snapshots goes.

    Example: ipi-es snapshots revert sign-ins 20260501T000000Z-1f3a9c0b --delete-results
    """
    from ipi_es.worker.changed_settings import OnChange
    from ipi_es.worker.job_resources import JobResources
    from ipi_es.worker.open_session import open_session
    from ipi_es.worker.training.revert import plan_revert
    from ipi_es.worker.training.revert import revert as go_back

    surroundings = shell(ctx)
    job = surroundings.job(job_name)
    with surroundings.cluster() as cluster:
        resources = JobResources(cluster, job, snapshots=surroundings.settings.snapshots.directory)
        on_change = OnChange.ACCEPT if accept_change else OnChange.REFUSE
        to = plan_revert(resources, _snapshot(resources, snapshot_id), on_change)
        confirmed(_said(to, resources, delete_results=delete_results), yes=yes)
        with open_session(resources, doing="going back to a snapshot", on_change=OnChange.IGNORE) as session:
            deleted = go_back(session, to, delete_results=delete_results)
    click.echo(
        f"Job {job.job_id} is back at {to.snapshot_id}." + (f" {deleted:,} results are deleted." * bool(deleted))
    )


@contextmanager
def _inventory(ctx: click.Context, job_name: str) -> Iterator[SnapshotInventory]:
    from ipi_es.state.cluster_blobs import ClusterBlobs
    from ipi_es.state.directory_blobs import DirectoryBlobs
    from ipi_es.state.job_state import StateStore
    from ipi_es.worker.training.snapshot_inventory import SnapshotInventory

    surroundings = shell(ctx)
    job_id = surroundings.job(job_name).job_id
    directory = surroundings.settings.snapshots.directory
    with surroundings.cluster() as cluster:
        blobs: BlobStore = ClusterBlobs(cluster) if directory is None else DirectoryBlobs(directory)
        yield SnapshotInventory.of(job_id, blobs, StateStore(cluster).read(job_id))


def _snapshot(resources: JobResources, snapshot_id: str) -> str:
    """Return the id of an existing snapshot. Raises SnapshotMissing, with the nearest id as a hint, for any other.

    Raises UsageError for the id of a history part.
    """
    from ipi_es.state.job_state import JobState
    from ipi_es.worker.training.snapshot_inventory import SnapshotInventory

    job_id = resources.job.job_id
    inventory = SnapshotInventory.of(job_id, resources.stores.blobs, JobState(job_id))
    info = _known(inventory, snapshot_id)
    if info.kind != "network":
        raise _only_a_part(inventory, snapshot_id)
    return info.id


def _said(to: Reversion, resources: JobResources, *, delete_results: bool) -> str:
    """Describe the effect of the reversion, for the confirmation."""
    from ipi_es.times import iso

    now = resources.stores.states.read(resources.job.job_id)
    lines = [f"Job {resources.job.job_id} goes back to snapshot {to.snapshot_id}, trained to {iso(to.checkpoint)}."]
    if now is not None and now.checkpoint is not None and now.checkpoint > to.checkpoint:
        buckets = (now.checkpoint - to.checkpoint) // resources.job.bucket_span
        lines.append(f"{buckets:,} buckets up to {iso(now.checkpoint)} are scored again, from the events still there.")
    lines.append(f"{to.results:,} results after it are {'deleted' if delete_results else 'replaced by that'}.")
    return "\n".join(lines)


def _refuse(inventory: SnapshotInventory, snapshot_id: str) -> None:
    """Raise unless the id is that of a snapshot that no job uses or is about to use; a damaged one may be deleted.

    Raises SnapshotMissing if there is none, UsageError for a part of a history or a snapshot that is needed.
    """
    from ipi_es.errors import SnapshotError, SnapshotMissing, UsageError

    job_id = inventory.job_id
    if inventory.uses(snapshot_id):
        raise UsageError(
            f"snapshot {snapshot_id} of job {job_id} is in use",
            hint=f"train again first (ipi-es train {job_id}), or delete the whole job",
        )
    try:
        info = _known(inventory, snapshot_id)
    except SnapshotMissing:
        raise
    except SnapshotError:
        return
    if info.kind != "network":
        raise _only_a_part(inventory, snapshot_id)
    if _may_be_next(inventory, info):
        raise UsageError(
            f"snapshot {snapshot_id} is newer than the one in use, and a worker is at work on job {job_id}",
            hint="it may be about to take it: wait until it has, or stop it",
        )


def _known(inventory: SnapshotInventory, snapshot_id: str) -> BlobInfo:
    """Return a blob's metadata. Raises SnapshotMissing with the nearest snapshot's id as a hint."""
    from ipi_es.config.files.nearest import nearest
    from ipi_es.errors import SnapshotMissing

    try:
        return inventory.blobs.info(inventory.job_id, snapshot_id)
    except SnapshotMissing as error:
        guess = nearest(snapshot_id, [info.id for info in inventory.networks])
        raise SnapshotMissing(error.message, hint=f"did you mean {guess}?" if guess else error.hint) from error


def _only_a_part(inventory: SnapshotInventory, blob_id: str) -> UsageError:
    from ipi_es.errors import UsageError
    from ipi_es.worker.history.history_keeper import history_base

    owners = (info.id for info in inventory.networks if f"{blob_id}-".startswith(f"{history_base(info.id)}-"))
    owner = next(owners, None)
    hint = "no snapshot needs it: the worker's daily cleaning removes it"
    if owner is not None:
        hint = f"name the snapshot, {owner}: its history goes with it"
    return UsageError(f"{blob_id} is a part of a snapshot's history", hint=hint)


def _may_be_next(inventory: SnapshotInventory, info: BlobInfo) -> bool:
    state = inventory.state
    if state is None or state.lease_owner is None or (state.lease_expires or 0) <= clock():
        return False
    used = [other.created for other in inventory.networks if other.id == state.snapshot_id]
    return not used or info.created >= used[0]


def _row(inventory: SnapshotInventory, info: BlobInfo) -> dict[str, Any]:
    from ipi_es.times import iso

    parts = inventory.parts(info.id)
    metrics = {key: value for key, value in info.attributes.items() if key not in ("trained_to", "history")}
    return {
        "snapshot_id": info.id,
        "trained_to": info.attributes.get("trained_to"),
        "created": iso(info.created),
        "size": info.size + sum(part.size for part in parts),
        "history_days": sum(part.kind == "history_delta" for part in parts),
        "in_use": inventory.uses(info.id),
        **metrics,
    }


def _size(size: int) -> str:
    """Format bytes: ``1.4 MiB``."""
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 2**10:,.0f} KiB"
