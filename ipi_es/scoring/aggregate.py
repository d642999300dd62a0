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

from ipi_es.scoring.array_checks import F64, Counts, as_f64, checked_codes, same_length
from ipi_es.scoring.bounded import MOST_A_SOURCE, least_of_each
from ipi_es.scoring.combine import ENTITY_OR_IP, OVER_MEMBERS, Combined, combine
from ipi_es.scoring.joint import LN_2
from ipi_es.scoring.probability import raw_score

Codes: TypeAlias = npt.NDArray[np.int32] | npt.NDArray[np.int64]

JOINT_SHARE: Final = 0.1
"""Groups larger than this share of the calibration sample count as groups of that size: larger ones weren't seen."""


@dataclass(frozen=True)
class Correlations:
    """Within-group correlations ρ₂ of z², in [0, 1], from the calibration sample; kept in the snapshot.

    Each is one number for each view that ``scoring.joint`` takes of a group.
    """

    same_entity: tuple[float, ...] = (0.0, 0.0)
    """Between the IPs of one entity in a bucket; about 0."""
    same_ip: tuple[float, ...] = (0.0, 0.0)
    """Between the entities of one IP in a bucket; 0.3–0.6 is normal."""


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


def aggregate(
    ln_p: npt.ArrayLike,
    entity: npt.ArrayLike,
    ip: npt.ArrayLike,
    *,
    n_entities: int,
    n_ips: int,
    correlations: Correlations,
    calibration_size: int,
    takes_part: npt.ArrayLike | None = None,
    takes_part_by_ip: npt.ArrayLike | None = None,
    ip_takes_part: npt.ArrayLike | None = None,
    sources: Literal["entity", "ip"] = "entity",
    made_up: npt.ArrayLike | None = None,
) -> Aggregated:
    """Combine the unique pairs of one event bucket, the normal ones too.

    ln_p: float[n]; entity: int[n], codes in [0, n_entities); ip: int[n], codes in [0, n_ips); takes_part: bool[n],
    false for repeats and for what is suppressed (they count nowhere, not even as members); takes_part_by_ip: bool[n],
    the same for the groups by IP, where it differs; ip_takes_part: bool[n_ips], false for IP influencers that repeat
    one (they are scored, but are no members of the bucket over IPs); calibration_size: points of all classes together;
    sources: the field that bounds a flood: of each of its values, only a few groups of the other field are members of
    the bucket; made_up: bool[n], pairs of entities whose names may be invented: an IP is judged with and without them,
    so that a thousand invented names don't hide sixty real ones among them.
    """
    ln = as_f64(ln_p, "ln_p")
    entities, ips = checked_codes(entity, n_entities, "entity"), checked_codes(ip, n_ips, "ip")
    same_length(ln_p=ln, entity=entities, ip=ips)
    part = np.ones(len(ln), dtype=np.bool_) if takes_part is None else np.asarray(takes_part, dtype=np.bool_)
    by_ip = part if takes_part_by_ip is None else np.asarray(takes_part_by_ip, dtype=np.bool_)
    same_length(ln_p=ln, takes_part=part, takes_part_by_ip=by_ip)
    max_joint = int(JOINT_SHARE * calibration_size)
    per_entity = combine(
        ln[part], entities[part], n_entities, ENTITY_OR_IP, correlation=correlations.same_entity, max_joint=max_joint
    )
    per_ip = combine(ln[by_ip], ips[by_ip], n_ips, ENTITY_OR_IP, correlation=correlations.same_ip, max_joint=max_joint)
    real = by_ip if made_up is None else by_ip & ~np.asarray(made_up, dtype=np.bool_)
    if real.sum() < by_ip.sum():
        of_real = combine(
            ln[real], ips[real], n_ips, ENTITY_OR_IP, correlation=correlations.same_ip, max_joint=max_joint
        )
        per_ip = _of_either(per_ip, of_real)
    of_entity, of_ip = np.arange(n_entities), np.arange(n_ips)
    if sources == "ip":
        of_entity = leading(entities[part], ln[part], ips[part], n_entities)
    else:
        of_ip = leading(ips[by_ip], ln[by_ip], entities[by_ip], n_ips)
    over_entities = _whole(per_entity, of_entity)
    return Aggregated(per_entity, per_ip, over_entities, over_entities, _whole(per_ip, of_ip, ip_takes_part))


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


def _whole(groups: Combined, of_one: Counts, takes_part: npt.ArrayLike | None = None) -> BucketView:
    """Combine groups to the bucket. ``of_one`` int64[g]: each group's source; only a few groups per source count."""
    present = groups.count > 0
    if takes_part is not None:
        part = np.asarray(takes_part, dtype=np.bool_)
        same_length(count=groups.count, takes_part=part)
        present &= part
    present[present] = least_of_each(of_one[present], groups.ln_p[present], MOST_A_SOURCE)
    ln_p: F64 = groups.ln_p[present]
    members = len(ln_p)
    one = combine(ln_p, np.zeros(members, dtype=np.int64), 1, OVER_MEMBERS, correlation=0.0, max_joint=0)
    return BucketView(float(one.ln_p[0]), float(one.s[0]), members)
