"""The port through which everything above talks to a cluster.

Three implementations: Elasticsearch, OpenSearch, and the in-memory one for tests and dry runs. Errors are those of
:mod:`ipi_es.errors`, retries with back-off happen inside. Bodies are plain dicts that both distributions take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

Json: TypeAlias = dict[str, Any]
Distribution: TypeAlias = Literal["elasticsearch", "opensearch"]


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Which server answered; found out, never configured."""

    distribution: Distribution
    version: tuple[int, int, int]
    cluster_name: str
    url: str

    @property
    def text(self) -> str:
        """For people: ``OpenSearch 3.8.0``."""
        name = "Elasticsearch" if self.distribution == "elasticsearch" else "OpenSearch"
        return f"{name} {'.'.join(str(part) for part in self.version)}"


@dataclass(frozen=True, slots=True)
class Document:
    """One stored document with what a compare-and-set write needs."""

    id: str
    index: str
    source: Json
    seq_no: int = -1
    primary_term: int = -1


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How missing and hidden indices are treated by a read."""

    ignore_unavailable: bool = True
    allow_no_indices: bool = True
    expand_wildcards: str = "open"


@dataclass(frozen=True, slots=True)
class Put:
    """One document to write. With ``version``: external_gte versioning (equal or higher wins, lower is fenced)."""

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
    """What became of a bulk. ``fenced`` are items with a newer version in the index (409): not an error by itself."""

    written: int = 0
    deleted: int = 0
    fenced: tuple[str, ...] = ()
    failures: tuple[BulkItemFailure, ...] = field(default=())


class Lifecycles(Protocol):
    """Index lifecycle policies: ILM on Elasticsearch, ISM on OpenSearch; bodies are in the server's own form."""

    def available(self) -> bool:
        """Whether the server manages lifecycles at all. PermissionDenied where it does not let us ask."""

    def read(self, name: str) -> Json | None:
        """A policy, or None."""

    def write(self, name: str, policy: Mapping[str, Any]) -> None:
        """Create or replace a policy."""

    def of_indices(self, pattern: str) -> dict[str, str | None]:
        """``{index: name of its policy}`` of the existing indices; None: it has none."""

    def attach(self, name: str, index: str) -> None:
        """Put an index that has no policy under one."""

    def renew(self, name: str, index: str) -> None:
        """Let an index that is under a policy go by the policy as it is now."""

    def stuck(self, pattern: str) -> dict[str, str]:
        """``{index: why}`` of the indices whose policy fails on them; none where there are no policies at all."""


class Alerting(Protocol):
    """What the server itself watches: Watcher on Elasticsearch, Alerting on OpenSearch; bodies in its own form."""

    def available(self) -> bool:
        """Whether the server has it. PermissionDenied where it does not let us ask."""

    def write(self, id: str, body: Mapping[str, Any]) -> bool:  # noqa: A002  (the field's word)
        """Create or replace a watch, or the monitor of the body's name; whether it was created."""

    def write_channel(self, id: str, name: str, url: str) -> bool:  # noqa: A002
        """Create or replace what sends to a URL; whether it was created. Watches need none: RequestRejected."""


class Admin(Protocol):
    """What indices are made with, their aliases, and what blocks writing to them."""

    def index_templates(self) -> dict[str, Json]:
        """All composable index templates by name, bodies as in :meth:`Cluster.get_index_template`."""

    def simulate_index(self, name: str) -> Json | None:
        """``settings`` (below ``index``), ``mappings`` and ``aliases`` that an index of this name would be made with.

        None where the server can't tell, or does not let these credentials ask.
        """

    def add_alias(self, index: str, alias: str) -> None:
        """Give one index an alias; nothing happens if it has it."""

    def write_blocks(self, pattern: str) -> dict[str, str]:
        """``{index: setting}`` of the indices whose settings forbid writing until somebody changes them.

        The block of a full disk, which the server removes by itself, is not among them.
        """


class Cluster(Protocol):
    """What ipi-es needs of a cluster, and no more."""

    @property
    def info(self) -> ServerInfo:
        """The server, asked once when connecting."""

    @property
    def lifecycles(self) -> Lifecycles:
        """Its index lifecycle policies."""

    @property
    def alerting(self) -> Alerting:
        """What it watches by itself."""

    @property
    def admin(self) -> Admin:
        """What its indices are made with, aliases and write blocks."""

    def search(self, index: str | Sequence[str], body: Mapping[str, Any], *, options: IndexOptions = ...) -> Json:
        """One search; the answer as both servers give it (``hits``, ``aggregations``, ``timed_out``, ``_shards``).

        An answer with failed shards or a time-out raises, since half an answer must never be scored.
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
        """All hits, page by page, over a point in time (consistent; closed at the end, also when abandoned)."""

    def count(self, index: str | Sequence[str], query: Mapping[str, Any], *, options: IndexOptions = ...) -> int:
        """How many documents match."""

    def field_types(self, index: str | Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, list[str]]]:
        """``{field: {type: [indices…]}}`` by field capabilities; an unmapped field is absent.

        NotFound when no index matches.
        """

    def get(self, index: str, id: str) -> Document | None:  # noqa: A002  (the field's word)
        """One document in real time, or None."""

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
        """Write one document; ``if_match`` compares sequence numbers, ``create`` refuses an existing one: Conflict.

        ``require_alias``: NotFound unless ``index`` is an alias; no index is made then.
        """

    def delete(self, index: str, id: str) -> bool:  # noqa: A002
        """Delete one document; whether it was there."""

    def bulk(
        self, actions: Iterable[Put | Drop], *, refresh: bool = False, allow_failures: bool = False
    ) -> BulkOutcome:
        """Write many, looked at item by item, retrying refused (429) items.

        Raises BulkFailed (or the more fitting PermissionDenied, ClusterReadOnly) unless ``allow_failures``.
        """

    def refresh(self, index: str) -> None:
        """Make everything written so far searchable; a missing index is no error."""

    def indices(self, pattern: str) -> list[str]:
        """Names of the existing indices (hidden ones too) that match, sorted."""

    def create_index(self, name: str, body: Mapping[str, Any]) -> bool:
        """Create an index; False if it was there."""

    def delete_index(self, name: str) -> bool:
        """Delete one index by its exact name (wildcards are refused); whether it was there."""

    def get_index_template(self, name: str) -> Json | None:
        """A composable index template's body (``index_patterns``, ``template``, ``_meta``, …), or None."""

    def put_index_template(self, name: str, body: Mapping[str, Any]) -> None:
        """Create or replace a composable index template."""

    def get_mapping(self, pattern: str) -> dict[str, Json]:
        """``{index: mappings}``."""

    def put_mapping(self, index: str, mappings: Mapping[str, Any]) -> None:
        """Add fields to an existing index's mapping."""

    def lacking(
        self, on_cluster: Sequence[str], on_indices: Mapping[str, Sequence[str]]
    ) -> list[tuple[str, str | None]] | None:
        """(right, index or pattern; None: of the cluster) of what the credentials lack, as the server says.

        None where it can't say: OpenSearch, or a server without security. A pattern lacks a right unless all that it
        stands for has it, which a search would not notice: it leaves out what it may not read.
        """

    def close(self) -> None:
        """Release connections; the port can't be used afterwards."""
