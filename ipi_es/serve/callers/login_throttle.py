"""Slow down who guesses passwords: failed logins by address and by user name, within a time."""

from __future__ import annotations

import threading
from collections import deque

from ipi_es.errors import RequestInvalid
from ipi_es.times import SECONDS

WITHIN = 15 * SECONDS["m"]
"""Seconds for which a failed login counts."""

MOST_OF_USER, MOST_OF_ADDRESS = 5, 30
"""Failed logins of one user name, and from one address (an office behind a gateway), before further ones are refused
unseen. The cluster never gets to know of these."""

MOST_KEYS = 10_000
"""User names and addresses that are remembered; the longest unused ones are forgotten first."""


class LoginThrottle:
    """Counts failed logins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed: dict[tuple[str, str], deque[int]] = {}  # in the order of the last failure

    def require_allowed(self, user: str, address: str, now: int) -> None:
        """Raise RequestInvalid (429) where too many logins of this user, or from this address, failed."""
        with self._lock:
            waits = [self._wait(key, most, now) for key, most in _keys(user, address)]
        wait = max(waits)
        if wait > 0:
            raise RequestInvalid(
                "too many logins failed: this one was not tried",
                hint=f"try again in {max(-(-wait // 60), 1)} minutes",
                status=429,
                headers={"retry-after": str(wait)},
            )

    def note_failed(self, user: str, address: str, now: int) -> None:
        """Count a failed login."""
        with self._lock:
            for key, most in _keys(user, address):
                times = self._failed.pop(key, None) or deque(maxlen=most)
                times.append(now)
                self._failed[key] = times
            while len(self._failed) > MOST_KEYS:
                del self._failed[next(iter(self._failed))]

    def _wait(self, key: tuple[str, str], most: int, now: int) -> int:
        """Return the seconds until one more login may be tried."""
        times = self._failed.get(key)
        return times[0] + WITHIN - now if times is not None and len(times) >= most else 0


def _keys(user: str, address: str) -> tuple[tuple[tuple[str, str], int], ...]:
    # a guesser who also knows the user's address can't lock the user out from elsewhere: the pair counts
    return (("user", f"{user}\n{address}"), MOST_OF_USER), (("address", address), MOST_OF_ADDRESS)
