"""Pairs endangered by a compromised account: another account was taken over from their address or near it.

The arithmetic is that of :func:`ipi_es.scoring.probability.endangered`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import parse
from ipi_es.config.allow_list import Matchable
from ipi_es.config.given_verdict import COMPROMISED, Verdict
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.pair_explanation import unlearned
from ipi_es.ipinsights.prefixes import ADDRESS, SITE, prefix_keys
from ipi_es.scoring.array_checks import F64
from ipi_es.scoring.probability import ADDRESS_FACTOR, NETWORK_FACTOR, OPERATOR_FACTOR
from ipi_es.worker.verdicts.known_verdicts import KnownVerdicts, network_of


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


_Greatest: TypeAlias = dict[int, list[CompromisedSource]]
"""Key of an address or a network, or AS number → its greatest sources."""


def endangering_sources(
    verdicts: KnownVerdicts, names: Matchable, entity: NDArray[np.int32], ip: NDArray[np.int32]
) -> dict[int, CompromisedSource]:
    """Return the source that endangers a pair most, by its row; rows without one are left out.

    ``entity`` int32[n] and ``ip`` int32[n] are indexes into the entities and addresses of ``names``. An account
    endangers others, in buckets that start after the verdict was given.
    """
    time = names.time or 0
    sources = [
        each
        for each in verdicts.verdicts
        if each.verdict == COMPROMISED and each.time <= time < each.time + verdicts.endangers_for
    ]
    if not sources:
        return {}
    by_ip: dict[int, list[CompromisedSource]] = {}
    for place, source in _common(sources, names):
        by_ip.setdefault(place, []).append(source)
    found = {}
    for row in np.flatnonzero(np.isin(ip, list(by_ip))).tolist():
        name = names.entities[entity[row]]
        others = [each for each in by_ip[int(ip[row])] if each.entity != name]
        if others:
            found[row] = max(others)
    return found


def with_new_networks(
    found: dict[int, CompromisedSource],
    history: History,
    names: Matchable,
    entity: NDArray[np.int32],
    ip: NDArray[np.int32],
) -> dict[int, CompromisedSource]:
    """Return the sources of those pairs whose network the history doesn't know of their entity.

    An address that many share, such as a company's gateway, endangers nobody who has always used it.
    """
    rows = np.array(list(found), dtype=np.int64)
    hashes = entity_hashes([names.entities[each] for each in entity[rows].tolist()])
    new = unlearned(history, hashes, names.addresses[ip[rows]], SITE)
    return {row: source for (row, source), each in zip(found.items(), new.tolist(), strict=True) if each}


def factors(found: dict[int, CompromisedSource], n: int) -> F64:
    """Return the factors of ln p, float64[n]: 1 where no source was found."""
    result = np.ones(n)
    for row, source in found.items():
        result[row] = source.factor
    return result


def _common(sources: list[Verdict], names: Matchable) -> Iterator[tuple[int, CompromisedSource]]:
    """Yield (index of an IP, source) for IPs that have their address, network or operator in common with some.

    Of each address, network and operator only the two greatest sources of different accounts: one of them is another
    account's, whoever signs in.
    """
    ours, theirs = prefix_keys(names.addresses), prefix_keys(parse([each.ip for each in sources])[0])
    addresses: _Greatest = {}
    networks: _Greatest = {}
    operators: _Greatest = {}
    for each, keys in zip(sources, theirs.tolist(), strict=True):
        _add(addresses, keys[ADDRESS], CompromisedSource(ADDRESS_FACTOR, each.time, each.entity, each.ip))
        _add(networks, keys[SITE], CompromisedSource(NETWORK_FACTOR, each.time, each.entity, network_of(each.ip)))
        if each.operator is not None:
            text = f"AS{each.operator}"
            _add(operators, each.operator, CompromisedSource(OPERATOR_FACTOR, each.time, each.entity, text))
    kinds: list[tuple[_Greatest, NDArray[np.unsignedinteger[Any]]]]
    kinds = [(addresses, ours[:, ADDRESS]), (networks, ours[:, SITE])]
    if operators and names.operator is not None:
        kinds.append((operators, names.operator))
    for greatest, values in kinds:
        for place in np.flatnonzero(np.isin(values, np.array(list(greatest), dtype=values.dtype))).tolist():
            for source in greatest[int(values[place])]:
                yield place, source


def _add(greatest: _Greatest, key: int, source: CompromisedSource) -> None:
    """Keep a source if it is one of the two greatest of different accounts."""
    of_account = {each.entity: each for each in sorted([*greatest.get(key, ()), source])}
    greatest[key] = sorted(of_account.values())[-2:]
