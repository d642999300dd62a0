"""The incident that a page's path names."""

from __future__ import annotations

from ipi_es.cluster.port import Document
from ipi_es.errors import UsageError
from ipi_es.results.documents import ids
from ipi_es.results.words import INCIDENT
from ipi_es.serve.explorer.visit import Visit, missing
from ipi_es.worker.verdicts.job_verdicts import find_results


def stored_incident(visit: Visit) -> Document:
    """Return the incident that the path names. Raises RequestInvalid (404) where the job has none of that id."""
    place = visit.named("incident")
    unknown = missing(
        f"job {visit.job.job_id} has no such finding",
        hint="it may have grown a new beginning, or be older than results are kept: look at the job's findings",
    )
    if not ids.is_incident(place):
        raise unknown
    try:
        (found,) = find_results(visit.cluster, [place])
    except UsageError:
        raise unknown from None
    if found.source.get("job_id") != visit.job.job_id or found.source.get("result_type") != INCIDENT:
        raise unknown
    return found
