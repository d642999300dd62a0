"""Counts of retries because the cluster was busy or unreachable: visible to people before anything fails.

The documents of bulks that it rejected are also reported to the caller that they belong to
(:func:`reporting_rejections`), since a process has one cluster and many jobs.
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
OnRejected: TypeAlias = Callable[[Rejection, int], None]

_ON_REJECTED: ContextVar[OnRejected | None] = ContextVar("ipi_es_bulk_rejections", default=None)


@contextmanager
def reporting_rejections(on_rejected: OnRejected) -> Iterator[None]:
    """Call ``on_rejected`` with the reason and the number of rejected documents of each bulk sent in this block.

    It holds in this thread, and in others that run in a copy of its context.
    """
    before = _ON_REJECTED.set(on_rejected)
    try:
        yield
    finally:
        _ON_REJECTED.reset(before)


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
        on_rejected = _ON_REJECTED.get()
        if on_rejected is not None and documents:
            on_rejected(why, documents)

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
