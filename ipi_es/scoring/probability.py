"""Probability to raw anomaly score and back, and the severities.

A probability (small = unusual) is handled as its natural logarithm everywhere, so that 1e-300 is an ordinary
value. The raw anomaly score s (0–100, high = unusual) is the same function for every job:

    p ≥ P_L            0
    P_S ≤ p < P_L      (1/p − 1/P_L) / (1/P_S − 1/P_L)
    P_M ≤ p < P_S      1 + 49 · ln(P_S/p) / ln(P_S/P_M)
    p < P_M            50 + 50 · ln(P_M/p) / ln(P_M/P_MIN)
"""

from __future__ import annotations

import math
from bisect import bisect_right
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ipi_es.scoring.array_checks import F64, AnyArray, Class8

P_L: Final = 0.05
"""From this probability up the raw score is 0: one event in twenty is not unusual."""
P_S: Final = 1e-4
"""Here the raw score is 1: the reciprocal branch ends and the logarithmic one begins."""
P_M: Final = 1e-50
"""Here the raw score is 50."""
P_MIN: Final = 2.225e-308
"""Here the raw score is 100; just above the smallest normal double, hence the smallest value ever written."""
P_TAKES_PART: Final = 0.035
"""A single result with a larger probability has s = 0, and is not written because of its own probability."""

ADDRESS_FACTOR: Final = 2.0
NETWORK_FACTOR: Final = 1.5
OPERATOR_FACTOR: Final = 1.25
"""Factors of ln p where another account was compromised from the same address, its site (/24, /48), or its operator.

A factor leaves usual pairs usual: p = 0.5 becomes 0.25, which scores 0, and p = 0.02 becomes 0.0004, which is critical.
"""
MOST_ENDANGERED: Final = 1_000.0
"""A probability becomes at most this many times smaller."""

LN_L: Final = math.log(P_L)
LN_S: Final = math.log(P_S)
LN_M: Final = math.log(P_M)
LN_MIN: Final = math.log(P_MIN)
LN_TAKES_PART: Final = math.log(P_TAKES_PART)

_AT_S, _AT_M, _AT_MIN = 1.0, 50.0, 100.0  # the raw scores at P_S, P_M and P_MIN
_MILD_SPAN = 1 / P_S - 1 / P_L


class Severity(IntEnum):
    """The four severities, in the order of their scores; ``str()`` gives the name that results and alerts use."""

    WARNING = 0
    MINOR = 1
    MAJOR = 2
    CRITICAL = 3

    def __str__(self) -> str:
        return self.name.lower()

    @property
    def threshold(self) -> int:
        """The smallest score (0–100) of this severity."""
        return SEVERITY_THRESHOLDS[self]


SEVERITY_THRESHOLDS: Final = (0, 25, 50, 75)
"""Lowest score of warning, minor, major and critical; each severity is [its threshold, the next one's)."""


def raw_score(ln_p: npt.ArrayLike) -> F64:
    """Turn ln p (float64, any shape) into the raw anomaly score s in [0, 100] (high = unusual).

    NaN stays NaN: an unknown probability must not become an inconspicuous score.
    """
    ln = np.asarray(ln_p, dtype=np.float64)
    s = np.zeros(ln.shape)
    rare = ~(ln >= LN_L)
    if not rare.any():
        return s
    x = ln[rare]
    # Each branch is clipped at its end, so that rounding between branches can't reverse the order of two results.
    mild = np.clip((np.exp(-np.maximum(x, LN_S)) - 1 / P_L) / _MILD_SPAN, 0.0, _AT_S)
    strong = np.clip(_AT_S + (_AT_M - _AT_S) * (LN_S - x) / (LN_S - LN_M), _AT_S, _AT_M)
    extreme = np.clip(_AT_M + (_AT_MIN - _AT_M) * (LN_M - x) / (LN_M - LN_MIN), _AT_M, _AT_MIN)
    s[rare] = np.where(x >= LN_S, mild, np.where(x >= LN_M, strong, extreme))
    return s


def inverse(s: npt.ArrayLike) -> F64:
    """Turn a raw anomaly score s in [0, 100] (float64, any shape) into ln p.

    ``inverse(raw_score(ln p)) = ln p`` to 1e-9 for p in [P_MIN, P_L]; s = 0 means any p ≥ P_L and gives ln P_L.
    Raises ValueError outside [0, 100].
    """
    x = np.asarray(s, dtype=np.float64)
    if x.size and not (float(x.min()) >= 0.0 and float(x.max()) <= _AT_MIN):
        raise ValueError("a raw anomaly score lies in [0, 100]")
    mild = -np.log(1 / P_L + _MILD_SPAN * x)
    strong = LN_S - (x - _AT_S) / (_AT_M - _AT_S) * (LN_S - LN_M)
    extreme = LN_M - (x - _AT_M) / (_AT_MIN - _AT_M) * (LN_M - LN_MIN)
    out: F64 = np.where(x <= _AT_S, mild, np.where(x <= _AT_M, strong, extreme))
    return out


def endangered(ln_p: npt.ArrayLike, factor: npt.ArrayLike) -> F64:
    """Give ln p (float64[n]) of pairs endangered by a compromised account; ``factor`` float64[n] ≥ 1, 1 for the others.

    p becomes p^factor, but at most :data:`MOST_ENDANGERED` times smaller. It never becomes larger.
    """
    x = np.asarray(ln_p, dtype=np.float64)
    lower: F64 = np.maximum(x * np.asarray(factor, dtype=np.float64), x - math.log(MOST_ENDANGERED))
    return np.minimum(lower, x)


def taking_part(ln_p: npt.ArrayLike) -> F64:
    """Give the raw anomaly scores of single results from ln p (float64, any shape): 0 where p > 0.035."""
    ln = np.asarray(ln_p, dtype=np.float64)
    return np.where(ln > LN_TAKES_PART, 0.0, raw_score(ln))


def written_probability(ln_p: npt.ArrayLike) -> F64:
    """Turn ln p into the p in [P_MIN, 1] that a result document carries."""
    ln = np.asarray(ln_p, dtype=np.float64)
    # exp(LN_MIN) has a rounding error, but the smallest value written must be exact.
    return np.where(ln <= LN_MIN, P_MIN, np.exp(np.clip(ln, LN_MIN, 0.0)))


def ln_written(probability: npt.ArrayLike) -> F64:
    """Turn a p that a result document carries back into ln p; raises ValueError outside (0, 1]."""
    p = np.asarray(probability, dtype=np.float64)
    if p.size and not (float(p.min()) > 0.0 and float(p.max()) <= 1.0):
        raise ValueError("a written probability lies in (0, 1]")
    out: F64 = np.log(p)
    return out


def severity(score: float) -> Severity:
    """Give the severity of one score in [0, 100] (the normalized one, high = unusual); raises ValueError for NaN."""
    if math.isnan(score):
        raise ValueError("a score is not a number")
    return Severity(bisect_right(SEVERITY_THRESHOLDS, score, lo=1) - 1)


def severity_levels(score: npt.ArrayLike) -> Class8:
    """Give the severities (int8, values of ``Severity``) of scores in [0, 100], any shape; NaN raises ValueError."""
    x: AnyArray = np.asarray(score, dtype=np.float64)
    if np.isnan(x).any():
        raise ValueError("a score is not a number")
    return (np.searchsorted(np.array(SEVERITY_THRESHOLDS[1:]), x, side="right")).astype(np.int8)
