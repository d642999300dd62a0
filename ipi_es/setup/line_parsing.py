"""Parsing of raw log lines: an ingest pipeline reads accounts, addresses and outcomes from the text in ``message``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from ipi_es import resources
from ipi_es.cluster.port import Cluster
from ipi_es.config.files.yaml_documents import parse_yaml
from ipi_es.errors import NoEvents, NotFound, RequestRejected
from ipi_es.setup.facts.facts_fields import plain_name
from ipi_es.setup.suggestions.event_streams import OWN

CHUNK: Final = 5_000
"""Existing documents that are parsed with one request: about a second."""


@dataclass(frozen=True, slots=True)
class LineFormat:
    """A form of log lines that a shipped pipeline reads."""

    name: str
    title: str
    pipeline: str
    """Name of the pipeline, and of its file in templates/pipelines."""
    lines: dict[str, Any]
    """Query for the lines, parsed or not."""
    fields: tuple[str, ...]
    """Fields that a parsed line gets."""
    parsed: str
    """A field that only parsed lines have."""

    @property
    def unparsed(self) -> dict[str, Any]:
        """Query for the lines that are not parsed yet."""
        return {"bool": {"filter": [self.lines], "must_not": [{"exists": {"field": self.parsed}}]}}

    def body(self) -> dict[str, Any]:
        """Load the pipeline."""
        file = resources.folder("templates") / "pipelines" / f"{self.pipeline}.yml"
        return dict(parse_yaml(file.read_text(encoding="utf-8"), name=file.name).data)


def _either(*texts: str) -> dict[str, Any]:
    return {"bool": {"should": [{"match_phrase": {"message": text}} for text in texts], "minimum_should_match": 1}}


SSHD: Final = LineFormat(
    "sshd",
    "sign-ins of OpenSSH's sshd",
    "ipi-es-sshd",
    {"bool": {"filter": [_either("Accepted", "Failed"), _either("ssh2"), _either("port")]}},
    ("user.name", "source.ip", "source.port", "event.action", "event.category", "event.outcome"),
    "source.address",
)
FORMATS: Final = {each.name: each for each in (SSHD,)}
"""The forms by name."""


@dataclass(frozen=True, slots=True)
class ParsingPlan:
    """What parsing would change."""

    format: LineFormat
    pattern: str
    waiting: dict[str, int]
    """Index → its lines that are not parsed yet."""
    without_pipeline: tuple[str, ...]
    """Indices whose new documents don't run through the pipeline yet."""


def plan(cluster: Cluster, format_: LineFormat, pattern: str) -> ParsingPlan:
    """Find out what parsing the lines of some indices would change.

    Raises NotFound where no index matches, NoEvents where none has such lines, RequestRejected where the server has no
    pipelines, or where another final pipeline is in the place.
    """
    if not cluster.ingest.available():
        raise RequestRejected(
            f"{cluster.info.text} has no ingest pipelines",
            hint="let the shipper parse the lines: Filebeat's module “system” does, in its fileset “auth”",
        )
    found = cluster.ingest.last_of_indices(pattern)
    last = {index: name for index, name in found.items() if not plain_name(index).startswith((".", OWN))}
    if not last:
        raise NotFound(f"no index matches {pattern}", hint="name the indices of the log lines: --index 'filebeat-*'")
    waiting = {index: cluster.count([index], format_.unparsed) for index in last}
    if not any(waiting.values()) and not cluster.count([pattern], format_.lines):
        raise NoEvents(
            f"no document in {pattern} has lines of {format_.title} in its field `message`",
            hint="`ipi-es job suggest` shows what the indices hold",
        )
    other = {index: name for index, name in last.items() if name not in (None, format_.pipeline)}
    if other:
        index, name = next(iter(other.items()))
        raise RequestRejected(
            f"{index} has the final pipeline {name} already",
            hint=f"add the processor `pipeline: {{name: {format_.pipeline}}}` to {name}, or name other indices",
        )
    return ParsingPlan(format_, pattern, waiting, tuple(index for index, name in last.items() if name is None))


def parse(cluster: Cluster, planned: ParsingPlan) -> Iterator[int]:
    """Carry a plan out; yield the number of lines that were tried so far.

    New lines first, so that none is missed in between; it can be interrupted and repeated.
    """
    format_ = planned.format
    cluster.ingest.write(format_.pipeline, format_.body())
    for index in planned.without_pipeline:
        cluster.ingest.attach_last(format_.pipeline, index)
    done = 0
    for index, waiting in planned.waiting.items():
        # what was tried gets a higher number: lines that can't be parsed are not tried again
        query = {"bool": {"filter": [format_.unparsed, {"range": {"_seq_no": {"lte": _newest(cluster, index)}}}]}}
        for _ in range(math.ceil(waiting / CHUNK)):
            done += cluster.ingest.run(format_.pipeline, index, query, CHUNK)
            yield done


def _newest(cluster: Cluster, index: str) -> int:
    """Return the largest sequence number of an index's documents."""
    answer = cluster.search([index], {"size": 0, "aggs": {"newest": {"max": {"field": "_seq_no"}}}})
    return int(answer["aggregations"]["newest"]["value"] or 0)


def stop_parsing(cluster: Cluster, format_: LineFormat, pattern: str) -> list[str]:
    """Detach the pipeline from the indices of a pattern and return their names; parsed fields stay.

    The pipeline itself is deleted unless other indices use it. Raises NotFound where no index of the pattern uses it.
    """
    mine = [index for index, name in cluster.ingest.last_of_indices(pattern).items() if name == format_.pipeline]
    if not mine:
        raise NotFound(
            f"no index of {pattern} uses the pipeline {format_.pipeline}", hint="name the indices that were parsed"
        )
    for index in mine:
        cluster.ingest.attach_last(None, index)
    with suppress(NotFound, RequestRejected):  # it is gone already, or other indices use it
        cluster.ingest.delete(format_.pipeline)
    return mine
