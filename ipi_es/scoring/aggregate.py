"""From the pairs of one event bucket to influencers and the bucket.

    pairs → one p per entity (over its IPs)      → the bucket's p over entities: ``bucket_time``, the entity field
          → one p per IP     (over its entities) → the bucket's p over IPs: the IP field

``bucket_time`` is always the one over entities. Which fields have influencers is the job's choice; all are computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ipi_es.scoring.array_checks import F64, Bools, Counts, as_f64, checked_codes, same_length
from ipi_es.scoring.bounded import MOST_A_SOURCE, least_of_each
from ipi_es.scoring.combine import ENTITY_OR_IP, OVER_MEMBERS, Combined, combine
from ipi_es.scoring.joint import LN_2
from ipi_es.scoring.probability import raw_score
from ipi_es.scoring.references import Reference

Codes: TypeAlias = npt.NDArray[np.int32] | npt.NDArray[np.int64]

JOINT_SHARE: Final = 0.1
"""Groups larger than this share of the calibration sample count as groups of that size: larger ones weren't seen."""


@dataclass(frozen=True, slots=True, eq=False)
class BucketPairs:
    """The n unique pairs of one event bucket, the usual ones too, and the groups that they are in."""

    ln_p: F64
    """float64[n] ≤ 0."""
    entity: Counts
    """int64[n] in [0, n_entities)."""
    ip: Counts
    """int64[n] in [0, n_ips)."""
    n_entities: int
    n_ips: int

    @classmethod
    def of(
        cls, ln_p: npt.ArrayLike, entity: npt.ArrayLike, ip: npt.ArrayLike, n_entities: int, n_ips: int
    ) -> BucketPairs:
        """Take float[n] and int[n]. Raises ValueError for a code out of range or arrays of different lengths."""
        ln = as_f64(ln_p, "ln_p")
        entities, ips = checked_codes(entity, n_entities, "entity"), checked_codes(ip, n_ips, "ip")
        same_length(ln_p=ln, entity=entities, ip=ips)
        return cls(ln, entities, ips, n_entities, n_ips)


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """Which pairs are members of groups, and which IPs of the bucket; no others are counted.

    Repeats are left out, and what is suppressed.
    """

    by_entity: Bools
    """bool[n_pairs], of their entities' groups."""
    by_ip: Bools
    """bool[n_pairs], of their IPs' groups."""
    ips: Bools
    """bool[n_ips], of the bucket over IPs: false where the IP's influencer repeats one; it is scored all the same."""


@dataclass(frozen=True)
class BucketView:
    """The bucket's probability over the members of one field."""

    ln_p: float
    s: float
    """Raw anomaly score in [0, 100]."""
    members: int
    """Distinct entities or IPs that take part."""


@dataclass(frozen=True)
class Aggregated:
    """Influencers and bucket influencers of one event bucket."""

    entities: Combined
    """Entity influencers, arrays [n_entities]; ``count`` is 0 where no pair of the entity takes part."""
    ips: Combined
    """IP influencers, arrays [n_ips]."""
    bucket_time: BucketView
    """Over entities, whatever the influencers are. ln p = 0 and s = 0 where nothing takes part."""
    by_entity: BucketView
    """The entity field's bucket influencer: the same probability as ``bucket_time``."""
    by_ip: BucketView
    """The IP field's bucket influencer."""
    source_of_entity: Counts
    """int64[n_entities]: the source (:func:`aggregate`) of each entity's least probable pair."""
    source_of_ip: Counts
    """int64[n_ips]: that of each IP's. Both are meaningful where the group's ``count`` is not 0."""


def aggregate(
    pairs: BucketPairs,
    members: Membership,
    reference: Reference,
    *,
    sources: Literal["entity", "ip"] = "entity",
    made_up: Bools | None = None,
) -> Aggregated:
    """Combine the pairs of one event bucket, given the normal events that they are compared with.

    sources: the field that bounds a flood: of each of its values, only a few groups of the other field are members of
    the bucket; made_up: bool[n], pairs of entities whose names may be invented: an IP is judged with and without them,
    so that a thousand invented names don't hide sixty real ones among them.
    """
    ln, entities, ips, n_ips = pairs.ln_p, pairs.entity, pairs.ip, pairs.n_ips
    by_entity, by_ip = members.by_entity, members.by_ip
    same_length(ln_p=ln, by_entity=by_entity, by_ip=by_ip)
    same, max_joint = reference.correlations, int(JOINT_SHARE * reference.calibration.total)
    per_entity = combine(
        ln[by_entity],
        entities[by_entity],
        pairs.n_entities,
        ENTITY_OR_IP,
        correlation=same.same_entity,
        max_joint=max_joint,
    )

    def per_ip_of(rows: Bools) -> Combined:
        return combine(ln[rows], ips[rows], n_ips, ENTITY_OR_IP, correlation=same.same_ip, max_joint=max_joint)

    per_ip = per_ip_of(by_ip)
    real = by_ip if made_up is None else by_ip & ~made_up
    if real.sum() < by_ip.sum():
        per_ip = _of_either(per_ip, per_ip_of(real))
    of_entity, of_ip = np.arange(pairs.n_entities), np.arange(n_ips)
    if sources == "ip":
        of_entity = leading(entities[by_entity], ln[by_entity], ips[by_entity], pairs.n_entities)
    else:
        of_ip = leading(ips[by_ip], ln[by_ip], entities[by_ip], n_ips)
    over_entities = _whole(per_entity, of_entity)
    over_ips = _whole(per_ip, of_ip, members.ips)
    return Aggregated(per_entity, per_ip, over_entities, over_entities, over_ips, of_entity, of_ip)


def _of_either(whole: Combined, part: Combined) -> Combined:
    """Give the less probable of each whole group and the part of its members, with twice its p (Bonferroni)."""
    two = (part.count > 0) & (part.count < whole.count)
    take = two & (part.ln_p < whole.ln_p)
    least = np.where(take, part.ln_p, whole.ln_p)
    ln_p = np.where(two, np.minimum(least + LN_2, 0.0), least)
    s = np.where(take, part.s, whole.s)
    return Combined(
        ln_p=ln_p,
        s=np.where(two & (s > 0.0), raw_score(ln_p), s),
        count=whole.count,
        ln_joint=np.where(take, part.ln_joint, whole.ln_joint),
        ln_extreme=np.where(take, part.ln_extreme, whole.ln_extreme),
    )


def leading(group: Codes, ln_p: F64, member: Codes, n_groups: int) -> Counts:
    """Give each group's least probable member (int64[n_groups]; −1 where it has none); arrays [n].

    Of equally probable members, the first counts.
    """
    found = np.full(n_groups, -1, dtype=np.int64)
    order = np.argsort(ln_p, kind="stable")[::-1]
    found[group[order]] = member[order]  # the last one written is the least probable
    return found


def _whole(groups: Combined, of_one: Counts, members: Bools | None = None) -> BucketView:
    """Combine groups to the bucket. ``of_one`` int64[g]: each group's source; only a few groups per source count.

    ``members`` bool[g]: the groups that are members of the bucket; None: all.
    """
    present = groups.count > 0
    if members is not None:
        same_length(count=groups.count, members=members)
        present &= members
    present[present] = least_of_each(of_one[present], groups.ln_p[present], MOST_A_SOURCE)
    ln_p: F64 = groups.ln_p[present]
    n = len(ln_p)
    one = combine(ln_p, np.zeros(n, dtype=np.int64), 1, OVER_MEMBERS, correlation=0.0, max_joint=0)
    return BucketView(float(one.ln_p[0]), float(one.s[0]), n)
