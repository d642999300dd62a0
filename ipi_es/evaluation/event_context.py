"""Operators and countries of addresses where the events have them: of observed addresses, and of those of attacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.combiner.guessed_context import GuessedContext
from ipi_es.ipinsights.key_index import found_in
from ipi_es.ipinsights.prefixes import address_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.evaluation.evaluation_events import EvaluationEvents
    from ipi_es.evaluation.product import LookUp

_SEED = 0
"""Seed of the guesses, so that a repeated run has the same ones."""


@dataclass(frozen=True, slots=True, eq=False)
class EventContext:
    """Context of the m observed addresses, in the order of their keys."""

    keys: NDArray[np.uint64]  # [m] ascending
    context: AddressContext
    guessed: GuessedContext

    def look_up(self, addresses: Addresses) -> AddressContext:
        """Return the context of addresses uint8[n, 16]: the observed one, else a guess from the nearest observed ones.

        An attack's address must not be recognizable by its missing operator: a real one would have an operator too.
        """
        result = self.guessed.guess(addresses, np.random.default_rng(_SEED))
        position, found = found_in(self.keys, address_keys(addresses))
        observed = self.context.take(position)
        result.operator[found], result.country[found] = observed.operator[found], observed.country[found]
        return result


def context_of(events: EvaluationEvents, files: LookUp | None) -> LookUp | None:
    """Return what gives the context of any address: the files of networks, and where they have none, the events.

    None where neither has operators or countries.
    """
    if not events.context:
        return files
    context = AddressContext(events.context.operator.copy(), events.context.country.copy())
    if files is not None:
        known = files(events.addresses)
        np.copyto(context.operator, known.operator, where=known.operator > 0)
        np.copyto(context.country, known.country, where=known.country > 0)
    keys = address_keys(events.addresses)
    order = np.argsort(keys, kind="stable")
    guessed = GuessedContext.of_addresses(events.addresses, context, files)
    return EventContext(keys[order], context.take(order), guessed).look_up
