"""The verdicts in force on a job's findings, and what follows from them for learning.

Of several verdicts on one entity and network the strongest counts (compromised, then safe, then dismissed), so their
order doesn't matter. A revoked verdict has no effect, as if it had never been given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import canonical, packed
from ipi_es.config.given_verdict import CLOSING, COMPROMISED, SAFE, VERDICTS, Verdict, VerdictWord
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import Matchable
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.ipinsights.prefixes import site_text
from ipi_es.times import SECONDS, day_of
from ipi_es.worker.verdicts.endangered_pairs import CompromisedSource, CompromisedSources

Place = tuple[str, str]
"""(entity, network)."""

CLOCKS_APART = 300
"""Seconds by which the time of a verdict may be ahead of the worker's clock."""

REMEMBERED_NETWORKS = 1 << 14
"""Addresses whose network is cached: a flood repeats an address many times, and each time would take 10 µs."""


@lru_cache(maxsize=REMEMBERED_NETWORKS)
def network_of(ip: str) -> str:
    """Return the network of an address that a verdict and a hold apply to: its site."""
    address = packed(ip)
    return ip if address is None else site_text(address)


@dataclass(frozen=True, slots=True)
class KnownVerdicts:
    """The verdicts in force on one job's findings; entities and addresses are spelled as in the job's results."""

    verdicts: tuple[Verdict, ...] = ()
    endangers_for: int = 0
    """Seconds for which a compromised account endangers others; 0: not at all."""
    bucket_span: int = 0
    """Seconds of an event bucket: a verdict is about buckets that had ended when it was given."""
    by_place: dict[Place, tuple[Verdict, ...]] = field(init=False, compare=False, repr=False)
    safe: frozenset[Place] = field(init=False, compare=False, repr=False)
    """Places of which the strongest verdict is *safe*."""
    compromised: dict[str, dict[str, int]] = field(init=False, compare=False, repr=False)
    """Entity → network → from when on it is compromised, epoch seconds."""
    safe_on: dict[int, set[tuple[str, str]]] = field(init=False, compare=False, repr=False)
    """UTC day since the epoch → the (entity, IP) pairs that were called safe on it."""
    sources: CompromisedSources = field(init=False, compare=False, repr=False)
    given_on: dict[str, VerdictWord] = field(init=False, compare=False, repr=False)
    """Id of a result → the strongest verdict that was given on it."""

    def __post_init__(self) -> None:
        by_place: dict[Place, tuple[Verdict, ...]] = {}
        for each in self.verdicts:
            place = each.entity, network_of(each.ip)
            by_place[place] = (*by_place.get(place, ()), each)
        compromised: dict[str, dict[str, int]] = {}
        for (entity, network), found in by_place.items():
            attacks = [each.since for each in found if each.verdict == COMPROMISED]
            if attacks:
                compromised.setdefault(entity, {})[network] = min(attacks)
        object.__setattr__(self, "by_place", by_place)
        object.__setattr__(
            self, "safe", frozenset(place for place, found in by_place.items() if strongest(found) == SAFE)
        )
        object.__setattr__(self, "compromised", compromised)
        safe_on: dict[int, set[tuple[str, str]]] = {}
        for each in self.verdicts:
            if each.verdict == SAFE and (each.entity, network_of(each.ip)) in self.safe:
                safe_on.setdefault(day_of(each.time), set()).add((each.entity, each.ip))
        object.__setattr__(self, "safe_on", safe_on)
        object.__setattr__(self, "sources", CompromisedSources.of(self.verdicts))
        on_result: dict[str, list[Verdict]] = {}
        for each in self.verdicts:
            if each.result is not None:
                on_result.setdefault(each.result, []).append(each)
        given_on = {place: word for place, found in on_result.items() if (word := strongest(found)) is not None}
        object.__setattr__(self, "given_on", given_on)

    @classmethod
    def of(cls, job: Job, given: Iterable[Verdict], latest: int) -> KnownVerdicts:
        """Return those in force of all verdicts that were given on a job's findings.

        A verdict of a time after ``latest`` (epoch seconds) has no effect yet.
        """
        spelled = cls.spelled(job, (each for each in given if each.in_force and each.time <= latest))
        return cls(tuple(spelled), job.compromised_days * SECONDS["d"], job.bucket_span)

    @staticmethod
    def spelled(job: Job, given: Iterable[Verdict]) -> list[Verdict]:
        """Return verdicts with entities and addresses as the job's results spell them."""
        read = [(each, packed(each.ip, job.datafeed_config.translators)) for each in given]
        return [
            replace(each, entity=job.stored_entity(each.entity), ip=canonical(address))
            for each, address in read
            if address is not None
        ]

    @property
    def compromised_networks(self) -> frozenset[str]:
        """The networks (/24, /48) from which any account was compromised."""
        return frozenset(network for networks in self.compromised.values() for network in networks)

    def mark(self, entity: str, ip: str, start: int) -> VerdictWord | None:
        """Return the verdict on a record of the bucket at ``start``, epoch seconds; None: there is none.

        A bucket that was in progress when a verdict was given may hold what was done later: it isn't closed, unless the
        verdict begins with it.
        Once an account is compromised from a network, nothing that it does there is closed.
        """
        if not self.verdicts:
            return None
        network = network_of(ip)
        found = self.by_place.get((entity, network), ())
        word = strongest(each for each in found if self._is_about(each, start))
        since = self.compromised.get(entity, {}).get(network)
        return None if word in CLOSING and since is not None and since <= start else word

    def _is_about(self, verdict: Verdict, start: int) -> bool:
        if not verdict.since <= start <= verdict.time:
            return False
        ended = start + self.bucket_span <= verdict.time
        return ended or start == verdict.since or verdict.verdict == COMPROMISED

    def endangering(
        self, names: Matchable, entity: NDArray[np.int32], ip: NDArray[np.int32]
    ) -> dict[int, CompromisedSource]:
        """Return the compromised account near a pair, by its row, see :meth:`CompromisedSources.near`."""
        return self.sources.near(names, entity, ip, self.endangers_for)

    def taught(self, day: int) -> list[tuple[str, str]]:
        """Return the (entity, IP) pairs that were called safe on a UTC day (since the epoch), sorted."""
        return sorted(self.safe_on.get(day, ()))

    def of_rows(self, bucket: EventBucket, entity: NDArray[np.int32], ip: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which pairs are compromised at the bucket's time, and so never learned, bool[n].

        ``entity`` int32[n] and ``ip`` int32[n] are indexes into the bucket's entities and IPs.
        """
        found = np.zeros(len(entity), dtype=np.bool_)
        if not self.compromised:
            return found
        named = [place for place, name in enumerate(bucket.entities) if name in self.compromised]
        for row in np.flatnonzero(np.isin(entity, named)).tolist():
            networks = self.compromised[bucket.entities[entity[row]]]
            since = networks.get(network_of(bucket.ips[ip[row]]))
            found[row] = since is not None and since <= bucket.start
        return found


NO_VERDICTS = KnownVerdicts()


def strongest(verdicts: Iterable[Verdict]) -> VerdictWord | None:
    """Return the strongest word of some verdicts; None: there are none."""
    words = {each.verdict for each in verdicts}
    return next((word for word in VERDICTS if word in words), None)
