"""Bring the stored incidents up to date with the stored results.

The incidents of a time are made of its results and compared with the stored ones; only differences are written. A kill
anywhere leaves the time marked as due (:mod:`.incidents_due`), and the next run writes the same.

Which results have to be read follows from the stored incidents. An incident that a changed result belongs to, before
or after the change, has another result at most ``gap`` away, or is new. So the stored incidents that reach into the
marked time, ``gap`` longer on both sides, tell how far every incident reaches that has to be made anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ipi_es.cluster.port import Cluster, Document
from ipi_es.config.given_verdict import CLOSING
from ipi_es.config.job_config import Job
from ipi_es.results.documents.rescored import MOMENT
from ipi_es.results.documents.result_documents import ResultDocument
from ipi_es.results.index_mapping import index_for
from ipi_es.results.reading.incident_grouping import Incident, Source, group_incidents, overlapping
from ipi_es.results.reading.incidents_there import PAGE, first_page_end, results_of_incidents, stored_incidents
from ipi_es.results.words import ALERT_ID, ALIAS, INCIDENT_SCORE
from ipi_es.scoring.probability import severity
from ipi_es.state.details import JobDetails
from ipi_es.state.fields import LATEST
from ipi_es.times import SECONDS, from_ms, to_ms
from ipi_es.worker.fenced_writer import FencedWriter
from ipi_es.worker.incidents.incidents_due import incidents_due, with_begin, with_due, without_due
from ipi_es.worker.stores import Stores

log = logging.getLogger(__name__)

AT_ONCE = 7 * SECONDS["d"]
"""Seconds of a due time that are read at once; a longer one is cut where it has many results."""

OF_THE_CALL = (MOMENT, ALERT_ID)
"""Fields that don't follow from the results: when an incident reached its level, and its id then."""


class _Changes(NamedTuple):
    written: list[ResultDocument]
    deleted: list[Document]


class IncidentUpdates:
    """Updates the stored incidents of one job."""

    def __init__(self, cluster: Cluster, job: Job, stores: Stores, *, page: int = PAGE) -> None:
        """``page``: results of a long time that are read at once."""
        self._cluster, self._job, self._stores, self._page = cluster, job, stores, page

    def stored(self, start: int, end: int) -> list[dict[str, Any]]:
        """Return the stored incidents with a moment in [start, end), epoch seconds."""
        return [each.source for each in stored_incidents(self._cluster, self._job.job_id, start, end)]

    def due(self, details: JobDetails) -> bool:
        """Return whether stored incidents may not agree with the stored results."""
        return incidents_due(details, self._job) is not None

    def with_none(self, details: JobDetails) -> JobDetails:
        """Return the details of a job that has no results, and so no incidents."""
        return without_due(details, self._job, LATEST)

    def with_due(
        self, details: JobDetails, start: int, end: int, changed: Iterable[Source] | None = None
    ) -> JobDetails:
        """Return the details with [start, end) as due, see :func:`.incidents_due.with_due`."""
        return with_due(details, self._job, start, end, changed)

    def mark_due(self, writer: FencedWriter, start: int, end: int, changed: Iterable[Source] | None = None) -> None:
        """Save that [start, end) is due, before results there are changed; write nothing where that is known already.

        Raises LostJob if another worker has taken the job over.
        """
        self._save(writer, with_due(writer.state.details, self._job, start, end, changed))

    def mark_begin(self, writer: FencedWriter, begin: int) -> None:
        """Save that results before ``begin``, epoch seconds, are about to be deleted as too old."""
        self._save(writer, with_begin(writer.state.details, self._job, begin))

    def _save(self, writer: FencedWriter, details: JobDetails) -> None:
        state = writer.state
        if details != state.details:
            writer.save(state.advanced(details=details))

    def update(self, writer: FencedWriter, stopping: Callable[[], bool] = lambda: False) -> int:
        """Make the incidents that are due; return the number of documents that were written or deleted.

        ``stopping`` ends it between two parts of a long time; the next call does the rest. Raises LostJob if another
        worker has taken the job over.
        """
        count = 0
        while (due := incidents_due(writer.state.details, self._job)) is not None:
            self._cluster.refresh(ALIAS)
            end = due.end
            if end - due.start > AT_ONCE:
                end = first_page_end(self._cluster, self._job.job_id, due.start, end, self._page)
            count += self._update(writer, due.start, end)
            self._save(writer, without_due(writer.state.details, self._job, end))
            if stopping():
                break
        return count

    def _update(self, writer: FencedWriter, start: int, end: int) -> int:
        changes = self._changes(writer, start, end)
        blocked = self._blocked(changes)
        written = [each for each in changes.written if each.index not in blocked]
        deleted = [each for each in changes.deleted if each.index not in blocked]
        if written:
            writer.write(written)
        if deleted:
            writer.delete(deleted)
        if written or deleted:
            self._cluster.refresh(ALIAS)
        return len(written) + len(deleted)

    def _changes(self, writer: FencedWriter, start: int, end: int) -> _Changes:
        job, known = self._job, writer.state.details.incidents
        begin = 0 if known is None else known.begin
        start, end = max(start - job.incident_gap, 0), min(end + job.incident_gap, LATEST)
        stored = stored_incidents(self._cluster, job.job_id, start, end)
        first = min([start, *(from_ms(each.source["timestamp"]) for each in stored)])
        last = max([end, *(from_ms(each.source["end_timestamp"]) for each in stored)])
        results = results_of_incidents(self._cluster, job.job_id, max(first, begin), last)
        found = overlapping(group_incidents(results, job.incident_gap), start, end)
        return self._compared(found, stored)

    def _compared(self, found: Sequence[Incident], stored: Sequence[Document]) -> _Changes:
        """Return what has to be written and deleted so that these incidents are the stored ones."""
        job, now = self._job, self._stores.clock.now()
        before: dict[str, Document] = {}
        deleted = []
        for each in stored:
            if each.id in before:  # under an earlier results_index_name too
                deleted.append(each)
            else:
                before[each.id] = each
        owner = {result: name for name, each in before.items() for result in each.source["results"]}
        written, kept = [], set[str]()
        for incident in found:
            source = incident.to_dict(job.job_id)
            place = source["incident_id"]
            kept.add(place)
            earlier = {owner[result] for result, _ in incident.results if result in owner}
            sources = [before[name].source for name in sorted(earlier)]
            source |= called(source, sources, now, job.alerts.threshold)
            known = before.get(place)
            if known is None or known.source != source:
                index = index_for(incident.start, job.results_index_name) if known is None else known.index
                written.append(ResultDocument(index, place, source))
        return _Changes(written, [*deleted, *(each for name, each in before.items() if name not in kept)])

    def _blocked(self, changes: _Changes) -> Mapping[str, str]:
        """Return the write-blocked indices of the changes, and log them."""
        places = {each.index for each in changes.written} | {each.index for each in changes.deleted}
        blocked = self._stores.results.indices.write_blocks(places)
        for index, setting in sorted(blocked.items()):
            log.warning(
                "job %s: incidents in %s stay as they are: it may not be written to (%s)",
                self._job.job_id,
                index,
                setting,
            )
        return blocked


def called(
    source: Mapping[str, Any], earlier: Iterable[Mapping[str, Any]], now: int, threshold: float
) -> dict[str, Any]:
    """Return the fields by which alerts call once for each level of an incident: a severity, or ``threshold``.

    ``earlier`` are the sources of the stored incidents that it has results in common with. An incident that no verdict
    closes any more calls again, as its results do. ``now``: epoch seconds.
    """
    level = _level(source, threshold)
    before = [
        each
        for each in earlier
        if _level(each, threshold) >= level and (source["state"] in CLOSING or each["state"] not in CLOSING)
    ]
    if not before:
        return {MOMENT: to_ms(now), ALERT_ID: source["incident_id"]}
    first = min(before, key=lambda each: (each[MOMENT], each["incident_id"]))
    return {name: first[name] for name in OF_THE_CALL}


def _level(source: Mapping[str, Any], threshold: float) -> tuple[int, bool]:
    """Return how far a score has come: its severity, and whether it reaches the threshold."""
    score = float(source[INCIDENT_SCORE])
    return int(severity(score)), score >= threshold
