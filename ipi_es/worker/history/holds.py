"""Holds: events of an entity from a network where it was very improbable aren't learned for a while.

Otherwise an attacker who signs in often enough would become usual through the attack's own events. A hold is for an
entity and the network of an address, its site (a new home with IPv6 has another address every day). It begins with a
record below ``hold_probability`` and is never extended. After it the network is learned for as long as the hold lasted:
a person who stayed becomes usual. If the network is still improbable after that, a new hold begins.

Holds are known from the records themselves (``held_until``): a run after a kill, and a later training, hold the same as
a run without a kill. A verdict *safe* ends a hold; what a verdict calls *compromised* is never learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipi_es.config.job_config import Job
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.results.reading.reported import BucketEntity, Extent, First, HeldRecord
from ipi_es.times import SECONDS
from ipi_es.worker.verdicts.known_verdicts import NO_VERDICTS, KnownVerdicts, Place, network_of


class HeldPair(NamedTuple):
    """The time [begin, until), epoch seconds, in which an (entity, IP) isn't learned."""

    begin: int
    until: int


class Hold(NamedTuple):
    """The latest hold of an entity and a network; times in epoch seconds."""

    begin: int
    until: int
    id: str
    """Id of the record that began it."""
    extent: Extent = Extent()
    """The largest extent that was reported for it."""


EVERYBODY = "*"
"""Means all entities of a bucket."""


@dataclass(slots=True)
class Holds:
    """All holds of one job. ``length`` is in seconds; with a ``probability`` of 0 nothing is held."""

    probability: float
    length: int
    verdicts: KnownVerdicts = NO_VERDICTS
    networks: dict[Place, Hold] = field(default_factory=dict)
    pairs: dict[str, dict[str, list[HeldPair]]] = field(default_factory=dict)
    """IP → entity → its holds, in order of time."""
    unlearned: dict[int, set[str]] = field(default_factory=dict)
    """A bucket's start → entities that aren't learned from it."""

    @classmethod
    def of(cls, job: Job, verdicts: KnownVerdicts = NO_VERDICTS) -> Holds:
        """Return the holds of a job without any hold yet."""
        return cls(job.hold_probability, job.hold_days * SECONDS["d"], verdicts)

    def copy(self) -> Holds:
        """Return an independent copy, so that scoring with it doesn't change these holds."""
        pairs = {ip: {entity: list(times) for entity, times in by.items()} for ip, by in self.pairs.items()}
        unlearned = {start: set(entities) for start, entities in self.unlearned.items()}
        return Holds(self.probability, self.length, self.verdicts, dict(self.networks), pairs, unlearned)

    def load(self, records: Iterable[HeldRecord], unlearned: Iterable[BucketEntity] = ()) -> None:
        """Load the holds of earlier runs, in any order."""
        if self.probability > 0.0:
            for start, entity in unlearned:
                self.unlearned.setdefault(start, set()).add(entity)
            for record in sorted(records, key=lambda row: row.time):
                place = record.entity, network_of(record.ip)
                if place not in self.verdicts.safe:
                    self._hold(place, record)

    def until(self, entity: str, ip: str, time: int) -> int | None:
        """Return until when a pair below ``probability`` at ``time`` is held, both epoch seconds; None: it is not."""
        place = entity, network_of(ip)
        if place in self.verdicts.safe:
            return None
        known = self.networks.get(place)
        until = time + self.length if known is None or time >= known.until + self.length else known.until
        return until if time < until else None

    def begin(self, record: HeldRecord) -> None:
        """Begin a hold for a pair; the caller writes its record with ``held_until``."""
        self._hold((record.entity, network_of(record.ip)), record)

    def leave_out(self, start: int, entities: Iterable[str]) -> None:
        """Learn nothing of these entities from the bucket at ``start`` (epoch seconds); its document lists them."""
        found = set(entities)
        if found:
            self.unlearned[start] = found

    def first_of(self, entity: str, ip: str, time: int) -> First | None:
        """Return the record that began the hold in force at ``time`` (epoch seconds), with its largest extent.

        None: there is no such hold, or it begins at ``time``.
        """
        known = self.networks.get((entity, network_of(ip))) if self.networks else None
        if known is None or not known.begin < time < known.until:
            return None
        return First(known.begin, known.id, known.extent)

    def of_rows(self, bucket: EventBucket, entity: NDArray[np.int32], ip: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which pairs are held or compromised, see :class:`ipi_es.datafeed.row_use.PairHolds`."""
        held = self.verdicts.of_rows(bucket, entity, ip)
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
        """Drop holds that no longer matter from ``time`` (epoch seconds) on: ended, and their learning time over."""
        self.networks = {place: hold for place, hold in self.networks.items() if time < hold.until + self.length}
        kept = (
            (ip, {entity: left for entity, times in by.items() if (left := _ending_after(times, time))})
            for ip, by in self.pairs.items()
        )
        self.pairs = {ip: by for ip, by in kept if by}
        day = time - time % SECONDS["d"]  # buckets of the current day may be gathered again
        self.unlearned = {start: names for start, names in self.unlearned.items() if start >= day}

    def _hold(self, place: Place, record: HeldRecord) -> None:
        known = self.networks.get(place)
        extent = Extent() if record.extent is None else record.extent
        new = Hold(record.time, record.until, record.id, extent)
        # of several records of the bucket that began it, the least id: reading them back then gives the same one
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
