"""Extreme probability of a group: its few least probable members, compared with those of as many members by chance.

P_m is the probability that the j-th smallest of n uniforms is at most the observed j-th smallest p, t_j, for all j ≤ m.
It is computed in two ways:

* From the complement. The first j with fewer than j uniforms up to t_j has exactly j − 1 of them there:
  1 − P_m = Σ_{j≤m} n!/(n−j+1)! · f_{j−1} · (1 − t_j)^(n−j+1), with f_k = Pr(k uniforms obey their k bounds) / k!.
  A few dozen array operations, and exact to 1e-12 unless P_m is small.
* Where it is small, as a Markov chain. The number of uniforms up to t_1 ≤ t_2 ≤ … moves by binomial steps, and P_m is
  the sum over the paths with at least j by t_j. All its terms are positive: the logs stay exact where p is 1e-300.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from ipi_es.index_pairs import packed_pairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipi_es.scoring.array_checks import F64, Bools, Counts

LARGEST_LN_P: Final = -1e-15
"""p = 1 is taken as 1 − 1e-15, which keeps ln(1 − p) finite."""
SMALL: Final = 1e-4
"""Below this P_m is taken from the Markov chain: the complement has lost four of its sixteen digits."""
FEW: Final = 0.5
"""Expected hits in a step: below, the binomial tail is a short series; from here on, 1 − the terms before it."""
SERIES_TERMS: Final = 14
"""Terms of that series; each is at most half the last one over its index, so the rest is below 1e-15."""


def smallest_of_groups(ln_p: F64, group: Counts, n_groups: int, m: int) -> tuple[F64, Counts]:
    """Give each group's ``m`` smallest ln p, ascending (float64[g, m], 0 where it has fewer), and its count (int64[g]).

    ln_p: float64[n]; group: int64[n] in [0, g).
    """
    count = np.bincount(group, minlength=n_groups)
    smallest = np.zeros((n_groups, m))
    n = len(ln_p)
    if m == 1:
        np.minimum.at(smallest[:, 0], group, ln_p)
        return smallest, count
    # Sorting (group, rank) as one integer is several times faster than a lexsort by group and value.
    by_value = np.argsort(ln_p, kind="stable")
    rank = np.empty(n, dtype=np.int64)
    rank[by_value] = np.arange(n)
    sorted_codes = np.sort(packed_pairs(group, rank, n))
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    for j in range(m):
        has = np.flatnonzero(count > j)
        # a code's group is known here: subtracting is several times faster than unpacking
        smallest[has, j] = ln_p[by_value[sorted_codes[first[has] + j] - packed_pairs(has, 0, n)]]
    return smallest, count


def ln_extreme(smallest: F64, count: Counts, m_from: int, m_to: int) -> F64:
    """Give ln P_E per group (float64[g]): the least ln P_m / (1 + ln min(m, n)) over m in [m_from, m_to].

    smallest: float64[g, ≥ m_to], ascending ln p of each group's least probable members; count: int64[g]. The divisor
    keeps the minimum over m super-uniform where it scores: measured, the share with P_E ≤ α is at most 1.05·α from α =
    0.01 down, 1.12·α at 0.035, 1.24·α at 0.1. A group of one gives its own p, an empty one p = 1.
    """
    out = np.where(count > 0, smallest[:, 0], 0.0)
    rows = np.flatnonzero(count > 1)
    if not rows.size:
        return out
    n = count[rows]
    m_to = min(m_to, int(n.max()))
    ln_t = smallest[rows, :m_to]
    ln_first = _ln_at_least_one(ln_t[:, 0], n)
    if m_to == 1:
        out[rows] = ln_first
        return out
    divisor = 1.0 + np.log(np.arange(1, m_to + 1))
    # m beyond n is the same as m = n: only then may a group smaller than m_from use an m < m_from.
    m = np.arange(1, m_to + 1)
    allowed: Bools = (m <= n[:, None]) & ((m >= m_from) | (m == n[:, None]))
    ln_ordered = _ln_ordered(ln_t, n, allowed)
    ln_ordered[:, 0] = ln_first
    out[rows] = np.where(allowed, ln_ordered / divisor, np.inf).min(axis=1)
    return out


def _ln_at_least_one(ln_q: F64, n: Counts) -> F64:
    """Give ln(1 − (1 − q)^n)."""
    ln_q = np.minimum(ln_q, LARGEST_LN_P)
    small = np.log(n) + ln_q
    with np.errstate(divide="ignore"):
        exact = np.log(-np.expm1(n * np.log1p(-np.exp(ln_q))))
    # Below e^-40 the two agree to the last digit, and 1 − q is 1.
    return np.where(small < -40.0, small, exact)


def _ln_ordered(ln_t: F64, n: Counts, wanted: Bools) -> F64:
    """Give ln P_1 … ln P_M (float64[g, M]) for ascending ln t (float64[g, M]) of ``n`` (int64[g]) uniforms each.

    wanted: bool[g, M]; the other values are undefined.
    """
    ln_t = np.minimum(ln_t, LARGEST_LN_P)
    p = 1.0 - _failing(np.exp(ln_t), n)
    out: F64 = np.log(np.maximum(p, SMALL))
    small = np.flatnonzero(((p < SMALL) & wanted).any(axis=1))
    if small.size:
        out[small] = _ln_chain(ln_t[small], n[small])
    return out


def _failing(t: F64, n: Counts) -> F64:
    """Give 1 − P_1 … 1 − P_M (float64[g, M]) for ascending t (float64[g, M], < 1)."""
    m = t.shape[1]
    ln_above = np.log1p(-t)
    step = np.diff(t, axis=1, prepend=0.0)
    arrangements = np.ones(len(n))  # n!/(n − j + 1)!; 0 from j − 1 > n on
    # volume[i]: Π step^a / a!, summed over the ways to put i points under the bounds so far
    volume: dict[int, F64] = {0: np.ones(len(n))}
    failed = np.empty_like(t)
    total = np.zeros(len(n))
    for j in range(1, m + 1):
        failing = arrangements * volume[j - 1] * np.exp(np.maximum(n - j + 1, 0) * ln_above[:, j - 1])
        total = total + failing
        failed[:, j - 1] = total
        arrangements = arrangements * np.maximum(n - j + 1, 0)
        power = [np.ones(len(n))]
        for a in range(1, m):
            power.append(power[-1] * step[:, j - 1] / a)
        volume = {i: _sum([volume[k] * power[i - k] for k in volume if k <= i]) for i in range(j, m)}
    return failed


def _sum(terms: list[F64]) -> F64:
    """Add arrays of one shape, in order; at least one."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _ln_chain(ln_t: F64, n: Counts) -> F64:
    """Give the same as ``_ln_ordered``, exact however small, by the Markov chain.

    The chain's state is the number of uniforms up to t_j, where M means M or more; states below j have failed.
    """
    m = ln_t.shape[1]
    nothing = np.full(len(n), -np.inf)
    state: dict[int, F64] = {0: np.zeros(len(n))}
    out = np.empty_like(ln_t)
    for j in range(1, m + 1):
        ln_q = _ln_step(ln_t, j - 1)
        following = dict.fromkeys(range(j, m + 1), nothing)
        for k, ln_weight in state.items():
            if k == m:
                following[m] = np.logaddexp(following[m], ln_weight)
                continue
            exact = _ln_binomial(n - k, ln_q)
            for i in range(max(j, k), m):
                following[i] = np.logaddexp(following[i], ln_weight + exact(i - k))
            following[m] = np.logaddexp(following[m], ln_weight + _ln_binomial_tail(n - k, ln_q, m - k, exact))
        state = following
        total = state[m]
        for i in range(j, m):
            total = np.logaddexp(total, state[i])
        out[:, j - 1] = np.minimum(total, 0.0)
    return out


def _ln_step(ln_t: F64, j: int) -> F64:
    """Give ln of the chance that a uniform above t_j (t_0 = 0) lies at or below t_{j+1}."""
    if j == 0:
        return ln_t[:, 0]
    low, high = ln_t[:, j - 1], ln_t[:, j]
    with np.errstate(divide="ignore"):
        between = high + np.log1p(-np.exp(low - high))
    return np.minimum(between - np.log1p(-np.exp(low)), LARGEST_LN_P)


def _ln_binomial(n: Counts, ln_q: F64) -> Callable[[int], F64]:
    """Give the function i → ln Pr(Bin(n, q) = i), remembering what doesn't depend on i."""
    ln_rest: F64 = np.log1p(-np.exp(ln_q))

    def term(i: int) -> F64:
        if i == 0:
            none: F64 = n * ln_rest
            return none
        return _ln_choose(n, i) + i * ln_q + (n - i) * ln_rest

    return term


def _ln_choose(n: Counts, i: int) -> F64:
    with np.errstate(divide="ignore"):
        total: F64 = np.log(np.maximum(n, 0).astype(np.float64))
        for a in range(1, i):
            total = total + np.log(np.maximum(n - a, 0))
    return total - math.lgamma(i + 1)


def _ln_binomial_tail(n: Counts, ln_q: F64, r: int, exact: Callable[[int], F64]) -> F64:
    """Give ln Pr(Bin(n, q) ≥ r), r ≥ 1, to full relative precision however small it is."""
    q = np.exp(ln_q)
    # From r on, each term is the one before times (n − i)/(i + 1) · q/(1 − q).
    odds = q / (1.0 - q)
    ratio_product = np.ones(len(n))
    series = np.ones(len(n))
    for i in range(r, r + SERIES_TERMS):
        ratio_product = ratio_product * (np.maximum(n - i, 0) / (i + 1.0) * odds)
        series = series + ratio_product
    with np.errstate(over="ignore"):
        few = exact(r) + np.log(series)
    before = np.zeros(len(n))
    for i in range(r):
        before = before + np.exp(exact(i))
    with np.errstate(divide="ignore"):
        many = np.log(np.maximum(1.0 - before, 0.0))
    return np.where(n < r, -np.inf, np.where(n * q < FEW, few, many))
