"""Reading answers: the checks that no half answer gets through, and the shapes that the port promises. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ipi_es.cluster.faults import BUSY_KINDS, kinds_of, reason_of
from ipi_es.cluster.hints import BUSY_HINT, special_hint
from ipi_es.cluster.port import Document, IndexOptions, Json
from ipi_es.errors import ClusterBusy, ClusterError, ClusterTimeout, NotFound, RequestRejected

# a remote cluster's failure that only says that it has no such index is no missing answer
_HARMLESS_REMOTE = frozenset({"index_not_found_exception"})
_NOT_EXACT = frozenset('*?,<>|"\\/ #:')  # what no index name may contain, and what would make it a pattern


def target(index: str | Sequence[str]) -> str:
    """The index part of a path; patterns, exclusions and remote clusters (``c:logs-*``) stay readable."""
    names = [index] if isinstance(index, str) else list(index)
    return quote(",".join(names), safe="*,:-_.")


def exact_name(index: str) -> str:
    """The path of one index by its name; RequestRejected for anything that could mean several."""
    if index in {"", ".", ".."} or index[0] in "-_+" or _NOT_EXACT & set(index):
        raise RequestRejected(f"“{index}” is not the name of one index", hint="name one index, without * or commas")
    return quote(index, safe="-_.")


def read_params(options: IndexOptions) -> dict[str, str]:
    """IndexOptions as the servers' query parameters."""
    return {
        "ignore_unavailable": _flag(options.ignore_unavailable),
        "allow_no_indices": _flag(options.allow_no_indices),
        "expand_wildcards": options.expand_wildcards,
    }


def _flag(value: bool) -> str:
    return "true" if value else "false"


def check_whole(answer: Mapping[str, Any], where: str) -> None:
    """Raise unless every shard of every cluster answered in time: half an answer must never be scored."""
    if answer.get("timed_out"):
        raise ClusterTimeout(f"a search on {where} ran out of time and gave a part only", hint=BUSY_HINT)
    shards = answer.get("_shards", {})
    if shards.get("failed"):
        raise _shard_fault(shards, where)
    _check_remotes(answer.get("_clusters", {}), where)


def _shard_fault(shards: Mapping[str, Any], where: str) -> ClusterError:
    failures = shards.get("failures", ())
    kinds = {kind for failure in failures for kind in kinds_of(failure.get("reason", {}))}
    reasons = [reason_of(failure.get("reason", {})) for failure in failures]
    text = (
        f"{shards['failed']} of {shards.get('total', '?')} shards of {where} failed: {reasons[0] if reasons else '?'}"
    )
    if (
        kinds
        and not kinds & BUSY_KINDS
        and all(kind.endswith(("argument_exception", "parsing_exception")) for kind in kinds)
    ):
        return RequestRejected(text, hint="check the job's query and fields with `ipi-es check`", status=400)
    return ClusterBusy(text, hint=special_hint(kinds, " ".join(reasons)) or BUSY_HINT)


def _check_remotes(clusters: Mapping[str, Any], where: str) -> None:
    missing = [
        name
        for name, detail in clusters.get("details", {}).items()
        if detail.get("status") in {"skipped", "failed", "partial"} and not _harmless(detail.get("failures", ()))
    ]
    lost = not clusters.get("details") and bool(clusters.get("skipped") or clusters.get("failed"))
    if missing or lost:
        names = ", ".join(sorted(missing)) or "a remote cluster"
        raise ClusterBusy(
            f"{names} gave no whole answer to {where}",
            hint="look at GET _remote/info; ipi-es waits for a remote cluster rather than score without its events",
        )


def _harmless(failures: Iterable[Mapping[str, Any]]) -> bool:
    kinds = [set(kinds_of(failure.get("reason", {}))) for failure in failures]
    return bool(kinds) and all(each and each <= _HARMLESS_REMOTE for each in kinds)


def check_remotes_known(index: str | Sequence[str], answer: Mapping[str, Any], where: str) -> None:
    """NotFound if a remote pattern was asked for, but no remote cluster.

    Elasticsearch says so itself; OpenSearch takes ``c:logs-*`` for a local name then and finds nothing.
    """
    names = (index if isinstance(index, str) else ",".join(index)).split(",")
    remote = [name for name in names if ":" in name]
    if remote and "_clusters" not in answer:
        raise NotFound(
            f"{where} knows no remote cluster {remote[0].partition(':')[0]}",
            hint="GET _remote/info lists the remote clusters; add it there, or mend datafeed_config.indices",
            status=404,
        )


def document(hit: Mapping[str, Any]) -> Document:
    """A hit, or the answer of a get, as a Document."""
    return Document(
        id=str(hit["_id"]),
        index=str(hit["_index"]),
        source=hit.get("_source") or {},
        seq_no=hit.get("_seq_no", -1),
        primary_term=hit.get("_primary_term", -1),
    )


def field_types(answer: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Field capabilities (asked for with ``include_unmapped``) as ``{field: {type: [indices…]}}``.

    A server names the indices of a type only where they differ; without names it means all of them.
    """
    everywhere = sorted(answer.get("indices", ()))
    found: dict[str, dict[str, list[str]]] = {}
    for name, types in answer.get("fields", {}).items():
        mapped = {
            kind: sorted(
                [detail["indices"]] if isinstance(detail.get("indices"), str) else detail.get("indices") or everywhere
            )
            for kind, detail in types.items()
            if kind != "unmapped"
        }
        if mapped:
            found[name] = mapped
    return found


def template_body(answer: Mapping[str, Any], name: str) -> Json | None:
    """One composable template's body out of the list that the server gives."""
    for entry in answer.get("index_templates", ()):
        if entry["name"] == name:
            return dict(entry["index_template"])
    return None
