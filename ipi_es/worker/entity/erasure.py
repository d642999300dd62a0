"""Erase an entity from a job, while the job's lease is held.

Each step finds what is left and removes it, so that a run after a kill ends where an undisturbed one does. Results come
before verdicts, since annotations may have the name as a verdict spells it. Blobs keep their ids: writing one again
replaces it at once, and what a state or a snapshot points to stays valid.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from ipi_es.results.documents.mentions import says
from ipi_es.state.fields import LATEST
from ipi_es.state.leased_state import LeasedState
from ipi_es.state.owner import owner_alive
from ipi_es.worker.entity.erased_results import ErasedResults, erase_results
from ipi_es.worker.entity.learned_parts import LearnedPart, learned_parts
from ipi_es.worker.entity.traces import names_of, verdict_is_on
from ipi_es.worker.fenced_writer import FencedWriter
from ipi_es.worker.history.late_rows import blob_id_of
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.lease_wait import PATIENCE, LeaseWait

ERASING = "erasing an entity"
"""The purpose of a job's lease meanwhile; it doesn't name the entity."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was removed of an entity from one job."""

    job_id: str
    results: ErasedResults
    verdicts: int
    learned: int
    """Snapshots and parts of history."""
    error: bool
    """Whether the job's last error named it."""

    @property
    def nothing(self) -> bool:
        """Whether nothing was found."""
        return not str(self) and not self.results.blocked

    def __str__(self) -> str:
        said = {
            "records and influencers": self.results.deleted,
            "annotations": self.results.annotations,
            "other results that named it or counted its results": self.results.rewritten,
            "verdicts": self.verdicts,
            "snapshots and parts of history that held it": self.learned,
            "error messages": int(self.error),
        }
        return ", ".join(f"{count:,} {what}" for what, count in said.items() if count)


def erase(
    resources: JobResources,
    entity: str,
    rules: Collection[str] = (),
    *,
    alive: Callable[[str], bool] = owner_alive,
    patience: float = PATIENCE,
) -> Erasure:
    """Remove an entity, as the job spells it, from all that the job stores.

    ``rules`` are the names of those that are deleted with it. ``alive`` decides whether an owner may still be at work.

    :raises JobBusy: another owner still holds the job's lease after ``patience`` seconds.
    :raises SnapshotDamaged, SnapshotForeign: a blob can't be read; what comes before it is removed.
    """
    stores, job_id = resources.stores, resources.job.job_id
    wait = LeaseWait(stores.clock, patience)
    owner, length = resources.owner, resources.lease
    state = wait.acquire(stores.states, job_id, owner, length, alive=alive, doing=ERASING)
    lease = LeasedState(stores.states, state, now=stores.clock.now, lease=length)
    last = state.details.last_error
    named = last is not None and any(says(last.text, name) for name in resources.job.spellings(entity))
    with lease.renewed():
        made = _erased(resources, lease, entity, rules)
    lease.release(**({"last_error": None} if named else {}))
    stores.results.forget()
    return replace(made, error=named)


def _erased(resources: JobResources, lease: LeasedState, entity: str, rules: Collection[str]) -> Erasure:
    stores, writer = resources.stores, FencedWriter(resources.stores, lease)
    job_id = resources.job.job_id
    resources.incidents.mark_due(writer, 0, LATEST)  # incidents are made anew of what is left
    results = erase_results(resources, writer, names_of(resources, entity, rules))
    resources.incidents.update(writer)
    lease.check()
    verdicts = stores.verdicts.delete_documents(
        [each for each in stores.verdicts.documents() if verdict_is_on(each, entity, resources)]
    )
    learned = 0
    for part in learned_parts(stores.blobs, job_id, entity):
        _remove(part, writer)
        learned += 1
    writer.blobs.sweep(job_id)  # pieces of the replaced blobs, also of those of an earlier run that was killed
    return Erasure(job_id, results, verdicts, learned, error=False)


def _remove(part: LearnedPart, writer: FencedWriter) -> None:
    """Write a blob without the entity; late rows under a new id, which follows from the contents."""
    info, blob = part.info, part.without()
    blob_id, state = info.id, writer.state
    if info.kind == "history_late":
        if info.id != state.details.late_rows:
            writer.blobs.delete(info.job_id, info.id)  # left by a killed run: no state points to it
            return
        blob_id = blob_id_of(str(info.attributes["base"]), blob)
    writer.blobs.write(info.job_id, blob_id, info.kind, blob, created=info.created, attributes=info.attributes)
    if blob_id != info.id:
        writer.save(state.advanced(details=replace(state.details, late_rows=blob_id)))
        writer.blobs.delete(info.job_id, info.id)
