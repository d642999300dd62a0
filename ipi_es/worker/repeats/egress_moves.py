"""Recognize that a group of accounts moved to another network, which is one finding however many accounts follow. Pure.

An office gets another line, or a VPN another provider: from one bucket to the next its accounts sign in from a network
(/24 or /48) that nobody used, and nobody signs in from their former network any more. Both are needed. An attacker can
sign in from a new network with few accounts, and can't stop others from using the former one.

The first bucket of a move is reported with its full scores. Only then do its accounts, and those that follow them,
raise no alarms of their own, unless they are more severe than what was reported (:mod:`.moved_pairs`).

At night a move begins with a few accounts. These first users of an address are one finding of their bucket, that of the
address. Nothing follows from it for later buckets.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses, parse, v4_words, words
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.pair_explanation import SHARED_FROM, unlearned
from ipi_es.ipinsights.prefixes import SITE, level_keys, site_text
from ipi_es.results.reading.reported import ReportedMove
from ipi_es.scoring.probability import LN_TAKES_PART
from ipi_es.worker.scoring.scored_pairs import ScoredPairs

LEAST_USE = 0.05
"""The least share of an account's history in a network for it to be a former one of a group."""

LATELY = 7
"""The most days since an account last used a former network: one that was left earlier doesn't count again."""

LEAST_COMMON = 0.3
"""The least share of the accounts that have used a former network: two or three lines, or regions, are left at once.

Most of a company use one of ten providers' networks now and then, and in any hour some of these are empty.
"""

LEAST_SHARE = 0.8
"""The least share of the accounts new to a network that have left a common former one."""

MOST_LEFT_BEHIND = 0.05
"""The most accounts that still use a former network, as a share of those that left it, or that use the new one."""

MOST_FAILED = 0.25
"""The most accounts that only fail to sign in from a network, as a share of those that succeed: more is a spraying."""

LEAST_FIRST = 2
"""The least accounts of an address that are one finding before they are enough for a move."""


class Move(NamedTuple):
    """A group of one bucket that moved, with accounts that follow it; rows are those of its pairs."""

    network: str
    """/24 or /48, as text."""
    former: tuple[str, ...]
    """The networks that accounts left, those of the most accounts first."""
    rows: NDArray[np.intp]
    accounts: int
    left: int
    """The accounts of these that used a former network."""
    left_behind: int
    """Accounts that still use one in this bucket."""


class Groups(NamedTuple):
    """The groups of one bucket that sign in from a network that is new for them."""

    moves: list[Move]
    first_users: dict[int, NDArray[np.intp]]
    """Index of an IP → rows of its pairs of accounts that are too few for a move, but have left a common network."""


def groups_in(
    bucket: EventBucket,
    pairs: ScoredPairs,
    hashes: NDArray[np.uint64],
    history: History,
    known: Mapping[str, ReportedMove],
    compromised: Collection[str] = (),
) -> Groups:
    """Return the groups of a bucket's accounts (``hashes`` uint64[n_entities]) in networks that are new for them.

    ``known``: the moves that were reported, by network; accounts that follow them may be few. ``compromised``: networks
    that nobody moves to, because accounts were compromised from them.
    """
    succeeded = ~pairs.failures_only & ~pairs.allowed
    unusual = np.flatnonzero(succeeded & (pairs.ln_p <= LN_TAKES_PART))
    if len(unusual) < (1 if known else LEAST_FIRST):
        return Groups([], {})
    networks = _Networks(bucket, pairs, hashes, history, succeeded)
    moves: list[Move] = []
    first_users: dict[int, NDArray[np.intp]] = {}
    for site in networks.candidates(unusual, list(known)):
        arrived = networks.arrivals_in(site)
        if arrived.network in compromised:
            continue
        move = networks.move_of(arrived, known)
        if move is not None:
            moves.append(move)
        elif arrived.network not in known:
            first_users |= networks.first_users_of(arrived, known)
    return Groups(moves, first_users)


class _Arrivals(NamedTuple):
    """The successful pairs of a bucket in one network."""

    site: int
    """The network's key."""
    network: str
    """/24 or /48, as text."""
    everyone: NDArray[np.intp]
    """Rows of all of them."""
    rows: NDArray[np.intp]
    """Rows of those whose accounts are new to the network."""


@dataclass(slots=True)
class _Networks:
    """The accounts of a bucket by the networks (keys) that they sign in from."""

    bucket: EventBucket
    pairs: ScoredPairs
    hashes: NDArray[np.uint64]  # of the entities
    history: History
    succeeded: NDArray[np.bool_]  # [n_pairs], not allowed
    ip_sites: NDArray[np.uint64] = field(init=False)  # [n_ips]
    sites: NDArray[np.uint64] = field(init=False)  # [n_pairs]

    def __post_init__(self) -> None:
        self.ip_sites = _site_keys(self.bucket.addresses)
        self.sites = self.ip_sites[self.pairs.ip]

    def candidates(self, unusual: NDArray[np.intp], known: Sequence[str]) -> list[int]:
        """Return the networks of ``unusual`` rows of several accounts, or that are ``known`` as moved to."""
        numbers = np.unique(self.sites[unusual], return_inverse=True)
        pairs = np.unique(np.stack([numbers[1].ravel(), self.pairs.entity[unusual]]), axis=1)
        group = np.bincount(pairs[0], minlength=len(numbers[0])) >= LEAST_FIRST
        moved_to: list[int] = numbers[0][group | np.isin(numbers[0], _keys_of(known))].tolist()
        return moved_to

    def arrivals_in(self, site: int) -> _Arrivals:
        """Return the pairs of a network that succeed, and which of them are new to it."""
        everyone = np.flatnonzero((self.sites == site) & self.succeeded)
        rows = everyone[
            unlearned(self.history, self.hashes[self.pairs.entity[everyone]], self._addresses(everyone), SITE)
        ]
        return _Arrivals(site, site_text(bytes(self._addresses(everyone)[0])), everyone, rows)

    def move_of(self, arrived: _Arrivals, known: Mapping[str, ReportedMove]) -> Move | None:
        """Return the move to a network; None if there is none."""
        entity, rows, everyone = self.pairs.entity, arrived.rows, arrived.everyone
        accounts, earlier = np.unique(entity[rows]), known.get(arrived.network)
        new_group = len(accounts) >= SHARED_FROM and self._members(arrived.site) < SHARED_FROM
        if not len(rows) or (earlier is None and not new_group) or self._sprayed(arrived):
            return None
        users = len(np.unique(entity[everyone]))
        former = self._left(accounts, known) if earlier is None else self._left_since(accounts, users, earlier)
        former.pop(arrived.site, None)
        used = self._used_before(accounts, list(former))
        gone = used.any(axis=1)
        if earlier is None:
            if gone.sum() < max(SHARED_FROM, LEAST_SHARE * self._with_history(accounts)):
                return None
        elif not set(earlier.former) & set(former.values()):
            return None
        left = [key for key, by in zip(former, used.T, strict=True) if by.any()]
        moved = np.isin(entity[rows], accounts[gone])
        rows = rows[moved | self._followers(rows, moved, everyone)]
        if not len(rows):
            return None
        return Move(
            arrived.network,
            tuple(former[key] for key in left),
            rows,
            len(np.unique(entity[rows])),
            int(gone.sum()),
            self._accounts_at(left),
        )

    def first_users_of(self, arrived: _Arrivals, known: Mapping[str, ReportedMove]) -> dict[int, NDArray[np.intp]]:
        """Return the pairs of accounts that may be the first ones of a move, by IP; see :class:`Groups`."""
        accounts = np.unique(self.pairs.entity[arrived.rows])
        few = LEAST_FIRST <= len(accounts) < SHARED_FROM
        if not few or self._members(arrived.site) >= SHARED_FROM or self._sprayed(arrived):
            return {}
        former = self._left(accounts, known, LEAST_FIRST)
        former.pop(arrived.site, None)
        gone = self._used_before(accounts, list(former)).any(axis=1)
        if gone.sum() < max(LEAST_FIRST, LEAST_SHARE * self._with_history(accounts)):
            return {}
        rows = arrived.rows[np.isin(self.pairs.entity[arrived.rows], accounts[gone])]
        by_ip = {ip: rows[self.pairs.ip[rows] == ip] for ip in np.unique(self.pairs.ip[rows]).tolist()}
        return {ip: of_ip for ip, of_ip in by_ip.items() if len(of_ip) >= LEAST_FIRST}

    def _left(
        self, accounts: NDArray[np.int32], known: Mapping[str, ReportedMove], least: int = SHARED_FROM
    ) -> dict[int, str]:
        """Return the networks that a group of ``accounts``, at least ``least`` of them, used and left, by key.

        Where others already moved from such a network, those who sign in from their new one haven't followed the group.
        """
        return {
            key: text
            for key, (text, count) in self._shared(accounts, least).items()
            if self._accounts_at([key, *_keys_of([to for to, move in known.items() if text in move.former])])
            <= MOST_LEFT_BEHIND * count
        }

    def _left_since(self, accounts: NDArray[np.int32], users: int, earlier: ReportedMove) -> dict[int, str]:
        """Return the networks that were left, by key: those that a group of ``accounts`` used, then the known ones.

        ``users``: how many accounts use the new network in this bucket.
        """
        shared = self._shared(accounts)
        known = zip(_keys_of(earlier.former).tolist(), earlier.former, strict=True)
        shared |= {key: (text, users) for key, text in known}
        return {
            key: text for key, (text, count) in shared.items() if self._accounts_at([key]) <= MOST_LEFT_BEHIND * count
        }

    def _shared(self, accounts: NDArray[np.int32], least: int = SHARED_FROM) -> dict[int, tuple[str, int]]:
        """Return the networks that a group of ``accounts`` lately used: by key, the text and how many, most first."""
        usual, places = _usual(self.history, self.hashes[accounts])
        return _shared(usual, places, max(least, LEAST_COMMON * len(accounts)))

    def _followers(
        self, rows: NDArray[np.intp], moved: NDArray[np.bool_], everyone: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        """Return which of ``rows`` (new to the network) follow the others from the very same address, bool[len(rows)].

        They left no former network, so they must be few among those who did, or who have moved before.
        """
        ip, count = self.pairs.ip, len(self.bucket.ips)
        strangers = np.bincount(ip[rows[~moved]], minlength=count)
        users = np.bincount(ip[everyone], minlength=count)
        enough = (users - strangers >= SHARED_FROM) & (users - strangers >= LEAST_SHARE * users)
        followers: NDArray[np.bool_] = ~moved & enough[ip[rows]]
        return followers

    def _addresses(self, rows: NDArray[np.intp]) -> Addresses:
        return self.bucket.addresses[self.pairs.ip[rows]]

    def _used_before(self, accounts: NDArray[np.int32], sites: Sequence[int]) -> NDArray[np.bool_]:
        """Return which accounts used which networks before the bucket's day, bool[len(accounts), len(sites)]."""
        pairs, hashes = self.history.pairs, self.hashes[accounts]
        keys = joined(hashes[:, None], np.array(sites, dtype=np.uint64)[None, :])
        known: NDArray[np.bool_] = pairs.read_count(pairs.cells(keys)) > 0
        return known & (self.history.profiles.events_of(hashes) > 0)[:, None]

    def _accounts_at(self, sites: Sequence[int]) -> int:
        """Return how many accounts used one of some networks in this bucket: allowed or not, scored or not."""
        there = np.isin(self.ip_sites, np.array(sites, dtype=np.uint64))
        return len(np.unique(self.bucket.entity[there[self.bucket.ip]]))

    def _sprayed(self, arrived: _Arrivals) -> bool:
        """Return whether so many accounts only failed to sign in from a network that it is a spraying."""
        entity, here = self.pairs.entity, self.sites == arrived.site
        users = np.unique(entity[arrived.everyone])
        failed = np.setdiff1d(entity[here & self.pairs.failures_only], users)
        return len(failed) > max(MOST_FAILED * len(users), 1)

    def _with_history(self, accounts: NDArray[np.int32]) -> int:
        """Return how many of ``accounts`` have a history."""
        return int((self.history.profiles.events_of(self.hashes[accounts]) > 0).sum())

    def _members(self, site: int) -> float:
        """Return how many accounts used a network before, an upper bound."""
        networks = self.history.networks
        return float(networks.read_members(networks.cells(np.array([site], dtype=np.uint64)))[0])


def _site_keys(addresses: Addresses) -> NDArray[np.uint64]:
    """Return the key of each address's network, uint64[n]."""
    high, low = words(addresses)
    return level_keys(high, low, v4_words(high, low), SITE)


def _keys_of(networks: Sequence[str]) -> NDArray[np.uint64]:
    """Return the keys of networks (/24 or /48, as text), uint64[n]."""
    return _site_keys(parse([text.partition("/")[0] for text in networks])[0])


def _usual(history: History, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], Addresses]:
    """Return the keys of networks that accounts often used, and lately, uint64[n, USUAL], 0 for none.

    And an address in each, uint8[n, USUAL, 16].
    """
    profiles = history.profiles
    if not len(profiles):
        return np.zeros((len(hashes), 1), dtype=np.uint64), np.zeros((len(hashes), 1, 16), dtype=np.uint8)
    row, found = profiles.find(hashes)
    often = profiles.usual_count[row] >= LEAST_USE * profiles.weight[row][:, None]
    lately = profiles.usual_last[row] >= history.day - LATELY - history.origin + 1
    wanted = found[:, None] & often & lately
    return np.where(wanted, profiles.usual_key[row], np.uint64(0)), profiles.usual_address[row]


def _shared(usual: NDArray[np.uint64], addresses: Addresses, least: float) -> dict[int, tuple[str, int]]:
    """Return the networks that at least so many accounts use: by key, the text and their number, the most first."""
    keys, first, count = np.unique(usual, return_index=True, return_counts=True)
    kept = np.flatnonzero((keys > 0) & (count >= least))
    order = kept[np.lexsort((keys[kept], -count[kept]))]
    places = addresses.reshape(-1, 16)[first[order]]
    texts = [site_text(bytes(place)) for place in places]
    return dict(zip(keys[order].tolist(), zip(texts, count[order].tolist(), strict=True), strict=True))
