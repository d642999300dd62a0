"""The state of a job while its lease is held: shared by all threads that write it, with the lease's renewal.

A renewal changes the lease's end and nothing else, but each write has to name the document that it follows: so all
writes go through one lock. A worker that was stopped for longer than its lease (SIGSTOP, a frozen machine) may have
lost the job without noticing: :meth:`LeasedState.check`, called before every write, then renews the lease first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ipi_es.errors import IpiEsError, LostJob
from ipi_es.state.job_state import JobState, StateStore

log = logging.getLogger(__name__)

RENEWALS = 3
"""Renewals within the length of a lease: two may fail before another worker may take the job."""


class LeasedState:
    """The state of a job whose lease is held. Any thread may use it; ``state`` is the state that was written last."""

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
        self._sure = monotonic()  # when the lease was last confirmed, by the monotonic clock

    @property
    def state(self) -> JobState:
        """The state that was written last; renewals included."""
        with self._lock:
            return self._state

    def save(self, after: JobState) -> JobState:
        """Write a state that was made from :attr:`state`, whether or not it was renewed since; lengthens the lease.

        Raises LostJob where another writer changed the job's state in between.
        """
        return self._write(lambda _: after, self._lease)

    def renew(self, now: int, ttl: int) -> JobState:
        """Let the lease end at ``now + ttl``, write its purpose and nothing else.

        Raises LostJob as :meth:`save` does.
        """
        return self._write(lambda state: state, ttl, now)

    def check(self) -> None:
        """Raise LostJob unless the lease is held, or was confirmed at most a third of its length ago.

        Call it before every write. It renews the lease where the last confirmation is older.
        """
        with self._lock:
            if self._lost is not None:
                raise self._lost
            if self._monotonic() - self._sure > self._lease / RENEWALS:
                self.renew(self._now(), self._lease)

    def set_purpose(self, doing: str) -> None:
        """Set the purpose that people see while the lease is held.

        It is written with the next write or renewal, not at once.
        """
        with self._lock:
            self._doing = {"lease_for": doing, "lease_since": self._now()}

    def release(self, **changes: Any) -> JobState:
        """Give the lease back, with ``changes`` of the fields of the state's ``details``."""
        with self._lock:
            details = replace(self._state.details, **changes)
            self._refuse_if_lost()
            self._state = self._states.release(replace(self._state, details=details))
            return self._state

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew the lease in a background thread within the ``with`` block, so that long work need not do it."""
        over = threading.Event()
        thread = threading.Thread(target=self._renew_until, args=(over,), name="ipi-es-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()  # no join: a renewal under way is written before or after the release, and does no harm

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
