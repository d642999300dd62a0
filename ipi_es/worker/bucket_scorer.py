"""One event bucket → everything that will be said of it: decided purely, written elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipi_es.config.allow_list import NO_RULE, AllowList
from ipi_es.config.job import Job
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.ipinsights.entities import entity_hashes
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.results import ids
from ipi_es.results.words import BUCKET_TIME, CRITICAL
from ipi_es.scoring.aggregate import Aggregated, Correlations, aggregate
from ipi_es.scoring.calibration import Calibration
from ipi_es.scoring.normalizer import Normalized, normalize
from ipi_es.scoring.probability import LN_TAKES_PART, taking_part
from ipi_es.scoring.warm_up import YOUNG_DAYS, modest
from ipi_es.worker.holds import Holds
from ipi_es.worker.levels import RECORD, Levels, bucket_influencer_level, influencer_level
from ipi_es.worker.repeats import Repeats


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The unique (entity, IP) of the scored outcomes of one event bucket; all arrays are [n]."""

    entity: NDArray[np.int32]  # index into the event bucket's entities
    ip: NDArray[np.int32]  # index into its ips
    count: NDArray[np.int64]  # documents
    compatibility: NDArray[np.float64]
    history_class: NDArray[np.int8]
    prior_events: NDArray[np.float64]  # of the entity, up to the day's start
    ln_p: NDArray[np.float64]
    calibrated_ln_p: NDArray[np.float64]  # before warm-up held it back
    extrapolated: NDArray[np.bool_]
    rule: NDArray[np.int32]  # of the allow list; NO_RULE
    repeat_of: dict[int, str]  # row → id of the record within the repeat window, or before its hold, that it repeats

    @property
    def takes_part(self) -> NDArray[np.bool_]:
        """bool[n]: neither suppressed nor a repeat."""
        part = np.asarray(self.rule == NO_RULE, dtype=np.bool_)
        part[list(self.repeat_of)] = False
        return part


@dataclass(frozen=True, slots=True, eq=False)
class ScoredBucket:
    """What was decided of one event bucket; scores are 0–100, high = unusual."""

    bucket: EventBucket
    hashes: NDArray[np.uint64]  # of the bucket's entities
    pairs: Pairs
    aggregated: Aggregated
    ip_repeat_of: dict[int, str]  # index of an IP → id of the critical influencer within the repeat window
    records: NDArray[np.int64]  # rows of ``pairs`` to write, the least probable first
    record_repeat_of: dict[int, str]  # row of ``records`` → id of the record within the repeat window
    held_until: dict[int, int]  # row of ``records`` → end of its hold, epoch seconds
    omitted: int  # records beyond max_records_per_bucket
    record_scores: Normalized  # [len(records)]
    entity_scores: Normalized  # [n_entities]
    ip_scores: Normalized  # [n_ips]
    bucket_scores: dict[str, float] = field(default_factory=dict)  # by bucket influencer's field
    warming_up: bool = False
    young: bool = False
    """The job's history is too short to know a week."""

    @property
    def anomaly_score(self) -> float:
        """The largest of the bucket influencers'."""
        return max(self.bucket_scores.values(), default=0.0)


class _Judged(NamedTuple):
    """An event bucket before its scores are seen in the job's own history."""

    bucket: EventBucket
    hashes: NDArray[np.uint64]
    pairs: Pairs
    aggregated: Aggregated
    ip_repeat_of: dict[int, str]
    new_ips: NDArray[np.bool_]  # of the bucket's ips: no critical influencer within the repeat window


@dataclass(slots=True)
class BucketScorer:
    """Scores event buckets in order. ``levels``, ``repeats`` and ``holds`` move with every bucket, the rest doesn't."""

    job: Job
    allow: AllowList
    scorer: Scorer
    calibration: Calibration
    correlations: Correlations
    levels: Levels
    repeats: Repeats
    holds: Holds

    def score(self, bucket: EventBucket) -> ScoredBucket:
        """Score one final event bucket: age the levels, add its scores, then score it."""
        judged = self._judged(bucket)
        self.levels = learned(self.levels, self.job, bucket.span, judged.pairs, judged.aggregated, judged.new_ips)
        scored = self._scored(judged, counted=True)
        self._remember(scored)
        return scored

    def score_aside(self, bucket: EventBucket) -> ScoredBucket:
        """Score an event bucket that doesn't count, interim or scored again: ``levels`` and ``repeats`` stay.

        ``holds`` take up what it holds: give a scorer of this kind its own.
        """
        return self._scored(self._judged(bucket), counted=False)

    def _judged(self, bucket: EventBucket) -> _Judged:
        """What depends on no score of the job's past."""
        hashes = entity_hashes(bucket.entities)
        pairs = self._pairs(bucket, hashes)
        ip_repeat_of = self._known_ips(bucket)
        new_ips = np.ones(len(bucket.ips), dtype=np.bool_)
        new_ips[list(ip_repeat_of)] = False
        aggregated = aggregate(
            pairs.ln_p,
            pairs.entity,
            pairs.ip,
            n_entities=len(bucket.entities),
            n_ips=len(bucket.ips),
            correlations=self.correlations,
            calibration_size=self.calibration.total,
            takes_part=pairs.takes_part,
            ip_takes_part=new_ips,
        )
        return _Judged(bucket, hashes, pairs, aggregated, ip_repeat_of, new_ips)

    def _pairs(self, bucket: EventBucket, hashes: NDArray[np.uint64]) -> Pairs:
        entity, ip, count = unique_pairs(bucket, self.job.datafeed_config.score_outcomes)
        seen = self.scorer.score_hashed(hashes, bucket.addresses, entity, ip, bucket.context)
        prior = seen.prior_events[entity]
        history = self.scorer.history
        age = history.day - history.origin
        class_ = self.calibration.classes(prior, age)
        calibrated = self.calibration.ln_probability(seen.log_odds, class_)
        ln_p = modest(calibrated.ln_p, class_, age, self.calibration)
        repeat_of = {}
        for row in np.flatnonzero(ln_p <= LN_TAKES_PART).tolist():
            known = self._known(bucket.entities[entity[row]], bucket.ips[ip[row]], bucket.start)
            if known is not None:
                repeat_of[row] = known
        return Pairs(
            entity=entity,
            ip=ip,
            count=count,
            compatibility=seen.log_odds,
            history_class=class_,
            prior_events=prior,
            ln_p=ln_p,
            calibrated_ln_p=calibrated.ln_p,
            extrapolated=calibrated.extrapolated & (ln_p == calibrated.ln_p),
            rule=self.allow.match(bucket.entities, bucket.addresses, entity, ip),
            repeat_of=repeat_of,
        )

    def _known(self, entity: str, ip: str, time: int) -> str | None:
        """The id of the record that one at ``time`` would repeat."""
        return self.repeats.of_pair(entity, ip, time) or self.holds.first_of(entity, ip, time)

    def _known_ips(self, bucket: EventBucket) -> dict[int, str]:
        remembered = self.repeats.ips  # a few of tens of thousands: the others needn't be asked for one by one
        asked = [(i, ip) for i, ip in enumerate(bucket.ips) if ip in remembered] if remembered else []
        known = ((i, self.repeats.of_ip(ip, bucket.start)) for i, ip in asked)
        return {i: first for i, first in known if first is not None}

    def _record_repeats(self, bucket: EventBucket, pairs: Pairs, records: NDArray[np.int64]) -> dict[int, str]:
        """Also of usual pairs that are only recorded as somebody's child.

        They take part as what they are, but must not look like a first record to a run that reads them back.
        """
        known = (
            (row, self._known(bucket.entities[pairs.entity[row]], bucket.ips[pairs.ip[row]], bucket.start))
            for row in records.tolist()
        )
        return {row: first for row, first in known if first is not None}

    def _held(self, bucket: EventBucket, pairs: Pairs, records: NDArray[np.int64]) -> dict[int, int]:
        """The records that are held, and until when: what they tell of teaches nothing before."""
        if self.holds.probability <= 0.0:
            return {}
        low = records[(pairs.ln_p[records] < math.log(self.holds.probability)) & (pairs.rule[records] == NO_RULE)]
        low = low[teaching(bucket, self.job.datafeed_config.learn_outcomes, pairs.entity[low], pairs.ip[low])]
        found = {}
        for row in low.tolist():
            entity, ip = bucket.entities[pairs.entity[row]], bucket.ips[pairs.ip[row]]
            record = ids.record_id(self.job.job_id, bucket.start, bucket.span, 0, entity, ip)
            until = self.holds.begun(entity, ip, bucket.start, record)
            if until is not None:
                found[row] = until
        return found

    def _remember(self, scored: ScoredBucket) -> None:
        """What this bucket makes a repeat in the next ones."""
        job, bucket, pairs = self.job, scored.bucket, scored.pairs
        part = pairs.takes_part
        for row in scored.records[part[scored.records]].tolist():
            entity, ip = bucket.entities[pairs.entity[row]], bucket.ips[pairs.ip[row]]
            record = ids.record_id(job.job_id, bucket.start, bucket.span, 0, entity, ip)
            self.repeats.add_pair(entity, ip, bucket.start, record)
        if job.ip_field in job.influencers:
            for i in np.flatnonzero(scored.ip_scores.score >= CRITICAL).tolist():
                ip = bucket.ips[i]
                influencer = ids.influencer_id(job.job_id, bucket.start, bucket.span, job.ip_field, ip)
                self.repeats.add_ip(ip, bucket.start, influencer)

    def _scored(self, judged: _Judged, *, counted: bool) -> ScoredBucket:
        """``counted``: the bucket's own raw scores are in ``levels``."""
        bucket, pairs, aggregated = judged.bucket, judged.pairs, judged.aggregated
        score = partial(normalize, counted=counted)
        entity_field, ip_field = self.job.entity_field, self.job.ip_field
        wholes = {BUCKET_TIME: aggregated.bucket_time, entity_field: aggregated.by_entity, ip_field: aggregated.by_ip}
        bucket_scores = {
            name: float(
                score([wholes[name].s], [wholes[name].ln_p], self.levels[bucket_influencer_level(name)]).score[0]
            )
            for name in (BUCKET_TIME, *self.job.influencers)
        }
        records, omitted = chosen_records(pairs, aggregated, self.job.max_records_per_bucket)
        ln_p = pairs.ln_p[records]
        return ScoredBucket(
            bucket=bucket,
            hashes=judged.hashes,
            pairs=pairs,
            aggregated=aggregated,
            ip_repeat_of=judged.ip_repeat_of,
            records=records,
            record_repeat_of=self._record_repeats(bucket, pairs, records),
            held_until=self._held(bucket, pairs, records),
            omitted=omitted,
            record_scores=score(taking_part(ln_p), ln_p, self.levels[RECORD]),
            entity_scores=score(
                aggregated.entities.s, aggregated.entities.ln_p, self.levels[influencer_level(entity_field)]
            ),
            ip_scores=score(aggregated.ips.s, aggregated.ips.ln_p, self.levels[influencer_level(ip_field)]),
            bucket_scores=bucket_scores,
            warming_up=self.levels[RECORD].warming_up,
            young=self.scorer.history.day - self.scorer.history.origin < YOUNG_DAYS,
        )


def unique_pairs(
    bucket: EventBucket, outcomes: tuple[str, ...]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """(entity int32[n], ip int32[n], count int64[n]): rows of these outcomes, one for each (entity, IP)."""
    wanted = np.array([name in outcomes for name in bucket.outcomes], dtype=np.bool_)
    rows = wanted[bucket.outcome] if len(wanted) else np.zeros(0, dtype=np.bool_)
    entity, ip, count = bucket.entity[rows], bucket.ip[rows], bucket.count[rows]
    if wanted.sum() < 2:
        return entity, ip, count  # rows are unique per outcome already
    width = max(len(bucket.ips), 1)
    keys, back = np.unique(entity.astype(np.int64) * width + ip, return_inverse=True)
    total = np.bincount(back, weights=count, minlength=len(keys)).astype(np.int64)
    return (keys // width).astype(np.int32), (keys % width).astype(np.int32), total


def teaching(
    bucket: EventBucket, outcomes: tuple[str, ...], entity: NDArray[np.int32], ip: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """bool[n]: which pairs (entity int32[n], ip int32[n]) have rows of these outcomes in the bucket."""
    seen_entity, seen_ip, _ = unique_pairs(bucket, outcomes)
    width = max(len(bucket.ips), 1)
    return np.isin(entity.astype(np.int64) * width + ip, seen_entity.astype(np.int64) * width + seen_ip)


def learned(
    levels: Levels, job: Job, span: int, pairs: Pairs, aggregated: Aggregated, new_ips: NDArray[np.bool_]
) -> Levels:
    """The levels after one bucket: aged by ``span`` seconds, with the raw scores of all that takes part, zeros too."""
    entities, ips = aggregated.entities, aggregated.ips
    scores = {
        RECORD: taking_part(pairs.ln_p[pairs.takes_part]),
        influencer_level(job.entity_field): entities.s[entities.count > 0],
        influencer_level(job.ip_field): ips.s[(ips.count > 0) & new_ips],
    }
    for name, whole in (
        (BUCKET_TIME, aggregated.bucket_time),
        (job.entity_field, aggregated.by_entity),
        (job.ip_field, aggregated.by_ip),
    ):
        # a bucket without members says nothing about how unusual buckets are
        scores[bucket_influencer_level(name)] = np.array([whole.s] if whole.members else [])
    return levels.aged(span).added(scores)


def chosen_records(pairs: Pairs, aggregated: Aggregated, most: int) -> tuple[NDArray[np.int64], int]:
    """(rows int64[r], omitted): pairs with p ≤ 0.035, the least probable first, at most ``most``.

    Every influencer that is written gets its least probable pair as a child, whatever that pair's p. Where there are
    too many, repeats and the suppressed are left out first: they must not hide what is new.
    """
    rows = np.flatnonzero(pairs.ln_p <= LN_TAKES_PART)
    part = np.flatnonzero(pairs.takes_part)
    children = [
        least_of_groups(codes[part], pairs.ln_p[part], groups.s > 0.0)
        for codes, groups in ((pairs.entity, aggregated.entities), (pairs.ip, aggregated.ips))
    ]
    rows = np.unique(np.concatenate([rows, *(part[found] for found in children)]))
    rows = rows[np.lexsort((pairs.ip[rows], pairs.entity[rows], pairs.ln_p[rows]))]
    if len(rows) <= most:
        return rows, 0
    new_first = np.argsort(~pairs.takes_part[rows], kind="stable")
    return rows[np.sort(new_first[:most])], len(rows) - most


def least_of_groups(
    codes: NDArray[np.int32], values: NDArray[np.float64], wanted: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """int64[k]: for each wanted group (bool[n_groups]) the position of its smallest value; groups by ``codes`` [n]."""
    inside = np.flatnonzero(wanted[codes]) if len(codes) else np.zeros(0, dtype=np.int64)
    order = inside[np.lexsort((values[inside], codes[inside]))]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = codes[order][1:] != codes[order][:-1]
    return order[first]
