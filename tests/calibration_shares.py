"""A check of calibrated probabilities: shares of normal events with p ≤ α, on data not used for fitting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from ipi_es.alerts.advice.share_interval import share_interval
from ipi_es.scoring.array_checks import as_f64, checked_codes, same_length
from ipi_es.scoring.calibration import CLASS_NAMES, ENOUGH_POINTS, N_CLASSES

if TYPE_CHECKING:
    from ipi_es.scoring.calibration import Calibration

ALPHAS: Final = (0.1, 0.01, 0.001)
"""The probabilities at which shares are checked."""
BAND: Final = (0.5, 2.0)
"""A share may be from 0.5 to 2 times α."""


@dataclass(frozen=True)
class Share:
    """The share of normal events with p ≤ α, of all classes or of one."""

    alpha: float
    class_: int | None
    """0–4, or None for all events."""
    events: int
    """The number of events with p ≤ α."""
    of: int
    """The number of all events."""
    low: float
    """Lower end of the interval of the share."""
    high: float
    """Upper end."""

    @property
    def share(self) -> float:
        """The observed share; 0 without events."""
        return self.events / self.of if self.of else 0.0

    @property
    def within(self) -> bool:
        """Whether the interval meets [α/2, 2α]: the data do not contradict the probabilities."""
        return self.low <= BAND[1] * self.alpha and self.high >= BAND[0] * self.alpha

    @property
    def name(self) -> str:
        """The name of the events, for people."""
        return "all events" if self.class_ is None else CLASS_NAMES[self.class_]


def shares(ln_p: npt.ArrayLike, class_: npt.ArrayLike, calibration: Calibration) -> list[Share]:
    """Count normal events at p ≤ 0.1, 0.01 and 0.001: ln p (float[n]) and class (int8[n]).

    The events must not have been used for fitting. Returns the shares of all events first, then those of each class
    that has 500 calibration points of its own.
    """
    ln = as_f64(ln_p, "ln_p")
    classes = checked_codes(class_, N_CLASSES, "class_")
    same_length(ln_p=ln, class_=classes)
    own = [i for i in range(N_CLASSES) if calibration.own_size(i) >= ENOUGH_POINTS]
    parts = [(None, ln), *((i, ln[classes == i]) for i in own)]
    return [_share(part, alpha, i) for i, part in parts for alpha in ALPHAS]


def _share(ln_p: npt.NDArray[np.float64], alpha: float, class_: int | None) -> Share:
    of = len(ln_p)
    events = int((ln_p <= np.log(alpha)).sum())
    return Share(alpha, class_, events, of, *share_interval(events, of))
