"""What is known of the answers to findings that no worker has marked yet; a caller may lack the right to read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ipi_es.config.job_config import Job
from ipi_es.errors import PermissionDenied
from ipi_es.results.reading.incident_list import Answered
from ipi_es.serve.explorer.visit import Visit
from ipi_es.serve.reading_rights import require_reading
from ipi_es.state.job_state import STATE_INDEX, JobState, StateStore
from ipi_es.state.verdict_store import VERDICTS_INDEX
from ipi_es.worker.verdicts.states_now import states_now

MARKED: Mapping[Answered, str] = {
    "open": "not marked as closed",
    "unanswered": "not marked as answered",
    "closed": "marked as closed",
    "all": "all",
}
"""Choice of findings → what it means where the answers can't be read: only stored marks are known."""


@dataclass(frozen=True, slots=True)
class AnsweredStates:
    """The states of incidents, by id, that differ from the stored ones."""

    moved: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
    """Why they can't be read; None: they are known."""

    def word(self, answered: Answered) -> str:
        """Return the word for a choice of findings."""
        return answered if self.note is None else MARKED[answered]

    def findings(self, answered: Answered, noun: str = "finding") -> str:
        """Name the chosen findings, such as “open finding”."""
        if answered == "all":
            return noun
        return f"{answered} {noun}" if self.note is None else f"{noun} {MARKED[answered]}"


def unreadable(visit: Visit) -> str | None:
    """Return why the caller can't know what was answered; None: it can."""
    try:
        for index in (STATE_INDEX, VERDICTS_INDEX):
            require_reading(visit.cluster, index)
    except PermissionDenied as error:
        return f"Whether findings were answered since they were stored can't be read: {error.message}."
    return None


def answered_states(visit: Visit) -> AnsweredStates:
    """Return the states for the job that the path names."""
    note = unreadable(visit)
    if note is not None:
        return AnsweredStates(note=note)
    return states_by(visit, StateStore(visit.cluster).read(visit.job.job_id), visit.folded_job)


def states_by(visit: Visit, state: JobState | None, spelled: Callable[[], Job]) -> AnsweredStates:
    """Return the states by a job's state; ``spelled`` gives the job as it spells typed names."""
    return AnsweredStates({} if state is None else states_now(visit.cluster, spelled, state, visit.now))
