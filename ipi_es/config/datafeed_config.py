"""Where a job's events come from: Elastic ML's `datafeed_config`, and our additions for sign-ins."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from ipi_es.addresses import IpPick
from ipi_es.config.entity_names import EntitySource, EntityStep
from ipi_es.config.rules.allow_rule import names_everybody
from ipi_es.config.types import (
    Count,
    FieldName,
    PositiveSpan,
    Section,
    SomeIndices,
    SomeTexts,
    Span,
    Text,
    Texts,
    as_list,
    distinct,
    field_name,
)
from ipi_es.embedded_addresses import Embedding, nat64
from ipi_es.networks.network_types import NetworkType

AUTO = "auto"
"""Value of a setting: use the usual field, if the indices have it."""

DEFAULT_QUERY: dict[str, Any] = {"bool": {"filter": [{"term": {"event.category": "authentication"}}]}}
"""ECS authentication events; outcomes are chosen by `score_outcomes` and `learn_outcomes`."""

MAX_PAGE = 65_535
"""Rows; a composite aggregation may not have more than the server's `search.max_buckets`, by default 65,536."""

WITHOUT_EFFECT = {
    "scroll_size": "events are read by aggregation, not by scrolling",
    "chunking_config": "ipi-es reads one bucket_span at a time",
    "delayed_data_check_config": "ipi-es checks for late events by the count and the digest of each bucket's events",
    "max_empty_searches": "ipi-es follows the events until it is stopped",
}
"""Keys of Elastic's datafeeds that may stay in the file, each with the reason why ignoring it changes no result."""


def _one_clause(query: dict[str, Any]) -> dict[str, Any]:
    if len(query) != 1:
        names = ", ".join(str(name) for name in query) or "nothing"
        raise ValueError(f"must hold exactly one clause, but holds {names}: put several into bool.filter")
    return query


Query: TypeAlias = Annotated[dict[str, Any], AfterValidator(_one_clause)]


def _nat64_prefix(text: str) -> str:
    return str(nat64(text).network)


Nat64Prefixes: TypeAlias = Annotated[
    tuple[Annotated[str, AfterValidator(_nat64_prefix)], ...],
    BeforeValidator(as_list),
    AfterValidator(distinct),
]


def _entity_source(text: str) -> str:
    source = EntitySource.parse(text)
    for name in source.fields:
        field_name(name)
    return source.text


EntitySources: TypeAlias = Annotated[
    tuple[Annotated[str, AfterValidator(_entity_source)], ...],
    BeforeValidator(as_list),
    AfterValidator(distinct),
]


def _not_everybody(pattern: str) -> str:
    if names_everybody(pattern):
        raise ValueError(f"“{pattern}” would leave out every entity: name some of them")
    return pattern


Patterns: TypeAlias = Annotated[
    tuple[Annotated[str, AfterValidator(_not_everybody)], ...],
    BeforeValidator(as_list),
    AfterValidator(distinct),
]


def _wildcards(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else as_list(value)


class IndicesOptions(Section):
    """How missing, closed and hidden indices are treated."""

    ignore_unavailable: bool = Field(default=True, description="A named index that is missing or closed is skipped.")
    allow_no_indices: bool = Field(default=True, description="A pattern that matches no index is no error.")
    expand_wildcards: Annotated[
        tuple[Literal["open", "closed", "hidden", "none", "all"], ...], BeforeValidator(_wildcards), Field(min_length=1)
    ] = Field(default=("open",), description="Which indices a pattern stands for.")


class NetworksFile(Section):
    """A file of networks. A path alone means the same as a mapping with only that path."""

    path: Text = Field(description="Path of the file; its format is recognized by its content.")
    type: NetworkType | None = Field(
        default=None,
        description="The type of all its networks, for files that say nothing of it, such as a list of your VPN's "
        "addresses; in place of the type that a format has by itself, besides those that a table has for each network.",
    )

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, data: Any) -> Any:
        return {"path": data} if isinstance(data, str) else data

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        return self.path if self.type is None else handler(self)


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


def _distinct_files(files: tuple[NetworksFile, ...]) -> tuple[NetworksFile, ...]:
    distinct(tuple(file.path for file in files))
    return files


class DatafeedConfig(Section):
    """The events of a job."""

    indices: SomeIndices = Field(
        description="Index names, patterns, data streams or aliases; remote ones as `cluster:pattern`. `indexes` and "
        "`index_names` are taken too."
    )
    query: Query = Field(
        default=DEFAULT_QUERY, description="Query DSL that chooses the events; by default ECS authentication events."
    )
    query_delay: Span | None = Field(
        default=None,
        description="How long after a bucket's end it is read, so that its events have arrived; by default 60 to 120 "
        "seconds, another for each job, so that they don't all ask at once.",
    )
    frequency: PositiveSpan | None = Field(
        default=None,
        description="How often the worker looks for new events; by default, as Elastic's, 1m for a `bucket_span` up to "
        "2m, half of it up to 20m, 10m up to 12h, 1h above. Shorter than `bucket_span`: interim results in between.",
    )
    runtime_mappings: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Fields computed at reading, passed on to the search."
    )
    indices_options: IndicesOptions = Field(
        default_factory=IndicesOptions, description="How missing, closed and hidden indices are treated."
    )
    outcome_field: FieldName | None = Field(
        default="event.outcome",
        description="Ours. Field that says whether a sign-in succeeded; null: every event counts as a success.",
    )
    operator_field: FieldName | None = Field(
        default=AUTO,
        description="Ours. Field with the number of the network's operator (autonomous system); `auto`: `as.number` "
        "beside the IP address, if the indices have it; null: none.",
    )
    country_field: FieldName | None = Field(
        default=AUTO,
        description="Ours. Field with the two letters of the network's country; `auto`: `geo.country_iso_code` beside "
        "the IP address, if the indices have it; null: none.",
    )
    networks_files: Annotated[tuple[NetworksFile, ...], BeforeValidator(_several), AfterValidator(_distinct_files)] = (
        Field(
            default=(),
            description="Ours. Local files with operators, countries and types of networks, each a path or a mapping: "
            "MaxMind's format, tables whose header names prefix, asn, country, and others ([the network]"
            "(network.md#files-of-networks)). They go before the events' own fields.",
        )
    )
    score_outcomes: SomeTexts = Field(
        default=("success",),
        description="Ours. Outcomes that are scored. With `failure` too, password spraying is seen before it succeeds, "
        "at the price of the internet's noise on exposed hosts.",
    )
    learn_outcomes: SomeTexts = Field(
        default=("success",),
        description="Ours. Outcomes that teach which addresses are usual. A failed sign-in should never: an attacker "
        "could make his address usual by trying.",
    )
    entity_fields: EntitySources = Field(
        default=(),
        description="Ours. Where an entity's name comes from, in order of preference: fields, or templates of several "
        "such as `{host.name}/{user.name}`. The first whose fields are all there counts; blank values and `-` count "
        "as missing. Results carry the name under `partition_field_name`, which is the only source by default.",
    )
    entity_normalize: Annotated[tuple[EntityStep, ...], BeforeValidator(as_list)] = Field(
        default=("lowercase",),
        description="Ours. `lowercase`, `strip_domain`: with both, `CORP\\alice`, `alice@corp` and `Alice` are one. "
        "`strip_slash_domain`: `corp/alice` too; Kerberos' services (`host/…`, `HTTP/…`) stay, but `alice/admin` "
        "becomes `admin`. `trim`: white space around a name is dropped; `nfc`: an e with a separate accent is é "
        "(Unicode NFC).",
    )
    exclude_entities: Patterns = Field(
        default=(),
        description="Ours. Leave out events of entities that match, after `entity_normalize`; `*`, `?` and `[…]` as in "
        "a shell (`*$`, `svc-*`). They are counted. To see them without an alarm, use `allow_list` instead.",
    )
    ip_pick: IpPick | None = Field(
        default=None,
        description="Ours. Which address counts in a text with several, such as `X-Forwarded-For`: `first`, `last`, or "
        "`public`, the last one that isn't private. A client can invent the first. null: such a text is malformed.",
    )
    ignore_private: bool = Field(
        default=False,
        description="Ours. Leave out events from private, shared (`100.64.0.0/10`), loopback, link-local and "
        "unspecified (`0.0.0.0`, `::`) addresses; they are counted.",
    )
    nat64_prefixes: Nat64Prefixes = Field(
        default=(),
        description="Ours. Your translators' own prefixes (RFC 6052, /32 to /96), such as `2001:db8:64::/96`: their "
        "addresses count as the IPv4 addresses inside. Those of `64:ff9b::/96`, 6to4 and Teredo always do.",
    )
    max_page: Count = Field(
        default=20_000,
        ge=1,
        le=MAX_PAGE,
        description="Ours. Rows in a page of the aggregation that reads events; 20,000 measured fastest.",
    )
    scroll_size: Any = Field(default=None, description=f"Without effect: {WITHOUT_EFFECT['scroll_size']}.")
    chunking_config: Any = Field(default=None, description=f"Without effect: {WITHOUT_EFFECT['chunking_config']}.")
    delayed_data_check_config: Any = Field(
        default=None, description=f"Without effect: {WITHOUT_EFFECT['delayed_data_check_config']}."
    )
    max_empty_searches: Any = Field(
        default=None, description=f"Without effect: {WITHOUT_EFFECT['max_empty_searches']}."
    )

    @model_validator(mode="before")
    @classmethod
    def _other_spellings(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given = [name for name in ("indices", "indexes", "index_names") if name in data]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are the same setting: keep indices")
        return {("indices" if name in given else name): value for name, value in data.items()}

    @property
    def translators(self) -> tuple[Embedding, ...]:
        """`nat64_prefixes`, parsed; the longest first."""
        found = [nat64(prefix) for prefix in self.nat64_prefixes]
        return tuple(sorted(found, key=lambda one: -len(one.prefix)))

    @property
    def outcomes(self) -> Texts:
        """All outcomes that are read: the scored ones, then those that are only learned."""
        return tuple(dict.fromkeys(self.score_outcomes + self.learn_outcomes))

    @property
    def knows_successes(self) -> bool:
        """Whether what is learned are sign-ins that succeeded: events have outcomes, and failures teach nothing."""
        return self.outcome_field is not None and not {"failure", "unknown"} & set(self.learn_outcomes)

    def operator_of(self, ip_field: str) -> str | None:
        """Return the field for the operator's number, whether the indices have it or not; None: none is read."""
        return _beside(ip_field, "as.number") if self.operator_field == AUTO else self.operator_field

    def country_of(self, ip_field: str) -> str | None:
        """Return the field for the country's two letters, whether the indices have it or not; None: none is read."""
        return _beside(ip_field, "geo.country_iso_code") if self.country_field == AUTO else self.country_field

    def warnings(self) -> list[str]:
        """List the settings that are given but have no effect, as texts for people."""
        return [
            f"datafeed_config.{name} has no effect: {reason}"
            for name, reason in WITHOUT_EFFECT.items()
            if name in self.model_fields_set
        ]


def _beside(ip_field: str, name: str) -> str:
    """Return ``source.as.number`` for ``source.ip``: ECS keeps facts about an address beside it."""
    parent, dot, _ = ip_field.rpartition(".")
    return f"{parent}{dot}{name}"
