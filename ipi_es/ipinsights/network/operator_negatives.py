"""Negatives with the operator of the real address: without them the network doesn't learn to distinguish these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.addresses import v4_words, words
from ipi_es.ipinsights.prefixes import BLOCK, level_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.address_context import AddressContext


@dataclass(frozen=True, slots=True, eq=False)
class OperatorNegatives:
    """m addresses ordered by operator; 12 bytes each."""

    order: NDArray[np.int32]  # [m] addresses
    begin: NDArray[np.int32]  # [m] for each address: where its operator's addresses begin in ``order``
    end: NDArray[np.int32]  # [m] and where they end, exclusive

    @classmethod
    def of(cls, addresses: Addresses, context: AddressContext | None) -> OperatorNegatives:
        """Order the addresses uint8[m, 16] by the operator in their ``context``, or by provider's block if unknown."""
        high, low = words(addresses)
        code = level_keys(high, low, v4_words(high, low), BLOCK)
        if context:
            code = np.where(context.operator > 0, context.keys()[:, 0], code)
        order = np.argsort(code, kind="stable")
        ranked = code[order]
        return cls(
            order.astype(np.int32),
            np.searchsorted(ranked, code).astype(np.int32),
            np.searchsorted(ranked, code, side="right").astype(np.int32),
        )

    def draw(self, address: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int32]:
        """Draw int32[n]: for each address one with the same operator, uniformly; it may be the address itself.

        This follows noise-contrastive estimation (Gutmann, Hyvärinen 2010). Without the address itself, mean AUC on
        real events was .952, with it .955 (20 shuffled negatives), and .89 and .91 among addresses of one operator.
        """
        return self.order[rng.integers(self.begin[address], self.end[address])]
