"""Input of an evaluation, as arrays: the rows of a file or of a job, before and after the protocol's first step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.addresses import from_words, words
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.history.deltas import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.training.training_events import TrainingEvents

NORMAL = 0
"""The label code of a row that is no attack."""
NO_GROUP = -1
"""The group code of a row without a group."""
MAX_ROWS_OF_ENTITY = 2_000
"""Maximum number of rows per entity (the protocol's first step), so that no service account dominates."""
_CHOICE_SEED = 0
"""Seed of the choice among an entity's rows: the protocol's ``default_rng(0)``."""


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationEvents:
    """n rows (time, entity, address), each with group and label."""

    time: NDArray[np.int64]  # [n] epoch seconds
    entities: list[str]
    entity: NDArray[np.int32]  # [n] index into entities
    addresses: Addresses  # uint8[m, 16]
    ip: NDArray[np.int32]  # [n] index into addresses
    group: NDArray[np.int32]  # [n] code of the entity's organisation, NO_GROUP if it has none
    label: NDArray[np.int32]  # [n] NORMAL, or 1 + index into labels
    labels: tuple[str, ...] = ()
    """Kinds of labelled attack; empty: no row is labelled as an attack."""
    labelled: bool = False
    """Whether the events have labels at all."""
    malformed: dict[str, int] = field(default_factory=dict)
    """Rows that were left out, by reason."""
    count: NDArray[np.int64] | None = None
    """[n]: events that each row stands for, at least 1; None: one each."""
    context: AddressContext | None = None
    """Operator and country of the m addresses, as the events have them; None where they have neither."""

    def __len__(self) -> int:
        return len(self.time)

    @property
    def day(self) -> NDArray[np.int64]:
        """int64[n]: UTC day of each row, days since the epoch."""
        result: NDArray[np.int64] = self.time // DAY
        return result

    def take(self, rows: NDArray[np.intp]) -> EvaluationEvents:
        """Return some of the rows; the vocabularies are unchanged."""
        return replace(
            self,
            time=self.time[rows],
            entity=self.entity[rows],
            ip=self.ip[rows],
            group=self.group[rows],
            label=self.label[rows],
            count=None if self.count is None else self.count[rows],
        )


def of_job(events: TrainingEvents, malformed: dict[str, int]) -> EvaluationEvents:
    """Return a job's learned rows; ``malformed``: number of documents that the datafeed left out, by reason."""
    rows = np.flatnonzero(events.learns)
    return EvaluationEvents(
        time=events.time[rows],
        entities=events.entities,
        entity=events.entity[rows],
        addresses=events.addresses,
        ip=events.ip[rows],
        group=np.full(len(rows), NO_GROUP, dtype=np.int32),
        label=np.full(len(rows), NORMAL, dtype=np.int32),
        malformed=malformed,
        context=events.context,
    )


def prepared(events: EvaluationEvents) -> EvaluationEvents:
    """Apply the protocol's first step: time order, one row per (entity, address, UTC day), limited rows per entity.

    Equal addresses get one index. Rows with different labels stay separate; where rows have counts, those of rows that
    become one are added up. The rows of an entity above the limit are sampled from its normal rows; attacks are all
    kept.
    """
    events = _one_index_per_address(events.take(np.argsort(events.time, kind="stable")))
    keys = np.stack([events.day, events.entity, events.ip, events.label], axis=1)
    _, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    if events.count is not None:
        total = np.zeros(len(first), dtype=np.int64)
        np.add.at(total, place.ravel(), events.count)
        events = replace(events, count=total[place.ravel()])
    events = events.take(np.sort(first))
    rng = np.random.default_rng(_CHOICE_SEED)
    keep = np.ones(len(events), dtype=np.bool_)
    normal = np.flatnonzero(events.label == NORMAL)
    count = np.bincount(events.entity[normal], minlength=len(events.entities))
    for entity in np.flatnonzero(count > MAX_ROWS_OF_ENTITY):
        rows = normal[events.entity[normal] == entity]
        keep[rows] = False
        keep[rng.choice(rows, MAX_ROWS_OF_ENTITY, replace=False)] = True
    return events.take(np.flatnonzero(keep))


def _one_index_per_address(events: EvaluationEvents) -> EvaluationEvents:
    high, low = words(events.addresses)
    unique, place = np.unique(np.stack([high, low], axis=1), axis=0, return_inverse=True)
    place, context = place.ravel(), events.context
    if context is not None:
        merged = AddressContext.none(len(unique))
        np.maximum.at(merged.operator, place, context.operator)  # a known value replaces an unknown one (0)
        np.maximum.at(merged.country, place, context.country)
        context = merged
    return replace(
        events,
        addresses=from_words(unique[:, 0], unique[:, 1]),
        ip=place[events.ip].astype(np.int32),
        context=context,
    )
