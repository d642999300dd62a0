"""Figures from scores: AUC by window, recall at a fixed share of false positives over all windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.ipinsights.roc_auc import roc_auc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

FALSE_POSITIVES = {"recall_at_1pct": 0.01, "recall_at_0.1pct": 0.001}
"""Share of the normal rows below the threshold, by name of the figure."""
PROBABILITIES = (0.1, 0.01, 0.001)
"""Probabilities p at which calibration is measured: this share of the normal rows should have at most this p."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """One scorer's scores in one window; high = usual."""

    normal: NDArray[np.float64]
    attacks: Mapping[str, NDArray[np.float64]]  # by kind


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one kind of attack; ``recall`` by the names of FALSE_POSITIVES; nan where there are no rows."""

    auc: float
    recall: dict[str, float]
    count: int  # attacks


@dataclass(frozen=True, slots=True, eq=False)
class ScorerFigures:
    """One scorer's figures over all windows."""

    attacks: dict[str, Figures]
    windows: tuple[Scores, ...] = field(repr=False)
    runs: tuple[ScorerFigures, ...] = field(default=(), repr=False)
    """Each training's figures where ``attacks`` are means over several; ``windows`` are then the first training's."""

    @property
    def mean_auc(self) -> float:
        """Mean AUC over the kinds of attack."""
        return _mean([figures.auc for figures in self.attacks.values()])

    @property
    def mean_recall(self) -> dict[str, float]:
        """Mean recall over the kinds of attack, by the names of FALSE_POSITIVES."""
        return {name: _mean([each.recall[name] for each in self.attacks.values()]) for name in FALSE_POSITIVES}


def measured(windows: Sequence[Scores]) -> ScorerFigures:
    """Compute AUC per window, averaged with the number of attacks as weights, and recall of scores pooled over windows.

    The threshold of recall is a quantile of the normal rows; an attack is found if its score is strictly below.
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
    """Average the figures of a scorer's trainings on the same events; ``runs`` has at least one."""
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
    """Return the share of normal rows with p at most each of PROBABILITIES; p float64[n], small = unusual."""
    return {f"{limit:g}": _share(probabilities <= limit) for limit in PROBABILITIES}


def _share(true: NDArray[np.bool_]) -> float:
    return float(true.mean()) if len(true) else float("nan")


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _weighted(parts: list[tuple[float, int]]) -> float:
    total = sum(count for _, count in parts)
    return sum(value * count for value, count in parts) / total if total else float("nan")
