"""Two views of a bucket: over the pairs that succeeded, and over the pairs that only failed.

Anyone can fail to sign in, to any account and without limit. So failures are members of groups of their own, and have
levels of their own: no number of them makes a success look usual. For an entity, an address or the bucket, the view
with the higher score is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ipi_es.config.job_config import Job
from ipi_es.results.words import BUCKET_TIME
from ipi_es.scoring import bounded
from ipi_es.scoring.aggregate import Aggregated, BucketPairs, BucketView, Membership, aggregate
from ipi_es.scoring.array_checks import F64
from ipi_es.scoring.calibration import UNSEEN
from ipi_es.scoring.combine import Combined
from ipi_es.scoring.normalizer import Normalized
from ipi_es.scoring.probability import taking_part
from ipi_es.scoring.quantiles import Quantiles
from ipi_es.scoring.references import References
from ipi_es.worker.scoring.normalizer_state import (
    NormalizerState,
    bucket_influencer_level,
    influencer_level,
    record_level,
)
from ipi_es.worker.scoring.scored_pairs import ScoredPairs

Bools: TypeAlias = NDArray[np.bool_]
T = TypeVar("T", Combined, Normalized)

KEY_BITS = 52
"""Bits of a source's hash that make its key: a float64 represents such integers exactly."""


@dataclass(frozen=True, slots=True, eq=False)
class Participation:
    """The pairs and IPs that count in a bucket; repeats, and pairs that the allow list matches, don't."""

    by_entity: Bools
    """bool[n_pairs], for records and for groups by entity."""
    by_ip: Bools
    """bool[n_pairs], for groups by IP."""
    ips: tuple[Bools, Bools]
    """bool[n_ips], of successes and of failures, for the bucket over IPs: the IP repeats no critical influencer."""

    @property
    def anywhere(self) -> Bools:
        """bool[n_pairs]: which pairs count for their entity or for their IP."""
        return self.by_entity | self.by_ip

    def of_view(self, rows: Bools, *, failures_only: bool) -> Membership:
        """Return the membership in the view of ``rows`` (bool[n_pairs]): of the successes, or of the failures."""
        return Membership(self.by_entity & rows, self.by_ip & rows, self.ips[failures_only])

    @classmethod
    def everything(cls, n_pairs: int, n_ips: int) -> Participation:
        """Return the participation of a bucket without repeats and without allowed pairs."""
        rows, ips = np.ones(n_pairs, dtype=np.bool_), np.ones(n_ips, dtype=np.bool_)
        return cls(rows, rows, (ips, ips))


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeView:
    """The pairs of one kind (successes or failures), combined."""

    failures_only: bool
    rows: Bools
    """bool[n_pairs]."""
    together: Aggregated

    def wholes(self, job: Job) -> dict[str, BucketView]:
        """Return the bucket's views by bucket influencer's field."""
        together = self.together
        found = {BUCKET_TIME: together.bucket_time, job.entity_field: together.by_entity}
        return found | {job.ip_field: together.by_ip}


@dataclass(frozen=True, slots=True, eq=False)
class ViewScores:
    """The scores of one view."""

    records: Normalized  # [n_pairs]; meaningful in the view's rows
    entities: Normalized  # [n_entities]
    ips: Normalized  # [n_ips]
    buckets: dict[str, float]  # by bucket influencer's field


def views_of(
    pairs: ScoredPairs, part: Participation, n_entities: int, n_ips: int, references: References
) -> list[OutcomeView]:
    """Return the view of successes, and that of failures if there are any."""
    of_bucket = BucketPairs.of(pairs.ln_p, pairs.entity, pairs.ip, n_entities, n_ips)
    found = []
    for failures_only in (False, True) if pairs.failures_only.any() else (False,):
        rows = pairs.failures_only == failures_only
        together = aggregate(
            of_bucket,
            part.of_view(rows, failures_only=failures_only),
            references.of(failures_only=failures_only),
            sources="ip" if failures_only else "entity",
            made_up=pairs.history_class == UNSEEN if failures_only else None,
        )
        found.append(OutcomeView(failures_only, rows, together))
    return found


def scores_of(view: OutcomeView, pairs: ScoredPairs, job: Job, levels: NormalizerState, *, counted: bool) -> ViewScores:
    """Score a view; ``counted``: its own raw scores are in ``levels``."""
    failed, together, wholes = view.failures_only, view.together, view.wholes(job)

    def score(level: str, s: F64, ln_p: F64) -> Normalized:
        return levels.score(level, s, ln_p, counted=counted)

    def of_groups(field: str, groups: Combined) -> Normalized:
        return score(influencer_level(field, failures_only=failed), groups.s, groups.ln_p)

    def of_whole(name: str, whole: BucketView) -> float:
        level = bucket_influencer_level(name, failures_only=failed)
        return float(score(level, np.array([whole.s]), np.array([whole.ln_p])).score[0])

    return ViewScores(
        records=score(record_level(failures_only=failed), taking_part(pairs.ln_p), pairs.ln_p),
        entities=of_groups(job.entity_field, together.entities),
        ips=of_groups(job.ip_field, together.ips),
        buckets={name: of_whole(name, wholes[name]) for name in (BUCKET_TIME, *job.influencers)},
    )


def learned(
    levels: NormalizerState,
    job: Job,
    span: int,
    pairs: ScoredPairs,
    part: Participation,
    views: Sequence[OutcomeView],
    entity_hashes: NDArray[np.uint64],
    ip_hashes: NDArray[np.uint64],
) -> NormalizerState:
    """Return the levels after one bucket: aged by ``span`` seconds, with the raw scores of all that takes part.

    Raw scores of zero are included. No single source decides a level (:mod:`ipi_es.scoring.bounded`); a source is an
    account for successes, an address for failures. ``entity_hashes`` uint64[n_entities], ``ip_hashes`` uint64[n_ips].
    """
    levels = levels.aged(span)
    entity_keys, ip_keys = source_keys(entity_hashes), source_keys(ip_hashes)
    for view in views:
        levels = levels.changed(_additions(view, job, pairs, part, ip_keys if view.failures_only else entity_keys))
    return levels


def _additions(
    view: OutcomeView, job: Job, pairs: ScoredPairs, part: Participation, keys: NDArray[np.int64]
) -> dict[str, Callable[[Quantiles], Quantiles]]:
    """Return the changes by level. ``keys`` int64: those of the entities; for failures, those of the IPs."""
    failed, together = view.failures_only, view.together
    source = pairs.ip if failed else pairs.entity
    members = part.of_view(view.rows, failures_only=failed)
    rows = members.by_entity
    of_entity, of_ip = together.source_of_entity, together.source_of_ip
    entities, ips = together.entities.count > 0, (together.ips.count > 0) & members.ips
    found: dict[str, Callable[[Quantiles], Quantiles]] = {}

    def add(name: str, s: NDArray[np.float64], ln_p: NDArray[np.float64], of: NDArray[np.int64]) -> None:
        if len(s):
            found[name] = partial(bounded.added, s=s, ln_p=ln_p, keys=keys[of])

    ln_p = pairs.ln_p[rows]
    add(record_level(failures_only=failed), taking_part(ln_p), ln_p, source[rows].astype(np.int64))
    for field, groups, here, of in (
        (job.entity_field, together.entities, entities, of_entity),
        (job.ip_field, together.ips, ips, of_ip),
    ):
        add(influencer_level(field, failures_only=failed), groups.s[here], groups.ln_p[here], of[here])
    for name, whole in view.wholes(job).items():
        groups, here, of = (
            (together.ips, ips, of_ip) if name == job.ip_field else (together.entities, entities, of_entity)
        )
        if whole.members:  # a bucket without members doesn't show how unusual buckets are
            first = np.flatnonzero(here)[int(np.argmin(groups.ln_p[here]))]
            s, ln = np.array([whole.s]), np.array([whole.ln_p])
            add(bucket_influencer_level(name, failures_only=failed), s, ln, of[[first]])
    return found


def source_keys(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the keys of sources (int64[n] in [1, 2^52)) from their hashes (uint64[n])."""
    return (hashes >> np.uint64(64 - KEY_BITS)).astype(np.int64) | 1


@dataclass(frozen=True, slots=True, eq=False)
class MergedGroups:
    """Groups of one field, each from the view with the higher score; arrays [g]."""

    groups: Combined
    scores: Normalized
    failures_only: Bools
    """bool[g]: which groups come from the view of failures."""


def merged(groups: Sequence[Combined], scores: Sequence[Normalized], news: Sequence[Bools] = ()) -> MergedGroups:
    """Merge the views of one field, given in the order successes, failures (if there are any).

    ``news`` bool[g] for each view: which groups repeat nothing; they win over repeats, whatever the scores.
    """
    if len(groups) == 1:
        return MergedGroups(groups[0], scores[0], np.zeros(len(groups[0].count), dtype=np.bool_))
    (ours, failed), (score, failed_score) = groups, scores
    higher = failed_score.score > score.score
    if news:
        higher = np.where(news[0] == news[1], higher, news[1])
    take = (failed.count > 0) & ((ours.count == 0) | higher)
    return MergedGroups(chosen(ours, failed, take), chosen(score, failed_score, take), take)


def taken(all_: T, rows: NDArray[np.int64]) -> T:
    """Return the rows (int64[r]) of every array."""
    return type(all_)(**{name: value[rows] for name, value in vars(all_).items()})


def chosen(ours: T, other: T, take: Bools) -> T:
    """Return every array with the values of ``other`` where ``take`` (bool[n]) is true."""
    return type(ours)(**{name: np.where(take, getattr(other, name), value) for name, value in vars(ours).items()})


def record_scores_of(records: NDArray[np.int64], pairs: ScoredPairs, scores: Sequence[ViewScores]) -> Normalized:
    """Return the records' scores, each from its own view."""
    if len(scores) == 1:
        return taken(scores[0].records, records)
    return chosen(taken(scores[0].records, records), taken(scores[1].records, records), pairs.failures_only[records])


def bucket_scores_of(
    views: Sequence[OutcomeView], scores: Sequence[ViewScores], job: Job
) -> tuple[dict[str, float], dict[str, tuple[BucketView, bool]]]:
    """Return by bucket influencer's field: its score; and the bucket, with whether it consists of failures only."""
    found: dict[str, float] = {}
    wholes: dict[str, tuple[BucketView, bool]] = {}
    for view, score in zip(views, scores, strict=True):
        of_view = view.wholes(job)
        for name, value in score.buckets.items():
            empty = name in wholes and not wholes[name][0].members and of_view[name].members
            if name not in found or value > found[name] or empty:
                found[name], wholes[name] = value, (of_view[name], view.failures_only)
    return found, wholes
