"""A simulated company's sign-ins as the datafeed gives them, with others among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses, parse
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.demo.company import Simulation


class SignIn(NamedTuple):
    """One sign-in that isn't of the company's own."""

    time: int
    user: str
    ip: str
    success: bool = True


@dataclass(slots=True)
class Feed:
    """The simulation as the datafeed gives it, with the attacker's sign-ins."""

    simulation: Simulation
    added: Sequence[SignIn] = ()
    networks: None = None
    users: list[str] = field(init=False)
    ips: list[str] = field(init=False)
    addresses: Addresses = field(init=False)
    rows: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.users = list(dict.fromkeys([*self.simulation.users, *(each.user for each in self.added)]))
        self.ips = list(dict.fromkeys([*self.simulation.ips, *(each.ip for each in self.added)]))
        self.addresses = parse(self.ips)[0]
        user, ip = ({name: place for place, name in enumerate(names)} for names in (self.users, self.ips))
        rows = [(each.time, user[each.user], ip[each.ip], int(each.success)) for each in self.added]
        self.rows = np.array(rows, dtype=np.int64).reshape(-1, 4)

    def read(self, start: int, end: int, span: int) -> Iterator[EventBucket]:
        """The event buckets of [start, end), epoch seconds."""
        simulation, times = self.simulation, self.simulation.timestamp
        for begin in range(start, end, span):
            rows = slice(*np.searchsorted(times, [begin, begin + span]).tolist())
            codes = [simulation.user_code[rows], simulation.ip_code[rows], simulation.success[rows]]
            inside = (self.rows[:, 0] >= begin) & (self.rows[:, 0] < begin + span)
            both = np.concatenate([np.stack(codes, axis=1).astype(np.int64), self.rows[inside][:, 1:]])
            keys, count = np.unique(both, axis=0, return_counts=True)
            known, entity = np.unique(keys[:, 0], return_inverse=True)
            seen, ip = np.unique(keys[:, 1], return_inverse=True)
            yield EventBucket(
                start=begin,
                span=span,
                entities=[self.users[code] for code in known],
                ips=[self.ips[code] for code in seen],
                addresses=self.addresses[seen],
                outcomes=["failure", "success"],
                entity=entity.astype(np.int32),
                ip=ip.astype(np.int32),
                outcome=keys[:, 2].astype(np.int8),
                count=count.astype(np.int64),
                event_count=int(count.sum()),
            )
