"""Mark stored results with the verdicts on them, and annotate the verdicts.

A worker does so when verdicts were given or revoked: by `ipi-es verdict`, or by a tool that wrote a document. What is
to be marked follows from the verdicts alone, so a killed run does it again and writes the same. Results that are
written later, or scored again, get their marks when they are written.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ipi_es.cluster.port import Document
from ipi_es.config.given_verdict import CLOSING, COMPROMISED, REACH, SAFE, Verdict
from ipi_es.config.job_config import Job
from ipi_es.results.documents import ids
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.documents.rescored import MOMENT
from ipi_es.results.documents.verdict_marks import verdicts_of, with_verdict
from ipi_es.results.reading.result_reader import ResultReader
from ipi_es.results.words import VERDICT
from ipi_es.state.details import JobDetails
from ipi_es.state.verdict_store import StoredVerdicts
from ipi_es.times import from_ms, iso, to_ms
from ipi_es.worker.verdicts.known_verdicts import CLOCKS_APART, KnownVerdicts, network_of

if TYPE_CHECKING:
    from ipi_es.worker.job_session import JobSession

log = logging.getLogger(__name__)


def unmarked(stored: StoredVerdicts, details: JobDetails) -> tuple[Verdict, ...]:
    """Return the verdicts that were given or revoked since results were last marked.

    Return all of them where those with the sequence numbers of then aren't the same any more: the index was made anew,
    or a document became visible later than others.
    """
    number, _, digest = (details.verdicts_marked or "0:").partition(":")
    marked = int(number) if number.isdecimal() else 0
    if digest != _digest(stored, marked):
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
    now = resources.stores.clock.now()
    recent = [each for each in changed if now - REACH <= each.time <= now + CLOCKS_APART]  # each month has an index
    session.annotate(_annotation(resources.job, each) for each in KnownVerdicts.spelled(resources.job, recent))
    count = 0
    for start in starts_to_mark(resources.stores.results, resources.job, known, changed):
        if stopping():
            return count
        count += _mark_bucket(session, known, start)
    following = 1 + max((each.seq_no for each in stored.verdicts), default=-1)
    session.note(verdicts_marked=f"{following}:{_digest(stored, following)}")
    return count


def _digest(stored: StoredVerdicts, before: int) -> str:
    """Return a digest of the verdicts with sequence numbers below ``before``; empty where there are none."""
    known = sorted(f"{each.seq_no} {each.id}" for each in stored.verdicts if 0 <= each.seq_no < before)
    return hashlib.blake2b("\n".join(known).encode(), digest_size=8).hexdigest() if known else ""


def starts_to_mark(results: ResultReader, job: Job, known: KnownVerdicts, changed: tuple[Verdict, ...]) -> list[int]:
    """Return the starts of buckets, in order, with a record that lacks its verdict, or with a result that was named."""
    spelled = KnownVerdicts.spelled(job, changed)
    places = {(each.entity, network_of(each.ip)) for each in spelled}
    first, last = min(each.since for each in changed), max(each.time for each in changed)
    found = {start for each in changed if (start := ids.start_of(each.result or "")) is not None}
    records = results.of_entities(sorted({entity for entity, _ in places}), first, last + 1)
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
    words = verdicts_of([(each.id, each.source) for each in found], known.mark, known.given_on)
    now = session.resources.stores.clock.now()
    changed = [
        Document(each.id, each.index, _reopened(each.source, with_verdict(each.source, words[each.id]), now))
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
    session.resources.incidents.mark_due(session.writer, start, start + 1, [each.source for each in changed])
    # records last: a bucket whose records have their marks is not looked at again after a kill
    for last in (False, True):
        part = [each for each in changed if (each.source["result_type"] == "record") is last]
        if part:
            session.writer.rewrite(part)
    return len(changed)


def _reopened(before: Mapping[str, Any], after: dict[str, Any], now: int) -> dict[str, Any]:
    """Let a result that isn't closed any more alert: it may have been closed before its alert was sent."""
    return {**after, MOMENT: to_ms(now)} if before.get(VERDICT) in CLOSING and after.get(VERDICT) is None else after


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
