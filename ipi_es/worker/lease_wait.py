"""Acquire the lease of a job, waiting while a worker holds it: its tick usually ends within seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

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


def acquire_lease(
    states: StateStore,
    job_id: str,
    owner: str,
    clock: Clock,
    lease: int,
    *,
    alive: Callable[[str], bool],
    doing: str | None = None,
    patience: float = PATIENCE,
    sleep: Callable[[float], None] = time.sleep,
) -> JobState:
    """Acquire the lease (:meth:`ipi_es.state.job_state.StateStore.acquire_lease`), waiting up to ``patience`` seconds.

    Logs once that it waits.

    :raises JobBusy: another owner that is ``alive`` still holds the lease then.
    """
    waited = 0.0
    while True:
        try:
            return states.acquire_lease(job_id, owner, clock.now(), lease, alive=alive, doing=doing)
        except JobBusy as error:
            if waited >= patience:
                raise
            if not waited:
                log.warning("%s: waiting for it, up to %.0f s", error.message, patience)
            sleep(POLL)
            waited += POLL
