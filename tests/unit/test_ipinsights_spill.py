"""Pairs that lie in a temporary file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ipi_es.addresses import parse
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.network.pair_file import FilePairs, PairFile
from ipi_es.ipinsights.sagemaker import csv_training
from ipi_es.ipinsights.sagemaker.csv_pairs import ChannelRows

ENTITIES, ADDRESSES, ROWS = 7, 40, 1_000


@pytest.fixture
def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(0, ENTITIES, ROWS), rng.integers(0, ADDRESSES, ROWS)], axis=1).astype(np.int32)


def filed(rows: np.ndarray) -> PairFile:
    file = PairFile()
    for start in range(0, len(rows), 300):
        file.extend(rows[start : start + 300])
    return file


def vocabulary() -> tuple[np.ndarray, np.ndarray]:
    return entity_hashes([f"user{one}" for one in range(ENTITIES)]), parse([f"192.0.2.{at}" for at in range(40)])[0]


def test_a_file_gives_back_what_it_took(rows: np.ndarray) -> None:
    file = filed(rows)
    assert len(file) == ROWS
    assert (file.read(10, 20) == rows[10:20]).all()
    assert (np.concatenate([block for _, block in file.blocks(64)]) == rows).all()
    some = np.array([0, 3, 299, 300, 999])
    assert (file.take(some) == rows[some]).all()


def test_every_kept_row_is_in_every_epoch_once_and_in_another_order(rows: np.ndarray) -> None:
    kept = np.arange(ROWS) % 5 > 0
    hashes, addresses = vocabulary()
    source = replace(FilePairs.of(filed(rows), kept, hashes, addresses, most=ROWS), block_rows=64, mixed_blocks=3)
    assert len(source) == kept.sum() == source.address_count.sum()
    rng, orders = np.random.default_rng(1), []
    for _ in range(2):
        parts = list(source.epoch(rng, 128))
        assert {len(entity) for entity, _ in parts[:-1]} == {128}
        entity, address = (np.concatenate(column) for column in zip(*parts, strict=True))
        told = np.stack([source.hashes[entity], source.addresses[address, -1].astype(np.uint64)], axis=1)
        orders.append(told.tolist())
        own = np.stack([hashes[rows[kept, 0]], rows[kept, 1].astype(np.uint64)], axis=1)
        assert sorted(orders[-1]) == sorted(own.tolist())
    assert orders[0] != orders[1]


def test_no_entity_drowns_the_others(rows: np.ndarray) -> None:
    """About so many rows of an entity, drawn anew for each epoch."""
    rows[:700, 0] = 3
    hashes, addresses = vocabulary()
    source = FilePairs.of(filed(rows), np.ones(ROWS, dtype=np.bool_), hashes, addresses, most=100)
    drawn = [np.concatenate([entity for entity, _ in source.epoch(np.random.default_rng(at), 64)]) for at in range(20)]
    number = [int((source.hashes[entity] == hashes[3]).sum()) for entity in drawn]
    assert 90 < np.mean(number) < 110
    others = np.bincount(rows[:, 0], minlength=ENTITIES)[0]
    assert {int((source.hashes[entity] == hashes[0]).sum()) for entity in drawn} == {int(others)}


def test_history_of_parts_is_history_of_all(rows: np.ndarray) -> None:
    hashes, addresses = vocabulary()
    column = ChannelRows(filed(rows), np.ones(ROWS, dtype=np.bool_))
    whole = csv_training.history_of(column, hashes, addresses, day=100, half_life_days=60.0)
    parts = csv_training.history_of(column, hashes, addresses, day=100, half_life_days=60.0, part_rows=150)
    assert parts.day == whole.day
    for name, array in whole.to_arrays()[1].items():
        np.testing.assert_allclose(parts.to_arrays()[1][name], array, rtol=1e-5, err_msg=name)
