"""The cluster in memory. See :mod:`ipi_es.testing` for what it imitates and what it refuses."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ipi_es.cluster.admin import winner
from ipi_es.cluster.answers import answers
from ipi_es.cluster.answers.faults import BLOCKED
from ipi_es.cluster.port import BulkItemFailure, BulkOutcome, Document, Drop, IndexOptions, Json, Put, ServerInfo
from ipi_es.cluster.transport.bulk import Tally, bulk_fault
from ipi_es.errors import ClusterReadOnly, Conflict, NotFound, RequestRejected
from ipi_es.testing.memory_index import MemoryIndex
from ipi_es.testing.memory_names import WHERE, index_settings, matching, resolve
from ipi_es.testing.memory_parts import MemoryAdmin, MemoryAlerting, MemoryIngest, MemoryLifecycles
from ipi_es.testing.memory_search import run_search

MAX_ID_BYTES = 512
_READ = IndexOptions()
_HIDDEN_TOO = IndexOptions(expand_wildcards="all")


class MemoryCluster:
    """:class:`ipi_es.cluster.port.Cluster` in memory, without a server.

    ``before`` is called with an operation's name (the method's) and its index (several joined by commas) before the
    operation, to count operations or to raise an error in place of one; it may be replaced at any time. A bulk calls it
    once for each index. For the cluster's own methods the lock is held meanwhile. ``info``: the server that is
    imitated, OpenSearch 3.8.0 by default.

    Any thread may use the cluster's own methods: one lock serializes them, and documents are returned as copies. A scan
    reads all its documents when its first one is requested. The parts ``admin``, ``alerting`` and ``lifecycles`` take
    no lock: change them from one thread, while no other thread uses the cluster.
    """

    def __init__(self, before: Callable[[str, str], None] | None = None, info: ServerInfo | None = None) -> None:
        self._info = info or ServerInfo("opensearch", (3, 8, 0), "memory", "memory:")
        self.before = before or (lambda _operation, _index: None)
        self._indices: dict[str, MemoryIndex] = {}
        self._templates: dict[str, Json] = {}
        self._lock = threading.RLock()  # the port may be shared by threads
        self._lifecycles = MemoryLifecycles(self.indices)
        self._alerting = MemoryAlerting()
        self._ingest = MemoryIngest()
        self._admin = MemoryAdmin(lambda: self._indices, lambda: self._templates, self._called)

    @property
    def info(self) -> ServerInfo:
        """The imitated server: OpenSearch 3.8.0, unless the constructor was given another."""
        return self._info

    @property
    def lifecycles(self) -> MemoryLifecycles:
        """Lifecycle policies; not available, as on a bare server, until ``lifecycles.there`` is set."""
        return self._lifecycles

    @property
    def alerting(self) -> MemoryAlerting:
        """Alerting; not available, as on a bare server, until ``alerting.there`` is set."""
        return self._alerting

    @property
    def ingest(self) -> MemoryIngest:
        """Ingest pipelines; never available."""
        return self._ingest

    @property
    def admin(self) -> MemoryAdmin:
        """Templates, aliases and blocks; ``admin.set`` changes an index's settings."""
        return self._admin

    def search(self, index: str | Sequence[str], body: Mapping[str, Any], *, options: IndexOptions = _READ) -> Json:
        """See the port."""
        with self._lock:
            self._called("search", index)
            return run_search(self._named(index, options), body)

    def scan(
        self,
        index: str | Sequence[str],
        query: Mapping[str, Any],
        *,
        source: Sequence[str] | bool = True,
        sort: Sequence[Mapping[str, Any]] = (),
        size: int = 5_000,
        options: IndexOptions = _READ,
    ) -> Iterator[Document]:
        """See the port; ``size`` has no effect, and the point in time is the first read."""
        body = {
            "query": query,
            "_source": source if isinstance(source, bool) else list(source),
            "sort": [*sort, {"_shard_doc": "asc"}],
            "seq_no_primary_term": True,
        }
        with self._lock:
            self._called("scan", index)
            found = self._named(index, options)
            total = sum(len(each.shown()) for each in found)
            hits = run_search(found, {**body, "size": total}, window=max(total, size))["hits"]["hits"]
        yield from map(answers.document, hits)

    def count(self, index: str | Sequence[str], query: Mapping[str, Any], *, options: IndexOptions = _READ) -> int:
        """See the port."""
        with self._lock:
            self._called("count", index)
            answer = run_search(self._named(index, options), {"query": query, "size": 0})
            return int(answer["hits"]["total"]["value"])

    def field_types(self, index: str | Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, list[str]]]:
        """See the port."""
        with self._lock:
            self._called("field_types", index)
            found = self._named(index, _READ)
            if not found:
                raise NotFound(f"no index of {WHERE} matches {index}", status=404)
            types: dict[str, dict[str, list[str]]] = {}
            for each in found:
                for name in each.types:
                    kind = each.type_of(name)
                    if kind is not None and any(fnmatchcase(name, field) for field in fields):
                        types.setdefault(name, {}).setdefault(kind, []).append(each.name)
            return types

    def get(self, index: str, id: str) -> Document | None:  # noqa: A002
        """See the port."""
        with self._lock:
            self._called("get", index)
            found = self._named(index, _HIDDEN_TOO)
            return found[0].get(id) if found else None

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
        """See the port."""
        with self._lock:
            self._called("put", index)
            _check_id(id)
            if require_alias and not any(index in each.aliases for each in self._indices.values()):
                raise NotFound(f"[{index}] is not an alias in {WHERE}", status=404)
            target = self._for_writing(index)
            if if_match is not None:
                target.check_match(id, if_match)
            if create and target.get(id) is not None:
                raise Conflict(f"[{id}]: version conflict, document already exists", status=409)
            written = target.write(id, source)
            if refresh:
                target.refresh()
            return written

    def delete(self, index: str, id: str) -> bool:  # noqa: A002
        """See the port."""
        with self._lock:
            self._called("delete", index)
            found = self._named(index, _HIDDEN_TOO)
            return bool(found) and found[0].get(id) is not None and found[0].remove(id)

    def bulk(
        self, actions: Iterable[Put | Drop], *, refresh: bool = False, allow_failures: bool = False
    ) -> BulkOutcome:
        """See the port; all actions are one request here, so an id that is too long refuses all of them."""
        batch = list(actions)
        tally = Tally()
        with self._lock:
            for action in batch:
                _check_id(action.id)
            for index in dict.fromkeys(action.index for action in batch):
                self._called("bulk", index)
            for action in batch:
                self._act(action, tally)
            if refresh:
                for index in {action.index for action in batch}:
                    self.refresh(index)
        if tally.failures and not allow_failures:
            raise bulk_fault(tally.failures, WHERE)
        return tally.outcome()

    def _act(self, action: Put | Drop, tally: Tally) -> None:
        try:
            if isinstance(action, Put):
                self._for_writing(action.index).write(action.id, action.source, action.version)
                tally.written += 1
            elif (
                action.version is not None or matching(self._indices, action.index, hidden=True)
            ) and self._for_writing(action.index).remove(action.id, action.version):
                tally.deleted += 1
        except Conflict:
            tally.fenced.append(action.id)
        except ClusterReadOnly as error:
            tally.failures.append(BulkItemFailure(action.id, 403, BLOCKED, error.message))
        except RequestRejected as error:
            tally.failures.append(BulkItemFailure(action.id, 400, "mapper_parsing_exception", error.message))

    def refresh(self, index: str) -> None:
        """See the port."""
        with self._lock:
            self._called("refresh", index)
            for each in self._named(index, _HIDDEN_TOO):
                each.refresh()

    def indices(self, pattern: str) -> list[str]:
        """See the port."""
        with self._lock:
            self._called("indices", pattern)
            return sorted(each.name for each in self._named(pattern, _HIDDEN_TOO))

    def create_index(self, name: str, body: Mapping[str, Any]) -> bool:
        """See the port."""
        answers.exact_name(name)
        with self._lock:
            self._called("create_index", name)
            if name in self._indices:
                return False
            self._create(name, body)
            return True

    def close_index(self, name: str) -> None:
        """Close an index, so that no search sees it, as ``POST NAME/_close`` does. Not part of the port."""
        with self._lock:
            self._indices[name].closed = True

    def delete_index(self, name: str) -> bool:
        """See the port."""
        answers.exact_name(name)
        with self._lock:
            self._called("delete_index", name)
            return self._indices.pop(name, None) is not None

    def get_index_template(self, name: str) -> Json | None:
        """See the port; settings are returned as the servers do: below ``index``, as text."""
        with self._lock:
            self._called("get_index_template", name)
            return copy.deepcopy(self._templates.get(name))

    def put_index_template(self, name: str, body: Mapping[str, Any]) -> None:
        """See the port."""
        answers.exact_name(name)
        with self._lock:
            self._called("put_index_template", name)
            stored = copy.deepcopy(dict(body))
            template = stored.get("template")
            if template and "settings" in template:
                template["settings"] = index_settings(template["settings"])
            self._templates[name] = {"composed_of": [], **stored}

    def get_mapping(self, pattern: str) -> dict[str, Json]:
        """See the port."""
        with self._lock:
            self._called("get_mapping", pattern)
            return {each.name: copy.deepcopy(each.mappings) for each in self._named(pattern, _HIDDEN_TOO)}

    def put_mapping(self, index: str, mappings: Mapping[str, Any]) -> None:
        """See the port."""
        with self._lock:
            self._called("put_mapping", index)
            if index not in self._indices:
                raise NotFound(f"no such index [{index}] in {WHERE}", status=404)
            self._indices[index].put_mapping(mappings)

    def lacking(self, on_cluster: Sequence[str], on_indices: Mapping[str, Sequence[str]]) -> None:
        """See the port; None, since there is no security in memory."""

    def user_name(self) -> None:
        """See the port; None, since there is no security in memory."""

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def copy_from(self, other: MemoryCluster, *, shared: Collection[str] = ()) -> None:
        """Replace all indices and templates by independent copies of another cluster's. Not part of the port.

        The indices named in ``shared`` are the same objects in both clusters: faster, where none of them is written.
        Lifecycle policies and alert definitions are not copied.
        """
        with other._lock:
            kept = {name: index for name, index in other._indices.items() if name in shared}
            copied = copy.deepcopy({name: index for name, index in other._indices.items() if name not in kept})
            templates = copy.deepcopy(other._templates)
        with self._lock:
            self._indices, self._templates = {**copied, **kept}, templates

    def _called(self, operation: str, index: str | Sequence[str]) -> None:
        self.before(operation, index if isinstance(index, str) else ",".join(index))

    def _named(self, index: str | Sequence[str], options: IndexOptions) -> list[MemoryIndex]:
        return resolve(self._indices, index, options)

    def _for_writing(self, name: str) -> MemoryIndex:
        answers.exact_name(name)
        if name in self._indices:
            return self._indices[name]
        behind = [each for each in self._indices.values() if name in each.aliases]
        if not behind:
            return self._create(name, {})
        if len(behind) > 1:
            behind = [each for each in behind if each.aliases[name].get("is_write_index")]
        if len(behind) != 1:
            raise RequestRejected(f"no write index is defined for alias [{name}]", status=400)
        return behind[0]

    def _create(self, name: str, body: Mapping[str, Any]) -> MemoryIndex:
        best = winner(self._templates, name)
        if "data_stream" in best:
            text = (
                f"cannot create index with name [{name}], because it matches a template that creates data streams only"
            )
            raise RequestRejected(text, status=400)
        base = best.get("template") or {}
        settings = index_settings(base.get("settings", {}))["index"] | index_settings(body.get("settings", {}))["index"]
        if settings.get("number_of_shards") == "0":
            raise RequestRejected("[index.number_of_shards] must be >= 1", status=400)
        aliases = {**base.get("aliases", {}), **body.get("aliases", {})}
        made = MemoryIndex(name, hidden=settings.get("hidden") == "true", aliases=aliases, settings=settings)
        for mappings in (base.get("mappings"), body.get("mappings")):
            if mappings:
                made.put_mapping(copy.deepcopy(mappings))
        self._indices[name] = made
        return made


def _check_id(id: str) -> None:  # noqa: A002
    if not 1 <= len(id.encode()) <= MAX_ID_BYTES:
        raise RequestRejected(f"id [{id}] must have between 1 and {MAX_ID_BYTES} bytes", status=400)
