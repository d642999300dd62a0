"""What a live job writes beside its scores, for people: annotations of trainings and of times without events."""

from __future__ import annotations

from ipi_es.results.annotations import Annotation
from ipi_es.service.blindness import BlindChange
from ipi_es.times import iso
from ipi_es.worker.claim import Claim
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
