"""Reading answers: checks that let no partial answer pass, and the shapes that the port promises. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ipi_es.cluster.answers import proofs
from ipi_es.cluster.answers.faults import BUSY_KINDS, kinds_of, reason_of
from ipi_es.cluster.answers.hints import BUSY_HINT, INCOMPLETE_HINT, NO_SHARD_HINT, special_hint
from ipi_es.cluster.port import Distribution, Document, IndexOptions, Json
from ipi_es.errors import AnswerIncomplete, ClusterBusy, ClusterError, ClusterTimeout, NotFound, RequestRejected

_NOT_EXACT = frozenset('*?,<>|"\\/ #:')  # characters that no index name may contain, or that make it a pattern


def target(index: str | Sequence[str]) -> str:
    """Return the index part of a path; patterns, exclusions and remote clusters (``c:logs-*``) stay readable."""
    names = [index] if isinstance(index, str) else list(index)
    return quote(",".join(names), safe="*,:-_.")


def exact_name(index: str) -> str:
    """Return the path of one index by its name. Raises RequestRejected for a text that could mean several."""
    if index in {"", ".", ".."} or index[0] in "-_+" or _NOT_EXACT & set(index):
        raise RequestRejected(f"“{index}” is not the name of one index", hint="name one index, without * or commas")
    return quote(index, safe="-_.")


def read_params(options: IndexOptions) -> dict[str, str]:
    """Convert IndexOptions to the servers' query parameters."""
    return {
        "ignore_unavailable": _flag(options.ignore_unavailable),
        "allow_no_indices": _flag(options.allow_no_indices),
        "expand_wildcards": options.expand_wildcards,
    }


def _flag(value: bool) -> str:
    return "true" if value else "false"


def check_whole(answer: Mapping[str, Any], where: str, *, may_end_early: bool = False) -> None:
    """Raise unless every shard of every cluster answered completely: a partial answer must never be scored.

    Raises ClusterTimeout, AnswerIncomplete (both are retried), or the error of the failed shards. Skipped shards count
    as successful. ``may_end_early``: ``terminated_early`` is no error.
    """
    timed_out = answer.get("timed_out", False)
    if timed_out is True:
        raise ClusterTimeout(f"a search on {where} ran out of time and gave a part only", hint=BUSY_HINT)
    if timed_out is not False:
        raise incomplete(where, 'does not say whether it "timed_out"')
    if answer.get("terminated_early") and not may_end_early:
        raise incomplete(where, "says that it was terminated early")
    shards = answer.get("_shards")
    if not isinstance(shards, Mapping):
        raise incomplete(where, 'has no "_shards"')
    if shards.get("failed"):
        raise _shard_fault(shards, where)
    _check_counts(shards, where)
    _check_remotes(answer.get("_clusters"), where)


def check_search(answer: Mapping[str, Any], body: Mapping[str, Any], where: str, distribution: Distribution) -> None:
    """Raise unless the answer to the search ``body`` is complete and has all requested hits and aggregations.

    OpenSearch reports ``terminated_early`` for complete answers too where an aggregation needn't read each document (a
    full composite page, the least and the largest of a field: seen on 3.8.0). There the exact total of the hits
    decides, and callers that read pages compare them with a count.
    """
    aggs = body.get("aggs", body.get("aggregations"))
    check_whole(answer, where, may_end_early=bool(aggs) and distribution == "opensearch")
    try:
        if int(body.get("size", 1)) or body.get("track_total_hits") is True:
            proofs.hits(body, answer)
        # without any index there is nothing to aggregate, and both servers leave the key out
        if aggs and ("aggregations" in answer or answer["_shards"]["total"]):
            proofs.aggregated(aggs, answer.get("aggregations"))
    except proofs.Lacking as lacking:
        raise incomplete(where, str(lacking)) from lacking


def all_buckets(answer: Mapping[str, Any], name: str, where: str) -> list[Json]:
    """Return the buckets of an aggregation that has each hit in exactly one; an empty list where there is no index.

    The search must request the exact total. Raises AnswerIncomplete where the documents in the buckets, and in those
    left out (``sum_other_doc_count``), don't add up to the total.
    """
    part: Json = (answer.get("aggregations") or {}).get(name, {})
    buckets: list[Json] = part.get("buckets", [])
    counted = sum(each["doc_count"] for each in buckets) + part.get("sum_other_doc_count", 0)
    total = answer["hits"]["total"]["value"]
    if counted != total:
        raise incomplete(where, f"counts {counted:,} of {total:,} documents in “{name}”")
    return buckets


def incomplete(where: str, lacks: object, hint: str = INCOMPLETE_HINT) -> AnswerIncomplete:
    """Make the error for an answer with status 200 that isn't proven to be complete."""
    return AnswerIncomplete(f"an answer of {where} is not whole: it {lacks}", hint=hint)


def _check_counts(shards: object, where: str) -> None:
    try:
        proofs.all_shards(shards)
    except proofs.Lacking as lacking:
        raise incomplete(where, lacking, hint=NO_SHARD_HINT) from lacking


def _shard_fault(shards: Mapping[str, Any], where: str) -> ClusterError:
    failures = shards.get("failures")
    causes = (
        [each.get("reason") for each in failures if isinstance(each, Mapping)] if isinstance(failures, list) else []
    )
    kinds = {kind for cause in causes for kind in kinds_of(cause)}
    reasons = [reason for reason in map(reason_of, causes) if reason]
    why = reasons[0] if reasons else "the server gave no reason"
    text = f"{shards['failed']} of {shards.get('total', 'all')} shards of {where} failed: {why}"
    if (
        kinds
        and not kinds & BUSY_KINDS
        and all(kind.endswith(("argument_exception", "parsing_exception")) for kind in kinds)
    ):
        return RequestRejected(text, hint="check the job's query and fields with `ipi-es check`", status=400)
    return ClusterBusy(text, hint=special_hint(kinds, " ".join(reasons)) or BUSY_HINT)


def _check_remotes(clusters: object, where: str) -> None:
    """Raise unless each cluster of the search is reported: by its details, or by the counts if there are none."""
    if clusters is None:
        return
    details = clusters.get("details", {}) if isinstance(clusters, Mapping) else None
    if not isinstance(clusters, Mapping) or not isinstance(details, Mapping):
        raise incomplete(where, 'has an odd "_clusters"')
    missing = [str(name) for name, detail in details.items() if not _remote_is_whole(detail, f"{name} of {where}")]
    total, reported = clusters.get("total"), len(details) if details else clusters.get("successful")
    if not missing and total == reported and proofs.is_count(total):
        return
    names = ", ".join(sorted(missing)) or "a remote cluster"
    raise ClusterBusy(
        f"{names} gave no whole answer to {where}",
        hint="look at GET _remote/info; ipi-es waits for a remote cluster rather than score without its events",
    )


def _remote_is_whole(detail: object, where: str) -> bool:
    """Decide whether one of several clusters answered completely.

    Raises AnswerIncomplete where its own shards don't add up.
    """
    if not isinstance(detail, Mapping):
        return False
    if detail.get("status") != "successful":
        return proofs.harmless(detail.get("failures"), "reason")
    if detail.get("timed_out"):
        return False
    if detail.get("_shards") is not None:
        _check_counts(detail["_shards"], where)
    return True


def check_remotes_known(index: str | Sequence[str], answer: Mapping[str, Any], where: str) -> None:
    """Raise NotFound if a remote pattern was requested, but the server has no remote cluster.

    Elasticsearch reports that itself; OpenSearch then reads ``c:logs-*`` as a local name and finds nothing.
    """
    names = (index if isinstance(index, str) else ",".join(index)).split(",")
    remote = [name for name in names if ":" in name.replace("::", "")]  # logs::failures is a part of a data stream
    if remote and "_clusters" not in answer:
        raise NotFound(
            f"{where} knows no remote cluster {remote[0].partition(':')[0]}",
            hint="GET _remote/info lists the remote clusters; add it there, or correct datafeed_config.indices",
            status=404,
        )


def document(hit: Mapping[str, Any]) -> Document:
    """Convert a hit, or the answer of a get, to a Document."""
    return Document(
        id=str(hit["_id"]),
        index=str(hit["_index"]),
        source=hit.get("_source") or {},
        seq_no=hit.get("_seq_no", -1),
        primary_term=hit.get("_primary_term", -1),
    )


def field_types(answer: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Convert field capabilities (requested with ``include_unmapped``) to ``{field: {type: [indices…]}}``.

    A server names the indices of a type only where types differ; without names the type holds for all indices.
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


def merged_types(parts: Iterable[dict[str, dict[str, list[str]]]]) -> dict[str, dict[str, list[str]]]:
    """Merge field types that were requested in parts."""
    found: dict[str, dict[str, list[str]]] = {}
    for part in parts:
        for name, types in part.items():
            for kind, indices in types.items():
                known = found.setdefault(name, {})
                known[kind] = sorted({*known.get(kind, ()), *indices})
    return found


def template_body(answer: Mapping[str, Any], name: str) -> Json:
    """Return one composable template's body from the server's list; ``proofs.template`` has checked it is there."""
    return next(dict(entry["index_template"]) for entry in answer["index_templates"] if entry["name"] == name)
