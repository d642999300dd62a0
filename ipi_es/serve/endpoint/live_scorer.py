"""The scorer of one job, replaced between two requests once a newer snapshot or history is loaded."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable

from ipi_es.errors import EndpointUnknown, IpiEsError
from ipi_es.serve.failure_log import FailureLog
from ipi_es.worker.pairs.pair_scorer import PairScorer

TRY_AGAIN_AFTER = 1.0
"""Seconds until what could not be loaded is tried again: a copy of files may be under way."""

log = logging.getLogger(__name__)


class LiveScorer:
    """Holds what answers a job's requests; a request gets either the old scorer or the new one, and waits for neither.

    Only the first request waits until there is one. What can't be loaded leaves the old one in use, and is said in
    ``trouble``.
    """

    def __init__(self, job_id: str) -> None:
        self.trouble = ""
        """Why the newest snapshot is not in use, or empty."""
        self._job_id = job_id
        self._loaded: tuple[Hashable, PairScorer] | None = None
        self._loading = threading.Lock()
        self._try_again = 0.0  # time.monotonic()
        self._failures = FailureLog(log, f"job {job_id}: the newest snapshot is in use again")

    @property
    def scorer(self) -> PairScorer | None:
        """The scorer in use; None before the first."""
        return None if self._loaded is None else self._loaded[1]

    def newest(self, which: Hashable, load: Callable[[], PairScorer], newer: IpiEsError | None = None) -> PairScorer:
        """Return the scorer in use; if it isn't ``which``, begin to ``load`` that in another thread.

        ``newer`` is what is wrong with something newer, which can't be loaded. Raises what ``load`` raises where no
        scorer is in use yet.
        """
        loaded = self._loaded
        if loaded is None:
            with self._loading:
                if self._loaded is None:
                    self._loaded = which, load()
                return self._loaded[1]
        if loaded[0] == which:
            self._say(newer, time.monotonic())
        elif time.monotonic() >= self._try_again and self._loading.acquire(blocking=False):
            threading.Thread(target=self._take_up, args=(which, load), name="ipi-es-load", daemon=True).start()
        return loaded[1]

    def kept(self, error: IpiEsError) -> PairScorer:
        """Return the scorer in use though no newer one could be looked for; raises ``error`` if there is none."""
        if self._loaded is None:
            raise error
        self._say(error, time.monotonic())
        return self._loaded[1]

    def _take_up(self, which: Hashable, load: Callable[[], PairScorer]) -> None:
        try:
            scorer = load()
        except IpiEsError as error:
            self._say(error, time.monotonic())
        except Exception as error:  # noqa: BLE001  (the last frame of the thread; it is logged)
            text = f"job {self._job_id}: a newer snapshot can't be loaded"
            self._failures.failed(type(error).__name__, text, time.monotonic(), error)
            self.trouble = f"the newest snapshot can't be loaded: {type(error).__name__}"
        else:
            self._loaded = which, scorer
            self._say(None, time.monotonic())
            log.info("job %s: requests are answered with snapshot %s", self._job_id, scorer.id)
        finally:
            self._try_again = time.monotonic() + TRY_AGAIN_AFTER if self.trouble else 0.0
            self._loading.release()

    def _say(self, error: IpiEsError | None, now: float) -> None:
        """Take an error as what is wrong with the newest snapshot, None: nothing. ``now`` is time.monotonic()."""
        if error is None:
            self.trouble = ""
            self._failures.worked()
            return
        self.trouble = f"the newest snapshot is not in use: {error.message}"
        text = f"job {self._job_id}: {self.trouble}; requests are answered with the one before"
        self._failures.failed(type(error).__name__, text, now)


def unknown(why: str) -> EndpointUnknown:
    """Return the error for a request that names no job with a snapshot."""
    return EndpointUnknown(why, hint="name a job: /endpoints/JOB/invocations")
