"""Context of addresses beside their bits: the operator of the network, and the country of its registration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.ipinsights.hashing import mix

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTEXT_NAMES = ("operator", "country")
"""The levels beside an address's prefixes; neither lies within the other, nor within a prefix."""
CONTEXT_LEVELS = len(CONTEXT_NAMES)
UNSEEN_OPERATOR, UNSEEN_COUNTRY = 2**32 - 1, 2**16 - 1
"""Operator and country of synthetic addresses: known, but seen in no event (RFC 7300 reserves the AS number)."""
_SALT = mix(np.arange(1_001, 1_001 + CONTEXT_LEVELS, dtype=np.uint64))  # far from the prefixes' salts


@dataclass(frozen=True, slots=True, eq=False)
class AddressContext:
    """Operator and country of n addresses, in the addresses' order; 0 where unknown."""

    operator: NDArray[np.uint32]
    """[n]: number of the autonomous system (ECS ``source.as.number``)."""
    country: NDArray[np.uint16]
    """[n]: two upper-case ASCII letters as (first << 8) | second (ECS ``source.geo.country_iso_code``)."""

    def __post_init__(self) -> None:
        if self.operator.shape != self.country.shape or self.operator.ndim != 1:
            raise ValueError(
                f"operators {self.operator.shape} and countries {self.country.shape} of the same addresses"
            )

    @classmethod
    def none(cls, n: int) -> AddressContext:
        """Return the context of n addresses whose operators and countries are all unknown."""
        return cls(np.zeros(n, dtype=np.uint32), np.zeros(n, dtype=np.uint16))

    @classmethod
    def concatenated(cls, parts: Sequence[AddressContext]) -> AddressContext:
        """Concatenate contexts in order."""
        empty = cls.none(0)
        return cls(
            np.concatenate([empty.operator, *(part.operator for part in parts)]),
            np.concatenate([empty.country, *(part.country for part in parts)]),
        )

    def __len__(self) -> int:
        return len(self.operator)

    def __bool__(self) -> bool:
        """Return whether an operator or country of any address is known."""
        return bool(self.operator.any() or self.country.any())

    def take(self, rows: NDArray[Any] | slice) -> AddressContext:
        """Return the context of some of the addresses: indexes, bool[n] or a slice."""
        return AddressContext(self.operator[rows], self.country[rows])

    def known(self) -> NDArray[np.bool_]:
        """Return bool[n, CONTEXT_LEVELS]: whether the operator and the country of each address are known."""
        return np.stack([self.operator, self.country.astype(np.uint32)], axis=1) > 0

    def keys(self) -> NDArray[np.uint64]:
        """Return uint64[n, CONTEXT_LEVELS]: a well mixed key of each level.

        Unknown values have keys too; :meth:`known` marks them.
        """
        values = np.stack([self.operator.astype(np.uint64), self.country.astype(np.uint64)], axis=1)
        return mix(values ^ _SALT)
