"""Digests of wrong credentials, counted by whose they are said to be, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict

from ipi_es.times import SECONDS

WITHIN = 15 * SECONDS["m"]
"""Seconds for which wrong credentials count."""

MOST_COUNTED = 200_000
"""Wrong credentials that are remembered, some 40 MB. One from IPv6 counts in up to eight keys."""

Key = tuple[bytes, str]
"""Whose credentials they are said to be: a digest of the user name, and the group of addresses."""


class WrongCredentials:
    """Distinct wrong credentials by key. Beyond :data:`MOST_COUNTED` the key with the oldest last one is forgotten."""

    def __init__(self, most: int = MOST_COUNTED) -> None:
        """``most``: how many are remembered, of all keys."""
        self._most, self._length = most, 0
        self._times: OrderedDict[Key, dict[bytes, int]] = OrderedDict()

    def times(self, key: Key, now: int) -> dict[bytes, int]:
        """Return the credentials of a key that count, and the times of each, epoch seconds, in this order."""
        return {digest: time for digest, time in self._times.get(key, {}).items() if time + WITHIN > now}

    def add(self, key: Key, digest: bytes, now: int) -> None:
        """Count credentials of a key; those that are counted already begin anew."""
        kept = self.times(key, now)
        kept.pop(digest, None)
        self._put(key, {**kept, digest: now})
        while self._length > self._most:
            self._put(next(iter(self._times)), {})

    def remove(self, key: Key, digest: bytes) -> None:
        """Take back credentials of a key."""
        times = self._times.get(key)
        if times is not None and times.pop(digest, None) is not None:
            self._length -= 1
            if not times:
                del self._times[key]

    def __len__(self) -> int:
        """Return how many are remembered, those too that don't count any more."""
        return self._length

    def _put(self, key: Key, times: dict[bytes, int]) -> None:
        self._length += len(times) - len(self._times.pop(key, ()))
        if times:
            self._times[key] = times
