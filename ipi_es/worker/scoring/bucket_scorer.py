"""Score one event bucket and decide on its results: a pure decision; other modules write them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.prefixes import address_keys
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.results.documents import ids
from ipi_es.results.reading.reported import Extent, First, HeldRecord, ReportedIp, ReportedMove, ReportedPair
from ipi_es.results.words import CRITICAL
from ipi_es.scoring.aggregate import leading
from ipi_es.scoring.history_age import YOUNG_DAYS
from ipi_es.scoring.probability import LN_TAKES_PART, endangered
from ipi_es.scoring.references import References
from ipi_es.worker.history.holds import EVERYBODY, Holds
from ipi_es.worker.repeats.earlier_findings import Repeats
from ipi_es.worker.repeats.egress_moves import groups_in
from ipi_es.worker.repeats.moved_pairs import MovedPairs, decided
from ipi_es.worker.repeats.repeat_decision import (
    NO_FINDINGS,
    Extents,
    KnownFindings,
    MutedFindings,
    OpenQuestion,
    muted,
    takes_part,
)
from ipi_es.worker.scoring.normalizer_state import NormalizerState, record_level
from ipi_es.worker.scoring.outcome_views import (
    MergedGroups,
    OutcomeView,
    Participation,
    ViewScores,
    bucket_scores_of,
    learned,
    merged,
    record_scores_of,
    scores_of,
    views_of,
)
from ipi_es.worker.scoring.record_selection import MOST_INFLUENCERS, chosen_influencers, chosen_records
from ipi_es.worker.scoring.scored_bucket import ScoredBucket
from ipi_es.worker.scoring.scored_pairs import ScoredPairs, have_outcome, unique_pairs
from ipi_es.worker.verdicts.endangered_pairs import CompromisedSource, factors, with_new_networks

MOST_LEFT_OUT = 1_000
"""Entities that a bucket's document names as not learned; if there are more, nothing of the bucket is learned."""


class _Judged(NamedTuple):
    """An event bucket before its scores are normalized by the job's levels."""

    bucket: EventBucket
    hashes: NDArray[np.uint64]
    pairs: ScoredPairs
    endangered_by: dict[int, CompromisedSource]
    known: KnownFindings
    moved: MovedPairs
    part: Participation
    views: list[OutcomeView]
    scheduled_events: tuple[str, ...]


@dataclass(slots=True)
class BucketScorer:
    """Scores event buckets in order. Every bucket changes ``levels``, ``repeats`` and ``holds``, nothing else."""

    job: Job
    allow: AllowList
    scorer: Scorer
    references: References
    levels: NormalizerState
    repeats: Repeats
    holds: Holds

    def score(self, bucket: EventBucket) -> ScoredBucket:
        """Score one final event bucket: age the levels, add its scores (none in a scheduled event), then score it."""
        judged = self._judged(bucket)
        # a verdict changes the scores of endangered pairs, but not what is usual for others
        plain = self._judged(bucket, judged) if judged.endangered_by else judged
        counted = not judged.scheduled_events
        self.levels = learned(
            self.levels,
            self.job,
            bucket.span,
            plain.pairs,
            plain.part,
            plain.views if counted else (),
            entity_hashes=judged.hashes,
            ip_hashes=address_keys(bucket.addresses),
        )
        scored = self._scored(judged, counted=counted)
        self._remember(scored)
        return scored

    def score_detached(self, bucket: EventBucket) -> ScoredBucket:
        """Score an interim or rescored event bucket, which doesn't count: ``levels`` and ``repeats`` stay.

        ``holds`` still gets the bucket's holds: use a scorer with a copy of them.
        """
        return self._scored(self._judged(bucket), counted=False)

    def _judged(self, bucket: EventBucket, endangered: _Judged | None = None) -> _Judged:
        """Judge a bucket by everything except the job's levels; they are used only to decide on repeats.

        ``endangered``: judge it again, as if its endangered pairs weren't.
        """
        if endangered is None:
            hashes = entity_hashes(bucket.entities)
            pairs, sources = self._pairs(bucket, hashes)
        else:
            hashes, pairs, sources = endangered.hashes, endangered.pairs.plain(), {}
        scheduled = self.allow.calendar.of_bucket(bucket.start, bucket.end)
        moved = MovedPairs() if scheduled else self._moved(bucket, pairs, hashes)
        known = moved.known_without(self._known(bucket, pairs), pairs)
        n_entities, n_ips = len(bucket.entities), len(bucket.ips)
        part = takes_part(pairs, known, MutedFindings.nothing(n_entities, n_ips))
        if known:
            question = OpenQuestion.of(pairs, moved.part_without(part), known)
            answer = question.answered(self._muted(bucket, question), n_entities, n_ips)
            part = takes_part(pairs, known, answer)
        moved = moved.with_first_users(part)
        part = moved.part_without(part)
        views = views_of(pairs, part, n_entities, n_ips, self.references)
        return _Judged(bucket, hashes, pairs, sources, known, moved, part, views, scheduled)

    def _moved(self, bucket: EventBucket, pairs: ScoredPairs, hashes: NDArray[np.uint64]) -> MovedPairs:
        """Decide which pairs belong to the move of a group to another network, by the scores that it has alone."""
        job, repeats = self.job, self.repeats
        if not repeats.move_window:
            return MovedPairs()
        known = repeats.moves_at(bucket.start)
        compromised = self.holds.verdicts.compromised_networks
        groups = groups_in(bucket, pairs, hashes, self.scorer.history, known, compromised)
        if not any(groups):
            return MovedPairs()
        n_entities, n_ips = len(bucket.entities), len(bucket.ips)
        part = takes_part(pairs, NO_FINDINGS, MutedFindings.nothing(n_entities, n_ips))
        view = views_of(pairs, part, n_entities, n_ips, self.references)[0]
        scores = scores_of(view, pairs, job, self.levels, counted=False)
        return decided(groups, pairs, scores, known, lambda ip: self._influencer_id(bucket, ip))

    def _muted(self, bucket: EventBucket, asked: OpenQuestion) -> MutedFindings:
        """Decide which findings repeat, by the scores that the groups would have if nothing repeated."""
        pairs, n_entities, addresses = asked.pairs, len(asked.entities), bucket.addresses[asked.ips]
        views = views_of(pairs, asked.part, n_entities, len(asked.ips), self.references)
        scores = [scores_of(view, pairs, self.job, self.levels, counted=False) for view in views]
        extents = [Extents(n_entities, addresses, pairs, view.rows) for view in views]
        return muted(pairs, asked.known, views, scores, extents)

    def _pairs(
        self, bucket: EventBucket, hashes: NDArray[np.uint64]
    ) -> tuple[ScoredPairs, dict[int, CompromisedSource]]:
        """Return the bucket's pairs, and the compromised account near a pair by its row."""
        entity, ip, count = unique_pairs(bucket, self.job.datafeed_config.score_outcomes)
        seen = self.scorer.score_hashed(hashes, bucket.addresses, entity, ip, bucket.context)
        prior = seen.prior_events[entity]
        age = self.scorer.history.age
        failures_only = ~have_outcome(bucket, self.job.datafeed_config.learn_outcomes, entity, ip)
        judged = self.references.judge(seen.log_odds, prior, age, failures_only)
        calibrated = judged.calibrated
        sources = self.holds.verdicts.endangering(bucket.matchable, entity, ip)
        sources = sources and with_new_networks(sources, self.scorer.history, bucket.matchable, entity, ip)
        pairs = ScoredPairs(
            entity=entity,
            ip=ip,
            count=count,
            compatibility=seen.log_odds,
            history_class=judged.history_class,
            prior_events=prior,
            ln_p=endangered(judged.ln_p, factors(sources, len(entity))) if sources else judged.ln_p,
            plain_ln_p=judged.ln_p,
            calibrated_ln_p=calibrated.ln_p,
            extrapolated=calibrated.extrapolated & (judged.ln_p == calibrated.ln_p),
            rule=self.allow.match(bucket.matchable, entity, ip),
            failures_only=failures_only,
        )
        return pairs, sources

    def _known(self, bucket: EventBucket, pairs: ScoredPairs) -> KnownFindings:
        """Return the findings that may be repeats: unusual pairs, and addresses that were critical."""
        found = self._firsts(bucket, pairs, np.flatnonzero(pairs.ln_p <= LN_TAKES_PART))
        remembered = {ip for ip, _ in self.repeats.ips}  # a few of tens of thousands
        asked = [(i, ip) for i, ip in enumerate(bucket.ips) if ip in remembered] if remembered else []
        firsts = {
            (i, failed): self.repeats.of_ip(ip, bucket.start, failures_only=failed)
            for i, ip in asked
            for failed in (False, True)
        }
        return KnownFindings(found, {place: first for place, first in firsts.items() if first is not None})

    def _firsts(self, bucket: EventBucket, pairs: ScoredPairs, rows: NDArray[np.integer[Any]]) -> dict[int, First]:
        """Return the records that some rows of ``pairs`` may repeat, by row; rows without one are left out."""
        found = {}
        for row in rows.tolist():
            entity, ip = bucket.entities[pairs.entity[row]], bucket.ips[pairs.ip[row]]
            failures_only = bool(pairs.failures_only[row])
            known = self.repeats.of_pair(entity, ip, bucket.start, failures_only=failures_only)
            first = known or self.holds.first_of(entity, ip, bucket.start)
            if first is not None:
                found[row] = first
        return found

    def _record_repeats(self, judged: _Judged, records: NDArray[np.int64]) -> dict[int, str]:
        """Return the records that repeat an earlier one: row of ``records`` → id of that record.

        Usual pairs, which are recorded only as the child of an influencer, are included too: they take part, but must
        not look like a first record to a run that reads them back.
        """
        firsts, anywhere = judged.known.pairs, judged.part.anywhere
        unusual = judged.pairs.ln_p[records] <= LN_TAKES_PART
        # an unusual pair that takes part is a new finding: it no longer repeats anything
        repeats = {row: firsts[row] for row in records[unusual].tolist() if row in firsts and not anywhere[row]}
        usual = self._firsts(judged.bucket, judged.pairs, records[~unusual])
        moved = judged.moved.by_entity
        found = {row: first.id for row, first in (repeats | usual).items() if row not in moved}
        return found | {row: moved[row] for row in records.tolist() if row in moved}

    def _hold(
        self, judged: _Judged, records: NDArray[np.int64], extents: dict[int, Extent]
    ) -> tuple[dict[int, int], list[str]]:
        """Hold very improbable pairs; return (row of ``records`` → end of its hold, entities not to be learned).

        Holds depend on the pairs, not on which of them are written: if the records don't show all holds of an entity,
        nothing of that entity is learned from the bucket. A scheduled event needs no holds: nothing in it is learned.
        """
        bucket, pairs, holds = judged.bucket, judged.pairs, self.holds
        if holds.probability <= 0.0 or judged.scheduled_events:
            return {}, []
        low = np.flatnonzero((pairs.ln_p < math.log(holds.probability)) & pairs.learnable)
        until = {}
        for row in low.tolist():
            end = holds.until(bucket.entities[pairs.entity[row]], bucket.ips[pairs.ip[row]], bucket.start)
            if end is not None:
                until[row] = end
        written = [row for row in records.tolist() if row in until]
        for row in written:
            entity, ip = bucket.entities[pairs.entity[row]], bucket.ips[pairs.ip[row]]
            record = self._record_id(bucket, entity, ip)
            holds.begin(HeldRecord(entity, ip, bucket.start, until[row], record, extents.get(row)))
        unwritten = {bucket.entities[pairs.entity[row]] for row in until.keys() - set(written)}
        left_out = sorted(unwritten) if len(unwritten) <= MOST_LEFT_OUT else [EVERYBODY]
        holds.leave_out(bucket.start, left_out)
        return {row: until[row] for row in written}, left_out

    def _record_id(self, bucket: EventBucket, entity: str, ip: str) -> str:
        return ids.record_id(self.job.job_id, bucket.start, bucket.span, 0, entity, ip)

    def _influencer_id(self, bucket: EventBucket, ip: int) -> str:
        return ids.influencer_id(self.job.job_id, bucket.start, bucket.span, self.job.ip_field, bucket.ips[ip])

    def _remember(self, scored: ScoredBucket) -> None:
        """Remember the bucket's findings that later buckets may repeat."""
        bucket, pairs = scored.bucket, scored.pairs
        for row, extent in scored.record_extents.items():
            entity, ip = bucket.entities[pairs.entity[row]], bucket.ips[pairs.ip[row]]
            record, failed = self._record_id(bucket, entity, ip), bool(pairs.failures_only[row])
            self.repeats.add_pair(ReportedPair(entity, ip, bucket.start, record, extent, failed))
        for i, extent in scored.ip_extents.items():
            failed = bool(scored.ips.failures_only[i])
            found = ReportedIp(bucket.ips[i], bucket.start, self._influencer_id(bucket, i), extent, failed)
            self.repeats.add_ip(found)
        for i, move in scored.moved.leads.items():
            score, repeats = float(scored.ips.scores.score[i]), i in scored.ip_repeat_of
            place = self._influencer_id(bucket, i)
            self.repeats.add_move(ReportedMove(move.network, bucket.start, place, score, move.former, repeats))

    def _scored(self, judged: _Judged, *, counted: bool) -> ScoredBucket:
        """Score a judged bucket by the levels. ``counted``: the bucket's own raw scores are in ``levels``."""
        bucket, pairs, views = judged.bucket, judged.pairs, judged.views
        scores = [scores_of(view, pairs, self.job, self.levels, counted=counted) for view in views]
        entities = merged([view.together.entities for view in views], [each.entities for each in scores])
        news = [judged.part.ips[view.failures_only] for view in views]
        ips = merged([view.together.ips for view in views], [each.ips for each in scores], news)
        most = self.job.max_records_per_bucket
        records, omitted = chosen_records(pairs, entities.groups, ips.groups, judged.part.anywhere, most)
        record_scores = record_scores_of(records, pairs, scores)
        repeats = self._record_repeats(judged, records)
        ip_repeat_of = {
            i: first.id
            for (i, failed), first in judged.known.ips.items()
            if failed == ips.failures_only[i] and not judged.part.ips[failed][i]
        }
        ip_repeat_of |= {i: first for i, first in judged.moved.repeat_of.items() if not ips.failures_only[i]}
        written_entities, written_ips = _influencers(judged, entities, ips, ip_repeat_of, most)
        # a finding without a document can't be repeated: a later run couldn't read it back
        reported_ips = (written_ips, ip_repeat_of)
        record_extents, ip_extents = self._extents(judged, records, scores, repeats, ips, reported_ips)
        held_until, left_out = self._hold(judged, records, record_extents)
        bucket_scores, wholes = bucket_scores_of(views, scores, self.job)
        return ScoredBucket(
            bucket=bucket,
            hashes=judged.hashes,
            pairs=pairs,
            endangered_by=judged.endangered_by,
            takes_part=judged.part.anywhere,
            entities=entities,
            ips=ips,
            written_entities=written_entities,
            written_ips=written_ips,
            wholes=wholes,
            ip_repeat_of=ip_repeat_of,
            ip_extents=ip_extents,
            moved=judged.moved.reported_by(written_ips & ~ips.failures_only),
            records=records,
            record_repeat_of=repeats,
            record_extents=record_extents,
            held_until=held_until,
            left_out=left_out,
            omitted=len(omitted),
            record_scores=record_scores,
            bucket_scores=bucket_scores,
            warming_up=self.levels[record_level()].warming_up,
            young=self.scorer.history.age < YOUNG_DAYS,
            scheduled_events=judged.scheduled_events,
        )

    def _extents(
        self,
        judged: _Judged,
        records: NDArray[np.int64],
        scores: Sequence[ViewScores],
        repeats: Mapping[int, str],
        ips: MergedGroups,
        reported_ips: tuple[NDArray[np.bool_], Mapping[int, str]],
    ) -> tuple[dict[int, Extent], dict[int, Extent]]:
        """Return the reported extents of findings that repeat nothing: by record's row, and by index of a critical IP.

        ``reported_ips``: which IPs get a document (bool[n_ips]), and index of an IP → id of the influencer it repeats.
        In a scheduled event nothing is reported.
        """
        if judged.scheduled_events:
            return {}, {}
        written, ip_repeat_of = reported_ips
        job, pairs, known = self.job, judged.pairs, judged.known
        news = [row for row in records.tolist() if row not in repeats and judged.part.anywhere[row]]
        by_row: dict[int, Extent] = {}
        by_ip: dict[int, Extent] = {}
        for view, score in zip(judged.views, scores, strict=True):
            extents = Extents(len(judged.bucket.entities), judged.bucket.addresses, pairs, view.rows)
            of_entities = score.entities.score if job.entity_field in job.influencers else score.entities.score * 0.0
            of_ips = score.ips.score if job.ip_field in job.influencers else score.ips.score * 0.0
            for row in news:
                if view.rows[row]:
                    entity, ip = int(pairs.entity[row]), int(pairs.ip[row])
                    most = max(float(score.records.score[row]), float(of_entities[entity]), float(of_ips[ip]))
                    by_row[row] = _with(extents.of(most, entity, ip), known.pairs.get(row))
            for i in np.flatnonzero(
                (of_ips >= CRITICAL) & (ips.failures_only == view.failures_only) & written
            ).tolist():
                if i not in ip_repeat_of:
                    by_ip[i] = _with(extents.of(float(of_ips[i]), None, i), known.ips.get((i, view.failures_only)))
        return by_row, by_ip


def _influencers(
    judged: _Judged, entities: MergedGroups, ips: MergedGroups, ip_repeat_of: Mapping[int, str], most: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which entities and which IPs get an influencer's document: (bool[n_entities], bool[n_ips])."""
    pairs, part = judged.pairs, judged.part
    most = max(most, MOST_INFLUENCERS)
    of_entity = leading(
        pairs.entity[part.by_entity], pairs.ln_p[part.by_entity], pairs.ip[part.by_entity], len(judged.bucket.entities)
    )
    of_ip = leading(pairs.ip[part.by_ip], pairs.ln_p[part.by_ip], pairs.entity[part.by_ip], len(judged.bucket.ips))
    news = np.ones(len(of_ip), dtype=np.bool_)
    news[list(ip_repeat_of)] = False
    written_entities = chosen_influencers(
        entities.groups,
        entities.scores.score,
        of_entity,
        failures_only=entities.failures_only,
        news=np.ones(len(of_entity), dtype=np.bool_),
        most=most,
    )
    written_ips = chosen_influencers(
        ips.groups, ips.scores.score, of_ip, failures_only=ips.failures_only, news=news, most=most
    )
    return written_entities, judged.moved.with_leads(written_ips)


def _with(extent: Extent, before: First | None) -> Extent:
    return extent if before is None else extent.widened(before.extent)
