"""What history says about (entity, address) pairs, as numbers for the combiner.

All are functions of (history, pair) alone. Counts enter as log(1 + x); decayed counts are as of ``history.day``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.prefixes import BLOCK, LEVELS, LINE, SITE, prefix_keys, v4_words, words
from ipi_es.ipinsights.profiles import DISTINCT_SLOTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.history import History
    from ipi_es.ipinsights.sketches import Sketch

RECENCY_DAYS = 14.0
"""Scale of recency: exp(-age / 14 d), 0 for never."""
_SLOT_NAMES = ("8", "12", "16", "20", "24", "28", "32", "address")
_RECENT_SLOTS = (BLOCK, SITE, LINE)

PAIR_FEATURES = tuple(f"pair_{name}" for name in _SLOT_NAMES) + tuple(
    f"pair_recency_{_SLOT_NAMES[slot]}" for slot in _RECENT_SLOTS
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
FEATURES = PAIR_FEATURES + ADDRESS_FEATURES + ENTITY_FEATURES + NETWORK_FEATURES
"""The columns of the combiner's input, in order; part of the snapshot's format."""


@dataclass(frozen=True, slots=True)
class EntityView:
    """What history holds of n entities."""

    hashes: NDArray[np.uint64]
    events: NDArray[np.float64]  # prior events, ever; 0 = never seen
    features: NDArray[np.float32]  # [n, len(ENTITY_FEATURES)]


@dataclass(frozen=True, slots=True)
class AddressView:
    """What history holds of n addresses."""

    keys: NDArray[np.uint64]  # [n, LEVELS]
    features: NDArray[np.float32]  # [n, len(ADDRESS_FEATURES)]


def _recency(marks: NDArray[np.uint16], today: int) -> NDArray[np.float32]:
    """exp(-age / 14 d) of day marks (0 = never); ``today`` is the mark of the day that is scored."""
    age = np.maximum(today - marks.astype(np.float32), 0)
    return np.where(marks > 0, np.exp(-age / np.float32(RECENCY_DAYS)), np.float32(0)).astype(np.float32)


def entity_view(history: History, hashes: NDArray[np.uint64]) -> EntityView:
    """Look entities up by hash uint64[n]."""
    table = history.profiles
    row, found = table.find(hashes)
    columns = np.zeros((len(hashes), len(ENTITY_FEATURES)), dtype=np.float32)
    events = np.zeros(len(hashes), dtype=np.float64)
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
        # one new site in two rows is what nothing is known of
        known += [(table.recent_new[at] * scale + 0.5) / (table.recent_rows[at] * scale + 1.0)]
        known += [_recency(table.last[at], history.day - history.origin + 1)]
        columns[found] = np.stack(known, axis=1)
    return EntityView(hashes=hashes, events=events, features=columns)


def address_view(history: History, addresses: Addresses) -> AddressView:
    """Look addresses uint8[n, 16] up."""
    keys = prefix_keys(addresses)
    sketch: Sketch = history.networks
    cells = sketch.cells(keys)
    today = history.day - history.origin + 1
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
    return AddressView(keys=keys, features=columns)


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
    """float32[n, len(FEATURES)] of the pairs (entity[i], address[i]), indexes into the views.

    ``trained`` float32[entities]: log(1 + trainings of the entity's row); ``network_log_odds`` float32[n].
    """
    sketch = history.pairs
    out = np.empty((len(entity), len(FEATURES)), dtype=np.float32)
    cells = sketch.cells(joined(entities.hashes[entity][:, None], addresses.keys[address]))
    count = np.minimum.accumulate(sketch.read_count(cells), axis=1)
    # an entity that was never seen has no pairs: what its cells hold belongs to others
    count[entities.events[entity] == 0] = 0
    count *= np.float32(history.scale())
    np.log1p(count, out=out[:, :LEVELS])
    recent = list(_RECENT_SLOTS)
    last = sketch.read_last((cells[0][:, recent], cells[1][:, recent]))
    last[count[:, recent] == 0] = 0
    at = len(PAIR_FEATURES)
    out[:, LEVELS:at] = _recency(last, history.day - history.origin + 1)
    out[:, at : at + len(ADDRESS_FEATURES)] = addresses.features[address]
    at += len(ADDRESS_FEATURES)
    out[:, at : at + len(ENTITY_FEATURES)] = entities.features[entity]
    out[:, -2] = trained[entity]
    out[:, -1] = network_log_odds
    return out
