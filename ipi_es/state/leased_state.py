"""The state of a job while its lease is held: one holder for all threads that write it, and the lease's renewal.

A renewal changes the lease's end and nothing else, but each write has to name the document that it follows: so all of
them go through one lock. A worker that was stopped for longer than its lease (SIGSTOP, a frozen machine) may have lost
the job without noticing: :meth:`LeasedState.check`, asked before every write, renews first where that could be.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ipi_es.errors import IpiEsError, LostJob
from ipi_es.state.job_state import JobState, StateStore

log = logging.getLogger(__name__)

RENEWALS = 3
"""Renewals within the length of a lease: two may fail before somebody else may take the job."""


class LeasedState:
    """A claimed job's state. May be used by any thread; ``state`` is what was written last."""

    def __init__(
        self,
        states: StateStore,
        state: JobState,
        *,
        now: Callable[[], int],
        lease: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``now`` gives epoch seconds, ``lease`` is the lease's length in seconds; ``monotonic`` measures it."""
        self._states, self._state = states, state
        self._now, self._lease, self._monotonic = now, lease, monotonic
        self._lock = threading.RLock()
        self._lost: LostJob | None = None
        self._doing: dict[str, Any] = {}
        self._sure = monotonic()  # when the job was last known to be ours

    @property
    def state(self) -> JobState:
        """What was written last; renewals included."""
        with self._lock:
            return self._state

    def save(self, after: JobState) -> JobState:
        """Write a state that was made from :attr:`state`, whatever was renewed since; lengthens the lease.

        LostJob where somebody else wrote the job's state in between.
        """
        return self._write(lambda _: after, self._lease)

    def renew(self, now: int, ttl: int) -> JobState:
        """Let the lease end at ``now + ttl``, say what for, and change nothing else. LostJob as in :meth:`save`."""
        return self._write(lambda state: state, ttl, now)

    def check(self) -> None:
        """To be called before every write: LostJob unless the job is ours, or was a third of a lease ago at most."""
        with self._lock:
            if self._lost is not None:
                raise self._lost
            if self._monotonic() - self._sure > self._lease / RENEWALS:
                self.renew(self._now(), self._lease)

    def tell(self, doing: str) -> None:
        """Say what is being done now, for people who find the job held: with the next write or renewal, not at once."""
        with self._lock:
            self._doing = {"lease_for": doing, "lease_since": self._now()}

    def release(self, **changes: Any) -> JobState:
        """Give the job back, with ``changes`` of its ``details``; a value of None takes the key out."""
        with self._lock:
            details: Mapping[str, Any] = {**self._state.details, **changes}
            kept = {name: value for name, value in details.items() if value is not None}
            self._refuse_if_lost()
            self._state = self._states.release(replace(self._state, details=kept))
            return self._state

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew the lease in the background, so that nothing that lasts has to think of it."""
        over = threading.Event()
        thread = threading.Thread(target=self._renew_until, args=(over,), name="ipi-es-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()  # not waited for: a renewal under way comes before or after the release, and does no harm

    def _renew_until(self, over: threading.Event) -> None:
        while not over.wait(self._lease / RENEWALS):
            try:
                with self._lock:
                    if not over.is_set():
                        self.renew(self._now(), self._lease)
            except LostJob as error:
                log.warning("%s", error.message)
                return
            except IpiEsError as error:
                log.debug("job %s: the lease was not renewed: %s", self._state.job_id, error.message)

    def _write(self, made: Callable[[JobState], JobState], ttl: int, now: int | None = None) -> JobState:
        with self._lock:
            self._refuse_if_lost()
            began = self._monotonic()  # before the request: its answer may take long
            expires = (self._now() if now is None else now) + ttl
            wanted = replace(made(self._state), lease_expires=expires, stored=self._state.stored, **self._doing)
            try:
                self._state = self._states.save(wanted)
            except LostJob as error:
                self._lost = error
                raise
            self._sure = began
            return self._state

    def _refuse_if_lost(self) -> None:
        if self._lost is not None:
            raise self._lost
