"""Result documents of a scored bucket, field by field. Pure.

Names, types and meaning follow Elastic ML's results. Scores are 0–100, high = unusual; probabilities small = unusual;
times are given in epoch seconds and stored in milliseconds, as Elastic ML stores them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ipi_es.results.documents import ids
from ipi_es.results.documents.explanation import ScoreExplanation, sentence
from ipi_es.results.documents.members import Members, Unusual, bucket_sentence, influencer_sentence, outcome_list
from ipi_es.results.index_mapping import can_be_flat, flat_fields, index_for
from ipi_es.results.reading import reported
from ipi_es.results.reading.reported import Extent
from ipi_es.results.words import FUNCTION, SMALLEST_PROBABILITY, AnnotationType
from ipi_es.times import to_ms


@dataclass(frozen=True, slots=True)
class ResultDocument:
    """One document, with its index and id."""

    index: str
    id: str
    source: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ResultContext:
    """What all results of a job share. ``bucket_span`` in seconds; ``influencers`` are field names."""

    job_id: str
    bucket_span: int
    entity_field: str
    ip_field: str
    influencers: tuple[str, ...] = ()
    detector_index: int = 0
    results_index_name: str | None = None

    @property
    def flat_fields(self) -> dict[str, str]:
        """``{field: type}`` that results carry under the events' own names."""
        return flat_fields(self.entity_field, self.ip_field)

    def index_for(self, start: int) -> str:
        """Return the index of a result of the bucket at ``start``, epoch seconds."""
        return index_for(start, self.results_index_name)


@dataclass(frozen=True, slots=True)
class Stamp:
    """How and when results were made: the same for all results of a bucket. Times in epoch seconds.

    ``revision`` counts late rescorings, the last one at ``rescored_at``; each sets ``initial_*`` again.
    """

    snapshot_id: str
    quantiles_id: str
    ingested: int
    is_interim: bool = False
    revision: int = 0
    rescored_at: int | None = None


@dataclass(frozen=True, slots=True)
class BucketInfluencer:
    """How unusual a bucket is over the values of one field (or over all its entities: ``bucket_time``)."""

    field: str
    anomaly_score: float
    raw_anomaly_score: float
    probability: float
    failures_only: bool = False


def record(
    context: ResultContext,
    stamp: Stamp,
    *,
    start: int,
    entity: str,
    ip: str,
    probability: float,
    record_score: float,
    actual: float,
    typical: float,
    event_count: int,
    explanation: ScoreExplanation | Mapping[str, Any] | None = None,
    suppressed_by: str | None = None,
    repeat_of: str | None = None,
    held_until: int | None = None,
    failures_only: bool = False,
    extent: Extent | None = None,
    enrichment: Mapping[str, Any] | None = None,
    outcomes: Sequence[tuple[str, int]] = (),
) -> ResultDocument:
    """Build the record of one unusual (entity, IP) of one bucket.

    ``actual`` is the pair's compatibility (log-odds, high = usual), ``typical`` the entity's usual one; ``enrichment``
    is flat (``source.as.number``), ``repeat_of`` the id of the finding's first record, ``suppressed_by`` the rule that
    allows it. ``held_until`` (epoch seconds): the pair isn't learned earlier. ``failures_only``: none of its sign-ins
    succeeded. ``extent``: how much is reported with it, None for a repeat. ``outcomes``: (outcome, events) of the
    event count, where the job scores several. ``reason`` is the explanation in sentences, for tables and alerts that
    can't build them.
    """
    score = _score(record_score)
    by_field = {context.entity_field: entity, context.ip_field: ip}
    source = _common(context, stamp, "record", start) | {
        "record_score": score,
        "initial_record_score": score,
        "probability": _probability(probability),
        "actual": [_finite(actual)],
        "typical": [_finite(typical)],
        "detector_index": context.detector_index,
        "function": FUNCTION,
        "function_description": FUNCTION,
        "by_field_name": context.ip_field,
        "by_field_value": ip,
        "partition_field_name": context.entity_field,
        "partition_field_value": entity,
        "event_count": int(event_count),
        "influencers": [
            {"influencer_field_name": field, "influencer_field_values": [by_field[field]]}
            for field in context.influencers
            if field in by_field
        ],
    }
    source |= _flat(by_field) | _unless_none(suppressed_by=suppressed_by, repeat_of=repeat_of)
    source |= _reported(failures_only, extent)
    if held_until is not None:
        source["held_until"] = to_ms(held_until)
    if outcomes:
        source["outcomes"] = outcome_list(outcomes)
    source |= {field: value for field, value in (enrichment or {}).items() if field not in source and value is not None}
    if explanation is not None:
        body = explanation.to_dict() if isinstance(explanation, ScoreExplanation) else dict(explanation)
        source["anomaly_score_explanation"] = body
    source["reason"] = sentence(source)
    place = ids.record_id(context.job_id, start, context.bucket_span, context.detector_index, entity, ip)
    return ResultDocument(context.index_for(start), place, source)


def influencer(
    context: ResultContext,
    stamp: Stamp,
    *,
    start: int,
    field: str,
    value: str,
    probability: float,
    influencer_score: float,
    suppressed_by: str | None = None,
    repeat_of: str | None = None,
    failures_only: bool = False,
    extent: Extent | None = None,
    members: Members | None = None,
) -> ResultDocument:
    """Build the influencer of one entity or IP in a bucket; ``members`` are its addresses, or its entities, there.

    ``failures_only`` and ``extent`` as of a record.
    """
    score = _score(influencer_score)
    source = _common(context, stamp, "influencer", start) | {
        "influencer_score": score,
        "initial_influencer_score": score,
        "probability": _probability(probability),
        "influencer_field_name": field,
        "influencer_field_value": value,
    }
    if (
        field == context.entity_field
    ):  # one filter of a dashboard then finds both the influencer and the records of an entity
        source |= {"partition_field_name": field, "partition_field_value": value}
    source |= _flat({field: value}) | _unless_none(suppressed_by=suppressed_by, repeat_of=repeat_of)
    source |= _reported(failures_only, extent)
    if members is not None:
        of_entity = field == context.entity_field
        source |= {name: each for name, each in members.to_dict(of_entity=of_entity).items() if name not in source}
        source["reason"] = influencer_sentence(source, context.ip_field if of_entity else context.entity_field)
    place = ids.influencer_id(context.job_id, start, context.bucket_span, field, value)
    return ResultDocument(context.index_for(start), place, source)


def bucket(
    context: ResultContext,
    stamp: Stamp,
    *,
    start: int,
    event_count: int,
    events_digest: str | None = None,
    events_seq_no: str | None = None,
    processing_time_ms: int,
    influencers: Sequence[BucketInfluencer] = (),
    top_entities: Sequence[str] = (),
    top_ips: Sequence[str] = (),
    max_record_score: float = 0.0,
    record_count: int = 0,
    new_record_count: int = 0,
    influencer_count: int = 0,
    omitted_record_count: int = 0,
    unparsable_count: int = 0,
    unlearned_entities: Sequence[str] = (),
    unusual: Unusual | None = None,
    dropped: Mapping[str, int] | None = None,
    usable: Mapping[str, int] | None = None,
) -> ResultDocument:
    """Build one bucket; its score is the largest of its bucket influencers' scores, 0 where it has none.

    ``event_count`` counts the documents that match the query, before any filtering; ``events_digest`` is computed from
    their unique rows, ``events_seq_no`` from their sequence numbers
    (:class:`ipi_es.datafeed.event_bucket.EventBucket`). ``record_count`` and ``influencer_count`` count the records and
    influencers written, ``new_record_count`` the records that are neither repeats nor suppressed,
    ``omitted_record_count`` the records beyond the limit, ``unparsable_count`` the documents without a usable entity or
    IP (at most all of them); ``unusual`` counts the new unusual pairs, those beyond the limit too. ``dropped`` counts
    the documents that can't be scored, by reason, ``usable`` the others, by outcome: a restarted worker restores the
    usual counts from them. ``unlearned_entities`` have improbable pairs beyond the limit: none of their pairs is
    learned from the bucket.
    """
    common = _common(context, stamp, "bucket", start)
    score = max((_score(each.anomaly_score) for each in influencers), default=0.0)
    source = (
        common
        | {
            "anomaly_score": score,
            "initial_anomaly_score": score,
            "event_count": int(event_count),
            "processing_time_ms": int(processing_time_ms),
            "bucket_influencers": [_bucket_influencer(common, each) for each in influencers],
            "top_entities": list(top_entities),
            "top_ips": list(top_ips),
            "max_record_score": _score(max_record_score),
            "record_count": int(record_count),
            "new_record_count": int(new_record_count),
            "influencer_count": int(influencer_count),
            "omitted_record_count": int(omitted_record_count),
            "unparsable_count": int(unparsable_count),
        }
        | _counts(dropped or {}, usable or {})
        | _unless_none(events_digest=events_digest, events_seq_no=events_seq_no)
    )
    if unusual is not None:
        source |= unusual.to_dict()
        source |= _unless_none(reason=bucket_sentence(source, context.entity_field, context.ip_field))
    if unlearned_entities:
        source["unlearned_entities"] = list(unlearned_entities)
    return ResultDocument(context.index_for(start), ids.bucket_id(context.job_id, start, context.bucket_span), source)


def _counts(dropped: Mapping[str, int], usable: Mapping[str, int]) -> dict[str, Any]:
    names = sorted(usable)
    by_outcome = {"usable_outcomes": names, "usable_counts": [int(usable[name]) for name in names]}
    return {f"{reason}_count": int(count) for reason, count in dropped.items()} | by_outcome


def annotation(
    context: ResultContext,
    stamp: Stamp,
    *,
    start: int,
    end: int,
    annotation_type: AnnotationType,
    text: str,
    parts: Sequence[str] = (),
    fields: Mapping[str, str] | None = None,
) -> ResultDocument:
    """Build an annotation of [start, end), epoch seconds; ``parts`` distinguish several of one type and start.

    ``fields`` are for programs to read instead of the text (``blind_state``).
    """
    source = _common(context, stamp, "annotation", start) | {
        "annotation": text,
        "annotation_type": annotation_type,
        "end_timestamp": to_ms(end),
    }
    source |= fields or {}
    place = ids.annotation_id(context.job_id, start, context.bucket_span, annotation_type, *parts)
    return ResultDocument(context.index_for(start), place, source)


def _common(context: ResultContext, stamp: Stamp, result_type: str, start: int) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "job_id": context.job_id,
        "result_type": result_type,
        "timestamp": to_ms(start),
        "bucket_span": context.bucket_span,
        "is_interim": stamp.is_interim,
        "event.ingested": to_ms(stamp.ingested),
        "snapshot_id": stamp.snapshot_id,
        "quantiles_id": stamp.quantiles_id,
        "revision": stamp.revision,
    }
    if stamp.rescored_at is not None:
        fields["rescored_at"] = to_ms(stamp.rescored_at)
    return fields


def _bucket_influencer(common: Mapping[str, Any], each: BucketInfluencer) -> dict[str, Any]:
    shared = {name: common[name] for name in ("job_id", "timestamp", "bucket_span", "is_interim")}
    score = _score(each.anomaly_score)
    return shared | {
        "result_type": "bucket_influencer",
        "influencer_field_name": each.field,
        "anomaly_score": score,
        "initial_anomaly_score": score,
        "raw_anomaly_score": _score(each.raw_anomaly_score),
        "probability": _probability(each.probability),
        **_reported(each.failures_only, None),
    }


def _reported(failures_only: bool, extent: Extent | None) -> dict[str, Any]:
    found: dict[str, Any] = {"failures_only": True} if failures_only else {}
    return found if extent is None else found | {reported.FIELD: extent.to_source()}


def _flat(values: Mapping[str, str]) -> dict[str, list[str]]:
    return {field: [value] for field, value in values.items() if can_be_flat(field)}


def _unless_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{number} is no number that a result may hold")
    return float(number)


def _score(number: float) -> float:
    if not 0.0 <= number <= 100.0:
        raise ValueError(f"a score is 0–100, not {number}")
    return float(number)


def _probability(number: float) -> float:
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"a probability is 0–1, not {number}")
    return max(float(number), SMALLEST_PROBABILITY)
