"""How often the cluster was too busy or away and was asked again: what a person sees before anything fails.

And how many documents of bulks it refused, told to whoever the work is for (:func:`heard_by`): a process has one
cluster, and many jobs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias

Rejection: TypeAlias = Literal["busy", "refused"]
"""``busy``: the cluster had no room, each time counted; it is sent again. ``refused``: it won't have the document."""
REJECTIONS: tuple[Rejection, ...] = ("busy", "refused")
Heard: TypeAlias = Callable[[Rejection, int], None]

_HEARD: ContextVar[Heard | None] = ContextVar("ipi_es_bulk_rejections", default=None)


@contextmanager
def heard_by(heard: Heard) -> Iterator[None]:
    """Tell ``heard`` how many documents of the bulks that are sent in here were rejected, and why.

    In this thread, and in others that run in a copy of its context.
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
        """A request is tried again."""
        with self._lock:
            self._requests += 1

    def documents_again(self, documents: int) -> None:
        """So many documents of a bulk were refused and are sent again."""
        with self._lock:
            self._documents += documents

    def bulk_rejected(self, why: Rejection, documents: int) -> None:
        """So many documents of a bulk were rejected, one by one or with the whole request."""
        heard = _HEARD.get()
        if heard is not None and documents:
            heard(why, documents)

    @property
    def requests(self) -> int:
        """Requests that were tried again, each time counted."""
        return self._requests

    @property
    def documents(self) -> int:
        """Documents that were sent again, each time counted."""
        return self._documents


PRESSURE = Pressure()
"""Of this process: it has one cluster."""
