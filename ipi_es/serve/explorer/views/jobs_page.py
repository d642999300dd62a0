"""The list of jobs: their state, how far they are scored, and their open incidents."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from ipi_es.config.job_config import Job
from ipi_es.errors import PermissionDenied
from ipi_es.pages.text import counted
from ipi_es.results.reading.incident_list import IncidentPage, open_ones
from ipi_es.results.reading.result_reader import ResultReader
from ipi_es.serve.explorer.answered_states import AnsweredStates, states_by, unreadable
from ipi_es.serve.explorer.rendering import page
from ipi_es.serve.explorer.visit import Visit
from ipi_es.serve.reading_rights import require_reading
from ipi_es.state.job_state import STATE_INDEX, JobState, StateStore
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.job_status import JobStatus, JobStatusReader
from ipi_es.worker.results_there import incidents_note


@dataclass(frozen=True, slots=True)
class JobEntry:
    """A job in the list."""

    job: Job
    href: str
    status: JobStatus | None
    """None: the caller may not read it."""
    incidents: IncidentPage
    notes: tuple[str, ...] = ()

    @property
    def worst(self) -> float | None:
        """The score of the first open incident, 0–100; None: none is open."""
        return float(self.incidents.rows[0]["incident_score"]) if self.incidents.rows else None


def jobs_page(visit: Visit) -> Response:
    """Return the page."""
    states: dict[str, JobState] | None
    try:
        require_reading(visit.cluster, STATE_INDEX)
        states = {each.job_id: each for each in StateStore(visit.cluster).all()}
    except PermissionDenied:
        states = None
    note = unreadable(visit)
    entries = [_entry(visit, job, states, readable=note is None) for _, job in sorted(visit.services.jobs.items())]
    entries.sort(key=lambda each: (-(each.worst or 0.0), each.job.job_id))
    answers = AnsweredStates(note=note)
    return page(visit, "jobs.html", entries=entries, states_readable=states is not None, answers=answers)


def _entry(visit: Visit, job: Job, states: dict[str, JobState] | None, *, readable: bool) -> JobEntry:
    cluster, href = visit.cluster, visit.links.job(job.job_id)
    state = None if states is None else states.get(job.job_id)
    moved = states_by(visit, state, lambda: job) if readable else AnsweredStates()
    incidents = open_ones(cluster, job.job_id, moved.moved)
    if states is None:
        return JobEntry(job, href, None, incidents)
    blobs = JobResources(cluster, job, snapshots=visit.snapshots).stores.blobs
    status = JobStatusReader(lambda each: ResultReader(cluster, each.job_id), blobs, visit.now).one(
        job.job_id, job, state
    )
    return JobEntry(job, href, status, incidents, tuple(_notes(visit, job, status)))


def _notes(visit: Visit, job: Job, status: JobStatus) -> list[str]:
    """Return what somebody who looks at the job's findings has to know of it."""
    notes = []
    if status.waits_for:
        notes.append(f"waits for {status.waits_for}")
    if status.missing_results:
        notes.append(status.missing_results)
    if status.empty_buckets:
        notes.append(f"no events in the last {counted(status.empty_buckets, 'bucket')}")
    if status.blindness is not None:
        notes.append(f"{status.blindness.state.replace('_', ' ')}: {status.blindness.text}")
    if status.last_error is not None:
        notes.append(f"last error: {status.last_error.kind}: {status.last_error.text}")
    due = incidents_note(visit.cluster, job)
    return [*notes, due] if due is not None else notes
