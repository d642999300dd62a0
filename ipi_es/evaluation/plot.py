"""The plot: for each kind of attack the distribution of the product's scores, and every scorer's ROC."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.errors import UsageError
from ipi_es.extras import EVALUATE, require

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.evaluation.evaluation import Evaluation
    from ipi_es.evaluation.measures import ScorerFigures

WIDTH, ROW_HEIGHT = 11.0, 2.6
"""Inches."""
BINS = 60
LEFT_SHARE = 1e-3
"""The smallest share of false positives on a ROC's axis, which is logarithmic."""
COLOURS = {
    "hybrid": "#0072B2",
    "ip_insights": "#009E73",
    "seen": "#999999",
    "counts": "#E69F00",
    "freeman": "#CC79A7",
    "rare": "#56B4E9",
    "sagemaker_like": "#D55E00",
}
"""Colours that colour-blind readers can distinguish too (Okabe and Ito's palette)."""
LINES = {
    "hybrid": "-",
    "ip_insights": "--",
    "seen": ":",
    "counts": "-.",
    "freeman": (0, (3, 1, 1, 1)),
    "rare": (0, (1, 3)),
    "sagemaker_like": (0, (5, 1)),
}


def require_writable(path: Path) -> None:
    """Raise UsageError unless the file's format is known and its folder exists; needs matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    formats = FigureCanvasAgg.get_supported_filetypes()
    if path.suffix.lower().lstrip(".") not in formats:
        raise UsageError(f"{path} has no known picture format", hint="name it .png, .svg or .pdf")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hint="make it, or name another place for the picture")


def draw(evaluation: Evaluation, path: Path) -> None:
    """Write the plot (format by the name: png, svg, pdf). Raises UsageError where it can't be written."""
    require("--plot", EVALUATE)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kinds = list(evaluation.scorers["hybrid"].attacks)
    figure = Figure(figsize=(WIDTH, ROW_HEIGHT * len(kinds) + 1.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(len(kinds), 2, squeeze=False)
    for row, kind in enumerate(kinds):
        _distribution(axes[row][0], evaluation.scorers["hybrid"], kind)
        _roc(axes[row][1], evaluation.scorers, kind)
    axes[0][0].set_title("hybrid: share of the normal rows and of the attacks", fontsize="medium")
    trainings = len(evaluation.scorers["hybrid"].runs)
    behind = f"{'first training; ' if trainings else ''}behind the names: {'mean ' if trainings else ''}ROC-AUC"
    axes[0][1].set_title(f"all: attacks found ({behind})", fontsize="medium")
    axes[-1][0].set_xlabel("compatibility, log-odds (high = usual)")
    axes[-1][1].set_xlabel("false positives: share of the normal rows")
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise UsageError(f"the picture can't be written: {error}", hint="name another place with --plot") from error


def _distribution(axis: Any, scorer: ScorerFigures, kind: str) -> None:
    normal, attacks = pooled(scorer, kind)
    low, high = np.quantile(np.concatenate([normal, attacks]), [0.002, 0.998])
    edges = np.linspace(low, max(high, low + 1e-6), BINS + 1)
    for values, colour, name in ((normal, COLOURS["hybrid"], "normal"), (attacks, COLOURS["sagemaker_like"], kind)):
        share = np.full(len(values), 1.0 / max(len(values), 1))
        axis.hist(np.clip(values, low, high), bins=edges, weights=share, color=colour, alpha=0.6, label=name)
    axis.axvline(float(np.quantile(normal, 0.01)), color="black", linewidth=0.8, linestyle="--", label="1 % of normal")
    axis.set_ylabel(kind)
    axis.legend(fontsize="x-small")


def _roc(axis: Any, scorers: dict[str, ScorerFigures], kind: str) -> None:
    for name, scorer in scorers.items():
        false, found = roc(*pooled(scorer, kind))
        auc = scorer.attacks[kind].auc
        label = f"{name} {auc:.3f}"
        axis.plot(np.maximum(false, LEFT_SHARE), found, label=label, color=COLOURS.get(name), linestyle=LINES.get(name))
    axis.axvline(0.01, color="black", linewidth=0.8, linestyle="--")
    axis.set_xscale("log")
    axis.set_xlim(LEFT_SHARE, 1.0)
    axis.set_ylim(0.0, 1.02)
    axis.legend(fontsize="x-small", loc="lower right")


def pooled(scorer: ScorerFigures, kind: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (normal, attacks) float64: scores of all windows, pooled as for recall."""
    empty = np.zeros(0)
    normal = np.concatenate([empty, *(scores.normal for scores in scorer.windows)])
    return normal, np.concatenate([empty, *(scores.attacks.get(kind, empty) for scores in scorer.windows)])


def roc(normal: NDArray[np.float64], attacks: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (share of normal rows, share of attacks) at or below each threshold, ascending from (0, 0) to (1, 1)."""
    thresholds = np.unique(np.concatenate([normal, attacks]))
    false = np.searchsorted(np.sort(normal), thresholds, side="right") / max(len(normal), 1)
    found = np.searchsorted(np.sort(attacks), thresholds, side="right") / max(len(attacks), 1)
    return np.concatenate([[0.0], false]), np.concatenate([[0.0], found])
