"""Deterministic document ids: rescoring a bucket overwrites the results of the first run.

``{job}_{result_type}_{epoch_ms}_{bucket_span}[_{detector}]_{hash}``: readable up to the hash. The hash covers
*all* parts with their lengths, so that ("ab", "c") and ("a", "bc") differ, and so do job ids with underscores.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ipi_es.results.words import INCIDENT
from ipi_es.times import from_ms, to_ms

MAX_ID_BYTES = 512
"""Both servers refuse longer ids, and with them the whole bulk request."""

_STARTED = re.compile(r"_(?:record|influencer|bucket)_(\d+)_\d+_(?:\d+_)?[0-9a-f]{32}")
"""The end of an id; the group is the start of the bucket in epoch milliseconds."""

_INCIDENT = re.compile(rf".+_{INCIDENT}_\d+_[0-9a-f]{{32}}")

_HASH_BYTES = 16  # 128 bits: among 10^12 results, the probability of a collision is 10^-15
_JOB_BYTES = 200  # job ids have at most 64 characters; a longer one is cut here, but the hash covers all of it
_LENGTH_BYTES = 8  # of a part, in bytes, before the part


def belongs_to_new_finding(source: Mapping[str, Any]) -> bool:
    """Return whether a result (its source) raises no alarm because another one of the same bucket raises it."""
    first = source.get("repeat_of")
    return first is not None and start_of(str(first)) == from_ms(source["timestamp"])


def digest(*parts: str) -> str:
    """Return 32 hexadecimal digits over length-prefixed parts; the same in every process and on every machine."""
    return hashlib.blake2b(_prefixed(parts), digest_size=_HASH_BYTES).hexdigest()


def document_id(
    job_id: str, result_type: str, start: int, bucket_span: int, *parts: str, detector: int | None = None
) -> str:
    """Return the id of one result.

    ``start`` is the bucket's start in epoch seconds, ``bucket_span`` its length in seconds; ``parts`` distinguish the
    results of one type in one bucket (the entity and the IP of a record).
    """
    visible, begun = _begun(job_id, result_type, start, bucket_span, detector)
    state = begun.copy()
    state.update(_prefixed(parts))
    return visible + state.hexdigest()


@lru_cache(maxsize=64)
def _begun(
    job_id: str, result_type: str, start: int, bucket_span: int, detector: int | None
) -> tuple[str, hashlib.blake2b]:
    """Return the shared part of all ids of one bucket and type: the visible text, and the hash so far."""
    fixed = [result_type, str(to_ms(start)), str(bucket_span)] + ([] if detector is None else [str(detector)])
    # the number of fixed parts distinguishes a detector from the first of ``parts``
    state = hashlib.blake2b(_prefixed((job_id, str(len(fixed)), *fixed)), digest_size=_HASH_BYTES)
    visible_job = job_id.encode("utf-8", "replace")[:_JOB_BYTES].decode("utf-8", "ignore")
    return "_".join([visible_job, *fixed, ""]), state


def _prefixed(parts: tuple[str, ...]) -> bytes:
    # a JSON escape can give a lone surrogate; it must not fail a bucket
    blobs = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join([piece for blob in blobs for piece in (len(blob).to_bytes(_LENGTH_BYTES, "big"), blob)])


def record_id(job_id: str, start: int, bucket_span: int, detector: int, entity: str, ip: str) -> str:
    """Return the id of the record of one (entity, IP) in one bucket."""
    return document_id(job_id, "record", start, bucket_span, entity, ip, detector=detector)


def influencer_id(job_id: str, start: int, bucket_span: int, field: str, value: str) -> str:
    """Return the id of the influencer ``field: value`` in one bucket."""
    return document_id(job_id, "influencer", start, bucket_span, field, value)


def bucket_id(job_id: str, start: int, bucket_span: int) -> str:
    """Return the id of one bucket."""
    return document_id(job_id, "bucket", start, bucket_span)


def annotation_id(job_id: str, start: int, bucket_span: int, annotation_type: str, *parts: str) -> str:
    """Return the id of one annotation; ``parts`` distinguish several of one type and start."""
    return document_id(job_id, "annotation", start, bucket_span, annotation_type, *parts)


def incident_id(job_id: str, start: int, result_id: str) -> str:
    """Return the id of the incident whose first bucket starts at ``start``, epoch seconds, with its earliest result."""
    return f"{job_id}_{INCIDENT}_{to_ms(start)}_{digest(result_id)}"


def is_incident(text: str) -> bool:
    """Return whether a text has the form of an incident's id."""
    return _INCIDENT.fullmatch(text) is not None


def start_of(result_id: str) -> int | None:
    """Return the start of the bucket in a result's id, epoch seconds; None if it isn't such an id."""
    found = _STARTED.search(result_id)
    return from_ms(found[1]) if found is not None and found.end() == len(result_id) else None
