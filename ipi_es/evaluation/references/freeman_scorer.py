"""The reference `freeman`: the risk score that is published for risk-based authentication.

Freeman, Jain, Dürmuth, Biggio, Giacinto: "Who Are You? A Statistical Approach to Measuring User Authenticity" (NDSS
2016): p(x) / p(x | u) · p(u | attack) / p(u | legitimate) for the features x of a log-in of the user u. The feature
here is the address, smoothed by its operator (ASN) and country.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipi_es.evaluation.measures import Scores
from ipi_es.evaluation.trial import NORMAL_ROWS
from ipi_es.ipinsights.prefixes import LEVELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.evaluation.earlier import EarlierCounts
    from ipi_es.evaluation.trial import Trial

WEIGHTS = {"address": 0.6, "operator": 0.3, "country": 0.1}
"""Weights of the interpolation: ``feature_weightings`` of the address in https://github.com/das-group/rba-algorithm
(``rba-algorithm.ipynb``, commit 28fec46), the code of Wiefling, Jørgensen, Thunem and Lo Iacono: "Pump Up Password
Security!" (ACM TOPS, 2022, https://doi.org/10.1145/3546069); set there for their own data set. Freeman et al. published
no code. That code divides the weighted sum of p(h) by the weighted sum of p(h | u), where :func:`log_ratio` takes the
weighted mean of the ratios, and it smooths differently; it also has the user agent and the user's number of log-ins."""
UNSEEN_EVENTS = 1.0
"""Events added to a value's count and to the total, so that an unseen value has a probability (add-one smoothing)."""


def freeman(trial: Trial) -> Scores:
    """Score the pairs by ln(p(address | entity) / p(address)), the inverse of the published risk."""
    scores = {name: log_ratio(counted) for name, counted in trial.counted.items()}
    return Scores(scores.pop(NORMAL_ROWS), scores)


def log_ratio(counted: EarlierCounts) -> NDArray[np.float64]:
    """Return float64[n], high = usual: ln(p(x | u) / p(x)).

    By linear interpolation p(x | u) is the weighted mean of p(h | u) · p(x | h) over h = address, operator and country
    of x, and p(x | h) = p(x) / p(h), so the ratio is the weighted mean of p(h | u) / p(h). Unknown operators and
    countries are left out of the mean. p(h | u) is smoothed by one event of p(h). An attack has the entity of a normal
    row, so p(u | attack) / p(u | legitimate) is 1.
    """
    levels = {"address": counted.pair.shape[1] - 1}
    if counted.pair.shape[1] > LEVELS:
        levels |= {"country": 0, "operator": 1}
    total, weights = np.zeros(len(counted.entity)), np.zeros(len(counted.entity))
    for name, level in levels.items():
        share = (counted.network[:, level] + UNSEEN_EVENTS) / (counted.total + UNSEEN_EVENTS)
        ratio = (counted.pair[:, level] / share + UNSEEN_EVENTS) / (counted.entity + UNSEEN_EVENTS)
        weight = np.where(counted.known[:, level], WEIGHTS[name], 0.0)
        total, weights = total + weight * ratio, weights + weight
    return np.log(total / weights)
