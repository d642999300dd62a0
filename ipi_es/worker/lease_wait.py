"""Acquire the lease of a job, waiting while a worker holds it: its tick usually ends within seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from ipi_es.errors import JobBusy
from ipi_es.state.job_state import JobState, StateStore
from ipi_es.worker.clock import Clock

log = logging.getLogger(__name__)

LEASE = 24
"""Seconds that a lease lasts without a renewal; a worker uses `worker.lease` instead."""

PATIENCE = 90.0
"""Seconds that a command waits: a worker that catches up holds the lease for a minute and the current batch, and the
lease of a dead worker expires before that."""

POLL = 0.5
"""Seconds between two attempts: a worker that has more to do leaves a gap of at least a second."""


@dataclass(frozen=True, slots=True)
class LeaseWait:
    """How long a process waits for a lease that another one holds, and by which clock."""

    clock: Clock
    patience: float = PATIENCE
    """Seconds; 0: a single attempt."""
    sleep: Callable[[float], None] = time.sleep
    """Waits so many seconds."""

    def acquire(
        self,
        states: StateStore,
        job_id: str,
        owner: str,
        lease: int,
        *,
        alive: Callable[[str], bool],
        doing: str | None = None,
    ) -> JobState:
        """Acquire a job's lease for ``lease`` seconds (:meth:`ipi_es.state.job_state.StateStore.acquire_lease`).

        Logs once that it waits.

        :raises JobBusy: another owner that is ``alive`` still holds the lease after ``patience`` seconds.
        """
        waited = 0.0
        while True:
            try:
                return states.acquire_lease(job_id, owner, self.clock.now(), lease, alive=alive, doing=doing)
            except JobBusy as error:
                if waited >= self.patience:
                    raise
                if not waited:
                    log.warning("%s: waiting for it, up to %.0f s", error.message, self.patience)
                self.sleep(POLL)
                waited += POLL
