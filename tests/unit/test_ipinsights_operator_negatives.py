"""Negatives of the same operator."""

from __future__ import annotations

import numpy as np

from ipi_es.addresses import parse
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.network.operator_negatives import OperatorNegatives

TEXTS = ["192.0.2.1", "198.51.100.7", "192.0.2.9", "203.0.113.5", "192.0.77.1", "2001:db8::1", "2001:db8:5::2"]


def drawn(context: AddressContext | None) -> list[set[int]]:
    """Which addresses are drawn for each, of 200 tries."""
    negatives = OperatorNegatives.of(parse(TEXTS)[0], context)
    rng = np.random.default_rng(0)
    each = np.arange(len(TEXTS), dtype=np.int32)
    tries = np.stack([negatives.draw(each, rng) for _ in range(200)])
    assert tries.dtype == np.int32
    return [set(column.tolist()) for column in tries.T]


def test_an_operators_addresses_are_drawn_for_each_other_and_for_themselves() -> None:
    context = AddressContext(np.array([5, 5, 9, 9, 7, 5, 0], dtype=np.uint32), np.zeros(7, dtype=np.uint16))
    assert drawn(context) == [{0, 1, 5}, {0, 1, 5}, {2, 3}, {2, 3}, {4}, {0, 1, 5}, {6}]


def test_without_operators_the_providers_block_stands_for_them() -> None:
    assert drawn(None) == [{0, 2, 4}, {1}, {0, 2, 4}, {3}, {0, 2, 4}, {5, 6}, {5, 6}]
