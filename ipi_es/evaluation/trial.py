"""One window as input of every scorer: the rows that it may learn from, and the pairs that it scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.evaluation.earlier import Counter, EarlierCounts, Keys, State, before
from ipi_es.ipinsights.history.deltas import DAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.evaluation.evaluation_events import EvaluationEvents
    from ipi_es.evaluation.protocol import EvaluationWindow, Parts
    from ipi_es.ipinsights.address_context import AddressContext

NORMAL_ROWS = "normal"
"""The name of the normal rows among the sets of pairs to score; the others are named by kind of attack."""


@dataclass(frozen=True, slots=True, eq=False)
class TrialPairs:
    """n pairs to score."""

    entity: NDArray[np.int32]  # [n] index into the events' entities
    addresses: Addresses  # uint8[n, 16]
    time: NDArray[np.int64]  # [n] epoch seconds
    context: AddressContext | None  # of the addresses


@dataclass(frozen=True, eq=False)
class Trial:
    """A window's rows and pairs to score; ``context`` is that of the events' addresses, None where it isn't used."""

    events: EvaluationEvents
    hashes: NDArray[np.uint64]  # of events.entities
    context: AddressContext | None
    window: EvaluationWindow
    parts: Parts
    asked: Mapping[str, TrialPairs]
    """Pairs to score by name: NORMAL_ROWS, then the kinds of attack."""
    state: State

    @cached_property
    def counted(self) -> dict[str, EarlierCounts]:
        """Exact counts of events earlier than each pair to score, for the references that count."""
        rows = np.concatenate([self.parts.learnt, self.parts.test])
        keys = Keys.of(self.events.addresses, self.context).take(self.events.ip[rows])
        count = None if self.events.count is None else self.events.count[rows]
        counter = Counter(keys, self.hashes[self.events.entity[rows]], self.events.time[rows], count)
        return {
            name: counter.counted(
                Keys.of(each.addresses, each.context),
                self.hashes[each.entity],
                before(each.time, self.window.test * DAY, self.state),
            )
            for name, each in self.asked.items()
        }

    def of_day(self, day: int) -> dict[str, NDArray[np.intp]]:
        """Return the indexes of the pairs to score of one UTC day, by name."""
        return {name: np.flatnonzero(each.time // DAY == day) for name, each in self.asked.items()}
