"""Forward pass of the combiner, in NumPy: features of history and the network's log-odds → one log-odds.

A few small networks (ReLU, two hidden layers) over standardized features; their log-odds are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIDDEN = 32
"""Units of each of the two hidden layers."""
CLIP = 5.0
"""Standard deviations beyond which a feature is clipped: no training data lies there, and a linear unit would
extrapolate without limit."""
_BLOCK_PAIRS = 1 << 10
"""Pairs processed at a time: their activations stay in the processor's cache."""
DIGITS = 6
"""Decimals of a compatibility: a thousandth of the variation between trainings, far above the rounding differences of
BLAS between batch sizes."""


@dataclass(frozen=True, slots=True, eq=False)
class Combiner:
    """Trained arrays of M members; F = len(FEATURES)."""

    mean: NDArray[np.float32]  # [F]
    scale: NDArray[np.float32]  # [F]: 1 / standard deviation
    hidden_1: NDArray[np.float32]  # [M, F + 1, HIDDEN]; the last row is the bias, here and below
    hidden_2: NDArray[np.float32]  # [M, HIDDEN + 1, HIDDEN]
    output: NDArray[np.float32]  # [M, HIDDEN + 1]

    def standardized(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32[n, F]: the features in units of standard deviations, clipped at ±CLIP."""
        result: NDArray[np.float32] = np.clip((features - self.mean) * self.scale, -CLIP, CLIP)
        return result

    def log_odds(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return float64[n]: log-odds of features float32[n, F]; a row's result doesn't depend on other rows."""
        members = len(self.hidden_1)
        # in float64: BLAS rounds a row differently at other places of a batch, and a score must not depend on that
        first = np.concatenate(list(self.hidden_1), axis=1).astype(np.float64)
        second, bias = self.hidden_2[:, :-1].astype(np.float64), self.hidden_2[:, -1].ravel().astype(np.float64)
        last, shift = self.output[:, :-1].ravel().astype(np.float64), self.output[:, -1].sum(dtype=np.float64)
        ones = np.empty((_BLOCK_PAIRS, members * HIDDEN))
        twos = np.empty_like(ones)
        out = np.empty(len(features), dtype=np.float64)
        for start in range(0, len(features), _BLOCK_PAIRS):
            block = self.standardized(features[start : start + _BLOCK_PAIRS])
            one, two = ones[: len(block)], twos[: len(block)]
            np.matmul(block.astype(np.float64), first[:-1], out=one)
            one += first[-1]
            np.maximum(one, 0.0, out=one)
            for member in range(members):
                columns = slice(member * HIDDEN, (member + 1) * HIDDEN)
                np.matmul(one[:, columns], second[member], out=two[:, columns])
            two += bias
            np.maximum(two, 0.0, out=two)
            out[start : start + _BLOCK_PAIRS] = two @ last
        out += shift
        out /= members
        return np.round(out, DIGITS)

    def for_features(self, names: Sequence[str], now: Sequence[str]) -> Combiner:
        """Return this combiner, trained on the columns ``names``, for the columns ``now``, a superset in any order.

        Columns that aren't in ``names`` have no effect. Raises KeyError if one of ``names`` is missing from ``now``.
        """
        if tuple(names) == tuple(now):
            return self
        place = {name: index for index, name in enumerate(now)}
        at = np.array([place[name] for name in names], dtype=np.intp)
        mean, scale = np.zeros(len(now), dtype=np.float32), np.zeros(len(now), dtype=np.float32)
        mean[at], scale[at] = self.mean, self.scale
        hidden = np.zeros((len(self.hidden_1), len(now) + 1, HIDDEN), dtype=np.float32)
        hidden[:, at], hidden[:, -1] = self.hidden_1[:, :-1], self.hidden_1[:, -1]
        return Combiner(mean, scale, hidden, self.hidden_2, self.output)

    def with_members(self, count: int) -> Combiner:
        """Return a combiner of ``count`` members: the first ones, repeated in turn if there are fewer."""
        at = np.arange(count) % len(self.hidden_1)
        return replace(self, hidden_1=self.hidden_1[at], hidden_2=self.hidden_2[at], output=self.output[at])

    def joined(self, other: Combiner) -> Combiner:
        """Return a combiner with the members of both; both must have the same standardization."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("hidden_1", "hidden_2", "output"))
        return Combiner(self.mean, self.scale, *(np.concatenate(pair) for pair in pairs))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, under ``combiner.…``."""
        return {f"combiner.{name}": getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Combiner:
        """Restore from :meth:`to_arrays`' arrays."""
        return cls(**{name: arrays[f"combiner.{name}"] for name in cls.__slots__})
