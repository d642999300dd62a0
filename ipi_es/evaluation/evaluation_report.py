"""An evaluation as JSON and as table rows for display."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipi_es.evaluation.evaluation import Evaluation
    from ipi_es.evaluation.measures import Figures, ScorerFigures

DIGITS = 5
"""Decimals of a figure in JSON."""


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return the content of the last line of `ipi-es evaluate --json`; figures that couldn't be measured are null."""
    return {
        "models": {
            name: {
                "mean_auc": _number(scorer.mean_auc),
                "mean_recall_at_1pct": _number(scorer.mean_recall["recall_at_1pct"]),
                "attacks": {kind: _attack(figures) for kind, figures in scorer.attacks.items()},
            }
            for name, scorer in evaluation.scorers.items()
        },
        "calibration": {limit: _number(share) for limit, share in evaluation.calibration.items()},
    }


def _attack(figures: Figures) -> dict[str, float | None]:
    return {"auc": _number(figures.auc), **{name: _number(value) for name, value in figures.recall.items()}}


def _number(value: float) -> float | None:
    return round(value, DIGITS) if math.isfinite(value) else None


def table_rows(evaluation: Evaluation) -> list[dict[str, str]]:
    """Return a row for each kind of attack and one for their mean, with ``AUC / recall`` of each scorer."""
    kinds = list(next(iter(evaluation.scorers.values())).attacks)
    rows = []
    for kind in kinds:
        cells = {name: _cell_of(scorer.attacks[kind]) for name, scorer in evaluation.scorers.items()}
        count = next(iter(evaluation.scorers.values())).attacks[kind].count
        rows.append({"attack": kind, "count": f"{count:,}", **cells})
    means = {
        name: _cell(scorer.mean_auc, scorer.mean_recall["recall_at_1pct"])
        for name, scorer in evaluation.scorers.items()
    }
    return [*rows, {"attack": "mean", "count": "", **means}]


def _cell_of(figures: Figures) -> str:
    return _cell(figures.auc, figures.recall["recall_at_1pct"])


def _cell(auc: float, recall: float) -> str:
    return f"{auc:.3f} / {recall:.2f}" if math.isfinite(auc) and math.isfinite(recall) else "–"


def sentences(evaluation: Evaluation) -> list[str]:
    """Return the lines below the table."""
    shares = ", ".join(f"{share:.4f} at p ≤ {limit}" for limit, share in evaluation.calibration.items())
    windows = len(evaluation.windows)
    said = [
        f"Normal rows: {evaluation.normal_rows:,} in {windows} window{'s' * (windows != 1)}. Calibration: {shares}."
    ]
    said += [_spread(name, scorer.runs) for name, scorer in evaluation.scorers.items() if scorer.runs]
    said += [f"window {window.number + 1}: {window}" for window in evaluation.windows]
    said += [f"window {window.number + 1} left out: {why}" for window, why in evaluation.left_out]
    return said


def _spread(name: str, runs: Sequence[ScorerFigures]) -> str:
    """Describe the spread between a scorer's trainings."""
    each = ", ".join(_cell(run.mean_auc, run.mean_recall["recall_at_1pct"]) for run in runs)
    return f"{name} is the mean of {len(runs)} trainings: {each}."
