"""How often the cluster was too busy or away and was asked again: what a person sees before anything fails."""

from __future__ import annotations

import threading


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
