"""What a live job writes beside its scores, for people: annotations of times without events."""

from __future__ import annotations

from ipi_es.results.annotations import Annotation
from ipi_es.service.blindness import BlindChange
from ipi_es.times import iso


def of_blindness(change: BlindChange) -> Annotation:
    """That no events came although there always were some; the same annotation when they are there again."""
    until = f"from {iso(change.start)} on, so far" if change.blind else f"from {iso(change.start)} to {iso(change.end)}"
    return Annotation("blind", change.start, change.end, f"No events {until}, although there always were some.")
