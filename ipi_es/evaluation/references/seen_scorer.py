"""The reference `seen`: whether the entity used this address, or a network that contains it, before; without counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipi_es.evaluation.measures import Scores
from ipi_es.evaluation.trial import NORMAL_ROWS
from ipi_es.ipinsights.prefixes import LEVELS, SITE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.evaluation.earlier import EarlierCounts
    from ipi_es.evaluation.trial import Trial

_NARROW, _OPERATOR, _COUNTRY = 300.0, 200.0, 100.0
"""Ranks above the prefix levels' 0 to 8: the same site (/24, /48) or narrower is stronger evidence than the same
operator, which is stronger than the same country, which is stronger than a wide prefix."""


def seen(trial: Trial) -> Scores:
    """Score the pairs by the rank of the address's narrowest network that the entity used before."""
    scores = {name: rank(counted) for name, counted in trial.counted.items()}
    return Scores(scores.pop(NORMAL_ROWS), scores)


def rank(counted: EarlierCounts) -> NDArray[np.float64]:
    """Return float64[n], high = usual: exact address > longest prefix > operator > country > wide prefixes > none."""
    there = counted.pair > 0
    depth: NDArray[np.int64] = there[:, -LEVELS:].sum(axis=1)
    result = depth.astype(np.float64)
    if there.shape[1] > LEVELS:
        country, operator = there[:, 0], there[:, 1]
        result += np.where(operator, _OPERATOR, np.where(country, _COUNTRY, 0.0))
    ranked: NDArray[np.float64] = np.where(depth > SITE, _NARROW + depth, result)
    return ranked
