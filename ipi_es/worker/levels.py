"""The normalizer's state of a whole job: quantiles by level, under fixed names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ipi_es.results.words import BUCKET_TIME
from ipi_es.scoring.quantiles import Quantiles

RECORD = "record"
"""The level of all records of a job."""


def influencer_level(field: str) -> str:
    """The level of the influencers of one field."""
    return f"influencer:{field}"


def bucket_influencer_level(field: str) -> str:
    """The level of the bucket influencers of one field, ``bucket_time`` among them."""
    return f"bucket_influencer:{field}"


def level_names(fields: tuple[str, str]) -> tuple[str, ...]:
    """All levels of a job with these (entity, IP) fields."""
    return (
        RECORD,
        *(influencer_level(field) for field in fields),
        *(bucket_influencer_level(field) for field in (*fields, BUCKET_TIME)),
    )


def fields_of(levels: Levels) -> set[str]:
    """The entity and IP fields that a job's levels are of."""
    prefix = influencer_level("")
    return {name.removeprefix(prefix) for name in levels.by_name if name.startswith(prefix)}


@dataclass(frozen=True, slots=True)
class Levels:
    """Quantiles by level; immutable, a bucket gives new ones."""

    by_name: Mapping[str, Quantiles]

    @classmethod
    def empty(cls, fields: tuple[str, str]) -> Levels:
        """A job's first state."""
        return cls({name: Quantiles.empty() for name in level_names(fields)})

    def __getitem__(self, name: str) -> Quantiles:
        return self.by_name[name]

    def aged(self, seconds: float) -> Levels:
        """Let event time pass for every level."""
        return Levels({name: quantiles.aged(seconds) for name, quantiles in self.by_name.items()})

    def added(self, scores: Mapping[str, NDArray[np.float64]]) -> Levels:
        """Add raw scores (float64[n]) to the levels named."""
        new = {name: self.by_name[name].added(s) for name, s in scores.items() if len(s)}
        return Levels({**self.by_name, **new})

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """The state of every level, float64[802]."""
        return {name: quantiles.to_array() for name, quantiles in self.by_name.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> Levels:
        """The reverse of :meth:`to_arrays`. SnapshotDamaged."""
        return cls({name: Quantiles.from_array(array) for name, array in arrays.items()})
