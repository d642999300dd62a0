"""A network's tables before and after training: which rows they have, and their start values.

The trainer has one table of address parts: the prefixes' rows, then those of operators and countries, if any.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.addresses import v4_words, words
from ipi_es.ipinsights.entity_hashing import UNKNOWN_ROW, hashed_rows
from ipi_es.ipinsights.key_index import found_in
from ipi_es.ipinsights.network.epoch_rows import NO_PART
from ipi_es.ipinsights.network.network import HEADS, SLOTS, Network
from ipi_es.ipinsights.prefixes import level_keys
from ipi_es.sorted_runs import run_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.config.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.address_context import AddressContext
    from ipi_es.ipinsights.network.pairs import PairSource
    from ipi_es.ipinsights.scorer import TrainedNetwork

MIN_ROWS_OF_A_NETWORK = 2
"""Minimum number of training rows of a network (an operator, a country) that has a vector. Rarer ones train the
"unseen" vectors, so that these learn from real pairs too."""
_ENTITY_SPREAD = 1.0
"""Norm of an entity vector before training (address vectors start at 0)."""


def initial_network(
    source: PairSource, hyperparameters: Hyperparameters, rng: np.random.Generator, base: TrainedNetwork | None
) -> Network:
    """Create the tables before training: entity vectors random, address parts zero; known rows taken from ``base``."""
    dim, layers = hyperparameters.vector_dim, max(hyperparameters.num_ip_encoder_layers - 1, 0)
    old = base.network if base is not None and base.network.vector_dim == dim else None
    trained = np.sort(source.hashes)
    size = hyperparameters.entity_rows
    if size is None:
        size = 2 * len(trained)
        if base is not None and base.network.num_entity_vectors >= len(trained):
            size = base.network.num_entity_vectors
    entity = rng.standard_normal((size + 1, dim + 1)).astype(np.float32) * np.float32(_ENTITY_SPREAD / dim**0.5)
    entity[:, -1] = 0.0
    entity[UNKNOWN_ROW] = 0.0
    counts = np.bincount(hashed_rows(source.hashes, size), weights=source.entity_count, minlength=size + 1)
    context = source.context
    keys = _frequent_networks(source.addresses, source.address_count)
    contexts = np.zeros(0, dtype=np.uint64)
    if context:
        each = context.keys()
        levels = [_frequent(each[at, level], source.address_count[at]) for level, at in enumerate(context.known().T)]
        contexts = np.unique(np.concatenate(levels))
    depth = np.zeros((layers, dim + 1, dim), dtype=np.float32)
    if old is not None:
        keys, contexts = np.union1d(keys, old.prefix_keys), np.union1d(contexts, old.context_keys)
        if old.layers.shape == depth.shape:
            depth = old.layers.copy()
        if old.num_entity_vectors == size:
            kept = (old.trained_count > 0) | (np.arange(size + 1) == UNKNOWN_ROW)
            entity[kept] = old.entity_table[kept]
            counts = counts + old.trained_count
            trained = np.union1d(trained, old.trained_entities)
    prefix = _table(SLOTS, keys, dim, None if old is None else (old.prefix_keys, old.prefix_table))
    known = None if old is None or not old.knows_context else (old.context_keys, old.context_table)
    with_context = bool(context) or known is not None
    return Network(
        entity_table=entity,
        trained_count=np.minimum(counts, 2**32 - 1).astype(np.uint32),
        trained_entities=trained,
        prefix_keys=keys,
        prefix_table=prefix,
        layers=depth,
        context_keys=contexts,
        context_table=_table(HEADS, contexts, dim, known) if with_context else np.zeros((0, 0), dtype=np.float32),
    )


def _frequent_networks(addresses: Addresses, count: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the keys of the networks with enough rows, ascending; ``count`` int64[m]: rows of each address."""
    high, low = words(addresses)
    v4 = v4_words(high, low)
    found = [_frequent(level_keys(high, low, v4, slot), count) for slot in range(SLOTS)]
    return np.unique(np.concatenate(found))


def _frequent(keys: NDArray[np.uint64], count: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the distinct ``keys`` uint64[m] with enough rows, ascending; ``count`` int64[m]: rows of each key."""
    order = np.argsort(keys)
    ranked = keys[order]
    starts = np.flatnonzero(run_starts(ranked))
    rows = np.add.reduceat(count[order], starts) if len(keys) else count
    return ranked[starts][rows >= MIN_ROWS_OF_A_NETWORK]


def _table(
    heads: int, keys: NDArray[np.uint64], dim: int, old: tuple[NDArray[np.uint64], NDArray[np.float32]] | None
) -> NDArray[np.float32]:
    """Return float32[heads + len(keys), dim + 1]: the rows of the old (keys, table), and zeros for new keys."""
    table = np.zeros((heads + len(keys), dim + 1), dtype=np.float32)
    if old is not None:
        old_keys, old_table = old
        position, found = found_in(old_keys, keys)
        table[:heads] = old_table[:heads]
        table[heads:][found] = old_table[position[found] + heads]
    return table


def joined_table(network: Network) -> NDArray[np.float32]:
    """Return float32[k, d + 1]: the prefixes' table and, below it, that of operators and countries."""
    return (
        np.concatenate([network.prefix_table, network.context_table])
        if network.knows_context
        else (network.prefix_table)
    )


def with_arrays(
    network: Network,
    entity_table: NDArray[np.float32],
    parts_table: NDArray[np.float32],
    layers: NDArray[np.float32],
) -> Network:
    """Return the network with trained tables; ``parts_table`` has the layout of :func:`joined_table`."""
    prefixes = len(network.prefix_table)
    context = parts_table[prefixes:] if network.knows_context else network.context_table
    return replace(
        network, entity_table=entity_table, prefix_table=parts_table[:prefixes], context_table=context, layers=layers
    )


def encoder_parts(network: Network, addresses: Addresses, context: AddressContext | None) -> NDArray[np.int32]:
    """Return int32[n, SLOTS (+ CONTEXT_LEVELS)]: the addresses' parts, rows of :func:`joined_table`.

    In the order that :func:`~ipi_es.ipinsights.network.epoch_rows.chunk_rows` expects.
    """
    high, low = words(addresses)
    v4 = v4_words(high, low)
    rows = np.full((len(high), SLOTS), NO_PART, dtype=np.int32)
    at = np.arange(len(high))
    for slot in range(SLOTS):  # a network with a vector lies within one with a vector: most stop early
        position, found = network.find_prefixes(level_keys(high, low, v4, slot))
        rows[at, slot] = np.where(found, position + SLOTS, slot)
        if not found.all():
            at, high, low, v4 = at[found], high[found], low[found], v4[found]
    if not network.knows_context:
        return rows
    below = network.context_rows(context, len(rows)) + np.int32(len(network.prefix_table))
    return np.concatenate([rows, below], axis=1)
