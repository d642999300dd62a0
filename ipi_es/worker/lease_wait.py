"""Taking a job that a worker may be amid: a tick is over in seconds, so who comes meanwhile waits for its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ipi_es.errors import JobBusy
from ipi_es.state.job_state import JobState, StateStore
from ipi_es.worker.clock import Clock

log = logging.getLogger(__name__)

PATIENCE = 90.0
"""Seconds that a command waits: while it catches up, a worker's tick is at work for a minute and the batch in hand, and
the lease of one that died is over before that."""

POLL = 0.5
"""Seconds between two looks: a worker that has more to do leaves a gap of at least a second, most give it back for
longer."""


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
    """As :meth:`ipi_es.state.job_state.StateStore.claim`, but JobBusy only after ``patience`` seconds; says so once."""
    waited = 0.0
    while True:
        try:
            return states.claim(job_id, owner, clock.now(), lease, alive=alive, doing=doing)
        except JobBusy as error:
            if waited >= patience:
                raise
            if not waited:
                log.warning("%s: waiting for it, up to %.0f s", error.message, patience)
            sleep(POLL)
            waited += POLL
