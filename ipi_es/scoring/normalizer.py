"""Raw anomaly score to score: s in the context of this job's history. Both are 0–100, high = unusual.

score = min(c1, c2, c3, 100), and 0 where s = 0. A final bucket ages the state, adds its scores, then scores; an interim
bucket only scores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special

from ipi_es.scoring.array_checks import F64, as_f64, same_length
from ipi_es.scoring.probability import P_L
from ipi_es.scoring.quantiles import DOUBTED_SOURCES, Quantiles, cells_of

RANK_KNOTS: Final = (0.0, 70.0, 85.0, 90.0, 95.0, 97.0, 99.0, 99.9, 100.0)
"""Percentiles, in %, at which the first cap is given; linear between them."""
RANK_SCORES: Final = (0.0, 1.0, 1.2, 1.5, 3.0, 20.0, 50.0, 90.0, 100.0)
"""The first cap at those percentiles."""
RANK_INTERVAL: Final = (0.15, 0.85)
"""Ends of the percentile's 70 % interval; the first cap is the mean at both: a short history is less certain."""
RANK_PRIOR: Final = 1 / 3
"""Prior counts on either side of the percentile: the median of the Beta distribution is then nearly unbiased."""
PROBABILITY_BASE: Final = 500.0
"""The third cap is 100 at p = 0.05 / 500 = 1e-4."""
BOUND_NAMES: Final = ("rank", "largest", "probability", "none")
"""The cap that set the score: c1, c2, c3; none where the score is 0, or 100 by all caps."""


@dataclass(frozen=True)
class Normalized:
    """Scores and their caps; all arrays are [n]."""

    score: F64
    """float64 in [0, 100]."""
    c1: F64
    """Cap by the rank in the job's history."""
    c2: F64
    """Cap by the share of the level's yardstick."""
    c3: F64
    """Cap by the probability itself."""
    bound: npt.NDArray[np.str_]
    """One of BOUND_NAMES."""


def normalize(s: npt.ArrayLike, ln_p: npt.ArrayLike, quantiles: Quantiles, *, counted: bool = True) -> Normalized:
    """Score results of one level: raw score (float[n]) and ln p (float[n]), given the level's history.

    counted: the results are in ``quantiles`` already (final buckets, renormalization); False for an interim bucket.
    Monotone: of two results of one level the one with the larger s and the smaller p has no smaller score.
    """
    raw, ln = as_f64(s, "s"), as_f64(ln_p, "ln_p")
    same_length(s=raw, ln_p=ln)
    if np.isnan(raw).any() or np.isnan(ln).any():
        raise ValueError("a result to score is not a number")
    c1, c2, c3 = rank_cap(raw, quantiles, counted=counted), largest_cap(raw, quantiles.yardstick), probability_cap(ln)
    caps = np.stack([c1, c2, c3])
    lowest = np.minimum(caps.min(axis=0), 100.0)
    score = np.where(raw > 0.0, lowest, 0.0)
    which = np.where((raw > 0.0) & (lowest < 100.0), caps.argmin(axis=0), BOUND_NAMES.index("none"))
    return Normalized(score, c1, c2, c3, np.array(BOUND_NAMES)[which])


def rank_cap(s: F64, quantiles: Quantiles, *, counted: bool = True) -> F64:
    """Give c1 (float64[n]): the percentile of s through the knots, averaged over the percentile's own uncertainty.

    Three results not below s count as if they were below: they may belong to one attacker, whose accounts count once
    each in that part of the history (:func:`ipi_es.scoring.bounded.added`).
    """
    cells, back = np.unique(cells_of(s), return_inverse=True)
    # All scores of a cell have one rank, and Beta quantiles are expensive: compute them once per cell.
    _, first = np.unique(back, return_index=True)
    share, others = quantiles.percentile(s[first], counted=counted)
    share = np.minimum(share + DOUBTED_SOURCES / np.maximum(others, 1.0), 1.0)
    a, b = others * share + RANK_PRIOR, others * (1.0 - share) + RANK_PRIOR
    ends = [np.interp(100.0 * special.betaincinv(a, b, end), RANK_KNOTS, RANK_SCORES) for end in RANK_INTERVAL]
    cap: F64 = ((ends[0] + ends[1]) / 2.0)[back]
    return cap if len(cells) else np.zeros(0)


def largest_cap(s: F64, largest: float) -> F64:
    """Give c2 (float64[n]): 100 · min(1.5·r, 0.5 + 0.5·r), r = s / largest.

    ``largest`` is the level's :attr:`~ipi_es.scoring.quantiles.Quantiles.yardstick`; r is 1 for scores above it.
    """
    share = s / largest if largest > 0.0 else np.ones(len(s))
    r = np.minimum(share, 1.0)
    return 100.0 * np.minimum(1.5 * r, 0.5 + 0.5 * r)


def probability_cap(ln_p: F64) -> F64:
    """Give c3 (float64[n], ≥ 0, not limited above): 100 · (0.95 · ln(0.05/p) / ln 500 + 0.05)."""
    cap = 100.0 * (0.95 * (math.log(P_L) - ln_p) / math.log(PROBABILITY_BASE) + 0.05)
    return np.maximum(cap, 0.0)
