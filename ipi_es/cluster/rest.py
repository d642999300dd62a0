"""The port over REST: the base of both adapters, with all that is the same on Elasticsearch and OpenSearch.

An adapter adds how one request is sent (and how its client's exceptions are mapped), and points in time.
"""

from __future__ import annotations

import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import orjson

from ipi_es.cluster import privileges
from ipi_es.cluster.admin import RestAdmin
from ipi_es.cluster.answers import answers, proofs
from ipi_es.cluster.by_index import by_index
from ipi_es.cluster.ingest import RestIngest
from ipi_es.cluster.port import Alerting, BulkOutcome, Document, Drop, IndexOptions, Json, Lifecycles, Put, ServerInfo
from ipi_es.cluster.rest_requests import EVERYTHING
from ipi_es.cluster.transport import long_names
from ipi_es.cluster.transport.bulk import Tally, bulk_fault, chunks, encode
from ipi_es.cluster.transport.bulk_send import BULK_ANSWER, send_chunk
from ipi_es.cluster.transport.retry import Retry
from ipi_es.errors import ClusterError, Conflict, NotFound, PermissionDenied, RequestRejected

JSON = "application/json"
NDJSON = "application/x-ndjson"
KEEP_ALIVE = "5m"  # of a point in time, renewed by each page; a page takes seconds, all its retries a minute
_READ = IndexOptions()
_log = logging.getLogger(__name__)


class RestCluster(ABC):
    """The port, see :class:`ipi_es.cluster.port.Cluster`; errors name ``where``."""

    pit_options: ClassVar[frozenset[str]] = frozenset()  # the read parameters that opening a point in time accepts

    def __init__(self, info: ServerInfo, where: str, retry: Retry) -> None:
        self._info = info
        self._where = where
        self._retry = retry

    @property
    def info(self) -> ServerInfo:
        """The server, as detected when connecting."""
        return self._info

    @property
    @abstractmethod
    def lifecycles(self) -> Lifecycles:
        """See the port."""

    @property
    @abstractmethod
    def alerting(self) -> Alerting:
        """See the port."""

    @property
    def admin(self) -> RestAdmin:
        """See the port."""
        return RestAdmin(self._request)

    @property
    def ingest(self) -> RestIngest:
        """See the port."""
        return RestIngest(self._request)

    @abstractmethod
    def _send(self, method: str, path: str, params: dict[str, str], body: bytes | None, content_type: str) -> Any:
        """Send one request, one attempt; return the parsed answer, or raise an error of :mod:`ipi_es.errors`."""

    @abstractmethod
    def _open_pit(self, path: str, params: dict[str, str]) -> str | None:
        """Open a point in time on the index part of a path; return its id, or None if there is no index."""

    @abstractmethod
    def _close_pit(self, pit: str) -> None:
        """Close a point in time."""

    @abstractmethod
    def _tie_breaker(self) -> list[dict[str, Any]]:
        """Return the keys that must follow the caller's sort so that ``search_after`` loses no row."""

    @abstractmethod
    def close(self) -> None:
        """Release connections."""

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Any = None,
        seen: list[ClusterError] | None = None,
        proof: proofs.Proof = proofs.not_empty,
    ) -> Json:
        """Send one request with retries; return a JSON object that passes ``proof``, or raise AnswerIncomplete."""
        data = None if body is None else encode(body)

        def attempt() -> Json:
            # a copy, since a client may remove keys from it
            answer = self._object(self._send(method, path, dict(params or {}), data, JSON))
            self._prove(proof, answer)
            return answer

        return self._retry.run(attempt, seen)

    def _prove(self, proof: proofs.Proof, answer: Json) -> None:
        try:
            proof(answer)
        except proofs.Lacking as lacking:
            raise answers.incomplete(self._where, lacking) from lacking

    def _object(self, answer: Any) -> Json:
        if not isinstance(answer, dict):
            raise RequestRejected(
                f"{self._where} answered with something that is not JSON",
                hint="check that elasticsearch.hosts names the cluster itself, not a login page or another service",
            )
        return answer

    def search(self, index: str | Sequence[str], body: Mapping[str, Any], *, options: IndexOptions = _READ) -> Json:
        """See the port."""
        path = f"/{answers.target(index)}/_search"
        # each search is sent once: cached, it would evict people's searches and cost a tenth more (measured)
        params = {**answers.read_params(options), "request_cache": "false"}
        answer = self._search(path, body, params, index=index)
        answers.check_remotes_known(index, answer, self._where)
        return answer

    def _search(
        self,
        path: str,
        body: Mapping[str, Any],
        params: dict[str, str],
        proof: proofs.Proof = proofs.anything,
        index: str | Sequence[str] = (),
    ) -> Json:
        """Run one search and check that its answer is complete.

        ``proof``: a further check of the answer. ``index``: the names in the path.
        """
        params = {**params, "allow_partial_search_results": "false"}
        in_body = long_names.search_lines(index, params, encode(body)) if long_names.too_long(path, params) else None

        def attempt() -> Json:
            if in_body is None:
                answer = self._object(self._send("POST", path, dict(params), data, JSON))
            else:
                found = self._object(self._send("POST", "/_msearch", {}, in_body, NDJSON))
                answer = long_names.only_answer(found, self._where)
            answers.check_search(answer, body, self._where, self._info.distribution)
            self._prove(proof, answer)
            return answer

        data = encode(body)
        return self._retry.run(attempt)

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
        """See the port."""
        opened = self._begin_scan(index, options)
        if opened is None:
            return
        pit = opened
        body: Json = {
            "query": dict(query),
            "_source": source if isinstance(source, bool) else list(source),
            "sort": [*sort, *self._tie_breaker()],
            "size": size,
            "track_total_hits": True,  # on the first page: the total shows how many documents must follow
            "seq_no_primary_term": True,
        }
        left = size
        try:
            while True:
                expected = None if body["track_total_hits"] else min(size, left)
                page = {**body, "pit": {"id": pit, "keep_alive": KEEP_ALIVE}}
                answer = self._search("/_search", page, {}, proofs.page(expected, body.get("search_after")))
                pit = answer.get("pit_id", pit)
                hits = answer["hits"]["hits"]
                left = (answer["hits"]["total"]["value"] if expected is None else left) - len(hits)
                yield from map(answers.document, hits)
                if not left:
                    break
                body |= {"search_after": hits[-1]["sort"], "track_total_hits": False}
        except BaseException:
            with contextlib.suppress(ClusterError):  # it expires by itself; the first error matters more
                self._close_pit(pit)
            raise
        try:
            self._close_pit(pit)
        except PermissionDenied:
            raise  # points in time that can't be closed add up, until the server opens no more
        except ClusterError as error:
            _log.debug("a point in time stays until it expires: %s", error)

    def _begin_scan(self, index: str | Sequence[str], options: IndexOptions) -> str | None:
        """Return the id of a point in time; None where there is no index and ``options`` allow that."""
        wanted = answers.read_params(options)
        params = {name: value for name, value in wanted.items() if name in self.pit_options}
        if not options.allow_no_indices and "allow_no_indices" not in self.pit_options:
            self.search(index, {"size": 0, "track_total_hits": False}, options=options)  # raises where no index matches
        try:
            return self._open_pit(answers.target(index), params)
        except NotFound:
            if options.ignore_unavailable and options.allow_no_indices:
                return None
            raise

    def count(self, index: str | Sequence[str], query: Mapping[str, Any], *, options: IndexOptions = _READ) -> int:
        """See the port."""
        path = f"/{answers.target(index)}/_count"
        if long_names.too_long(path, answers.read_params(options)):
            everything = {"query": dict(query), "size": 0, "track_total_hits": True}
            return int(self.search(index, everything, options=options)["hits"]["total"]["value"])
        data = encode({"query": dict(query)})

        def attempt() -> int:
            answer = self._object(self._send("POST", path, answers.read_params(options), data, JSON))
            answers.check_whole(answer, self._where)
            self._prove(proofs.counted, answer)
            return int(answer["count"])

        return self._retry.run(attempt)

    def field_types(self, index: str | Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, list[str]]]:
        """See the port."""
        params = {**answers.read_params(_READ), "fields": ",".join(fields), "include_unmapped": "true"}
        path = f"/{answers.target(index)}/_field_caps"
        whole = not long_names.too_long(path, params)
        asked = (
            [(path, params)]
            if whole
            else [
                (f"/{answers.target(names)}/_field_caps", {**params, "fields": ",".join(some)})
                for names in long_names.index_parts(index)
                for some in long_names.parts(fields)
            ]
        )
        answered = [self._request("GET", each, params=how, proof=proofs.field_capabilities) for each, how in asked]
        if not any(answer["indices"] for answer in answered):
            raise NotFound(
                f"no index of {self._where} matches {index if isinstance(index, str) else ','.join(index)}",
                hint="check datafeed_config.indices; `GET _cat/indices` lists what is there",
                status=404,
            )
        return answers.merged_types(answers.field_types(answer) for answer in answered)

    def get(self, index: str, id: str) -> Document | None:  # noqa: A002
        """See the port."""
        try:
            return answers.document(self._request("GET", self._document_path(index, id), proof=proofs.found(id)))
        except NotFound:
            return None

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
        """See the port. A conflict with an earlier attempt of this call, whose answer was lost, counts as a success."""
        params = {"refresh": "true"} if refresh else {}
        if if_match is not None:
            params |= {"if_seq_no": str(if_match.seq_no), "if_primary_term": str(if_match.primary_term)}
        if create:
            params["op_type"] = "create"
        if require_alias:
            params["require_alias"] = "true"
        seen: list[ClusterError] = []
        try:
            path, proof = self._document_path(index, id), proofs.written(id)
            answer = self._request("PUT", path, params=params, body=source, seen=seen, proof=proof)
        except Conflict:
            found = self.get(index, id) if seen else None
            if found is None or found.source != orjson.loads(encode(source)):
                raise
            return found
        return Document(id, answer["_index"], dict(source), answer["_seq_no"], answer["_primary_term"])

    def delete(self, index: str, id: str) -> bool:  # noqa: A002
        """See the port."""
        seen: list[ClusterError] = []
        try:
            self._request("DELETE", self._document_path(index, id), seen=seen, proof=proofs.deleted(id))
        except NotFound:
            return bool(seen)  # an earlier attempt, whose answer was lost, has most likely deleted it
        return True

    @staticmethod
    def _document_path(index: str, id: str) -> str:  # noqa: A002
        place = quote(id, safe="")
        if not place.strip("."):
            place = place.replace(".", "%2E")  # “..” would mean the parent folder
        return f"/{answers.exact_name(index)}/_doc/{place}"

    def bulk(
        self, actions: Iterable[Put | Drop], *, refresh: bool = False, allow_failures: bool = False
    ) -> BulkOutcome:
        """See the port. Actions are sent in order, in chunks; on a retry, items of one document keep no order."""
        tally = Tally()
        for chunk in chunks(actions):
            send_chunk(chunk, lambda body: self._send_lines(body, refresh), self._retry, self._where, tally)
            if tally.failures and not allow_failures:
                raise bulk_fault(tally.failures, self._where)
        return tally.outcome()

    def _send_lines(self, body: bytes, refresh: bool) -> Json:
        params = {"filter_path": BULK_ANSWER} | ({"refresh": "true"} if refresh else {})
        return self._object(self._send("POST", "/_bulk", params, body, NDJSON))

    def refresh(self, index: str) -> None:
        """See the port."""
        with contextlib.suppress(NotFound):
            path = f"/{answers.target(index)}/_refresh"
            self._request("POST", path, params=dict(EVERYTHING), proof=proofs.refreshed)

    def indices(self, pattern: str) -> list[str]:
        """See the port."""
        return sorted(by_index(self._request, pattern, "settings", ["uuid"]))

    def create_index(self, name: str, body: Mapping[str, Any]) -> bool:
        """See the port."""
        try:
            self._request("PUT", f"/{answers.exact_name(name)}", body=body, proof=proofs.acknowledged)
        except RequestRejected as error:
            if "already exists" in error.message:
                return False
            raise
        return True

    def delete_index(self, name: str) -> bool:
        """See the port."""
        try:
            path, params = f"/{answers.exact_name(name)}", {"ignore_unavailable": "false"}
            self._request("DELETE", path, params=params, proof=proofs.acknowledged)
        except NotFound:
            return False
        return True

    def get_index_template(self, name: str) -> Json | None:
        """See the port."""
        try:
            path = f"/_index_template/{answers.exact_name(name)}"
            answer = self._request("GET", path, proof=proofs.template(name))
        except NotFound:
            return None
        return answers.template_body(answer, name)

    def put_index_template(self, name: str, body: Mapping[str, Any]) -> None:
        """See the port."""
        self._request("PUT", f"/_index_template/{answers.exact_name(name)}", body=body, proof=proofs.acknowledged)

    def get_mapping(self, pattern: str) -> dict[str, Json]:
        """See the port."""
        return by_index(self._request, pattern, "mappings")

    def put_mapping(self, index: str, mappings: Mapping[str, Any]) -> None:
        """See the port."""
        self._request("PUT", f"/{answers.exact_name(index)}/_mapping", body=mappings, proof=proofs.acknowledged)

    def lacking(
        self, on_cluster: Sequence[str], on_indices: Mapping[str, Sequence[str]]
    ) -> list[tuple[str, str | None]] | None:
        """See the port."""
        if self._info.distribution != "elasticsearch":
            return None
        return privileges.lacking(self._request, on_cluster, on_indices)

    def user_name(self) -> str | None:
        """See the port."""
        return privileges.user_name(self._request, self._info.distribution)
