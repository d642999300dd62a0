"""What a datafeed reads, as plain values; only ``from_job`` depends on the job's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ipi_es.addresses import IpPick
from ipi_es.cluster.port import IndexOptions, ServerInfo
from ipi_es.config.entity_names import STEPS, EntitySource, EntityStep, fields_of
from ipi_es.config.job_config import Job
from ipi_es.embedded_addresses import Embedding
from ipi_es.errors import ConfigError
from ipi_es.pseudonyms import Pseudonyms

MAX_PAGE_SIZE = 65_535
"""The most rows per page: OpenSearch answers 503 above it, Elasticsearch accepts one more (measured, defaults)."""

DEFAULT_PAGE_SIZE = 20_000
"""Rows per page: 10,000 cost a tenth more processor time, 50,000 a tenth less but more than twice the memory, which
matters where many shards answer at once (OpenSearch 3.8.0, ``benchmarks/read.py --page-size``).
"""

SUCCESS = "success"
"""The outcome of every event when the job names no outcome field (ECS value)."""

UNKNOWN = "unknown"
"""The outcome of an event that lacks the outcome field (ECS value)."""

MATCH_ALL: Mapping[str, Any] = {"match_all": {}}


KEYWORDS = frozenset({"keyword", "constant_keyword", "wildcard"})
"""Types of a field that holds texts as they were sent, such as a country's letters; a composite aggregation accepts
them."""

OPERATOR_TYPES = KEYWORDS | {"long", "integer", "unsigned_long"}
"""Types of a field that can hold an operator's number, as a number or as ``AS64496``."""


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """Which events to read, and the fields that hold time, entity, address and outcome.

    ``entity_sources``: the entity's name comes from the first whose fields are all there.
    ``outcome_field`` None means that every event counts as a success. ``outcomes`` are the ones to read (``unknown``:
    events without the field), () all of them; events with others are in the event count, but in no row. ``query``
    and ``runtime_mappings`` are sent unchanged. ``ignore_private`` drops (and counts) private, loopback
    and link-local addresses, ``exclude_entities`` the entities that match a pattern. ``ip_pick`` chooses in a text with
    several addresses. ``translators`` are prefixes that embed IPv4 addresses.
    ``operator_field`` and ``country_field`` are read where the indices have them; None: never. ``group_field`` holds
    the groups of the entity; None: events name none. ``pseudonyms``: what is read has these in place of names.
    Raises ConfigError for no index, a page size out of range or an unknown step in ``entity_normalize``.
    """

    indices: tuple[str, ...]
    entity_sources: tuple[EntitySource, ...] = (EntitySource.parse("user.name"),)
    ip_field: str = "source.ip"
    time_field: str = "@timestamp"
    outcome_field: str | None = "event.outcome"
    outcomes: tuple[str, ...] = ()
    operator_field: str | None = None
    country_field: str | None = None
    group_field: str | None = None
    query: Mapping[str, Any] = field(default_factory=lambda: MATCH_ALL)
    runtime_mappings: Mapping[str, Any] = field(default_factory=dict)
    entity_normalize: tuple[EntityStep, ...] = ()
    ignore_private: bool = False
    exclude_entities: tuple[str, ...] = ()
    ip_pick: IpPick | None = None
    translators: tuple[Embedding, ...] = ()
    pseudonyms: Pseudonyms | None = None
    options: IndexOptions = field(default_factory=IndexOptions)
    page_size: int = DEFAULT_PAGE_SIZE

    def __post_init__(self) -> None:
        if not self.indices:
            raise ConfigError("the datafeed names no index", hint="set datafeed_config.indices, for example [logs-*]")
        if not 1 <= self.page_size <= MAX_PAGE_SIZE:
            raise ConfigError(
                f"a page of {self.page_size} rows is out of range", hint=f"choose 1 to {MAX_PAGE_SIZE} rows a page"
            )
        for step in self.entity_normalize:
            if step not in STEPS:
                raise ConfigError(f"“{step}” is no way to normalize entities", hint=f"known: {', '.join(STEPS)}")

    @classmethod
    def from_job(cls, job: Job) -> FeedSpec:
        """Create it from a job's configuration."""
        feed = job.datafeed_config
        options = feed.indices_options
        return cls(
            indices=feed.indices,
            entity_sources=job.entity_sources,
            ip_field=job.ip_field,
            time_field=job.time_field,
            outcome_field=feed.outcome_field,
            outcomes=feed.outcomes if feed.outcome_field is not None else (),
            operator_field=feed.operator_of(job.ip_field),
            country_field=feed.country_of(job.ip_field),
            group_field=job.group_field,
            query=feed.query,
            runtime_mappings=feed.runtime_mappings,
            entity_normalize=feed.entity_normalize,
            ignore_private=feed.ignore_private,
            exclude_entities=feed.exclude_entities,
            ip_pick=feed.ip_pick,
            translators=feed.translators,
            pseudonyms=job.pseudonyms,
            options=IndexOptions(
                ignore_unavailable=options.ignore_unavailable,
                allow_no_indices=options.allow_no_indices,
                expand_wildcards=",".join(options.expand_wildcards),
            ),
            page_size=feed.max_page,
        )

    @property
    def entity_fields(self) -> tuple[str, ...]:
        """The fields of all entity sources, each once."""
        return fields_of(self.entity_sources)

    @property
    def only_outcome(self) -> str | None:
        """The outcome of all rows where only one is possible, so that it needn't be read; None otherwise."""
        if self.outcome_field is None:
            return SUCCESS
        return self.outcomes[0] if len(self.outcomes) == 1 else None

    @property
    def context_fields(self) -> tuple[str, ...]:
        """The fields of operator and country to read."""
        return tuple(name for name in (self.operator_field, self.country_field) if name is not None)

    @property
    def of_groups(self) -> FeedSpec | None:
        """What reads unique (entity, group) instead of (entity, IP, outcome); None: events name no groups."""
        if self.group_field is None:
            return None
        return replace(
            self,
            ip_field=self.group_field,
            outcome_field=None,
            outcomes=(),
            operator_field=None,
            country_field=None,
            group_field=None,
        )

    def with_fields_of(self, types: Mapping[str, Mapping[str, Any]]) -> FeedSpec:
        """Return a copy without operator and country fields that the indices lack, or have with an unusable type.

        ``types`` is ``{field: {type: …}}`` as :meth:`ipi_es.cluster.port.Cluster.field_types` returns it.
        """

        def usable(name: str | None, wanted: frozenset[str]) -> str | None:
            found = frozenset(types.get(name, ())) if name is not None else frozenset()
            alike = found <= KEYWORDS or not found & KEYWORDS  # texts and numbers have no common order
            return name if found and found <= wanted and alike else None

        return replace(
            self,
            operator_field=usable(self.operator_field, OPERATOR_TYPES),
            country_field=usable(self.country_field, KEYWORDS),
        )

    def check_server(self, server: ServerInfo) -> None:
        """Raise ConfigError for settings that this server doesn't support."""
        if self.runtime_mappings and server.distribution == "opensearch":
            raise ConfigError(
                f"runtime_mappings are an Elasticsearch feature; {server.text} refuses them",
                hint="index the field, or derive it in an ingest pipeline, and remove runtime_mappings",
            )
