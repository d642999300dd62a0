"""Sign-ins as columns while the simulation is built."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ipi_es.demo.staff import Flags, Ints, Words

KINDS = (
    "office", "home", "mobile", "vpn", "trip", "one-off", "proxy", "service", "cloud", "internet",
    "incident A", "incident B", "incident C", "incident D",
)  # fmt: skip
OFFICE, HOME, MOBILE, VPN, TRIP, ONE_OFF, PROXY, SERVICE, CLOUD, INTERNET, INCIDENT_A = range(11)
"""Origins of events: indices into KINDS. They are never written into a document."""

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@dataclass(frozen=True)
class SigninColumns:
    """Sign-ins, [n] each.

    ``time`` is in epoch milliseconds, ``user`` a code, the address as two uint64 halves, ``success``,
    ``kind`` an index into KINDS, ``host`` and ``agent`` indices into the names of names.py.
    """

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

    def take(self, rows: NDArray[np.intp] | Flags) -> SigninColumns:
        """Return the events at ``rows`` (positions or a mask)."""
        return SigninColumns(*(getattr(self, f.name)[rows] for f in fields(self)))


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
) -> SigninColumns:
    """Make events from columns; a single number applies to all rows. ``high`` is 0 (IPv4) by default."""
    n = len(time)

    def column(value: Ints | int) -> Ints:
        return np.broadcast_to(np.asarray(value, np.int64), (n,))

    return SigninColumns(
        time=np.asarray(time, np.int64),
        user=column(user),
        high=np.zeros(n, np.uint64) if high is None else high,
        low=low,
        success=np.broadcast_to(np.asarray(success, np.bool_), (n,)),
        kind=column(kind),
        host=column(host),
        agent=column(agent),
    )


def concatenate(parts: Sequence[SigninColumns]) -> SigninColumns:
    """Return all parts as one, in their order."""
    return SigninColumns(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(SigninColumns)))
