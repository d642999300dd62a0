"""The interval of a share that was counted. Pure."""

from __future__ import annotations

from typing import Final

from scipy import special

CONFIDENCE: Final = 0.95
"""Two-sided level of the exact binomial interval (Clopper and Pearson)."""


def share_interval(part: int, of: int) -> tuple[float, float]:
    """Return the interval in which the true share lies, where ``part`` out of ``of`` were counted; (0, 1) of none."""
    tail = (1.0 - CONFIDENCE) / 2.0
    low = float(special.betaincinv(part, of - part + 1, tail)) if part else 0.0
    high = float(special.betaincinv(part + 1, of - part, 1.0 - tail)) if part < of else 1.0
    return low, high
