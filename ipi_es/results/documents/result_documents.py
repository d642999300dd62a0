"""Result documents of a scored bucket, field by field. Pure.

Names, types and meaning follow Elastic ML's results. Scores are 0–100, high = unusual; probabilities small = unusual;
times are given in epoch seconds and stored in milliseconds, as Elastic ML stores them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ipi_es.config.files.entity_groups import GROUPS_FIELD
from ipi_es.results.documents import ids
from ipi_es.results.documents.explanation import ScoreExplanation, sentence
from ipi_es.results.documents.members import Members, Unusual, bucket_sentence, influencer_sentence, outcome_list
from ipi_es.results.index_mapping import can_be_flat, flat_fields, index_for
from ipi_es.results.reading import reported
from ipi_es.results.reading.reported import Extent
from ipi_es.results.words import FUNCTION, SCHEDULED_EVENTS, SMALLEST_PROBABILITY, AnnotationType
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
    entity_sources: tuple[str, ...] = ()
    """Where an entity's name comes from, where that isn't ``entity_field`` alone."""
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
    scheduled_events: Sequence[str] = ()
    """The scheduled events that the bucket is inside of."""


@dataclass(frozen=True, slots=True)
class BucketInfluencer:
    """How unusual a bucket is over the values of one field (or over all its entities: ``bucket_time``)."""

    field: str
    anomaly_score: float
    raw_anomaly_score: float
    probability: float
    failures_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One unusual (entity, IP) of one bucket, and why it is unusual."""

    start: int
    """The bucket's start, epoch seconds."""
    entity: str
    ip: str
    probability: float
    record_score: float
    actual: float
    """The pair's compatibility: log-odds, high = usual."""
    typical: float
    """The entity's usual compatibility."""
    event_count: int
    explanation: ScoreExplanation | Mapping[str, Any] | None = None
    suppressed_by: str | None = None
    """The rule that allows the pair."""
    repeat_of: str | None = None
    """The id of the finding's first record."""
    held_until: int | None = None
    """Epoch seconds: the pair isn't learned earlier."""
    failures_only: bool = False
    """Whether none of the pair's sign-ins succeeded."""
    extent: Extent | None = None
    """How much is reported with it; None for a repeat."""
    enrichment: Mapping[str, Any] | None = None
    """Further fields by flat name (``source.as.number``); None, and those that the record has already, are left out."""
    outcomes: Sequence[tuple[str, int]] = ()
    """(outcome, events) of the event count, where the job scores several."""

    def document(self, context: ResultContext, stamp: Stamp) -> ResultDocument:
        """Return the document to store.

        Its ``reason`` is the explanation in sentences, for tables and alerts that can't build them.

        :raises ValueError: a score, a probability or a compatibility is out of its range.
        """
        score = _score(self.record_score)
        by_field = {context.entity_field: self.entity, context.ip_field: self.ip}
        source = _common(context, stamp, "record", self.start) | {
            "record_score": score,
            "initial_record_score": score,
            "probability": _probability(self.probability),
            "actual": [_finite(self.actual)],
            "typical": [_finite(self.typical)],
            "detector_index": context.detector_index,
            "function": FUNCTION,
            "function_description": FUNCTION,
            "by_field_name": context.ip_field,
            "by_field_value": self.ip,
            "partition_field_name": context.entity_field,
            "partition_field_value": self.entity,
            "event_count": int(self.event_count),
            "influencers": [
                {"influencer_field_name": field, "influencer_field_values": [by_field[field]]}
                for field in context.influencers
                if field in by_field
            ],
        }
        if context.entity_sources:
            source["entity_sources"] = list(context.entity_sources)
        source |= _flat(by_field) | _unless_none(suppressed_by=self.suppressed_by, repeat_of=self.repeat_of)
        source |= _reported(self.failures_only, self.extent)
        if self.held_until is not None:
            source["held_until"] = to_ms(self.held_until)
        if self.outcomes:
            source["outcomes"] = outcome_list(self.outcomes)
        more = self.enrichment or {}
        source |= {field: value for field, value in more.items() if field not in source and value is not None}
        why = self.explanation
        if why is not None:
            source["anomaly_score_explanation"] = why.to_dict() if isinstance(why, ScoreExplanation) else dict(why)
        source["reason"] = sentence(source)
        place = ids.record_id(
            context.job_id, self.start, context.bucket_span, context.detector_index, self.entity, self.ip
        )
        return ResultDocument(context.index_for(self.start), place, source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Influencer:
    """One entity or one IP of one bucket, over all its pairs there."""

    start: int
    """The bucket's start, epoch seconds."""
    field: str
    """The job's entity field or IP field."""
    value: str
    probability: float
    influencer_score: float
    suppressed_by: str | None = None
    """The rule that allows it."""
    repeat_of: str | None = None
    """The id of the finding's first influencer."""
    failures_only: bool = False
    """Whether its score is that of pairs without a success."""
    extent: Extent | None = None
    """How much is reported with it; None for a repeat."""
    groups: Sequence[str] = ()
    """The groups of an entity."""
    members: Members | None = None
    """Its addresses in the bucket, or its entities."""
    move: Mapping[str, Any] | None = None
    """The move of a group to another network, which it reports."""

    def document(self, context: ResultContext, stamp: Stamp) -> ResultDocument:
        """Return the document to store; it has a ``reason`` where the members are known.

        :raises ValueError: the score or the probability is out of its range.
        """
        field, value, score = self.field, self.value, _score(self.influencer_score)
        source = _common(context, stamp, "influencer", self.start) | {
            "influencer_score": score,
            "initial_influencer_score": score,
            "probability": _probability(self.probability),
            "influencer_field_name": field,
            "influencer_field_value": value,
        }
        of_entity = field == context.entity_field
        if of_entity:  # one filter of a dashboard then finds both the influencer and the records of an entity
            source |= {"partition_field_name": field, "partition_field_value": value}
        if self.groups:
            source[GROUPS_FIELD] = list(self.groups)
        source |= _flat({field: value}) | _unless_none(suppressed_by=self.suppressed_by, repeat_of=self.repeat_of)
        source |= _reported(self.failures_only, self.extent) | _unless_none(**{reported.EGRESS_MOVE: self.move})
        if self.members is not None:
            counted = self.members.to_dict(of_entity=of_entity)
            source |= {name: each for name, each in counted.items() if name not in source}
            source["reason"] = influencer_sentence(source, context.ip_field if of_entity else context.entity_field)
        place = ids.influencer_id(context.job_id, self.start, context.bucket_span, field, value)
        return ResultDocument(context.index_for(self.start), place, source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The result of one ``bucket_span``: what was read, how unusual it is, and how many results were written."""

    start: int
    """Epoch seconds."""
    event_count: int
    """Documents that match the query, before any filtering."""
    events_digest: str | None = None
    """Digest of their unique rows (:class:`ipi_es.datafeed.event_bucket.EventBucket`)."""
    events_seq_no: str | None = None
    """Computed from their sequence numbers (:class:`ipi_es.datafeed.event_bucket.EventBucket`)."""
    processing_time_ms: int
    influencers: Sequence[BucketInfluencer] = ()
    """The bucket's score is the largest of their scores, 0 where there is none."""
    top_entities: Sequence[str] = ()
    top_ips: Sequence[str] = ()
    max_record_score: float = 0.0
    record_count: int = 0
    """Records written."""
    new_record_count: int = 0
    """Records written that may raise an alarm (:func:`ipi_es.results.words.raises_alarm`), or belong to the move of a
    group that does."""
    influencer_count: int = 0
    """Influencers written."""
    omitted_record_count: int = 0
    """Records beyond the limit, not written."""
    unparsable_count: int = 0
    """Documents without a usable entity or IP; at most all of them."""
    unlearned_entities: Sequence[str] = ()
    """Entities with improbable pairs beyond the limit: none of their pairs is learned from the bucket."""
    unusual: Unusual | None = None
    """Counts of the new unusual pairs, those beyond the limit too."""
    dropped: Mapping[str, int] | None = None
    """Documents that can't be scored, by reason; with ``usable``, a restarted worker's source of the usual counts."""
    usable: Mapping[str, int] | None = None
    """The other documents, by outcome."""

    def document(self, context: ResultContext, stamp: Stamp) -> ResultDocument:
        """Return the document to store; it has a ``reason`` where ``unusual`` counts any pair.

        :raises ValueError: a score or a probability is out of its range.
        """
        common = _common(context, stamp, "bucket", self.start)
        score = max((_score(each.anomaly_score) for each in self.influencers), default=0.0)
        source = (
            common
            | {
                "anomaly_score": score,
                "initial_anomaly_score": score,
                "event_count": int(self.event_count),
                "processing_time_ms": int(self.processing_time_ms),
                "bucket_influencers": [_bucket_influencer(common, each) for each in self.influencers],
                "top_entities": list(self.top_entities),
                "top_ips": list(self.top_ips),
                "max_record_score": _score(self.max_record_score),
                "record_count": int(self.record_count),
                "new_record_count": int(self.new_record_count),
                "influencer_count": int(self.influencer_count),
                "omitted_record_count": int(self.omitted_record_count),
                "unparsable_count": int(self.unparsable_count),
            }
            | _counts(self.dropped or {}, self.usable or {})
            | _unless_none(events_digest=self.events_digest, events_seq_no=self.events_seq_no)
        )
        if self.unusual is not None:
            source |= self.unusual.to_dict()
            source |= _unless_none(reason=bucket_sentence(source, context.entity_field, context.ip_field))
        if self.unlearned_entities:
            source["unlearned_entities"] = list(self.unlearned_entities)
        place = ids.bucket_id(context.job_id, self.start, context.bucket_span)
        return ResultDocument(context.index_for(self.start), place, source)


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
    if stamp.scheduled_events:
        fields[SCHEDULED_EVENTS] = list(stamp.scheduled_events)
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
