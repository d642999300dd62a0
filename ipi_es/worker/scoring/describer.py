"""Make the result documents of a scored bucket."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipi_es.config.files.entity_groups import GROUPS_FIELD, EntityGroups
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import NO_RULE, AllowList
from ipi_es.datafeed.bucket_counts import counts_of
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.ipinsights.pair_explanation import Explainer, PairExplanation
from ipi_es.networks import network_types
from ipi_es.networks.network_table import NetworkTable
from ipi_es.results.documents import ids
from ipi_es.results.documents.explanation import EndangeredBy, ScoreExplanation, cold_start
from ipi_es.results.documents.members import Members
from ipi_es.results.documents.result_documents import (
    Bucket,
    BucketInfluencer,
    Influencer,
    Record,
    ResultContext,
    ResultDocument,
    Stamp,
)
from ipi_es.results.documents.verdict_marks import verdicts_of, with_verdict
from ipi_es.results.reading.reported import Extent
from ipi_es.results.words import BUCKET_TIME, VERDICT, raises_alarm
from ipi_es.scoring.calibration import CLASS_NAMES, Calibration
from ipi_es.scoring.probability import written_probability
from ipi_es.scoring.references import References
from ipi_es.worker.repeats.egress_moves import Move
from ipi_es.worker.scoring.bucket_members import BucketMembers
from ipi_es.worker.scoring.outcome_views import MergedGroups
from ipi_es.worker.scoring.scored_bucket import ScoredBucket
from ipi_es.worker.scoring.scored_pairs import ScoredPairs
from ipi_es.worker.verdicts.known_verdicts import NO_VERDICTS, KnownVerdicts

MAX_SCORE = 100.0

TOP = 10
"""Entities and IPs named in a bucket's ``top_entities`` and ``top_ips``."""


def context_of(job: Job) -> ResultContext:
    """Return the context that all results of a job share."""
    return ResultContext(
        job_id=job.job_id,
        bucket_span=job.bucket_span,
        entity_field=job.entity_field,
        ip_field=job.ip_field,
        influencers=job.influencers,
        entity_sources=job.other_entity_sources,
        results_index_name=job.results_index_name,
    )


class _Field(NamedTuple):
    """The influencers of one field; arrays and indexes refer to its values in the bucket."""

    name: str
    values: list[str]
    merged: MergedGroups
    written: NDArray[np.bool_]
    repeat_of: dict[int, str]
    extents: dict[int, Extent]
    members: Callable[[NDArray[np.integer]], list[Members]]
    moves: Mapping[int, Move]


@dataclass(frozen=True, slots=True)
class Describer:
    """Turns scored buckets of one day into documents; ``explainer`` belongs to the scorer that scored them."""

    job: Job
    allow: AllowList
    context: ResultContext
    explainer: Explainer
    references: References
    networks: NetworkTable | None = None
    """Gives operators' names; None: only the operators' numbers are known."""
    verdicts: KnownVerdicts = NO_VERDICTS

    def documents(self, scored: ScoredBucket, stamp: Stamp, *, processing_time_ms: int = 0) -> list[ResultDocument]:
        """Return the documents: records, influencers, and the bucket last."""
        stamp = replace(stamp, scheduled_events=scored.scheduled_events)
        members = BucketMembers(
            scored,
            self.explainer.history,
            self.job.datafeed_config.score_outcomes,
            self._organization,
        )
        records = self._records(scored, stamp, members)
        influencers = self._influencers(scored, stamp, members)
        whole = self._bucket(scored, stamp, records, len(influencers), members, processing_time_ms)
        return self.marked([*records, *influencers, whole])

    def marked(self, documents: list[ResultDocument]) -> list[ResultDocument]:
        """Return all documents of one bucket with the verdicts on them."""
        if not self.verdicts.verdicts:
            return documents
        words = verdicts_of([(each.id, each.source) for each in documents], self.verdicts.mark, self.verdicts.given_on)
        return [
            each
            if each.source.get(VERDICT) == words[each.id]
            else ResultDocument(each.index, each.id, with_verdict(each.source, words[each.id]))
            for each in documents
        ]

    def _organization(self, operator: int) -> str | None:
        return self.networks.organization(operator) if self.networks is not None else None

    def _records(self, scored: ScoredBucket, stamp: Stamp, members: BucketMembers) -> list[ResultDocument]:
        bucket, pairs = scored.bucket, scored.pairs
        probabilities = written_probability(pairs.ln_p[scored.records])
        sharing = np.bincount(pairs.ip, minlength=len(bucket.ips))
        entities = [bucket.entities[entity] for entity in pairs.entity[scored.records].tolist()]
        places = pairs.ip[scored.records]
        context = None if bucket.context is None else bucket.context.take(places)
        reasons = self.explainer.explain_all(entities, bucket.addresses[places], context)
        types = members.types_of(places)
        groups = self._groups_in(bucket)
        found = []
        for place, (row, seen) in enumerate(zip(scored.records.tolist(), reasons, strict=True)):
            ip = pairs.ip[row]
            rule = int(pairs.rule[row])
            one = Record(
                start=bucket.start,
                entity=entities[place],
                ip=bucket.ips[ip],
                probability=float(probabilities[place]),
                record_score=float(scored.record_scores.score[place]),
                actual=float(pairs.compatibility[row]),
                typical=self._typical(seen, pairs, row),
                event_count=int(pairs.count[row]),
                explanation=self._explanation(scored, place, row, seen, int(sharing[ip])),
                enrichment=self._enrichment(seen, types[place]) | _group_field(groups, entities[place]),
                suppressed_by=None if rule == NO_RULE else self.allow.name(rule),
                repeat_of=scored.record_repeat_of.get(row),
                held_until=scored.held_until.get(row),
                outcomes=members.outcomes_of(row),
                failures_only=bool(pairs.failures_only[row]),
                extent=scored.record_extents.get(row),
            )
            found.append(one.document(self.context, stamp))
        return found

    def _groups_in(self, bucket: EventBucket) -> EntityGroups | None:
        """Return the groups of entities, with those that the bucket's events name."""
        groups = self.allow.groups
        return None if groups is None else groups.with_named(bucket.entity_groups)

    def _enrichment(self, seen: PairExplanation, types: int) -> dict[str, Any]:
        """Return the address's operator, country and types under their flat names; the record omits unknown values."""
        return {
            "source.as.number": seen.operator or None,
            "source.as.organization.name": self._organization(seen.operator),
            "source.geo.country_iso_code": seen.country,
            network_types.TYPES_FIELD: list(network_types.type_names(types)) or None,
        }

    def _explanation(
        self, scored: ScoredBucket, place: int, row: int, seen: PairExplanation, sharing: int
    ) -> ScoreExplanation:
        pairs, scores = scored.pairs, scored.record_scores
        class_ = int(pairs.history_class[row])
        return ScoreExplanation(
            history_class=CLASS_NAMES[class_],
            prior_events=int(pairs.prior_events[row]),
            calibration_size=int(self._calibration(pairs, row).size(class_)),
            probability_extrapolated=bool(pairs.extrapolated[row]),
            c1=float(scores.c1[place]),
            c2=float(scores.c2[place]),
            c3=float(min(scores.c3[place], MAX_SCORE)),
            bound=str(scores.bound[place]),
            first_occurrence=seen.first_occurrence,
            relative_rarity=seen.relative_rarity,
            typical=seen.typical,
            longest_shared_prefix=seen.shared_prefix_length,
            network=seen.network,
            network_new_to_everybody=seen.network_new_to_everybody,
            operator_new_to_everybody=seen.operator_new_to_everybody,
            operator_first_occurrence=seen.operator_first_occurrence,
            country_first_occurrence=seen.country_first_occurrence,
            entities_sharing_ip=sharing,
            entities_on_address=seen.entities_on_address,
            entities_on_network=seen.entities_on_network,
            warming_up=scored.warming_up,
            cold_start=cold_start(class_, young=scored.young, new_network=seen.network_new_to_everybody),
            calibrated_probability=None
            if pairs.calibrated_ln_p[row] == pairs.plain_ln_p[row]
            else float(written_probability(pairs.calibrated_ln_p[[row]])[0]),
            endangered_by=_endangered_by(scored, row),
        )

    def _calibration(self, pairs: ScoredPairs, row: int) -> Calibration:
        return self.references.of(failures_only=bool(pairs.failures_only[row])).calibration

    def _typical(self, seen: PairExplanation, pairs: ScoredPairs, row: int) -> float:
        """Return the entity's typical compatibility, or its class's if it has no history."""
        own = seen.typical_compatibility
        return float(self._calibration(pairs, row).typical(int(pairs.history_class[row]))) if own is None else own

    def _influencers(self, scored: ScoredBucket, stamp: Stamp, members: BucketMembers) -> list[ResultDocument]:
        bucket = scored.bucket
        groups = self._groups_in(bucket)
        fields = (
            _Field(
                self.job.entity_field,
                bucket.entities,
                scored.entities,
                scored.written_entities,
                {},
                {},
                members.of_entities,
                {},
            ),
            _Field(
                self.job.ip_field,
                bucket.ips,
                scored.ips,
                scored.written_ips,
                scored.ip_repeat_of,
                scored.ip_extents,
                members.of_ips,
                scored.moved.leads,
            ),
        )
        found = []
        for field, names, merged, written, repeat_of, extents, members_of, moves in fields:
            if field not in self.job.influencers:
                continue
            probabilities, chosen = written_probability(merged.groups.ln_p), np.flatnonzero(written)
            found += [
                Influencer(
                    start=bucket.start,
                    field=field,
                    value=names[i],
                    probability=float(probabilities[i]),
                    influencer_score=float(merged.scores.score[i]),
                    repeat_of=repeat_of.get(i),
                    groups=groups.of(names[i]) if groups is not None and field == self.job.entity_field else (),
                    members=members_here,
                    failures_only=bool(merged.failures_only[i]),
                    extent=extents.get(i),
                    move=_move_field(moves.get(i)),
                ).document(self.context, stamp)
                for i, members_here in zip(chosen.tolist(), members_of(chosen), strict=True)
            ]
        return found

    def _bucket(
        self,
        scored: ScoredBucket,
        stamp: Stamp,
        records: list[ResultDocument],
        influencer_count: int,
        members: BucketMembers,
        processing_time_ms: int,
    ) -> ResultDocument:
        bucket, wholes = scored.bucket, scored.wholes
        influencers = [
            BucketInfluencer(
                field=name,
                anomaly_score=score,
                raw_anomaly_score=wholes[name][0].s,
                probability=float(written_probability(wholes[name][0].ln_p)),
                failures_only=wholes[name][1],
            )
            for name, score in scored.bucket_scores.items()
            if name != BUCKET_TIME or records
        ]
        new = [each for each in records if raises_alarm(each.source)]
        return Bucket(
            start=bucket.start,
            event_count=bucket.event_count,
            events_digest=bucket.digest(scored.hashes),
            events_seq_no=bucket.seq_no,
            processing_time_ms=processing_time_ms,
            influencers=influencers,
            top_entities=top_names(bucket.entities, scored.entities, scored.written_entities),
            top_ips=top_names(bucket.ips, scored.ips, scored.written_ips, repeats=scored.ip_repeat_of),
            max_record_score=max((each.source["record_score"] for each in new), default=0.0),
            record_count=len(records),
            new_record_count=len(new) + sum(ids.belongs_to_new_finding(each.source) for each in records),
            influencer_count=influencer_count,
            omitted_record_count=scored.omitted,
            unlearned_entities=scored.left_out,
            unparsable_count=min(bucket.dropped.unparsable, bucket.event_count),
            unusual=members.unusual(),
            dropped=bucket.dropped.counts(),
            usable=counts_of(bucket).outcomes,
        ).document(self.context, stamp)


def _endangered_by(scored: ScoredBucket, row: int) -> EndangeredBy | None:
    """Return the compromised account near a pair; None where there is none."""
    source = scored.endangered_by.get(row)
    if source is None:
        return None
    before = float(written_probability(scored.pairs.plain_ln_p[[row]])[0])
    return EndangeredBy(source.entity, source.text, source.time, before)


def _move_field(move: Move | None) -> dict[str, Any] | None:
    """Return the object of an influencer that reports the move of a group."""
    if move is None:
        return None
    return {
        "network": move.network,
        "former_networks": list(move.former),
        "entity_count": move.accounts,
        "left_count": move.left,
        "left_behind_count": move.left_behind,
    }


def _group_field(groups: EntityGroups | None, entity: str) -> dict[str, list[str]]:
    """Return the field with the groups of an entity; none where it is in no group."""
    found = () if groups is None else groups.of(entity)
    return {GROUPS_FIELD: list(found)} if found else {}


def top_names(
    names: list[str], merged: MergedGroups, written: NDArray[np.bool_], repeats: Collection[int] = ()
) -> list[str]:
    """Return at most :data:`TOP` names of written influencers, the highest score first (ties: the less probable).

    ``repeats`` are the indexes of those that repeat an earlier one: they come last.
    """
    rows = np.flatnonzero(written)
    again = np.isin(rows, list(repeats))
    order = rows[np.lexsort((merged.groups.ln_p[rows], -merged.scores.score[rows], again))][:TOP]
    return [names[i] for i in order.tolist()]
