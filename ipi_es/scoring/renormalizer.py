"""Renormalization: new scores of stored results from their probabilities, after the job's history has changed.

Pure: decides when it is due, computes the new scores, and selects those that are worth a write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from ipi_es.scoring.array_checks import F64, Bools, as_f64, same_length
from ipi_es.scoring.normalizer import Normalized
from ipi_es.scoring.probability import raw_score, severity_levels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ipi_es.scoring.quantiles import Quantiles

LARGEST_GROWTH: Final = 1.1
"""Renormalize when the largest raw score of a level grew by more than this factor."""
PATIENCE_S: Final = 6 * 3600
"""Renormalize when this much event time passed, in seconds."""
VISIBLE_POINTS: Final = 1.5
"""A change of at least this many points is visible."""
VISIBLE_SHARE: Final = 1 / 3
"""A score of less than this share of the old one is visible, however low both are."""


@dataclass(frozen=True)
class Renormalized:
    """New scores of n stored results."""

    normalized: Normalized
    """The new scores, with their caps."""
    write: Bools
    """bool[n]: whether the change is visible. Where False, the stored score stays."""


def largest_of(levels: Mapping[str, Quantiles]) -> dict[str, float]:
    """Give the largest raw score of each level, to keep until the next renormalization, and to compare then."""
    return {level: quantiles.largest for level, quantiles in levels.items()}


@dataclass(frozen=True)
class LastRenormalization:
    """When stored results were last renormalized, and how far the levels reached then."""

    time: int
    """Event time, epoch seconds."""
    largest: Mapping[str, float]
    """The largest raw score of each level then, see :func:`largest_of`."""

    @classmethod
    def at(cls, time: int, levels: Mapping[str, Quantiles]) -> LastRenormalization:
        """Describe a renormalization at an event time, epoch seconds, with these levels."""
        return cls(time, largest_of(levels))

    def next_is_due(self, time: int, levels: Mapping[str, Quantiles]) -> bool:
        """Decide whether to renormalize again at an event time, epoch seconds, with the levels of then.

        True where a level's largest grew by more than 10 % (a level's first score is such a growth), or after 6 h.
        """
        now = largest_of(levels)
        grown = any(largest > LARGEST_GROWTH * self.largest.get(level, 0.0) for level, largest in now.items())
        return grown or time - self.time >= PATIENCE_S


def visible(old: npt.ArrayLike, new: npt.ArrayLike) -> Bools:
    """Decide (bool[n]) which changes of score (float[n] each, 0–100) are worth a write.

    These are another severity, a change of at least 1.5 points, and less than a third of the old score. An equal score
    never is, so that a second run writes nothing.
    """
    was, now = as_f64(old, "old"), as_f64(new, "new")
    same_length(old=was, new=now)
    seen: Bools = severity_levels(was) != severity_levels(now)
    return seen | (np.abs(now - was) >= VISIBLE_POINTS) | (now < was * VISIBLE_SHARE)


def renormalize(ln_p: npt.ArrayLike, old: npt.ArrayLike, score: Callable[[F64, F64], Normalized]) -> Renormalized:
    """Give new scores for stored results of one level: ln of their stored p and their score so far (float[n] each).

    ``score`` computes the scores from raw scores and ln p (float64[n] each) with the level's current history.

    A score of 0 stays 0: it belongs to s = 0, and a stored p in (0.035, 0.05) alone doesn't show whether s was 0. Every
    other result has s > 0, and p = inverse(s) gives it back. Don't use it for interim results.
    """
    was = as_f64(old, "old")
    ln: F64 = as_f64(ln_p, "ln_p")
    s = np.where(was > 0.0, raw_score(ln), 0.0)
    normalized = score(s, ln)
    return Renormalized(normalized, visible(was, normalized.score))
