"""Mark stored results with the verdicts on them, and annotate the verdicts.

A worker does so when verdicts were given or revoked: by `ipi-es verdict`, or by a tool that wrote a document. What is
to be marked follows from the verdicts alone, so a killed run does it again and writes the same. Results that are
written later, or scored again, get their marks when they are written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ipi_es.cluster.port import Document
from ipi_es.config.given_verdict import COMPROMISED, SAFE, Verdict
from ipi_es.config.job_config import Job
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.documents.verdict_marks import verdicts_of, with_verdict
from ipi_es.results.words import VERDICT
from ipi_es.state.details import JobDetails
from ipi_es.state.verdict_store import StoredVerdicts
from ipi_es.times import from_ms, iso
from ipi_es.worker.verdicts.known_verdicts import KnownVerdicts, network_of

if TYPE_CHECKING:
    from ipi_es.worker.job_session import JobSession

log = logging.getLogger(__name__)


def unmarked(stored: StoredVerdicts, details: JobDetails) -> tuple[Verdict, ...]:
    """Return the verdicts that were given or revoked since results were last marked."""
    marked = details.verdicts_marked
    if marked is None or _next(stored) < marked:  # an index that was made anew counts from 0 again
        return stored.verdicts
    return tuple(each for each in stored.verdicts if each.seq_no >= marked)


def mark_results(session: JobSession, stopping: Callable[[], bool] = lambda: False) -> int:
    """Mark the stored results that verdicts given or revoked since the last time apply to; return the number.

    ``stopping`` ends it after the current bucket; the next call does the rest. Raises LostJob if another worker took
    the job over.
    """
    resources = session.resources
    stored, known = resources.stores.verdicts.all(), resources.verdicts()
    session.scoring.require_verdicts(known)  # else buckets of this session would get the marks of before
    changed = unmarked(stored, session.details)
    if not changed:
        return 0
    session.annotate(_annotation(resources.job, each) for each in KnownVerdicts.spelled(resources.job, changed))
    count = 0
    for start in _starts(session, known, changed):
        if stopping():
            return count
        count += _mark_bucket(session, known, start)
    session.note(verdicts_marked=_next(stored))
    return count


def _next(stored: StoredVerdicts) -> int:
    """Return a sequence number that every later change exceeds or equals."""
    return 1 + max((each.seq_no for each in stored.verdicts), default=-1)


def _starts(session: JobSession, known: KnownVerdicts, changed: tuple[Verdict, ...]) -> list[int]:
    """Return the starts of the buckets with a record whose verdict isn't the one that it has, in order."""
    spelled = KnownVerdicts.spelled(session.resources.job, changed)
    places = {(each.entity, network_of(each.ip)) for each in spelled}
    first, last = min(each.since for each in changed), max(each.time for each in changed)
    found = set()
    records = session.resources.stores.results.of_entities(sorted({entity for entity, _ in places}), first, last + 1)
    for each in records:
        source = each.source
        entity, ip, start = source["partition_field_value"], source["by_field_value"], from_ms(source["timestamp"])
        if (entity, network_of(ip)) in places and known.mark(entity, ip, start) != source.get(VERDICT):
            found.add(start)
    return sorted(found)


def _mark_bucket(session: JobSession, known: KnownVerdicts, start: int) -> int:
    """Mark the results of one bucket; return the number of changed ones."""
    results = session.resources.stores.results
    found = list(results.scan_window(start, start + 1))  # a window of bucket_span may have several shorter buckets
    words = verdicts_of([(each.id, each.source) for each in found], known.mark)
    changed = [
        Document(each.id, each.index, with_verdict(each.source, words[each.id]))
        for each in found
        if words[each.id] != each.source.get(VERDICT)
    ]
    blocked = results.indices.write_blocks(each.index for each in changed)  # of earlier results_index_names too
    for index, setting in sorted(blocked.items()):
        log.warning(
            "job %s: results of %s are not marked with verdicts: %s may not be written to (%s)",
            session.resources.job.job_id,
            iso(start),
            index,
            setting,
        )
    changed = [each for each in changed if each.index not in blocked]
    if changed:
        session.writer.rewrite(changed)
    return len(changed)


def _annotation(job: Job, verdict: Verdict) -> Annotation:
    """Return the annotation of a verdict, at the bucket of its time; that of a revoked verdict says so."""
    span, network = job.bucket_span, network_of(verdict.ip)
    start = verdict.time // span * span
    comment = f": {verdict.comment}" if verdict.comment else ""
    said = {
        SAFE: f"{verdict.by} says that {verdict.entity} uses {network}",
        COMPROMISED: f"{verdict.by} says that {verdict.entity} was compromised from {network}",
    }.get(verdict.verdict, f"{verdict.by} dismisses the findings on {verdict.entity} from {network}")
    revoked = "" if verdict.revoked is None else f" Revoked at {iso(verdict.revoked)}{_by(verdict.revoked_by)}."
    return Annotation("verdict", start, start + span, f"{said}{comment}.{revoked}", (verdict.id,))


def _by(name: str | None) -> str:
    return f" by {name}" if name else ""
