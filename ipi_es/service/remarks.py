"""What a live job writes beside its scores, for people: annotations of trainings and of times without events."""

from __future__ import annotations

from ipi_es.results.annotations import Annotation
from ipi_es.results.documents import Stamp
from ipi_es.service.blindness import BlindChange
from ipi_es.times import iso
from ipi_es.worker.batch import quantiles_id_of
from ipi_es.worker.claim import Claim
from ipi_es.worker.describe import context_of
from ipi_es.worker.training import Learned


def of_training(claim: Claim, learned: Learned) -> Annotation:
    """That the job scores with another snapshot from its checkpoint on."""
    span, checkpoint = claim.work.job.bucket_span, int(claim.state.checkpoint or 0)
    compared = "" if learned.compared is None else f"; {learned.compared}"
    text = (
        f"From here on snapshot {claim.state.snapshot_id} is used, trained on {learned.collected.event_count:,} events "
        f"up to {iso(learned.snapshot.trained_to)}; the network {learned.begun}{compared}."
    )
    return Annotation("model_snapshot", checkpoint, checkpoint + span, text)


def of_blindness(change: BlindChange) -> Annotation:
    """That no events came although there always were some; the same annotation when they are there again."""
    until = f"from {iso(change.start)} on, so far" if change.blind else f"from {iso(change.start)} to {iso(change.end)}"
    return Annotation("blind", change.start, change.end, f"No events {until}, although there always were some.")


def write(claim: Claim, *remarks: Annotation) -> None:
    """Write annotations; those that are there already in the same words are left as they are. LostJob."""
    if not remarks:
        return
    state, stores = claim.state, claim.work.stores
    stamp = Stamp(
        str(state.snapshot_id),
        state.quantiles_id or quantiles_id_of(int(state.checkpoint or 0)),
        stores.clock.now(),
    )
    claim.held.check()
    stores.results.annotate(remarks, context_of(claim.work.job), stamp, state.external_version)
