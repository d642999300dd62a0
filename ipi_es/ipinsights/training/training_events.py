"""Input of a training: unique rows in time order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.ipinsights.history.deltas import DAY, DayDelta

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.address_context import AddressContext


@dataclass(frozen=True, slots=True, eq=False)
class TrainingEvents:
    """n rows (bucket, entity, address), each once, ordered by ``time``."""

    time: NDArray[np.int64]  # [n] start of the row's bucket, epoch seconds, ascending
    entities: list[str]
    entity: NDArray[np.int32]  # [n] index into entities
    addresses: Addresses  # uint8[m, 16]
    ip: NDArray[np.int32]  # [n] index into addresses
    count: NDArray[np.int64]  # [n] events, at least 1
    learns: NDArray[np.bool_]  # [n] whether the row is learned: used for history and training
    calibrates: NDArray[np.bool_]  # [n] whether production would score it: used for the calibration sample
    end: int | None = None
    """The exclusive end of the training range, epoch seconds; None: the end of the last row's day."""
    context: AddressContext | None = None
    """Operator and country of the m ``addresses``; None where the events have neither."""
    look_up: Callable[[Addresses], AddressContext] | None = None
    """Gives the context of any address, where a file of networks is available; None: guessed from ``context``."""
    failures_only: NDArray[np.bool_] | None = None
    """bool[n]: whether no sign-in of the row has an outcome that is learned; None: False for all rows."""

    def __post_init__(self) -> None:
        if len(self.time) and bool((np.diff(self.time) < 0).any()):
            raise ValueError("training rows must be in time order")

    def __len__(self) -> int:
        return len(self.time)

    @property
    def day(self) -> NDArray[np.int64]:
        """int64[n]: UTC day of each row, days since the epoch."""
        result: NDArray[np.int64] = self.time // DAY
        return result

    def delta(self, day: int, hashes: NDArray[np.uint64], rows: NDArray[Any]) -> DayDelta:
        """Return the delta of one day from its rows (indexes); ``hashes`` are those of ``entities``."""
        rows = rows[self.learns[rows]]
        ip = self.ip[rows]
        context = self.context.take(ip) if self.context else None
        return DayDelta.of(day, hashes[self.entity[rows]], self.addresses[ip], self.count[rows], context)
