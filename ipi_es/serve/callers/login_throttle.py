"""Limit guesses at passwords, of the login and of the Authorization header alike.

Attempts are counted for each user name that is claimed, in each group of addresses; so those of one user name don't
lock out others behind the same proxy. The networks around a group have larger limits: whoever has a whole network of
addresses has not as many guesses as addresses, and nobody can lock a user out elsewhere. Distinct wrong credentials
count: a program that repeats an old password guesses nothing. An attempt counts as failed until the cluster has
answered, so parallel ones pass no limit.

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

_EVERY_NAME = b""
"""Stands for all user names of a group."""

MOST_VERIFIED = 4_096
"""Verified credentials that are remembered; the ones that were used longest ago are forgotten first."""

IPV4_GROUPS = {32: 1, 24: 4}
"""Bits that the addresses of a group have in common → how many times the limits of a single address it has."""

IPV6_GROUPS = {64: 1, 56: 2, 48: 4, 32: 16}
"""The same for IPv6: the last 64 bits are the client's choice, a customer has a /56 or a /48, and a provider a /32."""


class LoginThrottle:
    """Counts wrong credentials. Any thread may use it."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """``clock`` returns the present time, epoch seconds."""
        self._clock = clock
        self._key = os.urandom(32)  # digests of credentials are of no use in another process
        self._lock = threading.Lock()
        self._tried, self._refused = WrongCredentials(), WrongCredentials()
        self._verified: OrderedDict[Key, int] = OrderedDict()  # credentials and group → until when

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
        user, digest, group = self._digest(name), self._digest(authorization), next(iter(groups))
        self._reserve(user, groups, digest)
        try:
            yield
        except AuthenticationFailed:
            with self._lock:
                self._verified.pop((digest, group), None)
                self._count(user, groups, digest)
            raise
        except BaseException:
            self._release(user, groups, digest)
            raise
        self._release(user, groups, digest)
        with self._lock:
            self._verified[digest, group] = self._clock() + VERIFIED_FOR
            self._verified.move_to_end((digest, group))
            while len(self._verified) > MOST_VERIFIED:
                self._verified.popitem(last=False)

    def _reserve(self, user: bytes, groups: Mapping[str, int], digest: bytes) -> None:
        """Count an attempt before its outcome is known. Raises RequestInvalid where it may not be tried."""
        group = next(iter(groups))
        with self._lock:
            now = self._clock()
            refused = self._refused.times((user, group), now)
            if len(refused) >= MOST_GUESSED:
                raise _refusal(refused.values(), MOST_GUESSED, now)
            verified = self._verified.get((digest, group), 0) > now
            if verified or digest in self._tried.times((user, group), now):
                return
            for each, factor in groups.items():
                tried = self._tried.times((user, each), now)
                many = len(self._tried.times((_EVERY_NAME, each), now)) >= MANY_IN_GROUP * factor
                most = factor * (MOST_TRIED_AMONG_MANY if many else MOST_TRIED)
                if len(tried) >= most:
                    self._refused.add((user, group), digest, now)
                    raise _refusal(tried.values(), most, now)
            self._count(user, groups, digest)

    def _count(self, user: bytes, groups: Mapping[str, int], digest: bytes) -> None:
        now = self._clock()
        for group, factor in groups.items():
            self._tried.add((user, group), digest, now)
            if len(self._tried.times((_EVERY_NAME, group), now)) < MANY_IN_GROUP * factor:
                self._tried.add((_EVERY_NAME, group), digest, now)

    def _release(self, user: bytes, groups: Mapping[str, int], digest: bytes) -> None:
        with self._lock:
            for group in groups:
                self._tried.remove((user, group), digest)
                self._tried.remove((_EVERY_NAME, group), digest)

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
    """Return the groups of addresses that an address is counted in, the smallest first, and the factor of their limits.

    What is no address is a group of its own.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return {address: 1}
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    sizes = IPV4_GROUPS if isinstance(found, ipaddress.IPv4Address) else IPV6_GROUPS
    return {str(ipaddress.ip_network(f"{found}/{bits}", strict=False)): factor for bits, factor in sizes.items()}


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
