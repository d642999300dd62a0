"""Warm-up: what is said of entities of which little is known, before the job knows how such entities behave.

An entity with fewer than six events warms up. Its probability is then compared with that of other such entities; where
the calibration sample has too few of them for that, or where it is of a job so young that it has hardly seen a weekend,
the number is borrowed, and one event alone must not be major by it. So it is held at a probability that allows a score
of just under 50. It is the *probability* that is held, so everything that is made of it agrees: the record, its entity,
the bucket, and a later renormalization. Many together still go further: sixty accounts behind one address do at once,
however new they are.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from ipi_es.scoring.array_checks import F64, Bools, as_f64
from ipi_es.scoring.calibration import ENOUGH_POINTS, Calibration

WARM_UP_CLASSES: Final = 2
"""The first so many classes of history: no events, and 1–5."""
YOUNG_DAYS: Final = 14
"""Days of history below which a job is young: with them it has seen each day of the week twice."""
MODEST: Final = 0.0027
"""The least probability of a borrowed number: the third cap is 49.6 there, the top of “minor”."""


def warms_up(class_: npt.ArrayLike) -> Bools:
    """Give bool[n]: which classes of history (int8[n]) are of entities that warm up."""
    little: Bools = np.asarray(class_) < WARM_UP_CLASSES
    return little


def borrowed(class_: npt.ArrayLike, age_days: npt.ArrayLike, calibration: Calibration) -> Bools:
    """Give bool[n]: whose probability may not go below MODEST; classes int8[n], the history's age in days."""
    own = np.array([calibration.own_size(each) >= ENOUGH_POINTS for each in range(WARM_UP_CLASSES)])
    little = warms_up(class_)
    enough = own[np.minimum(np.asarray(class_, dtype=np.int64), WARM_UP_CLASSES - 1)]
    found: Bools = little & ~(enough & (np.asarray(age_days) >= YOUNG_DAYS))
    return found


def modest(ln_p: npt.ArrayLike, class_: npt.ArrayLike, age_days: npt.ArrayLike, calibration: Calibration) -> F64:
    """Give ln p (float64[n]) with the borrowed ones held; never smaller than it was, so it stays super-uniform."""
    ln = as_f64(ln_p, "ln_p")
    held: F64 = np.where(borrowed(class_, age_days, calibration), np.maximum(ln, math.log(MODEST)), ln)
    return held
