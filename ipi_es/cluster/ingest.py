"""Ingest pipelines: over REST, with the same paths on Elasticsearch and OpenSearch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ipi_es.cluster.answers import answers, proofs
from ipi_es.cluster.by_index import by_index
from ipi_es.cluster.rest_requests import Request, knows

NONE = "_none"
"""The servers' word for: no pipeline."""


class RestIngest:
    """:class:`ipi_es.cluster.port.Ingest` on Elasticsearch and OpenSearch."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def available(self) -> bool:
        """See the port."""
        return knows(self._request, "/_ingest/processor/grok")

    def write(self, name: str, body: Mapping[str, Any]) -> None:
        """See the port."""
        path = f"/_ingest/pipeline/{answers.exact_name(name)}"
        self._request("PUT", path, body=body, proof=proofs.acknowledged)

    def delete(self, name: str) -> None:
        """See the port."""
        self._request("DELETE", f"/_ingest/pipeline/{answers.exact_name(name)}", proof=proofs.acknowledged)

    def last_of_indices(self, pattern: str) -> dict[str, str | None]:
        """See the port."""
        found = by_index(self._request, pattern, "settings", ["final_pipeline"])
        names = {index: str(each["index"].get("final_pipeline") or NONE) for index, each in found.items()}
        return {index: None if name == NONE else name for index, name in sorted(names.items())}

    def attach_last(self, name: str | None, index: str) -> None:
        """See the port."""
        body = {"index": {"final_pipeline": name or NONE}}
        self._request("PUT", f"/{answers.exact_name(index)}/_settings", body=body, proof=proofs.acknowledged)

    def run(self, name: str, index: str, query: Mapping[str, Any], most: int) -> int:
        """See the port."""
        params = {"pipeline": name, "max_docs": str(most), "conflicts": "proceed", "refresh": "true"}
        path = f"/{answers.exact_name(index)}/_update_by_query"
        answer = self._request("POST", path, params=params, body={"query": dict(query)}, proof=_updated)
        return int(answer["updated"])


def _updated(answer: proofs.Answer) -> None:
    """Require that documents were processed by pipeline, that none failed, and that the time sufficed."""
    if not proofs.is_count(answer.get("updated")):
        raise proofs.Lacking('has no "updated"')
    if answer.get("timed_out") is not False or answer.get("failures") != []:
        raise proofs.Lacking(f"says timed_out {answer.get('timed_out')}, failures {answer.get('failures')}")
