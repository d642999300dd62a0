"""Limit guesses at passwords, of the login and of the Authorization header alike.

Attempts are counted for each user name that is claimed, in each group of addresses; so those of one user name don't
lock out others behind the same proxy. Who has many addresses is limited by the wider networks that contain them, except
where the user has logged in before. Distinct wrong credentials count: a program that repeats an old
password guesses nothing. An attempt counts as failed until the cluster has answered, so parallel ones pass no limit.

A browser's session is found by its cookie and never counted. A header that comes with each request can't be told from a
guess: credentials that were verified go on from where they were used, while others of the user are refused, up to a
limit.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from ipi_es.errors import AuthenticationFailed, RequestInvalid
from ipi_es.serve.callers.wrong_credentials import WITHIN, Key, WrongCredentials
from ipi_es.times import SECONDS

MOST_TRIED = 5
"""Wrong credentials of one user name in a group of addresses that reach the cluster; further ones are refused."""

MANY_IN_GROUP, MOST_TRIED_AMONG_MANY = 30, 2
"""Wrong credentials of all user names in a group, from which on each name has fewer: one password may be tried on one
name after the other there. An office behind one address mistypes less often."""

MOST_GUESSED = 100
"""Refused credentials of one user name in a group, from which on those that were verified are refused as well: each
could be a guess that hits. NIST SP 800-63B, 5.2.2, allows as many failed attempts on an account."""

VERIFIED_FOR = 12 * SECONDS["h"]
"""Seconds for which verified credentials are known; no session is longer."""

MOST_VERIFIED = 4_096
"""Verified credentials that are remembered; the ones that were used longest ago are forgotten first."""

IPV4_GROUPS = {32: 1, 24: 4}
"""Bits that the addresses of a network have in common → factor of the limits there, the narrowest network first."""

IPV6_GROUPS = {64: 1, 56: 2, 48: 4, 32: 12}
"""The same for IPv6.

A client chooses its address in a /64; a customer is assigned a /56 or a /48, a provider a /32 (RFC 6177, and the
policies of the regional registries). The wider, the more people share it: the factor grows, but far more slowly than
the number of networks.
"""

KNOWN_FOR = 30 * SECONDS["d"]
"""Seconds for which a user's own network is known after a login: guesses from the networks around don't count there."""

MOST_KNOWN = 16_384
"""User's networks that are remembered, some 4 MB; the ones that were used longest ago are forgotten first."""


class LoginThrottle:
    """Counts wrong credentials. Any thread may use it."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """``clock`` returns the present time, epoch seconds."""
        self._clock = clock
        self._key = os.urandom(32)  # digests of credentials are of no use in another process
        self._lock = threading.Lock()
        self._tried, self._refused = WrongCredentials(), WrongCredentials()
        self._verified: OrderedDict[Key, int] = OrderedDict()  # credentials and group → until when
        self._known: OrderedDict[Key, int] = OrderedDict()  # user name and group → until when

    @contextmanager
    def attempt(self, authorization: str, address: str) -> Iterator[None]:
        """Count the value of an Authorization header as wrong credentials, unless the block ends well.

        Raises RequestInvalid (429) where it may not be tried. The block raises AuthenticationFailed for wrong
        credentials; any other error says nothing of them, and they don't count.
        """
        name, groups = claimed_name(authorization), address_groups(address)
        if name is None:
            yield
            return
        user, digest = self._digest(name), self._digest(authorization)
        users = {(user, group): factor for group, factor in groups.items()}
        own = next(iter(users))
        self._reserve(users, digest)
        try:
            yield
        except AuthenticationFailed:
            with self._lock:
                self._verified.pop((digest, own[1]), None)
                self._count(users, digest)
            raise
        except BaseException:
            self._release(users, digest)
            raise
        self._release(users, digest)
        with self._lock:
            now = self._clock()
            _remember(self._verified, (digest, own[1]), now + VERIFIED_FOR, MOST_VERIFIED)
            _remember(self._known, own, now + KNOWN_FOR, MOST_KNOWN)

    def _reserve(self, users: Mapping[Key, int], digest: bytes) -> None:
        """Count an attempt before its outcome is known. Raises RequestInvalid where it may not be tried.

        ``users``: the user name in each group of the address, the narrowest first, with the factor of its limits.
        """
        with self._lock:
            now, user = self._clock(), next(iter(users))
            refused = self._refused.times(user, now)
            if len(refused) >= MOST_GUESSED:
                raise _refusal(refused.values(), MOST_GUESSED, now)
            if self._verified.get((digest, user[1]), 0) > now or digest in self._tried.times(user, now):
                return
            limiting = {user: users[user]} if self._known.get(user, 0) > now else users
            for each, factor in limiting.items():
                tried, most = self._tried.times(each, now), factor * self._most_tried(each, factor, now)
                if len(tried) >= most and digest not in tried:
                    self._refused.add(user, digest, now)
                    raise _refusal(tried.values(), most, now)
            self._count(users, digest)

    def _most_tried(self, user: Key, factor: int, now: int) -> int:
        many = len(self._tried.times(_all_of(user), now)) >= factor * MANY_IN_GROUP
        return MOST_TRIED_AMONG_MANY if many else MOST_TRIED

    def _count(self, users: Mapping[Key, int], digest: bytes) -> None:
        now = self._clock()
        for user, factor in users.items():
            self._tried.add(user, digest, now)
            if len(self._tried.times(_all_of(user), now)) < factor * MANY_IN_GROUP:
                self._tried.add(_all_of(user), digest, now)

    def _release(self, users: Iterable[Key], digest: bytes) -> None:
        with self._lock:
            for user in users:
                self._tried.remove(user, digest)
                self._tried.remove(_all_of(user), digest)

    def _digest(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "replace"), key=self._key, digest_size=16).digest()


def claimed_name(authorization: str) -> str | None:
    """Return the user name, or the id of the API key, that the value of an Authorization header claims.

    Spellings that a directory may take for the same name are one. None for a token, which has no name and is too long
    to be guessed.
    """
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return None
    try:
        decoded = base64.b64decode(rest + "==").decode("utf-8", "replace")  # a cluster asks for no padding
    except ValueError:
        decoded = ""
    return unicodedata.normalize("NFKC", decoded.partition(":")[0]).casefold().strip()


def address_groups(address: str) -> dict[str, int]:
    """Return the groups that an address counts in, the narrowest first, with the factor of their limits.

    They are the networks around the address; a text that is none is a group of its own.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return {address: 1}
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    sizes = IPV4_GROUPS if isinstance(found, ipaddress.IPv4Address) else IPV6_GROUPS
    return {str(ipaddress.ip_network((int(found), bits), strict=False)): factor for bits, factor in sizes.items()}


def _remember(times: OrderedDict[Key, int], key: Key, until: int, most: int) -> None:
    """Remember a key until a time, epoch seconds, as the last of at most ``most``."""
    times[key] = until
    times.move_to_end(key)
    while len(times) > most:
        times.popitem(last=False)


def _all_of(user: Key) -> Key:
    """Return the key of all user names in a group."""
    return b"", user[1]


def _refusal(times: Iterable[int], most: int, now: int) -> RequestInvalid:
    """Return the error for an attempt where ``most`` may count; those at ``times``, in this order, do."""
    wait = list(times)[-most] + WITHIN - now
    return RequestInvalid(
        "too many attempts with wrong credentials: this one was not tried",
        hint=f"try again in {-(-wait // 60)} minutes",
        status=429,
        kind="security_exception",
        headers={"retry-after": str(wait)},
    )
