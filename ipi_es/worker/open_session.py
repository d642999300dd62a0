"""Open a session on a job: acquire its lease, keep it renewed, and release it at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ipi_es.errors import IpiEsError
from ipi_es.state.leased_state import LeasedState
from ipi_es.state.owner import owner_alive
from ipi_es.worker.changed_settings import OnChange, new_details
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.job_session import SCORING, JobSession
from ipi_es.worker.lease_wait import PATIENCE, LeaseWait

log = logging.getLogger(__name__)


@contextmanager
def open_session(
    resources: JobResources,
    alive: Callable[[str], bool] | None = None,
    *,
    doing: str = SCORING,
    patience: float = PATIENCE,
    on_change: OnChange = OnChange.REFUSE,
) -> Iterator[JobSession]:
    """Hold the job's lease, renewed in the background, and release it at the end, also after an error.

    ``alive`` decides whether an owner may still be at work; None: as far as this host knows. ``doing`` shows people who
    find the job held what the lease is for. The scoring state that the last session of this process left loaded is used
    again if the job hasn't changed since.

    :raises JobBusy: another owner that is ``alive`` still holds the lease after ``patience`` seconds.
    :raises JobChanged: the job's settings are not those that it was made with, and ``on_change`` does not accept that.
    """
    stores, job = resources.stores, resources.job
    wait = LeaseWait(stores.clock, patience)
    state = wait.acquire(
        stores.states, job.job_id, resources.owner, resources.lease, alive=alive or owner_alive, doing=doing
    )
    lease = LeasedState(stores.states, state, now=stores.clock.now, lease=resources.lease)
    session = JobSession(resources, lease)
    try:
        with lease.renewed():
            session.reuse(resources.cache)
            details = new_details(job, state, on_change)
            if details is not None:
                lease.save(lease.state.advanced(details=details))
            yield session
    finally:
        try:
            resources.cache.keep(lease.release(**session.notes), session.scoring)
        except IpiEsError as error:
            # the lease expires by itself, and an earlier error matters more
            log.debug("job %s: not given back: %s", job.job_id, error)
        # useful only within a session: kept by hundreds of live jobs it would grow for weeks, and become out of date
        stores.results.forget()
