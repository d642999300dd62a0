"""Many probabilities to one: the joint and the extreme part of a group, weighted in raw score.

Both parts above 0.035: s = 0 and p = P_J^wJ · P_E^wE. Otherwise s = wJ·s(P_J) + wE·s(P_E) and p = inverse(s). Scoring
and writing depend on s; a p above 0.035 with s > 0 is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ipi_es.scoring.array_checks import F64, Bools, Counts, as_f64, checked_codes, same_length
from ipi_es.scoring.extreme import ln_extreme, smallest_of_groups
from ipi_es.scoring.joint import COUNTS_UP_TO, ln_joint
from ipi_es.scoring.probability import LN_TAKES_PART, inverse, raw_score


@dataclass(frozen=True)
class Combination:
    """How the members of a group are combined."""

    weight_joint: float
    """wJ ≥ 0; the weights sum to 1."""
    weight_extreme: float
    """wE ≥ 0."""
    m_from: int
    """Fewest of the least probable members that the extreme part uses."""
    m_to: int
    """Most of the least probable members that the extreme part uses."""

    def __post_init__(self) -> None:
        if min(self.weight_joint, self.weight_extreme) < 0 or self.weight_joint + self.weight_extreme != 1.0:
            raise ValueError("the weights are at least 0 and sum to 1")
        if not 1 <= self.m_from <= self.m_to:
            raise ValueError("1 ≤ m_from ≤ m_to")


ENTITY_OR_IP: Final = Combination(weight_joint=0.5, weight_extreme=0.5, m_from=1, m_to=5)
"""The IPs of one entity in a bucket (entity influencer); the entities of one IP in a bucket (IP influencer)."""
OVER_MEMBERS: Final = Combination(weight_joint=0.0, weight_extreme=1.0, m_from=1, m_to=1)
"""The entities of a bucket (``bucket_time`` and the entity field's bucket influencer); the IPs of a bucket."""


@dataclass(frozen=True)
class Combined:
    """One probability and raw score per group; all arrays are [g]."""

    ln_p: F64
    """ln p, float64; 0 (p = 1) for an empty group."""
    s: F64
    """Raw anomaly score in [0, 100], float64: it decides whether a result is scored and written."""
    count: Counts
    """Members, int64."""
    ln_joint: F64
    """ln P_J, float64; NaN where the group has no joint part: there the extreme part has the whole weight."""
    ln_extreme: F64
    """ln P_E, float64."""


def combine(
    ln_p: npt.ArrayLike,
    group: npt.ArrayLike,
    n_groups: int,
    how: Combination,
    *,
    correlation: npt.ArrayLike,
    max_joint: int,
) -> Combined:
    """Combine the members' ln p (float[n], the normal ones too) within groups (int[n], codes in [0, ``n_groups``)).

    correlation: ρ₂ of z² among members of one group, in [0, 1], for each view of the joint part or one for both.
    max_joint: the largest group whose joint part is used unchanged (a tenth of the calibration sample). A larger one
    counts as one of that size and of the same mean z², and its joint part is never above its extreme part: more members
    must not make what they do less unusual. The order of members doesn't matter. Raises ValueError for NaN, for codes
    out of range and for a bad correlation.
    """
    ln = np.minimum(as_f64(ln_p, "ln_p"), 0.0)
    codes = checked_codes(group, n_groups, "group")
    same_length(ln_p=ln, group=codes)
    if np.isnan(ln).any():
        raise ValueError("a probability to combine is not a number")
    rho = np.broadcast_to(np.asarray(correlation, dtype=np.float64), len(COUNTS_UP_TO))
    if not ((rho >= 0.0) & (rho <= 1.0)).all():
        raise ValueError("a correlation of z² lies in [0, 1]")
    smallest, count = smallest_of_groups(ln, codes, n_groups, how.m_to)
    extreme = ln_extreme(smallest, count, how.m_from, how.m_to)
    small: Bools = count <= max_joint
    has_joint = (small | (max_joint > 1)) & (how.weight_joint > 0)
    joint = ln_joint(ln, codes, count, rho, has_joint, max_joint)
    s, combined = _weighted(np.where(small & has_joint, joint, np.fmin(joint, extreme)), extreme, how)
    return Combined(ln_p=combined, s=s, count=count, ln_joint=joint, ln_extreme=extreme)


def _weighted(ln_a: F64, ln_b: F64, how: Combination) -> tuple[F64, F64]:
    odd = (ln_a <= LN_TAKES_PART) | (ln_b <= LN_TAKES_PART)
    s = np.where(odd, how.weight_joint * raw_score(ln_a) + how.weight_extreme * raw_score(ln_b), 0.0)
    ln_p = np.where(odd, inverse(np.clip(s, 0.0, 100.0)), how.weight_joint * ln_a + how.weight_extreme * ln_b)
    # One p from two equal ones is that p, to the last digit: a lone member and its group must not differ.
    return s, np.where(ln_a == ln_b, ln_a, ln_p)
