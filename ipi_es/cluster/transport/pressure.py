"""Counts of retries because the cluster was busy or unreachable: visible to people before anything fails.

The documents of bulks that it rejected are also reported to the caller that they belong to (:func:`heard_by`), since a
process has one cluster and many jobs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias

Rejection: TypeAlias = Literal["busy", "refused"]
"""``busy``: the cluster had no room; each time is counted, and the document is sent again. ``refused``: it doesn't
accept the document."""
REJECTIONS: tuple[Rejection, ...] = ("busy", "refused")
Heard: TypeAlias = Callable[[Rejection, int], None]

_HEARD: ContextVar[Heard | None] = ContextVar("ipi_es_bulk_rejections", default=None)


@contextmanager
def heard_by(heard: Heard) -> Iterator[None]:
    """Call ``heard`` with the reason and the number of rejected documents of each bulk sent in this ``with`` block.

    It holds in this thread, and in others that run in a copy of its context.
    """
    before = _HEARD.set(heard)
    try:
        yield
    finally:
        _HEARD.reset(before)


class Pressure:
    """Counts that only grow; any thread may add to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = self._documents = 0

    def request_again(self) -> None:
        """Count a request that is tried again."""
        with self._lock:
            self._requests += 1

    def documents_again(self, documents: int) -> None:
        """Count documents of a bulk that were refused and are sent again."""
        with self._lock:
            self._documents += documents

    def bulk_rejected(self, why: Rejection, documents: int) -> None:
        """Report documents of a bulk that were rejected, one by one or with the whole request."""
        heard = _HEARD.get()
        if heard is not None and documents:
            heard(why, documents)

    @property
    def requests(self) -> int:
        """Number of retried requests; every retry counts."""
        return self._requests

    @property
    def documents(self) -> int:
        """Number of documents sent again; every time counts."""
        return self._documents


PRESSURE = Pressure()
"""The counts of this process, which has one cluster."""
