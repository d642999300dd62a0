"""How pairs and their negatives are laid out for the trainer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.addresses import parse, v4_words, words
from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.network.epoch_rows import NO_PART, chunk_rows
from ipi_es.ipinsights.network.network import SLOTS
from ipi_es.ipinsights.network.network_tables import encoder_parts, initial_network
from ipi_es.ipinsights.network.pairs import TrainingPairs
from ipi_es.ipinsights.prefixes import LEVELS, level_keys, prefix_keys

IPS = ("192.0.2.1", "192.0.2.1", "192.0.2.9", "198.51.100.7", "2001:db8:1::5", "2001:db8:1::6", "2001:db8:2::7")


def pairs(context: bool = False) -> TrainingPairs:
    addresses, _ = parse(IPS)
    operators = np.array([5, 5, 5, 7, 9, 9, 0], dtype=np.uint32)
    known = AddressContext(operators, np.full(len(IPS), 17_477, dtype=np.uint16)) if context else None
    hashes = entity_hashes([f"user{row % 3}" for row in range(len(IPS))])
    return TrainingPairs(hashes, np.arange(len(IPS), dtype=np.int32), addresses, known)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(0, 2), st.integers(0, 2**32))
def test_gradients_by_group_are_gradients_by_row(steps: int, batch: int, negatives: int, seed: int) -> None:
    """Adding up what each row's addresses have, over the layout, gives what adding row by row gives."""
    rng = np.random.default_rng(seed)
    entity = rng.integers(0, 5, steps * batch).astype(np.int32)
    parts = [rng.integers(NO_PART, 2 * SLOTS, (steps * batch, SLOTS)).astype(np.int32) for _ in range(1 + negatives)]
    rows = chunk_rows(entity, parts, np.zeros((steps, 1), dtype=np.int32))
    assert rows.steps == steps
    for step in range(steps):
        at = slice(step * batch, (step + 1) * batch)
        found = slice(*rows.part_bounds[step : step + 2])
        distinct = rows.part_row[slice(*rows.row_bounds[step : step + 2])]
        lists = np.concatenate([each[at] for each in parts])
        assert distinct[:SLOTS].tolist() == list(range(SLOTS))
        assert len(np.unique(distinct)) == len(distinct)
        forward = np.zeros((len(lists), 2 * SLOTS))
        np.add.at(forward, (rows.segment[found], distinct[rows.place[found]]), 1.0)
        backward = np.zeros_like(forward)
        np.add.at(backward, (rows.member[found], distinct[rows.group[found]]), 1.0)
        expected = np.stack([np.bincount(one[one != NO_PART], minlength=2 * SLOTS) for one in lists])
        assert (forward == expected).all()
        assert (backward == expected).all()
        assert (np.diff(rows.segment[found]) >= 0).all()
        assert (np.diff(rows.group[found]) >= 0).all()
        counts = rows.part_count[slice(*rows.row_bounds[step : step + 2])]
        assert (counts == expected.sum(axis=0)[distinct]).all()
        own = rows.entity_row[slice(*rows.entity_bounds[step : step + 2])]
        assert (own[rows.entity_group[at]] == entity[at][rows.entity_member[at]]).all()


@pytest.mark.parametrize("context", [False, True])
def test_parts_are_the_rows_that_scoring_sums_the_unseen_levels_as_one(context: bool) -> None:
    own = pairs(context)
    source = own.source(100, np.random.default_rng(0))
    network = initial_network(source, Hyperparameters(), np.random.default_rng(0), None)
    addresses, _ = parse([*IPS, "9.9.9.9", "192.0.2.77", "2001:db8:ffff::1"])
    unknown = AddressContext(np.full(10, 7, dtype=np.uint32), np.zeros(10, dtype=np.uint16)) if context else None
    rows = network.prefix_rows(prefix_keys(addresses))
    for row, found in zip(rows, encoder_parts(network, addresses, unknown), strict=True):
        listed = [part for part in found[:SLOTS] if part != NO_PART]
        unseen = [slot for slot in range(SLOTS) if row[slot] < SLOTS]
        expected = row[row >= SLOTS].tolist() + unseen[:1]
        assert listed == expected
        assert unseen == list(range(SLOTS - len(unseen), SLOTS))
        if context:
            assert (found[SLOTS:] >= len(network.prefix_table)).all()
        else:
            assert len(found) == SLOTS


def test_one_level_of_keys_is_a_column_of_all() -> None:
    addresses, _ = parse(IPS)
    high, low = words(addresses)
    for slot in range(LEVELS - 1):
        assert (level_keys(high, low, v4_words(high, low), slot) == prefix_keys(addresses)[:, slot]).all()


def test_an_epoch_gives_every_pair_once_and_each_time_in_another_order() -> None:
    own = pairs()
    source = own.source(100, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    orders = []
    for _ in range(3):
        found = list(source.epoch(rng, 3))
        assert [len(entity) for entity, _ in found] == [3, 3, 1]
        rows = [(int(e), bytes(source.addresses[a])) for part in found for e, a in zip(*part, strict=True)]
        hashes = own.hashes.tolist()
        told = [(int(source.hashes[e]), blob) for e, blob in rows]
        assert sorted(told) == sorted((hashes[row], bytes(own.addresses[row])) for row in range(len(IPS)))
        orders.append(rows)
    assert orders[0] != orders[1] or orders[1] != orders[2]
    assert source.entity_count.sum() == source.address_count.sum() == len(source) == len(IPS)
