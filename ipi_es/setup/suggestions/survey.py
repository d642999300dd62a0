"""Suggest jobs for the sign-ins in a cluster, place by place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ipi_es.cluster.port import Cluster
from ipi_es.errors import IpiEsError
from ipi_es.setup.facts.field_roles import FieldTypes
from ipi_es.setup.line_parsing import FORMATS
from ipi_es.setup.suggestions.event_streams import EventStream, event_streams
from ipi_es.setup.suggestions.known_sources import known_sources
from ipi_es.setup.suggestions.log_contents import from_contents
from ipi_es.setup.suggestions.result_index import ResultFields
from ipi_es.setup.suggestions.sparse_log import fitted
from ipi_es.setup.suggestions.suggestion import JobNames, RawLines, Suggestion, Unusable

OF_SHIPPER = ("host.", "agent.")
"""Beginnings of fields of the machine that sends a log: in raw lines, often the only addresses."""

TEXTS = frozenset({"text", "match_only_text"})
"""Types of fields that hold lines of text."""

MOST_STREAMS = 50
"""Maximum number of places that are examined, one after the other."""

MOST_REQUESTS = 30
"""Maximum number of requests for one place of unknown form, one after the other; about ten for each known source."""


def suggest_jobs(
    cluster: Cluster, now: int, patterns: Sequence[str] = (), on_progress: Callable[[str], None] = lambda _: None
) -> Iterator[Suggestion | Unusable]:
    """Examine the cluster's data streams and series of indices, one after the other.

    ``patterns``: only the indices that match one of them. At most :data:`MOST_STREAMS` places are examined; further
    ones are reported as not examined. ``now`` is epoch seconds; ``on_progress`` gets each place's pattern.
    """
    names = [name for pattern in patterns or ("*",) for name in cluster.indices(pattern)]
    streams, job_names, results = event_streams(dict.fromkeys(names)), JobNames(), ResultFields()
    for number, stream in enumerate(streams):
        if number >= MOST_STREAMS:
            yield Unusable(stream.pattern, f"not examined: only {MOST_STREAMS} places are; name it with --index")
            continue
        on_progress(stream.pattern)
        try:
            for each in _of_stream(cluster, stream, job_names, results, now):
                yield fitted(cluster, each, now) if isinstance(each, Suggestion) else each
        except IpiEsError as error:
            yield Unusable(stream.pattern, error.message)


def _of_stream(
    cluster: Cluster, stream: EventStream, names: JobNames, results: ResultFields, now: int
) -> Iterator[Suggestion | Unusable]:
    types = cluster.field_types([stream.pattern], ["*"])
    found = list(known_sources(cluster, stream, types, names, results, now))
    if found:
        yield from found
        return
    raw, suggested = _unparsed(cluster, stream, types), from_contents(cluster, stream, types, names, results, now)
    if raw is None:
        yield suggested
        return
    yield raw
    if isinstance(suggested, Suggestion) and not suggested.job.ip_field.startswith(OF_SHIPPER):
        yield suggested


def _unparsed(cluster: Cluster, stream: EventStream, types: FieldTypes) -> RawLines | None:
    """Return the lines of a known form that nobody has parsed; None where there are none."""
    if not TEXTS & types.get("message", {}).keys():
        return None
    for format_ in FORMATS.values():
        if lines := cluster.count([stream.pattern], format_.unparsed):
            text = f"{lines:,} lines are {format_.title}, but not parsed"
            return RawLines(stream.pattern, text, format_)
    return None
