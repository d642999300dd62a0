"""What is known of a place before its job is chosen: a sample of its documents, their time, and their range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Training
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.setup.checks.proposals import propose
from ipi_es.setup.contents.arrivals import ARRIVED
from ipi_es.setup.facts.document_sample import PART_SIZE, PARTS, Sample, Scope, take_sample
from ipi_es.setup.facts.facts_events import CLOCK_TOLERANCE
from ipi_es.setup.facts.field_roles import TIME, FieldTypes


@dataclass(frozen=True, slots=True)
class LogSample:
    """A sample of the documents that ``query`` chooses, spread over the newest part of their time range."""

    pattern: str
    query: Mapping[str, Any]
    types: FieldTypes
    """Those of all fields of the place."""
    sample: Sample
    time_field: str | None
    """None: no field holds a time; then the documents may be of any."""
    first: int = 0
    start: int = 0
    end: int = 0
    """Epoch seconds: the events begin at ``first``; [start, end) is examined, at most a training's window."""

    def scope(self, spec: FeedSpec) -> Scope:
        """Return the examined documents, as ``spec`` reads them."""
        return Scope(spec, self.start, self.end)

    @property
    def seconds(self) -> int:
        """Length of the examined range."""
        return self.end - self.start


def log_sample(cluster: Cluster, pattern: str, query: Mapping[str, Any], types: FieldTypes, now: int) -> LogSample:
    """Read a sample of a place: 500 documents as they come, then, where there are more, 500 over the time range.

    ``types`` are those of all its fields; ``now`` is epoch seconds.
    """
    spec = FeedSpec((pattern,), query=query)
    sample = take_sample(cluster, Scope(spec, timed=False), spec)
    time_field = _time_field(types, sample) if sample.documents else None
    found = LogSample(pattern, query, types, sample, time_field)
    if time_field is None:
        return found
    spec = replace(spec, time_field=time_field)
    ranged = Datafeed(cluster, spec, readers=1).time_range()
    if ranged is None:
        return replace(found, time_field=None)
    first, last = ranged
    end = now if last > now + CLOCK_TOLERANCE and first < now else last
    start = max(first, end - Training().window)
    if len(sample.documents) >= PARTS * PART_SIZE:
        sample = take_sample(cluster, Scope(spec, start, end), spec)
    return replace(found, sample=sample, first=first, start=start, end=end)


def _time_field(types: FieldTypes, sample: Sample) -> str | None:
    """Return the time of the event; the time of its arrival only where there is no other."""
    others = {name: types[name] for name in types if name != ARRIVED}
    return propose(TIME, TIME.usual[0], others, sample) or propose(TIME, TIME.usual[0], types, sample)
