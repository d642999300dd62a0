"""Histories of jobs that the server has read: one is slow to read, and the same for all who may read it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable

from ipi_es.ipinsights.history.history import History
from ipi_es.state.blobs import BlobStore
from ipi_es.state.job_state import untrained
from ipi_es.worker.history.history_keeper import HistoryId, load_history
from ipi_es.worker.job_resources import JobResources

MOST = 4
"""Histories in memory; with its network, one of 10,000 entities is stored in 29 MiB (docs/sizing.md)."""


class Histories:
    """The histories that were used last."""

    def __init__(self, load: Callable[[BlobStore, str, HistoryId], History] = load_history) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._loading: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # by job
        self._known: dict[tuple[str, str], History] = {}  # in the order of their last use

    def of(self, resources: JobResources) -> History:
        """Return the history that the job's state points to.

        The caller's rights are asked for each time: who may not read it gets PermissionDenied. Raises SnapshotError
        where it can't be read, UsageError where the job was never trained.
        """
        job_id, blobs = resources.job.job_id, resources.stores.blobs
        state = resources.stores.states.read(job_id)
        if state is None or state.history_id is None:
            raise untrained(job_id)
        wanted = HistoryId.parse(state.history_id)
        blobs.info(job_id, wanted.base)
        key = job_id, state.history_id
        with self._lock:
            loading = self._loading[job_id]
        with loading:  # two who ask at once read it once, and hold up nobody who asks for another job
            with self._lock:
                found = self._known.pop(key, None)
            found = found or self._load(blobs, job_id, wanted)
            with self._lock:
                self._known[key] = found
                while len(self._known) > MOST:
                    del self._known[next(iter(self._known))]
        return found
