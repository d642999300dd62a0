"""Find the fields of a job that its indices fold to lower case, as a keyword with the normalizer ``lowercase``.

Who reads events may not be allowed to read mappings. So names that occur are searched for in capitals too: an index
that folds finds the same documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ipi_es.cluster.port import Cluster, Json
from ipi_es.config.job_config import Job
from ipi_es.datafeed.searches.requests import search_body, window
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import NotFound, PermissionDenied, RequestRejected
from ipi_es.times import SECONDS

NAMES = 50
"""Values of a field that are tried: all of them may be in lower case by chance, but none is then found in capitals."""

RECENT = 7 * SECONDS["d"]
"""Seconds before now from which values are tried, or those of all times: older indices may be mapped otherwise."""


def with_folded_fields(cluster: Cluster, job: Job, now: int) -> Job:
    """Return the job with the fields that its indices fold, by which the names that people write are spelled.

    ``now`` is epoch seconds. The job is returned as it is where no name depends on it, and where its events can't be
    read.
    """
    spec, fields, folded = FeedSpec.from_job(job), list(job.fields_that_may_fold), list[str]()
    try:
        for query in (window(spec, now - RECENT, now), dict(spec.query) or {"match_all": {}}):
            values = {field: found for field, found in _values(cluster, spec, query, fields).items() if found}
            folded += _folded(cluster, spec, query, values)
            fields = [field for field in fields if field not in values]
    except (NotFound, PermissionDenied, RequestRejected):
        return job  # a command that reads events says why
    return job.with_folded(folded) if folded else job


def _values(cluster: Cluster, spec: FeedSpec, query: Json, fields: Sequence[str]) -> dict[str, list[str]]:
    """Return the most frequent texts of each field."""
    found = _aggregated(cluster, spec, query, [{"terms": {"field": field, "size": NAMES}} for field in fields])
    keys = [[each["key"] for each in part.get("buckets", ())] for part in found]
    return {field: [key for key in each if isinstance(key, str)] for field, each in zip(fields, keys, strict=True)}


def _folded(cluster: Cluster, spec: FeedSpec, query: Json, values: Mapping[str, list[str]]) -> list[str]:
    """Return the fields whose values are found in as many documents if they are written in capitals."""
    tried = {
        field: [name for name in names if name.isascii() and name != name.upper()]
        for field, names in values.items()
        if all(name == name.lower() for name in names)
    }
    fields = [field for field, names in tried.items() if names]
    spellings = [
        (field, names) for field in fields for names in (tried[field], [each.upper() for each in tried[field]])
    ]
    found = _aggregated(cluster, spec, query, [{"filter": {"terms": {field: names}}} for field, names in spellings])
    counts = [part.get("doc_count", 0) for part in found]
    return [
        field for field, plain, capitals in zip(fields, counts[::2], counts[1::2], strict=True) if 0 < plain == capitals
    ]


def _aggregated(cluster: Cluster, spec: FeedSpec, query: Json, parts: list[Json]) -> list[Mapping[str, Any]]:
    """Return the answers to aggregations over the events that a query selects; empty ones where there is no index."""
    if not parts:
        return []
    body = search_body(spec, query, {str(place): part for place, part in enumerate(parts)})
    found = cluster.search(spec.indices, body, options=spec.options).get("aggregations", {})
    return [found.get(str(place), {}) for place in range(len(parts))]
