"""Rescore final buckets to which a rule that is a document applies since, or doesn't apply any more.

A rule with a start in the past (`ipi-es rule add --retroactive`), or with an end in the past (`rule end --from`),
changes which stored records should be suppressed. Which buckets these are follows from the records and the rules alone,
so a killed run goes on where it stopped, and a bucket that has the right results isn't written again. What was learned,
and the quantiles, stay: the next training finds for each bucket the rules of its time.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from ipi_es.addresses import parse
from ipi_es.config.files.entity_groups import GROUPS_FIELD
from ipi_es.config.rules.allow_list import NO_RULE, AllowList, Matchable
from ipi_es.networks.network_types import TYPES_FIELD, type_bits
from ipi_es.networks.network_values import country_number
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.reading.result_reader import FinalBucket
from ipi_es.state.rule_store import StoredRule
from ipi_es.times import from_ms, iso
from ipi_es.worker.job_session import JobSession
from ipi_es.worker.late.event_changes import read_again
from ipi_es.worker.late.late_rescoring import LateRescorer, RescoredBucket

log = logging.getLogger(__name__)

Source = Mapping[str, Any]


def rules_digest(rules: Sequence[StoredRule]) -> str:
    """Return a digest of a job's rules, ended ones too: it changes with each rule that is added or ended."""
    text = orjson.dumps([each.source() for each in rules], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def rescore_by_rules(
    session: JobSession, now: int, stopping: Callable[[], bool] = lambda: False
) -> list[RescoredBucket]:
    """Rescore the stored buckets whose records aren't suppressed as the rules of now say, in order of time.

    Only buckets of the renormalization window, and only after a rule was added or ended. ``now``: epoch seconds.
    ``stopping`` ends it after the current bucket; the next call goes on. Raises LostJob if another worker took the job
    over.
    """
    resources, job = session.resources, session.resources.job
    rules = resources.stores.rules.all().acting_in(job.job_id)
    digest, checkpoint = rules_digest(rules), session.state.checkpoint
    known = session.details.rules_applied
    if checkpoint is None or known == digest or (known is None and not rules):
        return []
    first = max(checkpoint - job.renormalization_window(), 0) // job.bucket_span * job.bucket_span
    rescored = []
    rescorer = LateRescorer(session, now)
    for found in _wrong_buckets(session, resources.allow_list(), {each.name for each in rules}, first, checkpoint):
        if stopping():
            break
        done = rescorer.rescore_rows(found, read_again(resources, found), _annotation)
        if done is not None:
            rescored.append(done)
    rescorer.apply()
    if not stopping():
        session.note(rules_applied=digest)
    return rescored


def _wrong_buckets(session: JobSession, allow: AllowList, names: set[str], first: int, end: int) -> list[FinalBucket]:
    """Return the buckets with a record that a rule of a document suppresses and shouldn't, or should.

    A bucket is written after its records: where these have a later revision, a run was killed in between.
    """
    results, span = session.resources.stores.results, session.resources.job.bucket_span
    by_start: dict[int, list[Source]] = defaultdict(list)
    for each in results.suppressible(first, end):
        by_start[from_ms(each.source["timestamp"])].append(each.source)
    found = []
    for bucket in results.final_buckets(first, end) if by_start else ():
        records = by_start.get(bucket.start)
        if records and bucket.span == span:
            unfinished = any(int(each.get("revision", 0)) > bucket.revision for each in records)
            if unfinished or any(_wrong(records, allow, names, bucket.start)):
                found.append(bucket)
    return found


def _wrong(records: Sequence[Source], allow: AllowList, names: set[str], start: int) -> Iterator[bool]:
    """Yield for each record of one bucket whether it is suppressed by the wrong rule of a document, or by none."""
    entities = list(dict.fromkeys(str(each["partition_field_value"]) for each in records))
    place = {name: i for i, name in enumerate(entities)}
    n = len(records)
    known = Matchable(
        entities,
        parse([str(each["by_field_value"]) for each in records])[0],  # one address for each record
        {str(each["partition_field_value"]): tuple(each.get(GROUPS_FIELD) or ()) for each in records},
        np.array([int(each.get("source.as.number") or 0) for each in records], dtype=np.uint32),
        np.array([country_number(each.get("source.geo.country_iso_code")) for each in records], dtype=np.uint16),
        np.array([_types(each) for each in records], dtype=np.uint8),
        start,
    )
    entity = np.array([place[str(each["partition_field_value"])] for each in records], dtype=np.int32)
    for rule, each in zip(allow.match(known, entity, np.arange(n, dtype=np.int32)).tolist(), records, strict=True):
        wanted, stored = None if rule == NO_RULE else allow.name(rule), each.get("suppressed_by")
        yield (wanted is None) != (stored is None) and (wanted or stored) in names


def _types(record: Source) -> int:
    bits = 0
    for each in record.get(TYPES_FIELD) or ():
        bits |= type_bits(each)
    return bits


def _annotation(rescored: RescoredBucket) -> Annotation:
    """Describe it for people; the text depends on the bucket alone, so it is the same again after a kill."""
    before, after = rescored.anomaly_score_before, rescored.anomaly_score
    text = f"Rules changed: scored again (revision {rescored.revision}), anomaly_score {before:.1f} → {after:.1f}"
    if rescored.unable is not None:
        text = f"Rules changed, but not scored again: {rescored.unable}"
    log.info("bucket %s: %s", iso(rescored.start), text)
    return Annotation("rules", rescored.start, rescored.start + rescored.span, text)
