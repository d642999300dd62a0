"""Which incidents don't agree with the stored results any more: a range of time in the job's state.

Whatever changes results that take part in incidents marks their time first, or with the state that it writes last. So
after a kill anywhere the next session knows what is due, and a session after which nothing is due reads nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from ipi_es.config.job_config import Job
from ipi_es.results.reading.incident_grouping import METHOD, Source, takes_part
from ipi_es.state.details import IncidentsState, JobDetails
from ipi_es.state.fields import LATEST


class Due(NamedTuple):
    """Results of buckets that begin in [start, end), epoch seconds, may have changed."""

    start: int
    end: int


def incidents_due(details: JobDetails, job: Job) -> Due | None:
    """Return the range of results of which incidents have to be made; None: the stored ones agree with the results."""
    known = _known(details, job)
    return Due(known.due_from, known.due_to) if known.due_from < known.due_to else None


def with_due(
    details: JobDetails, job: Job, start: int, end: int, changed: Iterable[Source] | None = None
) -> JobDetails:
    """Return the details with [start, end), epoch seconds, as due too.

    ``changed``: the results there, before and after a change; where none of them takes part in incidents, nothing is
    due.
    """
    if changed is not None and not any(map(takes_part, changed)):
        return details
    known = _known(details, job)
    if known.due_from < known.due_to:
        start, end = min(start, known.due_from), max(end, known.due_to)
    return replace(details, incidents=replace(known, due_from=start, due_to=end))


def without_due(details: JobDetails, job: Job, before: int) -> JobDetails:
    """Return the details with nothing due of what begins before a time, epoch seconds."""
    known = _known(details, job)
    rest = (before, known.due_to) if before < known.due_to else (0, 0)
    return replace(details, incidents=replace(known, due_from=rest[0], due_to=rest[1]))


def with_begin(details: JobDetails, job: Job, begin: int) -> JobDetails:
    """Return the details of a job whose results before ``begin``, epoch seconds, are about to be deleted as too old."""
    known = _known(details, job)
    if begin <= known.begin:
        return details
    marked = with_due(details, job, known.begin, begin)
    return replace(marked, incidents=replace(_known(marked, job), begin=begin))


def _known(details: JobDetails, job: Job) -> IncidentsState:
    """Return how far incidents agree; they don't if none was made, or with another gap or method."""
    known = details.incidents
    if known is not None and (known.gap, known.method) == (job.incident_gap, METHOD):
        return known
    begin = 0 if known is None else known.begin
    return IncidentsState(job.incident_gap, METHOD, begin, 0, LATEST)
