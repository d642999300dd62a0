from __future__ import annotations

import numpy as np
import pytest

from ipi_es.ipinsights.address_context import AddressContext


def test_nothing_known_is_false_and_anything_known_is_true() -> None:
    assert not AddressContext.none(3)
    assert not AddressContext.none(0)
    assert AddressContext(np.array([0, 1], dtype=np.uint32), np.zeros(2, dtype=np.uint16))
    assert AddressContext(np.zeros(1, dtype=np.uint32), np.ones(1, dtype=np.uint16))


def test_rows_are_taken_and_joined_in_order() -> None:
    context = AddressContext(np.array([1, 2, 3], dtype=np.uint32), np.array([4, 5, 6], dtype=np.uint16))
    both = AddressContext.concatenated([context.take(np.array([2, 0])), AddressContext.none(1)])
    assert (both.operator.tolist(), both.country.tolist()) == ([3, 1, 0], [6, 4, 0])
    assert (both.operator.dtype, both.country.dtype) == (np.uint32, np.uint16)
    assert len(AddressContext.concatenated([])) == 0


def test_operators_and_countries_of_different_addresses_are_refused() -> None:
    with pytest.raises(ValueError, match="same addresses"):
        AddressContext(np.zeros(2, dtype=np.uint32), np.zeros(3, dtype=np.uint16))
