"""The normalizer's state of a whole job: quantiles by level, under fixed names.

Failed sign-ins have levels of their own: anyone can make them without limit, so they must not decide what makes a
successful sign-in look unusual. Failures themselves are ranked among failures and successes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ipi_es.results.words import BUCKET_TIME
from ipi_es.scoring.normalizer import Normalized, normalize
from ipi_es.scoring.quantiles import Quantiles

RECORD = "record"
"""The level of all records of a job."""
FAILED = "failed:"
"""Prefix of the names of levels for pairs that only failed."""


def record_level(*, failures_only: bool = False) -> str:
    """Return the level of the records of pairs that succeeded, or of those that only failed."""
    return FAILED * failures_only + RECORD


def influencer_level(field: str, *, failures_only: bool = False) -> str:
    """Return the level of the influencers of one field."""
    return f"{FAILED * failures_only}influencer:{field}"


def bucket_influencer_level(field: str, *, failures_only: bool = False) -> str:
    """Return the level of the bucket influencers of one field; the field may be ``bucket_time``."""
    return f"{FAILED * failures_only}bucket_influencer:{field}"


def level_names(fields: tuple[str, str]) -> tuple[str, ...]:
    """Return the levels of a job with these (entity, IP) fields; those of failures are added when some occur."""
    return (
        RECORD,
        *(influencer_level(field) for field in fields),
        *(bucket_influencer_level(field) for field in (*fields, BUCKET_TIME)),
    )


def fields_of(levels: NormalizerState) -> set[str]:
    """Return the entity and IP fields of a job's levels."""
    prefix = influencer_level("")
    return {name.removeprefix(prefix) for name in levels.by_name if name.startswith(prefix)}


@dataclass(frozen=True, slots=True)
class NormalizerState:
    """Quantiles by level. Immutable: a bucket makes new ones. A level without added results is empty."""

    by_name: Mapping[str, Quantiles]

    @classmethod
    def empty(cls, fields: tuple[str, str]) -> NormalizerState:
        """Return a job's first state."""
        return cls({name: Quantiles.empty() for name in level_names(fields)})

    def are_of(self, fields: tuple[str, str]) -> bool:
        """Decide whether these are the levels of a job with these (entity, IP) fields."""
        return {name for name in self.by_name if not name.startswith(FAILED)} == set(level_names(fields))

    def __getitem__(self, name: str) -> Quantiles:
        found = self.by_name.get(name)
        return Quantiles.empty() if found is None else found

    def score(self, name: str, s: NDArray[np.float64], ln_p: NDArray[np.float64], *, counted: bool) -> Normalized:
        """Score results (raw scores float64[n], ln p float64[n]) of one level; ``counted``: the level includes them.

        Results of failures are ranked among failures and successes: a few failures show little of how unusual one is.
        Results of successes are ranked among successes alone.
        """
        level = self[name]
        if name.startswith(FAILED):
            level = level.merged(self[name.removeprefix(FAILED)])
        return normalize(s, ln_p, level, counted=counted)

    def aged(self, seconds: float) -> NormalizerState:
        """Return the levels after so many seconds of event time."""
        return NormalizerState({name: quantiles.aged(seconds) for name, quantiles in self.by_name.items()})

    def changed(self, changes: Mapping[str, Callable[[Quantiles], Quantiles]]) -> NormalizerState:
        """Return the state with the named levels changed."""
        return NormalizerState({**self.by_name, **{name: change(self[name]) for name, change in changes.items()}})

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return the state of every level, float64[802 + 2k]."""
        return {name: quantiles.to_array() for name, quantiles in self.by_name.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> NormalizerState:
        """Restore the state of :meth:`to_arrays`. Raises SnapshotDamaged."""
        return cls({name: Quantiles.from_array(array) for name, array in arrays.items()})
