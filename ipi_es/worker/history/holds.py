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
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import packed
from ipi_es.config.job_config import Job
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.ipinsights.prefixes import SITE, network_text
from ipi_es.results.reading.reported import BucketEntity, Extent, First, HeldRecord
from ipi_es.times import SECONDS

Place = tuple[str, str]
"""(entity, network)."""


class HeldPair(NamedTuple):
    """An (entity, IP) that teaches nothing in [begin, until), epoch seconds."""

    begin: int
    until: int


class Hold(NamedTuple):
    """The latest hold of an entity and a network; times in epoch seconds."""

    begin: int
    until: int
    id: str
    """Of the record that began it."""
    extent: Extent = Extent()
    """The most that was reported of it."""


EVERYBODY = "*"
"""Stands for all entities of a bucket."""


REMEMBERED_NETWORKS = 1 << 14
"""Addresses whose network is remembered: a flood comes from an address again and again, 10 µs each time."""


@lru_cache(maxsize=REMEMBERED_NETWORKS)
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
    pairs: dict[str, dict[str, list[HeldPair]]] = field(default_factory=dict)
    """IP → entity → its holds, in order of time."""
    unlearned: dict[int, set[str]] = field(default_factory=dict)
    """A bucket's start → entities that it teaches nothing of."""

    @classmethod
    def of(cls, job: Job, confirmed: Collection[Place] = ()) -> Holds:
        """Nothing held yet."""
        return cls(job.hold_probability, job.hold_days * SECONDS["d"], frozenset(confirmed))

    def copy(self) -> Holds:
        """One that can be scored with while this one stays as it is."""
        pairs = {ip: {entity: list(times) for entity, times in by.items()} for ip, by in self.pairs.items()}
        unlearned = {start: set(entities) for start, entities in self.unlearned.items()}
        return Holds(self.probability, self.length, self.confirmed, dict(self.networks), pairs, unlearned)

    def load(self, records: Iterable[HeldRecord], unlearned: Iterable[BucketEntity] = ()) -> None:
        """Take over what earlier runs held, in any order."""
        if self.probability > 0.0:
            for start, entity in unlearned:
                self.unlearned.setdefault(start, set()).add(entity)
            for record in sorted(records, key=lambda row: row.time):
                place = record.entity, network_of(record.ip)
                if place not in self.confirmed:
                    self._hold(place, record)

    def until(self, entity: str, ip: str, time: int) -> int | None:
        """Until when a pair below ``probability`` at ``time`` is held, both epoch seconds; None: it is free."""
        place = entity, network_of(ip)
        if place in self.confirmed:
            return None
        known = self.networks.get(place)
        until = time + self.length if known is None or time >= known.until + self.length else known.until
        return until if time < until else None

    def begin(self, record: HeldRecord) -> None:
        """Hold a pair: its record is written with ``held_until``."""
        self._hold((record.entity, network_of(record.ip)), record)

    def leave_out(self, start: int, entities: Iterable[str]) -> None:
        """Let the bucket at ``start`` teach nothing of these entities; its document says so."""
        found = set(entities)
        if found:
            self.unlearned[start] = found

    def first_of(self, entity: str, ip: str, time: int) -> First | None:
        """The record that began the hold which a record at ``time`` falls in, with the most that was reported of it."""
        known = self.networks.get((entity, network_of(ip))) if self.networks else None
        if known is None or not known.begin < time < known.until:
            return None
        return First(known.begin, known.id, known.extent)

    def of_rows(self, bucket: EventBucket, entity: NDArray[np.int32], ip: NDArray[np.int32]) -> NDArray[np.bool_]:
        """bool[n]: which pairs (entity int32[n], ip int32[n], indexes into the bucket's) are held in its time."""
        held = np.zeros(len(entity), dtype=np.bool_)
        left_out = self.unlearned.get(bucket.start)
        if left_out is not None:
            named = [place for place, name in enumerate(bucket.entities) if name in left_out or EVERYBODY in left_out]
            held |= np.isin(entity, named)
        if not self.pairs:
            return held
        known = [place for place, text in enumerate(bucket.ips) if text in self.pairs]
        for row in np.flatnonzero(np.isin(ip, known)).tolist():
            times = self.pairs[bucket.ips[ip[row]]].get(bucket.entities[entity[row]], ())
            held[row] |= any(begin <= bucket.start < until for begin, until in times)
        return held

    def forget_before(self, time: int) -> None:
        """Drop what neither holds at ``time`` or later nor says that a network may teach by then."""
        self.networks = {place: hold for place, hold in self.networks.items() if time < hold.until + self.length}
        kept = (
            (ip, {entity: left for entity, times in by.items() if (left := _ending_after(times, time))})
            for ip, by in self.pairs.items()
        )
        self.pairs = {ip: by for ip, by in kept if by}
        day = time - time % SECONDS["d"]  # of the day that is gathered, buckets may be gathered again
        self.unlearned = {start: names for start, names in self.unlearned.items() if start >= day}

    def _hold(self, place: Place, record: HeldRecord) -> None:
        known = self.networks.get(place)
        extent = Extent() if record.extent is None else record.extent
        new = Hold(record.time, record.until, record.id, extent)
        # of several records of the bucket that began it the least id: whoever reads them back takes the same
        if known is None or known.until < new.until:
            self.networks[place] = new
        elif known.until == new.until:
            first = new if (new.begin, new.id) < (known.begin, known.id) else known
            most = known.extent if record.extent is None else known.extent.widened(extent)
            self.networks[place] = first._replace(extent=most)
        times = self.pairs.setdefault(record.ip, {}).setdefault(record.entity, [])
        if not times or times[-1].until != record.until:
            times.append(HeldPair(record.time, record.until))


def _ending_after(times: Sequence[HeldPair], time: int) -> list[HeldPair]:
    return [each for each in times if each.until > time]
