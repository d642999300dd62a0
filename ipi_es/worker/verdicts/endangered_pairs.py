"""Pairs endangered by a compromised account: another account was taken over from their address or near it.

The arithmetic is that of :func:`ipi_es.scoring.probability.endangered`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import parse, v4_words, words
from ipi_es.config.given_verdict import COMPROMISED, Verdict
from ipi_es.config.rules.allow_list import Matchable
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.pair_explanation import SHARED_FROM, unlearned
from ipi_es.ipinsights.prefixes import ADDRESS, SITE, address_keys, level_keys, prefix_keys, site_text
from ipi_es.scoring.array_checks import F64
from ipi_es.scoring.probability import ADDRESS_FACTOR, NETWORK_FACTOR, OPERATOR_FACTOR


@dataclass(frozen=True, slots=True, order=True)
class CompromisedSource:
    """What a pair's address has in common with that of a compromised account."""

    factor: float
    """Factor of ln p."""
    time: int
    """When the verdict was given, epoch seconds."""
    entity: str
    """The compromised account."""
    text: str
    """The common address, network or operator."""


_ByKey: TypeAlias = dict[int, list[CompromisedSource]]
"""Key of an address or a network, or AS number → its sources, the latest first."""


@dataclass(frozen=True, slots=True)
class CompromisedSources:
    """All sources of a job's verdicts, to be looked up by the addresses of an event bucket."""

    addresses: _ByKey = field(default_factory=dict)
    networks: _ByKey = field(default_factory=dict)
    operators: _ByKey = field(default_factory=dict)
    sites: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64), compare=False)
    """uint64[n]: the keys of ``networks``, in ascending order."""

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> CompromisedSources:
        """Collect the sources of verdicts; those that say something else than *compromised* have none."""
        given = sorted((each for each in verdicts if each.verdict == COMPROMISED), key=lambda each: -each.time)
        found, addresses = cls(), parse([each.ip for each in given])[0]
        for each, address, keys in zip(given, addresses, prefix_keys(addresses).tolist(), strict=True):
            for by_key, key, factor, text in (
                (found.addresses, keys[ADDRESS], ADDRESS_FACTOR, each.ip),
                (found.networks, keys[SITE], NETWORK_FACTOR, site_text(address.tobytes())),
                (found.operators, each.operator, OPERATOR_FACTOR, f"AS{each.operator}"),
            ):
                if key is not None:
                    source = CompromisedSource(factor, each.time, each.entity, text)
                    by_key.setdefault(key, []).append(source)
        return replace(found, sites=np.array(sorted(found.networks), dtype=np.uint64))

    def near(
        self, names: Matchable, entity: NDArray[np.int32], ip: NDArray[np.int32], length: int
    ) -> dict[int, CompromisedSource]:
        """Return the source that endangers a pair most, by its row; rows without one are left out.

        ``entity`` int32[n] and ``ip`` int32[n] are indexes into the entities and addresses of ``names``. An account
        endangers others, in buckets that start within ``length`` seconds after the verdict was given.
        """
        if not self.addresses or not length:
            return {}
        by_ip: dict[int, list[CompromisedSource]] = {}
        for place, source in self._common(names, length):
            by_ip.setdefault(place, []).append(source)
        found = {}
        for row in np.flatnonzero(np.isin(ip, list(by_ip))).tolist():
            name = names.entities[entity[row]]
            others = [each for each in by_ip[int(ip[row])] if each.entity != name]
            if others:
                found[row] = max(others)
        return found

    def _common(self, names: Matchable, length: int) -> Iterator[tuple[int, CompromisedSource]]:
        """Yield (index of an IP, source) for IPs that have their address, network or operator in common with some."""
        time = names.time or 0
        high, low = words(names.addresses)
        sites = level_keys(high, low, v4_words(high, low), SITE)
        near = np.flatnonzero(np.isin(sites, self.sites))
        for place, address in zip(near.tolist(), address_keys(names.addresses[near]).tolist(), strict=True):
            for found in (self.addresses.get(address, ()), self.networks[int(sites[place])]):
                for source in _two_accounts(found, time - length, time):
                    yield place, source
        if self.operators and names.operator is not None:
            for place in np.flatnonzero(np.isin(names.operator, list(self.operators))).tolist():
                for source in _two_accounts(self.operators[int(names.operator[place])], time - length, time):
                    yield place, source


def with_new_networks(
    found: dict[int, CompromisedSource],
    history: History,
    names: Matchable,
    entity: NDArray[np.int32],
    ip: NDArray[np.int32],
) -> dict[int, CompromisedSource]:
    """Return the sources of those pairs whose network the history doesn't know of their entity, nor of many others.

    An address that many share, such as a company's gateway or a carrier's, endangers nobody: not those who have always
    used it, and not a colleague who comes later. What counts is how many share the address, or for an address near it
    its network.
    """
    rows = np.array(list(found), dtype=np.int64)
    addresses = names.addresses[ip[rows]]
    new = unlearned(history, entity_hashes([names.entities[each] for each in entity[rows].tolist()]), addresses, SITE)
    slot = np.where([source.factor == ADDRESS_FACTOR for source in found.values()], ADDRESS, SITE)
    keys = np.take_along_axis(prefix_keys(addresses), slot[:, None], axis=1)[:, 0]
    new &= history.networks.read_members(history.networks.cells(keys)) < SHARED_FROM
    return {row: source for (row, source), each in zip(found.items(), new.tolist(), strict=True) if each}


def factors(found: dict[int, CompromisedSource], n: int) -> F64:
    """Return the factors of ln p, float64[n]: 1 where no source was found."""
    result = np.ones(n)
    for row, source in found.items():
        result[row] = source.factor
    return result


def _two_accounts(sources: Sequence[CompromisedSource], after: int, until: int) -> list[CompromisedSource]:
    """Return the latest sources in (after, until] of two accounts: one of them is another's, whoever signs in."""
    found: list[CompromisedSource] = []
    for each in sources:
        if each.time <= after or len(found) > 1:
            break
        if each.time <= until and each.entity not in {other.entity for other in found}:
            found.append(each)
    return found
