"""Documents with renormalized scores. ``initial_*`` and ``event.ingested`` never change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es.results.words import SCORE_FIELDS, ResultKind
from ipi_es.times import to_ms


@dataclass(frozen=True, slots=True)
class Caps:
    """Caps of a record's new score (see :class:`ipi_es.results.documents.explanation.ScoreExplanation`)."""

    c1: float
    c2: float
    c3: float
    bound: str
    warming_up: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the part of ``anomaly_score_explanation`` that a renormalization changes."""
        return {"c1": self.c1, "c2": self.c2, "c3": self.c3, "bound": self.bound, "warming_up": self.warming_up}


def renormalized(
    source: Mapping[str, Any],
    *,
    score: float,
    quantiles_id: str,
    at: int,
    caps: Caps | None = None,
) -> dict[str, Any]:
    """Return a copy of a record or an influencer with a new score; ``at`` in epoch seconds."""
    kind: ResultKind = source["result_type"]
    changed = {**source, SCORE_FIELDS[kind]: float(score), "quantiles_id": quantiles_id, "renormalized_at": to_ms(at)}
    if caps is not None and "anomaly_score_explanation" in source:
        changed["anomaly_score_explanation"] = {**source["anomaly_score_explanation"], **caps.to_dict()}
    return changed


def renormalized_bucket(
    source: Mapping[str, Any],
    *,
    scores: Mapping[str, float],
    quantiles_id: str,
    at: int,
    max_record_score: float | None = None,
) -> dict[str, Any]:
    """Return a copy of a bucket with new scores of its bucket influencers.

    ``scores`` is ``{influencer_field_name: score}``; the others keep theirs. The bucket's own score is the largest of
    all. ``max_record_score`` is given where a record of the bucket changed.
    """
    influencers = [
        {**each, "anomaly_score": float(scores.get(each["influencer_field_name"], each["anomaly_score"]))}
        for each in source["bucket_influencers"]
    ]
    changed = {
        **source,
        "bucket_influencers": influencers,
        "anomaly_score": max((each["anomaly_score"] for each in influencers), default=0.0),
        "quantiles_id": quantiles_id,
        "renormalized_at": to_ms(at),
    }
    if max_record_score is not None:
        changed["max_record_score"] = float(max_record_score)
    return changed
