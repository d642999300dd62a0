"""Warm-up: a lower limit for probabilities of entities with little history, until the job has data on such entities.

An entity with fewer than six events warms up. Its probability compares it with other such entities. Where the
calibration sample has too few of them, or the job is so young that it has hardly seen a weekend, the probability is
*borrowed*, and must not make one event alone major. So it is limited to a value that allows a score of just under 50.
The *probability* is limited, and not the score, so that everything computed from it agrees: the record, its entity, the
bucket, and a later renormalization. Many events together still score higher: sixty accounts behind one address do so at
once, however new they are.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from ipi_es.scoring.array_checks import F64, Bools, as_f64
from ipi_es.scoring.calibration import ENOUGH_POINTS, Calibration
from ipi_es.scoring.history_age import YOUNG_DAYS

WARM_UP_CLASSES: Final = 2
"""The number of classes of history that warm up, from the first: no events, and 1–5."""
MODEST: Final = 0.0027
"""The lower limit of a borrowed probability: the third cap is 49.6 there, the top of “minor”."""


def warms_up(class_: npt.ArrayLike) -> Bools:
    """Give bool[n]: whether entities of these classes of history (int8[n]) warm up."""
    little: Bools = np.asarray(class_) < WARM_UP_CLASSES
    return little


def borrowed(class_: npt.ArrayLike, age_days: npt.ArrayLike, calibration: Calibration) -> Bools:
    """Give bool[n]: whether a probability is borrowed; from classes int8[n] and the history's age in days."""
    own = np.array([calibration.own_size(each) >= ENOUGH_POINTS for each in range(WARM_UP_CLASSES)])
    little = warms_up(class_)
    enough = own[np.minimum(np.asarray(class_, dtype=np.int64), WARM_UP_CLASSES - 1)]
    found: Bools = little & ~(enough & (np.asarray(age_days) >= YOUNG_DAYS))
    return found


def modest(ln_p: npt.ArrayLike, class_: npt.ArrayLike, age_days: npt.ArrayLike, calibration: Calibration) -> F64:
    """Give ln p (float64[n]) with borrowed ones limited to MODEST; none becomes smaller, so p stays super-uniform."""
    ln = as_f64(ln_p, "ln_p")
    held: F64 = np.where(borrowed(class_, age_days, calibration), np.maximum(ln, math.log(MODEST)), ln)
    return held
