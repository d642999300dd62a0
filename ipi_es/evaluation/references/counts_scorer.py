"""The reference `counts`: the entity's rate of use of a network relative to all entities' rate; smoothed back-off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipi_es.evaluation.measures import Scores
from ipi_es.evaluation.trial import NORMAL_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.evaluation.earlier import EarlierCounts
    from ipi_es.evaluation.trial import Trial

ENTITY_WEIGHT = 0.5
"""Weight, in rows, of the wider network's estimate in the narrower one's (Krichevsky and Trofimov's half)."""
NETWORK_ROWS = 1.0
"""Rows added to every network's count and to the total, so that an unused network isn't infinitely rare."""


def counts(trial: Trial) -> Scores:
    """Score the pairs by log-odds with back-off from country and operator down to the address."""
    scores = {name: log_odds(counted) for name, counted in trial.counted.items()}
    return Scores(scores.pop(NORMAL_ROWS), scores)


def log_odds(counted: EarlierCounts) -> NDArray[np.float64]:
    """Return float64[n], high = usual: ln(P(network | entity) / P(network)) of the narrowest level.

    With r of the next wider level (1 above the widest), c rows of the entity in the network, n rows of the entity, P
    the network's share of all rows and a = ENTITY_WEIGHT: r' = (c / P + a r) / (n + a). Unknown levels are skipped.
    """
    ratio = np.ones(len(counted.entity))
    rows = counted.entity.astype(np.float64)
    for level in range(counted.pair.shape[1]):
        share = (counted.network[:, level] + NETWORK_ROWS) / (counted.total + NETWORK_ROWS)
        finer = (counted.pair[:, level] / share + ENTITY_WEIGHT * ratio) / (rows + ENTITY_WEIGHT)
        ratio = np.where(counted.known[:, level], finer, ratio)
    return np.log(ratio)
