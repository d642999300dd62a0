"""Holds: what an entity does from a network where it was very improbable teaches nothing for a while.

Otherwise an attacker who signs in often enough becomes usual by his own events. A hold is of an entity and a network
(/24 or /48: a new home with IPv6 has another address every day), begins with a record below ``hold_probability`` and
never slides. After it the network may teach for as long as the hold was: a person who stayed becomes usual. What is
still improbable after that is held anew.

What is held is known from the records themselves (``held_until``): a run that was killed, and a later training, hold
what the undisturbed run held. A person ends a hold by confirming the network (`ipi-es verdict confirm`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import packed
from ipi_es.config.job import Job
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.ipinsights.prefixes import SITE, network_text
from ipi_es.times import SECONDS

Place = tuple[str, str]
"""(entity, network)."""


class Held(NamedTuple):
    """An (entity, IP) that teaches nothing in [begin, until), epoch seconds."""

    begin: int
    until: int


class Hold(NamedTuple):
    """The latest hold of an entity and a network; times in epoch seconds."""

    begin: int
    until: int
    id: str
    """Of the record that began it."""


class HeldRecord(NamedTuple):
    """What a stored record says of a hold; times in epoch seconds."""

    entity: str
    ip: str
    time: int
    until: int
    id: str


def network_of(ip: str) -> str:
    """The network that a hold of this address is of: /24, /48."""
    address = packed(ip)
    return ip if address is None else network_text(address, SITE)


@dataclass(slots=True)
class Holds:
    """All that is held of one job. ``length`` in seconds; a ``probability`` of 0 holds nothing."""

    probability: float
    length: int
    confirmed: frozenset[Place] = frozenset()
    networks: dict[Place, Hold] = field(default_factory=dict)
    pairs: dict[str, dict[str, list[Held]]] = field(default_factory=dict)
    """IP → entity → its holds, in order of time."""

    @classmethod
    def of(cls, job: Job, confirmed: Collection[Place] = ()) -> Holds:
        """Nothing held yet."""
        return cls(job.hold_probability, job.hold_days * SECONDS["d"], frozenset(confirmed))

    def copy(self) -> Holds:
        """One that can be scored with while this one stays as it is."""
        pairs = {ip: {entity: list(times) for entity, times in by.items()} for ip, by in self.pairs.items()}
        return Holds(self.probability, self.length, self.confirmed, dict(self.networks), pairs)

    def load(self, records: Iterable[HeldRecord]) -> None:
        """Take over what earlier runs held, in any order."""
        if self.probability > 0.0:
            for record in sorted(records, key=lambda row: row.time):
                place = record.entity, network_of(record.ip)
                if place not in self.confirmed:
                    self._hold(place, record)

    def begun(self, entity: str, ip: str, time: int, record_id: str) -> int | None:
        """A pair below ``probability`` was recorded for the bucket at ``time``.

        Gives until when it is held, epoch seconds; None: it is free.
        """
        place = entity, network_of(ip)
        if place in self.confirmed:
            return None
        known = self.networks.get(place)
        until = time + self.length if known is None or time >= known.until + self.length else known.until
        if time >= until:
            return None
        self._hold(place, HeldRecord(entity, ip, time, until, record_id))
        return until

    def first_of(self, entity: str, ip: str, time: int) -> str | None:
        """The id of the record that began the hold which a record at ``time`` falls in."""
        known = self.networks.get((entity, network_of(ip))) if self.networks else None
        return known.id if known is not None and known.begin < time < known.until else None

    def of_rows(self, bucket: EventBucket, entity: NDArray[np.int32], ip: NDArray[np.int32]) -> NDArray[np.bool_]:
        """bool[n]: which pairs (entity int32[n], ip int32[n], indexes into the bucket's) are held in its time."""
        held = np.zeros(len(entity), dtype=np.bool_)
        if not self.pairs:
            return held
        known = [place for place, text in enumerate(bucket.ips) if text in self.pairs]
        for row in np.flatnonzero(np.isin(ip, known)).tolist():
            times = self.pairs[bucket.ips[ip[row]]].get(bucket.entities[entity[row]], ())
            held[row] = any(begin <= bucket.start < until for begin, until in times)
        return held

    def forget_before(self, time: int) -> None:
        """Drop what neither holds at ``time`` or later nor says that a network may teach by then."""
        self.networks = {place: hold for place, hold in self.networks.items() if time < hold.until + self.length}
        kept = (
            (ip, {entity: left for entity, times in by.items() if (left := _ending_after(times, time))})
            for ip, by in self.pairs.items()
        )
        self.pairs = {ip: by for ip, by in kept if by}

    def _hold(self, place: Place, record: HeldRecord) -> None:
        known = self.networks.get(place)
        new = Hold(record.time, record.until, record.id)
        # of several records of the bucket that began it the least id: whoever reads them back takes the same
        if known is None or known.until < new.until or (known.until == new.until and new < known):
            self.networks[place] = new
        times = self.pairs.setdefault(record.ip, {}).setdefault(record.entity, [])
        if not times or times[-1].until != record.until:
            times.append(Held(record.time, record.until))


def _ending_after(times: Sequence[Held], time: int) -> list[Held]:
    return [each for each in times if each.until > time]
