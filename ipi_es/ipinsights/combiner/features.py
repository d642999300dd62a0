"""Features of (entity, address) pairs from history: the combiner's input.

All are functions of (history, pair) alone. Counts x enter as log(1 + x); decayed counts are as of ``history.day``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.addresses import v4_words, words
from ipi_es.ipinsights.address_context import CONTEXT_LEVELS, CONTEXT_NAMES
from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.history.profiles import DISTINCT_SLOTS
from ipi_es.ipinsights.prefixes import BLOCK, LEVELS, LINE, SITE, prefix_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.address_context import AddressContext
    from ipi_es.ipinsights.history.history import History
    from ipi_es.ipinsights.history.sketches import Sketch

RECENCY_DAYS = 14.0
"""Time scale of recency: exp(-age / 14 d), 0 for never."""
_SLOT_NAMES = ("8", "12", "16", "20", "24", "28", "32", "address")
_RECENT_SLOTS = (BLOCK, SITE, LINE)
_WITHIN_SLOTS = slice(0, LINE)

PAIR_FEATURES = (
    tuple(f"pair_{name}" for name in _SLOT_NAMES)
    + tuple(f"pair_recency_{_SLOT_NAMES[slot]}" for slot in _RECENT_SLOTS)
    + tuple(f"pair_within_{name}" for name in _SLOT_NAMES[_WITHIN_SLOTS])
)
ADDRESS_FEATURES = (
    tuple(f"network_{name}" for name in _SLOT_NAMES)
    + tuple(f"entities_{name}" for name in _SLOT_NAMES)
    + tuple(f"network_recency_{_SLOT_NAMES[slot]}" for slot in _RECENT_SLOTS)
    + ("ipv6",)
)
ENTITY_FEATURES = (
    *("seen", "events", "rows", "days", "weight"),
    *(f"distinct_{_SLOT_NAMES[slot]}" for slot in DISTINCT_SLOTS),
    *(f"distinct_share_{_SLOT_NAMES[slot]}" for slot in DISTINCT_SLOTS),
    *(f"distinct_rate_{_SLOT_NAMES[slot]}" for slot in DISTINCT_SLOTS),
    *("novelty", "recency"),
)
NETWORK_FEATURES = ("trained", "network_log_odds")
_CONTEXT_PARTS = (
    "known",
    "pair",
    "pair_recency",
    "pair_within",
    "network",
    "entities",
    "distinct",
    "distinct_rate",
    "novelty",
)
CONTEXT_FEATURES = tuple(f"{level}_{part}" for level in CONTEXT_NAMES for part in _CONTEXT_PARTS)
"""The features of a level are 0 where the address's operator (country), or every one of the entity, is unknown."""
FEATURES = PAIR_FEATURES + ADDRESS_FEATURES + ENTITY_FEATURES + NETWORK_FEATURES + CONTEXT_FEATURES
"""The columns of the combiner's input, in order; part of the snapshot's format."""


@dataclass(frozen=True, slots=True)
class EntityView:
    """Features of n entities from history."""

    hashes: NDArray[np.uint64]
    events: NDArray[np.float64]  # prior events, ever; 0 = never seen
    features: NDArray[np.float32]  # [n, len(ENTITY_FEATURES)]
    usable: NDArray[np.bool_]  # [n, 2] entity never seen, or seen with a known operator, country
    context: NDArray[np.float32]  # [n, 2, 3] distinct, rate of distinct, novelty


@dataclass(frozen=True, slots=True)
class AddressView:
    """Features of n addresses from history."""

    keys: NDArray[np.uint64]  # [n, LEVELS]
    features: NDArray[np.float32]  # [n, len(ADDRESS_FEATURES)]
    context: ContextView | None = None
    """None where no operator or country is known."""

    @classmethod
    def concatenated(cls, parts: Sequence[AddressView]) -> AddressView:
        """Concatenate views in order."""
        contexts = [part.context or ContextView.unknown(len(part.keys)) for part in parts]
        return cls(
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.features for part in parts]),
            ContextView(
                np.concatenate([each.keys for each in contexts]),
                np.concatenate([each.known for each in contexts]),
                np.concatenate([each.features for each in contexts]),
            )
            if any(part.context for part in parts)
            else None,
        )


@dataclass(frozen=True, slots=True)
class ContextView:
    """Features of the operators and countries of n addresses from history."""

    keys: NDArray[np.uint64]  # [n, 2]
    known: NDArray[np.bool_]  # [n, 2]
    features: NDArray[np.float32]  # [n, 2, 2] count, entities

    @classmethod
    def unknown(cls, n: int) -> ContextView:
        """Return the view of n addresses whose operators and countries are all unknown."""
        shape = (n, CONTEXT_LEVELS)
        return cls(np.zeros(shape, np.uint64), np.zeros(shape, np.bool_), np.zeros((*shape, 2), np.float32))

    @classmethod
    def of(cls, history: History, context: AddressContext) -> ContextView:
        """Look up operators and countries in history."""
        keys, sketch = context.keys(), history.networks
        cells = sketch.cells(keys)
        count = sketch.read_count(cells) * np.float32(history.scale())
        return cls(keys, context.known(), np.log1p(np.stack([count, sketch.read_members(cells)], axis=2)))


def _recency(marks: NDArray[np.uint16], today: int) -> NDArray[np.float32]:
    """Return exp(-age / 14 d) of day marks (0 = never); ``today`` is the mark of the day that is scored."""
    age = np.maximum(today - marks.astype(np.float32), 0)
    return np.where(marks > 0, np.exp(-age / np.float32(RECENCY_DAYS)), np.float32(0)).astype(np.float32)


def entity_view(history: History, hashes: NDArray[np.uint64]) -> EntityView:
    """Look up entities in history by hash uint64[n]."""
    table = history.profiles
    row, found = table.find(hashes)
    columns = np.zeros((len(hashes), len(ENTITY_FEATURES)), dtype=np.float32)
    events = np.zeros(len(hashes), dtype=np.float64)
    usable = np.ones((len(hashes), CONTEXT_LEVELS), dtype=np.bool_)
    context = np.zeros((len(hashes), CONTEXT_LEVELS, 3), dtype=np.float32)
    if found.any():
        at = row[found]
        events[found] = table.events[at]
        scale = history.scale()
        known: list[NDArray[np.floating[Any]]] = [np.ones(len(at))]
        known += [np.log1p(table.events[at]), np.log1p(table.rows[at]), np.log1p(table.days[at])]
        known += [np.log1p(table.weight[at] * scale)]
        known += [np.log1p(table.distinct[at, column]) for column in range(len(DISTINCT_SLOTS))]
        known += [table.distinct[at, column] / (table.rows[at] + 1.0) for column in range(len(DISTINCT_SLOTS))]
        rate = np.log((table.distinct[at] + 0.5) / (table.events[at, None] + 1.0))
        known += [rate[:, column] for column in range(len(DISTINCT_SLOTS))]
        # the prior, without any rows, is one new site in two rows
        known += [(table.recent_new[at] * scale + 0.5) / (table.recent_rows[at] * scale + 1.0)]
        known += [_recency(table.last[at], history.age + 1)]
        columns[found] = np.stack(known, axis=1)
        distinct, rows = table.context_distinct[at], table.context_rows[at] * scale
        usable[found] = rows > 0
        rate = np.log((distinct + 0.5) / (table.events[at, None] + 1.0))
        novelty = (table.context_new[at] * scale + 0.5) / (rows + 1.0)
        context[found] = np.stack([np.log1p(distinct), rate, novelty], axis=2)
    return EntityView(hashes=hashes, events=events, features=columns, usable=usable, context=context)


def address_view(history: History, addresses: Addresses, context: AddressContext | None = None) -> AddressView:
    """Look up addresses uint8[n, 16] in history; ``context`` is the addresses'."""
    keys = prefix_keys(addresses)
    sketch: Sketch = history.networks
    cells = sketch.cells(keys)
    today = history.age + 1
    columns = np.empty((len(keys), len(ADDRESS_FEATURES)), dtype=np.float32)
    count = np.minimum.accumulate(sketch.read_count(cells), axis=1)
    count *= np.float32(history.scale())
    np.log1p(count, out=columns[:, :LEVELS])
    np.log1p(np.minimum.accumulate(sketch.read_members(cells), axis=1), out=columns[:, LEVELS : 2 * LEVELS])
    recent = list(_RECENT_SLOTS)
    last = sketch.read_last((cells[0][:, recent], cells[1][:, recent]))
    last[count[:, recent] == 0] = 0
    columns[:, 2 * LEVELS : 2 * LEVELS + len(recent)] = _recency(last, today)
    columns[:, -1] = ~v4_words(*words(addresses))
    return AddressView(keys, columns, ContextView.of(history, context) if context else None)


def pair_features(
    history: History,
    entities: EntityView,
    addresses: AddressView,
    entity: NDArray[np.int32],
    address: NDArray[np.int32],
    *,
    trained: NDArray[np.float32],
    network_log_odds: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return float32[n, len(FEATURES)]: features of the pairs (entity[i], address[i]), indexes into the views.

    ``trained`` float32[entities]: log(1 + training rows of the entity's table row); ``network_log_odds`` float32[n].
    """
    sketch = history.pairs
    out = np.empty((len(entity), len(FEATURES)), dtype=np.float32)
    cells = sketch.cells(joined(entities.hashes[entity][:, None], addresses.keys[address]))
    count = np.minimum.accumulate(sketch.read_count(cells), axis=1)
    # an entity that was never seen has no pairs: counts in its cells belong to other entities
    count[entities.events[entity] == 0] = 0
    count *= np.float32(history.scale())
    np.log1p(count, out=out[:, :LEVELS])
    recent = list(_RECENT_SLOTS)
    last = sketch.read_last((cells[0][:, recent], cells[1][:, recent]))
    last[count[:, recent] == 0] = 0
    at = LEVELS + len(recent)
    out[:, LEVELS:at] = _recency(last, history.age + 1)
    within = sketch.read_members((cells[0][:, _WITHIN_SLOTS], cells[1][:, _WITHIN_SLOTS]))
    within[count[:, _WITHIN_SLOTS] == 0] = 0
    np.log1p(within, out=out[:, at : len(PAIR_FEATURES)])
    at = len(PAIR_FEATURES)
    out[:, at : at + len(ADDRESS_FEATURES)] = addresses.features[address]
    at += len(ADDRESS_FEATURES)
    out[:, at : at + len(ENTITY_FEATURES)] = entities.features[entity]
    at += len(ENTITY_FEATURES)
    out[:, at] = trained[entity]
    out[:, at + 1] = network_log_odds
    out[:, at + 2 :] = (
        0.0 if addresses.context is None else _context(history, entities, addresses.context, entity, address)
    )
    return out


def _context(
    history: History,
    entities: EntityView,
    addresses: ContextView,
    entity: NDArray[np.int32],
    address: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Return float32[n, len(CONTEXT_FEATURES)] of the pairs (entity[i], address[i])."""
    sketch = history.pairs
    usable = addresses.known[address] & entities.usable[entity]
    cells = sketch.cells(joined(entities.hashes[entity][:, None], addresses.keys[address]))
    count, last = sketch.read_count(cells), sketch.read_last(cells)
    never = (entities.events[entity] == 0)[:, None] | (count == 0)
    count[never], last[never] = 0, 0
    columns = np.empty((len(entity), CONTEXT_LEVELS, len(_CONTEXT_PARTS)), dtype=np.float32)
    columns[:, :, 0] = 1.0
    np.log1p(count * np.float32(history.scale()), out=columns[:, :, 1])
    columns[:, :, 2] = _recency(last, history.age + 1)
    within = sketch.read_members(cells)
    within[never] = 0
    np.log1p(within, out=columns[:, :, 3])
    columns[:, :, 4:6] = addresses.features[address]
    columns[:, :, 6:] = entities.context[entity]
    columns *= usable[:, :, None]
    return columns.reshape(len(entity), -1)
