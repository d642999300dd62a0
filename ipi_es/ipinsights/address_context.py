"""What is known of addresses beside their bits: who runs the network, and in which country it is registered."""

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
"""Of made-up addresses: one that exists, but in no event (the AS number is reserved by RFC 7300)."""
_SALT = mix(np.arange(1_001, 1_001 + CONTEXT_LEVELS, dtype=np.uint64))  # far from the prefixes' salts


@dataclass(frozen=True, slots=True, eq=False)
class AddressContext:
    """Of n addresses, in the same order; 0 where it isn't known."""

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
        """Nothing is known of n addresses."""
        return cls(np.zeros(n, dtype=np.uint32), np.zeros(n, dtype=np.uint16))

    @classmethod
    def concatenated(cls, parts: Sequence[AddressContext]) -> AddressContext:
        """One after the other."""
        empty = cls.none(0)
        return cls(
            np.concatenate([empty.operator, *(part.operator for part in parts)]),
            np.concatenate([empty.country, *(part.country for part in parts)]),
        )

    def __len__(self) -> int:
        return len(self.operator)

    def __bool__(self) -> bool:
        """Whether anything is known of any address."""
        return bool(self.operator.any() or self.country.any())

    def take(self, rows: NDArray[Any] | slice) -> AddressContext:
        """Some of the addresses: indexes, bool[n] or a slice."""
        return AddressContext(self.operator[rows], self.country[rows])

    def known(self) -> NDArray[np.bool_]:
        """bool[n, CONTEXT_LEVELS]: what is known."""
        return np.stack([self.operator, self.country.astype(np.uint32)], axis=1) > 0

    def keys(self) -> NDArray[np.uint64]:
        """uint64[n, CONTEXT_LEVELS]: a well mixed key of each level; of what isn't known too, so ask :meth:`known`."""
        values = np.stack([self.operator.astype(np.uint64), self.country.astype(np.uint64)], axis=1)
        return mix(values ^ _SALT)
