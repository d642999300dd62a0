"""The port through which all code above talks to a cluster.

There are three implementations: Elasticsearch, OpenSearch, and the in-memory one for tests and dry runs. Errors are
those of :mod:`ipi_es.errors`; retries with back-off happen inside. Bodies are plain dicts that both distributions
accept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

Json: TypeAlias = dict[str, Any]
Distribution: TypeAlias = Literal["elasticsearch", "opensearch"]


MOST_CALENDARS = 10_000
"""Calendars, and scheduled events, that Elastic ML returns at most."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The server that answered; detected, never configured."""

    distribution: Distribution
    version: tuple[int, int, int]
    cluster_name: str
    url: str

    @property
    def text(self) -> str:
        """Name and version for people: ``OpenSearch 3.8.0``."""
        name = "Elasticsearch" if self.distribution == "elasticsearch" else "OpenSearch"
        return f"{name} {'.'.join(str(part) for part in self.version)}"


@dataclass(frozen=True, slots=True)
class Document:
    """One stored document, with the numbers that a compare-and-set write needs."""

    id: str
    index: str
    source: Json
    seq_no: int = -1
    primary_term: int = -1


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """Treatment of missing, hidden and closed indices by a read."""

    ignore_unavailable: bool = True
    allow_no_indices: bool = True
    expand_wildcards: str = "open"


@dataclass(frozen=True, slots=True)
class Put:
    """One document to write. With ``version``: external_gte (an equal or higher one wins, a lower one is fenced)."""

    index: str
    id: str
    source: Json
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """One document to delete; a missing one is no error. ``version`` as in :class:`Put`."""

    index: str
    id: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class BulkItemFailure:
    """One refused item of a bulk."""

    id: str
    status: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """The outcome of a bulk. ``fenced`` are items with a newer version in the index (409): not an error by itself."""

    written: int = 0
    deleted: int = 0
    fenced: tuple[str, ...] = ()
    failures: tuple[BulkItemFailure, ...] = field(default=())


class Lifecycles(Protocol):
    """Index lifecycle policies: ILM on Elasticsearch, ISM on OpenSearch; bodies are in the server's own form."""

    def available(self) -> bool:
        """Decide whether the server manages lifecycles at all. Raises PermissionDenied where it doesn't show that."""

    def read(self, name: str) -> Json | None:
        """Return a policy, or None."""

    def write(self, name: str, policy: Mapping[str, Any]) -> None:
        """Create or replace a policy."""

    def of_indices(self, pattern: str) -> dict[str, str | None]:
        """Return ``{index: name of its policy}`` of the existing indices; None for an index without a policy."""

    def attach(self, name: str, index: str) -> None:
        """Attach a policy to an index that has none."""

    def renew(self, name: str, index: str) -> None:
        """Apply the present version of the policy to an index that it is attached to."""

    def stuck(self, pattern: str) -> dict[str, str]:
        """Return ``{index: reason}`` of the indices whose policy fails; empty where the server has no policies."""


class Alerting(Protocol):
    """The server's own alerting: Watcher on Elasticsearch, Alerting on OpenSearch; bodies are in its own form."""

    def available(self) -> bool:
        """Decide whether the server has it. Raises PermissionDenied where it doesn't show that."""

    def write(self, id: str, body: Mapping[str, Any]) -> bool:  # noqa: A002  (the field's word)
        """Create or replace a watch, or the monitor of the body's name; return whether it was created."""

    def write_channel(self, id: str, name: str, url: str) -> bool:  # noqa: A002
        """Create or replace the channel that sends to a URL; return whether it was created.

        Raises RequestRejected on Elasticsearch, whose watches need none.
        """


class Admin(Protocol):
    """Templates that indices are made with, aliases, blocks that forbid writing, and the calendars of Elastic ML."""

    def index_templates(self) -> dict[str, Json]:
        """Return all composable index templates by name, bodies as in :meth:`Cluster.get_index_template`."""

    def simulate_index(self, name: str) -> Json | None:
        """Return ``settings`` (below ``index``), ``mappings`` and ``aliases`` that a new index of this name would have.

        None where the server can't simulate it, or doesn't let these credentials do so.
        """

    def add_alias(self, index: str, alias: str) -> None:
        """Give one index an alias; nothing happens if it has the alias already."""

    def write_blocks(self, pattern: str) -> dict[str, str]:
        """Return ``{index: setting}`` of the indices whose settings forbid writing until a person changes them.

        The block of a full disk is not included, since the server removes it by itself.
        """

    def elastic_calendars(self) -> tuple[Json, Json]:
        """Return Elastic ML's answers with all its calendars, and with all their scheduled events.

        At most :data:`MOST_CALENDARS` of each; ``count`` says how many there are. Raises NotFound where the server
        has no such calendars, PermissionDenied where it doesn't show them.
        """


class Ingest(Protocol):
    """Ingest pipelines, and the last one that an index's documents run through."""

    def available(self) -> bool:
        """Decide whether the server has pipelines with the usual processors."""

    def write(self, name: str, body: Mapping[str, Any]) -> None:
        """Create or replace a pipeline."""

    def delete(self, name: str) -> None:
        """Delete a pipeline. Raises NotFound where there is none, RequestRejected where an index uses it."""

    def last_of_indices(self, pattern: str) -> dict[str, str | None]:
        """Return ``{index: its final pipeline}``; None for an index without one."""

    def attach_last(self, name: str | None, index: str) -> None:
        """Let an index's new documents run through a pipeline after all others; None: through no final pipeline."""

    def run(self, name: str, index: str, query: Mapping[str, Any], most: int) -> int:
        """Run at most ``most`` existing documents of an index that match through a pipeline; return their number.

        Documents that change meanwhile are left as they are. Raises AnswerIncomplete where a document failed.
        """


class Cluster(Protocol):
    """The operations on a cluster that ipi-es needs."""

    @property
    def info(self) -> ServerInfo:
        """The server, as detected when connecting."""

    @property
    def lifecycles(self) -> Lifecycles:
        """Its index lifecycle policies."""

    @property
    def alerting(self) -> Alerting:
        """Its own alerting."""

    @property
    def ingest(self) -> Ingest:
        """Its ingest pipelines."""

    @property
    def admin(self) -> Admin:
        """Its templates, aliases and write blocks."""

    def search(self, index: str | Sequence[str], body: Mapping[str, Any], *, options: IndexOptions = ...) -> Json:
        """Run one search; return the common part of both servers' answers.

        It has ``hits``, ``aggregations``, ``timed_out`` and ``_shards``. An answer with failed shards or a time-out
        raises, since a partial answer must never be scored.
        """

    def scan(
        self,
        index: str | Sequence[str],
        query: Mapping[str, Any],
        *,
        source: Sequence[str] | bool = True,
        sort: Sequence[Mapping[str, Any]] = (),
        size: int = 5_000,
        options: IndexOptions = ...,
    ) -> Iterator[Document]:
        """Yield all hits, page by page, over a point in time (consistent; closed at the end, also when abandoned)."""

    def count(self, index: str | Sequence[str], query: Mapping[str, Any], *, options: IndexOptions = ...) -> int:
        """Return the number of documents that match."""

    def field_types(self, index: str | Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, list[str]]]:
        """Return ``{field: {type: [indices…]}}`` by field capabilities; an unmapped field is absent.

        Raises NotFound when no index matches.
        """

    def get(self, index: str, id: str) -> Document | None:  # noqa: A002  (the field's word)
        """Return one document in real time, or None."""

    def put(
        self,
        index: str,
        id: str,  # noqa: A002
        source: Mapping[str, Any],
        *,
        if_match: Document | None = None,
        create: bool = False,
        refresh: bool = False,
        require_alias: bool = False,
    ) -> Document:
        """Write one document.

        ``if_match`` compares sequence numbers, and ``create`` refuses an existing document; both raise Conflict.
        ``require_alias``: raise NotFound unless ``index`` is an alias; no index is made then.
        """

    def delete(self, index: str, id: str) -> bool:  # noqa: A002
        """Delete one document; return whether it existed."""

    def bulk(
        self, actions: Iterable[Put | Drop], *, refresh: bool = False, allow_failures: bool = False
    ) -> BulkOutcome:
        """Write many documents, checked item by item; items that are refused with 429 are retried.

        Raises BulkFailed (or the more specific PermissionDenied, ClusterReadOnly) unless ``allow_failures``.
        """

    def refresh(self, index: str) -> None:
        """Make everything written so far searchable; a missing index is no error."""

    def indices(self, pattern: str) -> list[str]:
        """Return the names of the existing indices (hidden ones too) that match, sorted."""

    def create_index(self, name: str, body: Mapping[str, Any]) -> bool:
        """Create an index; return False if it existed."""

    def delete_index(self, name: str) -> bool:
        """Delete one index by its exact name (wildcards are refused); return whether it existed."""

    def get_index_template(self, name: str) -> Json | None:
        """Return a composable index template's body (``index_patterns``, ``template``, ``_meta``, …), or None."""

    def put_index_template(self, name: str, body: Mapping[str, Any]) -> None:
        """Create or replace a composable index template."""

    def get_mapping(self, pattern: str) -> dict[str, Json]:
        """Return ``{index: mappings}`` of the indices that match."""

    def put_mapping(self, index: str, mappings: Mapping[str, Any]) -> None:
        """Add fields to an existing index's mapping."""

    def lacking(
        self, on_cluster: Sequence[str], on_indices: Mapping[str, Sequence[str]]
    ) -> list[tuple[str, str | None]] | None:
        """Return the rights that the credentials lack, as the server reports them.

        Each is (right, index or pattern; None for a right on the cluster). The result is None where the server can't
        report them: OpenSearch, or a server without security. A pattern lacks a right unless all its indices have it; a
        search would not show that, since it leaves out indices that may not be read.
        """

    def user_name(self) -> str | None:
        """Return the name of the user that the credentials belong to; None: the server has no security.

        Raises AuthenticationFailed where the server accepts no request with these credentials, or without any.
        """

    def close(self) -> None:
        """Release connections; the port can't be used afterwards."""
