"""Joint probability of a group: all its members together, compared with chance.

For p_1..p_n with z_i = −Φ⁻¹(p_i / 2), Σz² of independent normal members is χ² of n degrees of freedom. Members of one
office are correlated, so the χ² is matched in mean and variance (Satterthwaite) to a within-group correlation ρ₂ of z²:

    c = 1 + (n − 1)·ρ₂,  d = n / c,  P = Q(d/2, Σz² / 2c)      (Q: regularized upper incomplete gamma)

A group is evaluated twice, in two views: once with the members of p ≤ 0.035, once with those of p ≤ 0.1; the others
count with z = 0, which can only increase P. Each view has its own ρ₂. The joint probability is twice the smaller
(Bonferroni's inequality), so it stays super-uniform; n = 1 gives p itself. See ``COUNTS_UP_TO`` for why.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special

from ipi_es.scoring.array_checks import F64, Counts, as_f64, checked_codes, same_length

COUNTS_UP_TO: Final = (0.035, 0.1)
"""Largest p of a member that counts, in each view. All accounts of an office have the same middling p every day, which
is no anomaly, but a correlation that hides sprayings: ρ₂ of simulated companies was .3–.7 where all count, .1–.4 up to
0.1, .03–.3 up to 0.035, and 3, 6 and 8 of 8 sprayings over 60 accounts were found. In a real log by the day, with
sprayings over fewer accounts at p of .04 to .1, only the wider view finds them (influencers' AUC .998, not .74)."""

PRIOR_CORRELATION: Final = 0.05
"""ρ₂ that is assumed where few groups have two members."""
PRIOR_GROUPS: Final = 100.0
"""The weight of that assumption, in groups."""

LN_2: Final = float(np.log(2.0))
Q_TRUSTED: Final = 1e-280
"""Above this, Q is SciPy's; below, before it underflows, ln Q is computed by a continued fraction."""
FRACTION_TERMS: Final = 400
"""Terms of the continued fraction; 1e-12 is reached far earlier wherever Q < 1e-280."""


def squared_z(ln_p: F64) -> list[F64]:
    """Give z² (float64[n], ≥ 0, high = unusual; χ² of one degree) of ln p (float64[n]) in each view: 0 beyond its p."""
    z: F64 = special.ndtri_exp(ln_p - LN_2)
    squared = z * z
    return [np.where(ln_p <= np.log(up_to), squared, 0.0) for up_to in COUNTS_UP_TO]


def ln_upper_gamma(a: F64, x: F64) -> F64:
    """Give ln Q(a, x) for a > 0, x ≥ 0 (float64[n] each), also where Q itself underflows."""
    q: F64 = special.gammaincc(a, x)
    tiny = q < Q_TRUSTED
    out: F64 = np.log(np.maximum(q, Q_TRUSTED))
    if tiny.any():
        # Rounding between the two methods must not make a smaller Q larger.
        out[tiny] = np.minimum(_ln_upper_gamma_far(a[tiny], x[tiny]), np.log(Q_TRUSTED))
    return out


def _ln_upper_gamma_far(a: F64, x: F64) -> F64:
    """Give ln Q(a, x) for x far above a: Legendre's continued fraction for Γ(a, x), evaluated from its far end."""
    fraction = np.zeros_like(x)
    for i in range(FRACTION_TERMS, 0, -1):
        fraction = i * (a - i) / (x + (2 * i + 1) - a + fraction)
    result: F64 = a * np.log(x) - x - np.log(x + 1.0 - a + fraction) - special.gammaln(a)
    return result


def ln_joint(
    ln_p: F64, group: Counts, count: Counts, correlation: F64, wanted: npt.NDArray[np.bool_], most: int
) -> F64:
    """Give ln P_J per group (float64[g]); NaN where not ``wanted`` (bool[g]).

    ln_p: float64[n]; group: int64[n] in [0, g); count: int64[g], members of each group; correlation: float64[2], ρ₂ in
    [0, 1] of each view; most: a larger group counts as one of ``most`` members with the same mean z² (so large a group
    was never seen, and for normal members its mean is nearer to 1 than theirs). A group of one gives its own p exactly,
    an empty one p = 1.
    """
    out = np.full(len(count), np.nan)
    out[wanted & (count == 0)] = 0.0
    alone = wanted & (count == 1)
    several = wanted & (count > 1)
    singles = alone[group]
    out[group[singles]] = ln_p[singles]
    if several.any():
        members = several[group]
        codes = group[members]
        members_of = count[several].astype(np.float64)
        n = np.minimum(members_of, most)
        views = []
        for z2, rho in zip(squared_z(ln_p[members]), correlation, strict=True):
            total = np.bincount(codes, weights=z2, minlength=len(count))[several] * (n / members_of)
            c = 1.0 + (n - 1.0) * rho
            views.append(ln_upper_gamma(n / c / 2.0, total / c / 2.0))
        out[several] = np.minimum(np.min(views, axis=0) + np.log(len(views)), 0.0)
    return out


def group_correlation(ln_p: npt.ArrayLike, group: npt.ArrayLike) -> tuple[float, ...]:
    """Estimate ρ₂ in [0, 1] of each view on a calibration sample: ln p (float[n]), group codes (int[n], dense from 0).

    A group is the events of one bucket with the same IP, or with the same entity. Each group's pairs weigh 1/(n_g − 1),
    so that a group counts in proportion to its members and one big office doesn't dominate:

        ρ₂ = Σ_g Σ_{i≠j in g} a_i·a_j / (n_g − 1)  /  (variance of z² · members of groups with n_g ≥ 2)

    with a = z² − mean; mean and variance are over the whole sample, groups of one included (there p is uniform by
    construction; among the members of groups alone it is not).

    Of G groups with two members or more, the estimate is drawn towards an assumption: (G·ρ₂ + 100·0.05) / (G + 100). On
    sparse data (a real log by the day: 2 to 28 groups, a bootstrap deviation of 0.13 and more) one or two
    groups determined the estimate, and with it whether spraying is found; with many groups, the assumption changes
    nothing. 0 without any group of two.
    """
    ln = as_f64(ln_p, "ln_p")
    codes = checked_codes(group, int(np.max(group, initial=-1)) + 1, "group")
    same_length(ln_p=ln, group=codes)
    return tuple(_correlation(z2, codes) for z2 in squared_z(ln))


def _correlation(z2: F64, codes: Counts) -> float:
    count = np.bincount(codes)
    several = count > 1
    variance = float(z2.var()) if len(z2) else 0.0
    if variance <= 0.0 or not several.any():
        return 0.0
    a = z2 - z2.mean()
    total = np.bincount(codes, weights=a)[several]
    squares = np.bincount(codes, weights=a * a)[several]
    pairs = (total * total - squares) / (count[several] - 1.0)
    estimate = float(np.clip(pairs.sum() / (variance * count[several].sum()), 0.0, 1.0))
    groups = float(several.sum())
    return (groups * estimate + PRIOR_GROUPS * PRIOR_CORRELATION) / (groups + PRIOR_GROUPS)
