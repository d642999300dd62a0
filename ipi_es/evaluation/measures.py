"""From scores to figures: AUC by window, recall at a fixed share of false positives over all windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.ipinsights.roc_auc import roc_auc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

FALSE_POSITIVES = {"recall_at_1pct": 0.01, "recall_at_0.1pct": 0.001}
"""Share of the normal rows below the threshold, by the figure's name."""
PROBABILITIES = (0.1, 0.01, 0.001)
"""Where calibration is measured: so large a share of the normal rows should have a p of at most this."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What one scorer gave in one window; high = usual."""

    normal: NDArray[np.float64]
    attacks: Mapping[str, NDArray[np.float64]]  # by kind


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one kind of attack; ``recall`` by the names of FALSE_POSITIVES; nan where there is nothing to measure."""

    auc: float
    recall: dict[str, float]
    count: int  # attacks


@dataclass(frozen=True, slots=True, eq=False)
class ScorerFigures:
    """One scorer over all windows."""

    attacks: dict[str, Figures]
    windows: tuple[Scores, ...] = field(repr=False)
    runs: tuple[ScorerFigures, ...] = field(default=(), repr=False)
    """Each training, where ``attacks`` are means over several; ``windows`` are the first one's."""

    @property
    def mean_auc(self) -> float:
        """Mean over the kinds."""
        return _mean([figures.auc for figures in self.attacks.values()])

    @property
    def mean_recall(self) -> dict[str, float]:
        """Mean over the kinds, by the names of FALSE_POSITIVES."""
        return {name: _mean([each.recall[name] for each in self.attacks.values()]) for name in FALSE_POSITIVES}


def measured(windows: Sequence[Scores]) -> ScorerFigures:
    """AUC per window, averaged by the number of attacks; recall of raw scores pooled over the windows.

    The threshold is the normal rows' quantile, and an attack is found strictly below it.
    """
    kinds = list(dict.fromkeys(kind for scores in windows for kind in scores.attacks))
    normal = np.concatenate([np.zeros(0), *(scores.normal for scores in windows)])
    thresholds = {
        name: float(np.quantile(normal, share)) if len(normal) else float("nan")
        for name, share in FALSE_POSITIVES.items()
    }
    attacks = {}
    for kind in kinds:
        parts = [(scores.normal, scores.attacks[kind]) for scores in windows if kind in scores.attacks]
        pooled = np.concatenate([each for _, each in parts])
        attacks[kind] = Figures(
            auc=_weighted([(roc_auc(usual, odd), len(odd)) for usual, odd in parts if len(usual) and len(odd)]),
            recall={name: _share(pooled < threshold) for name, threshold in thresholds.items()},
            count=len(pooled),
        )
    return ScorerFigures(attacks, tuple(windows))


def mean_of(runs: Sequence[ScorerFigures]) -> ScorerFigures:
    """The figures of a scorer that was trained several times on the same: means over its trainings, at least one."""
    first = runs[0]
    if len(runs) == 1:
        return first
    attacks = {
        kind: Figures(
            auc=_mean([run.attacks[kind].auc for run in runs]),
            recall={name: _mean([run.attacks[kind].recall[name] for run in runs]) for name in FALSE_POSITIVES},
            count=figures.count,
        )
        for kind, figures in first.attacks.items()
    }
    return ScorerFigures(attacks, first.windows, tuple(runs))


def calibration(probabilities: NDArray[np.float64]) -> dict[str, float]:
    """The share of normal rows with p at most each of PROBABILITIES; p float64[n], small = unusual."""
    return {f"{limit:g}": _share(probabilities <= limit) for limit in PROBABILITIES}


def _share(true: NDArray[np.bool_]) -> float:
    return float(true.mean()) if len(true) else float("nan")


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _weighted(parts: list[tuple[float, int]]) -> float:
    total = sum(count for _, count in parts)
    return sum(value * count for value, count in parts) / total if total else float("nan")
