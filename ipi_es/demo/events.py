"""Sign-ins as columns while the simulation is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from ipi_es.demo.staff import Flags, Ints, Words

KINDS = (
    "office", "home", "mobile", "vpn", "trip", "one-off", "proxy", "service", "cloud", "internet",
    "incident A", "incident B", "incident C", "incident D",
)  # fmt: skip
OFFICE, HOME, MOBILE, VPN, TRIP, ONE_OFF, PROXY, SERVICE, CLOUD, INTERNET, INCIDENT_A = range(11)
"""How an event came to the company: indices into KINDS. Never written into a document."""

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@dataclass(frozen=True)
class Events:
    """[n] each: ``time`` in epoch milliseconds, ``user`` a code, the address as two uint64 halves, ``success``,
    ``kind`` an index into KINDS, ``host`` and ``agent`` indices into the names of names.py."""

    time: Ints
    user: Ints
    high: Words
    low: Words
    success: Flags
    kind: Ints
    host: Ints
    agent: Ints

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: NDArray[np.intp] | Flags) -> Events:
        """The events at ``rows`` (positions or a mask)."""
        return Events(*(getattr(self, f.name)[rows] for f in fields(self)))

    def but(self, **columns: Ints | Flags | Words) -> Events:
        """The same events with some columns replaced."""
        return replace(self, **columns)


def events(
    time: Ints,
    user: Ints | int,
    low: Words,
    *,
    high: Words | None = None,
    success: Flags | bool = True,
    kind: Ints | int,
    host: Ints | int,
    agent: Ints | int,
) -> Events:
    """Events from columns; a single number is meant for all rows, ``high`` is 0 (IPv4) where it isn't given."""
    n = len(time)

    def column(value: Ints | Flags | int, dtype: type) -> NDArray[np.generic]:
        return np.broadcast_to(np.asarray(value, dtype=dtype), (n,))

    return Events(
        np.asarray(time, np.int64),
        column(user, np.int64),
        np.zeros(n, np.uint64) if high is None else high,
        low,
        column(success, np.bool_),
        column(kind, np.int64),
        column(host, np.int64),
        column(agent, np.int64),
    )  # type: ignore[arg-type]


def concatenate(parts: Sequence[Events]) -> Events:
    """All parts, one after the other."""
    return Events(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Events)))
