"""Revert a job to an earlier snapshot: network, history, quantiles and checkpoint, as of the end of its training."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ipi_es.config.setting_rules import made_with
from ipi_es.results.documents.annotations import OF_BUCKETS, OF_SNAPSHOTS, said_since
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.words import RESULT_KINDS
from ipi_es.state.fields import LATEST
from ipi_es.worker.changed_settings import OnChange, changed, refuse
from ipi_es.worker.history.history_keeper import HistoryId, load_history
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.job_session import JobSession


@dataclass(frozen=True, slots=True)
class Reversion:
    """The target of a revert."""

    snapshot_id: str
    history: HistoryId
    checkpoint: int
    """End of the snapshot's training range, epoch seconds. Everything after it is scored again."""
    quantiles_id: str | None
    """Quantiles of that time; None: none are stored, so the snapshot's own are used."""
    results: int
    """Number of results after the checkpoint: they are replaced when it is scored again."""
    settings_known: bool = True
    """Whether the snapshot has the settings that it was made with."""


def plan_revert(resources: JobResources, snapshot_id: str, on_change: OnChange = OnChange.REFUSE) -> Reversion:
    """Plan a revert to a snapshot; read all its parts, so that a damaged or incomplete one is refused.

    Raises SnapshotMissing, SnapshotDamaged or SnapshotForeign; JobChanged if the snapshot was made with other settings
    than the job has now, and ``on_change`` doesn't accept that.
    """
    job_id, stores = resources.job.job_id, resources.stores
    snapshot = resources.snapshot(snapshot_id)
    refuse(resources.job, changed(resources.job, snapshot.made_with), on_change, snapshot=snapshot_id)
    history = resources.base_of(snapshot_id)
    load_history(stores.blobs, job_id, history)
    checkpoint = snapshot.trained_to
    stores.results.show()
    later = ResultFilter(checkpoint)
    return Reversion(
        snapshot_id,
        history,
        checkpoint,
        _quantiles_at(resources, checkpoint),
        sum(stores.results.count(kind, later) for kind in RESULT_KINDS),
        snapshot.made_with is not None,
    )


def revert(session: JobSession, to: Reversion, *, delete_results: bool = False) -> int:
    """Revert the job with one write. With ``delete_results`` later results are deleted; return their number.

    Later results that stay are replaced bucket by bucket when their buckets are scored again. After a stop between the
    write and the deletion, the job is reverted, and the remaining results are replaced too; a second revert deletes
    them. Annotations of later snapshots are always deleted, those of later buckets with the results; people's own
    annotations stay.
    """
    state, incidents = session.state, session.resources.incidents
    # the job's settings are the same as the snapshot's, or accepted
    settings = made_with(session.resources.job) if to.settings_known else None
    details = replace(state.details.restarted(), made_with=settings)
    if state.checkpoint is not None:
        details = replace(details, reverted_from=max(state.checkpoint, details.reverted_from or 0))
    if delete_results:
        details = incidents.with_due(details, to.checkpoint, LATEST)
    session.scoring.invalidate()
    session.writer.save(
        state.advanced(
            snapshot_id=to.snapshot_id,
            history_id=str(to.history),
            quantiles_id=to.quantiles_id,
            checkpoint=to.checkpoint,
            renormalize_due=False,
            renormalized_to=None,
            details=details,
        )
    )
    writer, job_id = session.writer, session.state.job_id
    writer.delete_annotations(said_since(job_id, OF_SNAPSHOTS, to.checkpoint + 1))
    if not delete_results:
        return 0
    writer.delete_annotations(said_since(job_id, OF_BUCKETS, to.checkpoint))
    deleted = writer.delete_from(to.checkpoint)
    session.update_incidents()
    return deleted


def _quantiles_at(resources: JobResources, time: int) -> str | None:
    """Return the id of the last quantiles at or before ``time``; the cleanup keeps those of each snapshot's end."""
    times = resources.stores.quantiles.times()
    return max((name for name in times if times[name] <= time), key=lambda name: (times[name], name), default=None)
