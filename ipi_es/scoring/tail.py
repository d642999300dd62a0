"""The lower tail of a calibration sample: p of a compatibility below almost all of the sample's.

Peaks over threshold: the k lowest of n points lie at excesses y = u − c ≥ 0 below a threshold u, and the excesses are
taken as generalized Pareto with a shape ξ > 0 (a negative shape has an endpoint, and gives p = 0):

    ln p(c) = ln((k + 1) / (n + 1)) − ln(1 + ξ·(u − c)/σ) / ξ

which at c = u continues the conformal body. The curve fits most of the k points, but doesn't determine the far end;
that follows from the definition of a compatibility as log-odds, c = ln(f_real / f_sampled) + constant:

    P(real ≤ c) = ∫_{≤ c} f_real = ∫_{≤ c} e^c′ f_sampled · constant ≤ e^c · constant

So p falls at least as e^c where it is this small, for any curve. The constant is the least with which e^c lies
nowhere below the sample: on or above the upper 95 % limit of each of its k points' counts. p is the smaller of curve
and e^c · constant; where the constant is too large for log-odds, it is the curve's. On a million normal pairs of 12
simulated companies the shares with p ≤ 1e-3, 1e-4 and 1e-5 were .97, 1.16 and 1.29 times that (by the curve alone .96,
.92 and 0: it hid leaked tokens, fourteen e-folds out).

Three decisions keep the curve from giving unfounded probabilities:

* The smallest shape is 1/k, not 0. With σ the mean excess it is then the exact law of the next exponential excess
  when the mean is known from k points only: (1 + y/(k·mean))^−k. The plain exponential, fitted to 50 points, is
  overconfident by a factor of 3 at 1e-6.
* Heavier tails: ξ from probability-weighted moments (Hosking and Wallis 1987), less its standard error, so that noise
  in 50 points does not blunt every tail.
* Where j of the sample's own points lie at or below c, p is at least the lower end of the one-sided 95 % interval for
  j events of Poisson: the points overrule the curve as soon as they are more than one or two outliers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from ipi_es.scoring.array_checks import F64, Counts

MIN_EXCEEDANCES: Final = 50
"""The fewest points for a tail."""
TAIL_SHARE: Final = 0.01
"""The tail is fitted to this share of the points, unless that is fewer than 50."""
LARGEST_TAIL_SHARE: Final = 0.1
"""Ties may widen the tail up to this share; more is body, not tail."""
LARGEST_SHAPE: Final = 0.9
"""The mean excess, which sets the scale, does not exist from a shape of 1 on."""
POINTS_DOUBT: Final = 0.05
"""One-sided level of the intervals with which the sample's own points overrule the curve and set the level of e^c."""
LN_LEVEL_LIMIT: Final = 6.0
"""Largest ln of the constant of e^c. It is at most what sampled pairs weigh against real ones in training, about
4; with drift and the limits of 95 %, its ln was −4 to 4 in samples of 12 simulated companies. Beyond this
limit, compatibilities aren't the log-odds that they should be."""
SHAPE_ERROR: Final = 2.0 / 3.0**0.5
"""Standard error of the shape by probability-weighted moments is this / √k where the true shape is 0."""


@dataclass(frozen=True)
class Tail:
    """A fitted tail below ``threshold`` (a compatibility)."""

    threshold: float
    ln_start: float
    """ln p just below the threshold."""
    scale: float
    """σ, in units of compatibility, > 0."""
    shape: float
    """ξ, in [1/k, 0.9]."""
    ln_witnessed: F64
    """float64[k + 1]: ln of the least p of a compatibility with j points at or below it; −inf for j = 0."""
    ln_level: float
    """ln of the constant of e^c: ln p ≤ ``ln_level`` + c; ∞ where only the curve applies."""

    def ln_probability(self, compatibility: F64, lower: Counts) -> F64:
        """Give ln p of compatibilities (float64[n], all below the threshold) with ``lower`` points at or below each."""
        excess = self.threshold - compatibility
        curve = self.ln_start - np.log1p(self.shape * excess / self.scale) / self.shape
        return np.maximum(np.minimum(curve, self.ln_level + compatibility), self.ln_witnessed[lower])


def fit_tail(points: F64) -> Tail | None:
    """Fit the tail of sorted ``points`` (float64[n], n ≥ 500).

    Returns None where ties leave no 50 points strictly below a threshold within the lowest tenth, or where the excesses
    are not finite or all 0: then only the conformal body applies.
    """
    n = len(points)
    k = _tail_length(points)
    if k is None:
        return None
    threshold = float(points[k])
    excess = threshold - points[:k][::-1]  # ascending
    mean = float(excess.mean())
    if not (np.isfinite(mean) and mean > 0.0):
        return None
    shape = _shape(excess, mean)
    ln_total = np.log(n + 1.0)
    witnessed = special.gammaincinv(np.arange(1, k + 1), POINTS_DOUBT)
    lower = np.searchsorted(points, points[:k], side="right")
    ln_upper = np.log(special.gammaincinv(lower + 1, 1.0 - POINTS_DOUBT)) - ln_total
    ln_level = float((ln_upper - points[:k]).max())
    return Tail(
        threshold=threshold,
        ln_start=float(np.log(k + 1.0) - ln_total),
        scale=mean * (1.0 - (shape - 1.0 / k)),
        shape=shape,
        ln_witnessed=np.concatenate([[-np.inf], np.log(witnessed) - ln_total]),
        ln_level=ln_level if ln_level <= LN_LEVEL_LIMIT else np.inf,
    )


def _tail_length(points: F64) -> int | None:
    """Return how many points lie strictly below the threshold, which is the next point; None where ties allow none."""
    n = len(points)
    wanted = max(MIN_EXCEEDANCES, round(TAIL_SHARE * n))
    most = int(LARGEST_TAIL_SHARE * n)
    # A tie at the threshold belongs wholly above or wholly below it: rather below (more points), if the limit allows.
    wider = int(np.searchsorted(points, points[wanted - 1], side="right"))
    if wider <= most:
        return wider
    narrower = int(np.searchsorted(points, points[wanted - 1], side="left"))
    return narrower if narrower >= MIN_EXCEEDANCES else None


def _shape(excess: F64, mean: float) -> float:
    k = len(excess)
    # a1 estimates E[Y·(1 − F(Y))]; for the exponential it is mean/4 and the shape 0.
    weights = 1.0 - (np.arange(1, k + 1) - 0.35) / k
    a1 = float((weights * excess).mean())
    shape = 2.0 - mean / (mean - 2.0 * a1) if mean > 2.0 * a1 else -1.0
    return float(np.clip(shape - SHAPE_ERROR / np.sqrt(k), 1.0 / k, LARGEST_SHAPE))
