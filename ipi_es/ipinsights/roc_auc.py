"""ROC-AUC of two arrays of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def roc_auc(real: NDArray[np.floating[Any]], sampled: NDArray[np.floating[Any]]) -> float:
    """Return P(a real pair scores above a sampled one), ties half: Mann-Whitney's U over n·m; nan if one is empty."""
    from scipy.stats import rankdata  # a second of imports, and only a training measures itself

    n, m = len(real), len(sampled)
    if not n or not m:
        return float("nan")
    ranks = rankdata(np.concatenate([real, sampled]))
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))
