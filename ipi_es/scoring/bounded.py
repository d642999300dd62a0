"""Addition of results to a level such that no single source decides how others are scored.

A *source* is an account; for failed sign-ins, which anyone can make for any account, it is the address. An attacker
with a few sources could otherwise add thousands of unusual results on one day, and hide an attack among them later. So:

* a source counts in a bucket with its few least probable results;
* one critical result of a source counts with its full score. Further ones count just below the lowest critical score,
  so that they make no critical result look usual;
* the rank and the yardstick of others leave out the results of three sources (:mod:`ipi_es.scoring.normalizer`).

Where a job's sign-ins really become more unusual, its history still follows: many sources count once each.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from ipi_es.scoring.normalizer import PROBABILITY_BASE, normalize
from ipi_es.scoring.probability import P_L, Severity, inverse
from ipi_es.scoring.quantiles import CELLS, HIGHEST, LOWEST, Quantiles, cells_of
from ipi_es.sorted_runs import ranks_in_runs, run_starts

if TYPE_CHECKING:
    from ipi_es.scoring.array_checks import F64, Bools, Counts

MOST_A_SOURCE: Final = 8
"""Results of one source that count in a bucket: more than a person's addresses in an hour, fewer than a flood."""
CRITICAL: Final = Severity.CRITICAL.threshold
LN_CRITICAL: Final = math.log(P_L) - (CRITICAL / 100.0 - 0.05) / 0.95 * math.log(PROBABILITY_BASE)
"""ln of the probability above which nothing is critical, 5.13e-4, by the third cap."""
CELL_SCORES: Final = LOWEST * (HIGHEST / LOWEST) ** ((np.arange(CELLS) + 0.5) / CELLS)
"""float64[800]: a raw score in the middle of each cell above zero."""


def added(quantiles: Quantiles, s: F64, ln_p: F64, keys: Counts) -> Quantiles:
    """Add one bucket's results: raw scores float64[n], ln p float64[n], sources int64[n]."""
    kept = least_of_each(keys, ln_p, MOST_A_SOURCE)
    s, ln_p, keys = s[kept], ln_p[kept], keys[kept]
    if not len(s) or float(ln_p.min()) > LN_CRITICAL:
        return quantiles.added(s, keys=keys)
    critical_from = critical_cell(quantiles)
    if critical_from is None:
        return quantiles.added(s, keys=keys)
    critical = cells_of(s) >= critical_from
    below = CELL_SCORES[critical_from - 2] if critical_from > 1 else 0.0
    first = least_of_each(keys, ln_p, 1) & (cells_of(quantiles.sources.score_of(keys)) < critical_from)
    return quantiles.added(s, keys=keys, counted_as=np.where(critical & ~first, below, s))


def critical_cell(quantiles: Quantiles) -> int | None:
    """Give the first cell (1–800) whose results would be critical now; None where none would."""
    score = normalize(CELL_SCORES, inverse(CELL_SCORES), quantiles, counted=False).score
    found = np.flatnonzero(score >= CRITICAL)
    return int(found[0]) + 1 if len(found) else None


def least_of_each(keys: Counts, values: F64, most: int) -> Bools:
    """Decide (bool[n]) which values are among the ``most`` smallest of their key; ties go to the earlier one."""
    kept = np.ones(len(keys), dtype=np.bool_)
    distinct, counts = np.unique(keys, return_counts=True)
    rows = np.flatnonzero(np.isin(keys, distinct[counts > most]))  # few keys have more: only these are sorted
    order = rows[np.lexsort((values[rows], keys[rows]))]
    kept[order] = ranks_in_runs(run_starts(keys[order])) < most
    return kept
