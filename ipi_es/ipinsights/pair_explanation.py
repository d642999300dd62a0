"""Explanations why a pair is compatible or not, in the user's terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ipi_es.addresses import canonical
from ipi_es.ipinsights.address_context import CONTEXT_LEVELS, CONTEXT_NAMES, AddressContext
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.prefixes import ADDRESS, SITE, prefix_keys, shared_bits, site_text
from ipi_es.networks.network_values import country_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.history.history import History
    from ipi_es.ipinsights.scorer import Scorer

OPERATOR = CONTEXT_NAMES.index("operator")

SHARED_FROM = 7
"""Accounts from which on an address or a network is shared by a group: more than the three that an attacker is assumed
to control and three others that a spraying gets into (docs/adversary.md)."""

_BLOCK_PAIRS = 1 << 14
"""Pairs that are looked up at a time: some 10 MB."""

_REMEMBERED_PAIRS = 10_000
"""Cached explanations, about 20 MB."""


@dataclass(frozen=True, slots=True)
class UsualNetwork:
    """A site (/24, /48) that the entity uses."""

    network: str  # CIDR: /24 or /48
    address: str  # the last address seen there
    weight: float  # decayed days; a day with many events counts up to 8
    share: float  # of the entity's whole weight, 0 to 1
    last_day: int  # days since the epoch
    operator: int = 0  # number of the autonomous system; 0 = unknown
    country: str | None = None


@dataclass(frozen=True)
class PairExplanation:
    """Facts from history about one (entity, address) pair before ``History.day``."""

    entity: str
    address: str
    network: str
    """The address's site, /24 or /48."""
    entity_seen: bool
    prior_events: float
    first_occurrence: bool
    """Whether history has no use of this address by the entity. Uses that are held, allowed or not yet learned are not
    in history."""
    network_first_occurrence: bool
    """The same for this site."""
    relative_rarity: float
    """1 minus this site's share of the entity's weight: 1 = never used, 0 = no other site used."""
    usual: tuple[UsualNetwork, ...]
    """Heaviest first, at most eight."""
    shared_prefix_length: int
    """Bits of the longest prefix shared with an address of the usual networks; 0 = none shared, or another family."""
    shared_prefix_with: str | None
    network_new_to_everybody: bool
    entities_on_network: int
    """Distinct entities ever seen on the site (an upper bound)."""
    entities_on_address: int
    """Distinct entities ever seen at the address (an upper bound)."""
    compatibility: float
    typical_compatibility: float | None
    """The median over the addresses of the usual networks; None for an entity without usual networks."""
    operator: int = 0
    """Number of the autonomous system; 0 = unknown."""
    country: str | None = None
    operator_first_occurrence: bool | None = None
    """The same for this operator; None where the address's operator, or every operator of the entity, is unknown."""
    country_first_occurrence: bool | None = None
    operator_new_to_everybody: bool = False
    """Whether history has no use of this operator by any entity; False where that isn't known."""

    @cached_property
    def typical(self) -> tuple[tuple[str, int, float], ...]:
        """The usual networks, each with its rounded weight and its share, 0 to 1."""
        return tuple((usual.network, round(usual.weight), usual.share) for usual in self.usual)


def explain(scorer: Scorer, entity: str, address: bytes, context: AddressContext | None = None) -> PairExplanation:
    """Explain one pair; ``address`` is 16 bytes in network order (IPv4 mapped), ``context`` is the address's."""
    return explain_all(scorer, [entity], np.frombuffer(address, dtype=np.uint8).reshape(1, 16), context)[0]


def explain_all(
    scorer: Scorer, entities: Sequence[str], addresses: Addresses, context: AddressContext | None = None
) -> list[PairExplanation]:
    """Explain n pairs (entities[i], addresses[i]), addresses uint8[n, 16]: as :func:`explain` for each, but faster."""
    context = AddressContext.none(len(addresses)) if context is None else context
    history = scorer.history
    hashes = entity_hashes(entities)
    prior = history.profiles.events_of(hashes)
    keys = prefix_keys(addresses)
    pair = np.minimum.accumulate(history.pairs.read_count(history.pairs.cells(joined(hashes[:, None], keys))), axis=1)
    pair[prior == 0] = 0
    members = np.minimum.accumulate(history.networks.read_members(history.networks.cells(keys)), axis=1)
    usual, totals = _usual(history, hashes)
    compatibility, typical = _compatibility(scorer, hashes, addresses, context, usual)
    new_operator, new_country = _first_of_context(history, hashes, prior == 0, context)
    unused = history.networks.read_members(history.networks.cells(context.keys()))[:, OPERATOR] == 0
    unused &= history.profiles.context_rows[:, OPERATOR].any()  # else of no operator is it known who used it
    found = []
    for i, address in enumerate(map(bytes, addresses)):
        blobs = [blob for _, blob, _, _ in usual[i]]
        shared, with_whom = max(((shared_bits(address, blob), blob) for blob in blobs), default=(0, None))
        share = min(float(pair[i, SITE]) * history.scale() / totals[i], 1.0) if totals[i] else 0.0
        found.append(
            PairExplanation(
                entity=entities[i],
                address=canonical(address),
                network=site_text(address),
                entity_seen=bool(prior[i] > 0),
                prior_events=float(prior[i]),
                first_occurrence=bool(pair[i, ADDRESS] == 0),
                network_first_occurrence=bool(pair[i, SITE] == 0),
                relative_rarity=1.0 - share,
                usual=tuple(network for network, _, _, _ in usual[i]),
                shared_prefix_length=shared,
                shared_prefix_with=canonical(with_whom) if with_whom is not None and shared else None,
                network_new_to_everybody=bool(members[i, SITE] == 0),
                entities_on_network=int(members[i, SITE]),
                entities_on_address=int(members[i, ADDRESS]),
                compatibility=compatibility[i],
                typical_compatibility=typical[i],
                operator=int(context.operator[i]),
                country=country_text(int(context.country[i])),
                operator_first_occurrence=new_operator[i],
                country_first_occurrence=new_country[i],
                operator_new_to_everybody=new_operator[i] is True and bool(unused[i]),
            )
        )
    return found


def usual_networks(history: History, entity: str) -> tuple[UsualNetwork, ...]:
    """Return the networks that an entity usually comes from, the heaviest first."""
    return tuple(network for network, _, _, _ in _usual(history, entity_hashes([entity]))[0][0])


def unlearned(
    history: History, hashes: NDArray[np.uint64], addresses: Addresses, slot: int = ADDRESS
) -> NDArray[np.bool_]:
    """Return bool[n]: whether history has no use of addresses[i] (uint8[n, 16]) by the entity of hashes[i].

    ``slot``: or of its network at a slot of :mod:`ipi_es.ipinsights.prefixes`. Being a sketch, history has a few pairs
    that were never added; of an entity without events it has none.
    """
    never: NDArray[np.bool_] = history.profiles.events_of(hashes) == 0
    for begin in range(0, len(hashes), _BLOCK_PAIRS):
        part = slice(begin, begin + _BLOCK_PAIRS)
        cells = history.pairs.cells(joined(hashes[part, None], prefix_keys(addresses[part])[:, : slot + 1]))
        never[part] |= history.pairs.read_count(cells).min(axis=1, initial=np.inf) == 0
    return never


class Explainer:
    """Explains pairs, each once per day of the scorer's history: anomalies last for hours, so results are cached."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer, self._day = scorer, scorer.history.day
        self._known: dict[tuple[str, bytes, int, int], PairExplanation] = {}

    @property
    def history(self) -> History:
        """The history that explanations are read from."""
        return self._scorer.history

    def explain_all(
        self, entities: Sequence[str], addresses: Addresses, context: AddressContext | None = None
    ) -> list[PairExplanation]:
        """Explain pairs as the function :func:`explain_all` does, from the cache where possible."""
        context = AddressContext.none(len(addresses)) if context is None else context
        if self._scorer.history.day != self._day or len(self._known) > _REMEMBERED_PAIRS:
            self._known, self._day = {}, self._scorer.history.day
        known = (context.operator.tolist(), context.country.tolist())
        pairs = list(zip(entities, map(bytes, addresses), *known, strict=True))
        new = [i for i, pair in enumerate(pairs) if pair not in self._known]
        if new:
            found = explain_all(self._scorer, [entities[i] for i in new], addresses[new], context.take(np.array(new)))
            self._known.update(zip([pairs[i] for i in new], found, strict=True))
        return [self._known[pair] for pair in pairs]


def _first_of_context(
    history: History, hashes: NDArray[np.uint64], unseen: NDArray[np.bool_], context: AddressContext
) -> tuple[list[bool | None], list[bool | None]]:
    """Return whether each entity uses the operator, and the country, for the first time; None where unknown."""
    keys, known = context.keys(), context.known()
    never = history.pairs.read_count(history.pairs.cells(joined(hashes[:, None], keys))) == 0
    row, found = history.profiles.find(hashes)
    if len(history.profiles):
        known &= (history.profiles.context_rows[row] > 0) | ~found[:, None]
    never |= unseen[:, None]
    operator, country = (
        [bool(new) if is_known else None for new, is_known in zip(never[:, level], known[:, level], strict=True)]
        for level in range(CONTEXT_LEVELS)
    )
    return operator, country


_Usual: TypeAlias = list[tuple[UsualNetwork, bytes, int, int]]
"""An entity's usual networks, heaviest first, each with its address, operator and country."""


def _usual(history: History, hashes: NDArray[np.uint64]) -> tuple[list[_Usual], list[float]]:
    """Return the usual networks of entities uint64[n], and their total decayed weight; 0 without history."""
    usual: list[_Usual] = [[] for _ in hashes]
    totals = [0.0] * len(hashes)
    table, scale = history.profiles, history.scale()
    row, found = table.find(hashes)
    known = np.flatnonzero(found)
    at = row[known]
    heaviest = np.argsort(-table.usual_count[at], axis=1, kind="stable")
    columns = (
        np.take_along_axis(column[at], heaviest, axis=1).tolist()
        for column in (table.usual_key, table.usual_count, table.usual_last, table.usual_operator, table.usual_country)
    )
    places = np.take_along_axis(table.usual_address[at], heaviest[:, :, None], axis=1)
    rows = zip(known.tolist(), table.weight[at].tolist(), *columns, places, strict=True)
    for i, whole, keys, counts, lasts, operators, countries, blobs in rows:
        total = totals[i] = whole * scale
        each = zip(keys, counts, lasts, operators, countries, blobs, strict=True)
        for key, count, last, operator, country, place in each:
            if key:
                blob, weight = place.tobytes(), count * scale
                network = UsualNetwork(
                    network=site_text(blob),
                    address=canonical(blob),
                    weight=weight,
                    share=min(weight / total, 1.0) if total else 0.0,
                    last_day=last - 1 + history.origin,
                    operator=operator,
                    country=country_text(country),
                )
                usual[i].append((network, blob, operator, country))
    return usual, totals


def _compatibility(
    scorer: Scorer, hashes: NDArray[np.uint64], addresses: Addresses, context: AddressContext, usual: list[_Usual]
) -> tuple[list[float], list[float | None]]:
    """Return each pair's compatibility, and the median compatibility of its entity's usual addresses.

    All pairs are scored in one call. The median is None for an entity without usual networks.
    """
    sizes = [len(each) for each in usual]
    blobs = b"".join(blob for each in usual for _, blob, _, _ in each)
    theirs = AddressContext(
        np.array([operator for each in usual for _, _, operator, _ in each], dtype=np.uint32),
        np.array([country for each in usual for _, _, _, country in each], dtype=np.uint16),
    )
    places = np.concatenate([addresses, np.frombuffer(blobs, dtype=np.uint8).reshape(-1, 16)])
    whose = np.arange(len(hashes), dtype=np.int32)
    entity = np.concatenate([whose, np.repeat(whose, sizes)])
    everywhere = AddressContext.concatenated([context, theirs])
    each = np.arange(len(places), dtype=np.int32)
    log_odds = scorer.score_hashed(hashes, places, entity, each, everywhere).log_odds.tolist()
    own, others = log_odds[: len(hashes)], iter(log_odds[len(hashes) :])
    return own, [median(islice(others, size)) if size else None for size in sizes]
