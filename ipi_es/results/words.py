"""Fixed names in result documents: indices, types, fields and values."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Literal, TypeAlias

from ipi_es.config.given_verdict import CLOSING

ALIAS = "ipi-es-anomalies"
"""The alias of all result indices. Reads use it, always together with a ``job_id``."""

TEMPLATE = "ipi-es-results"
"""The index template of every result index."""

SHARED = "shared"
"""The index name of jobs without one of their own."""

ResultKind: TypeAlias = Literal["record", "influencer", "bucket"]
"""Result types that are scored; annotations and incidents are the others."""

RESULT_KINDS: tuple[ResultKind, ...] = ("record", "influencer", "bucket")

INCIDENT = "incident"
"""The result type of incidents, which are made of records and influencers."""

INCIDENT_SCORE = "incident_score"
"""The score of an incident: the highest initial score of its results, 0–100."""

ALERT_ID = "alert_id"
"""The field with the id that an incident had when it reached its level, by which alerts know it again."""

SCORE_FIELDS: dict[ResultKind, str] = {
    "record": "record_score",
    "influencer": "influencer_score",
    "bucket": "anomaly_score",
}
"""Result type → its score, 0–100, high = unusual. With the prefix ``initial_``: the score at the time of writing."""

AnnotationType: TypeAlias = Literal[
    "delayed_data", "blind", "model_snapshot", "warm_up", "verdict", "rules", "user", "results_missing"
]

SCHEDULED_EVENTS = "scheduled_events"
"""The names of the scheduled events that a result's bucket is inside of."""

EXPECTED = ("suppressed_by", SCHEDULED_EVENTS)
"""Fields of a result that people expected: a rule of the allow list matches it, or its bucket is inside a scheduled
event."""

NO_ALARM = ("repeat_of", *EXPECTED)
"""Fields of a result that raises no alarm: it repeats an earlier one, or was expected."""


def raises_alarm(source: Container[str]) -> bool:
    """Decide whether a result with these fields may raise an alarm."""
    return not any(field in source for field in NO_ALARM)


VERDICT = "verdict"
"""The field with the verdict on a result (:data:`ipi_es.config.given_verdict.VERDICTS`); absent: none was given."""


def is_settled(source: Mapping[str, Any]) -> bool:
    """Decide whether people expected a result, or answered it by a verdict that closes it: no report counts it."""
    return any(field in source for field in EXPECTED) or source.get(VERDICT) in CLOSING


BUCKET_TIME = "bucket_time"
"""The built-in bucket influencer: how unusual the bucket is over all its entities."""

FUNCTION = "rare"
"""Elastic's name for the detector function, and its description."""

CRITICAL = 75.0
"""Scores of at least this are critical."""

SMALLEST_PROBABILITY = 2.2250738585072014e-308
"""The smallest probability that is written: the smallest normal double."""
