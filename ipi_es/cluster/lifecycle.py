"""Index lifecycle policies behind one small port: ILM of Elasticsearch and ISM of OpenSearch.

A server can lack them (a bare server, an OpenSearch without its plugin, a serverless project): it then has no such
path, and answers 400, 404, 405 or 410.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ipi_es.cluster.answers import answers, proofs
from ipi_es.cluster.by_index import by_index
from ipi_es.cluster.port import Json
from ipi_es.cluster.rest_requests import Request, knows
from ipi_es.errors import NotFound, RequestRejected

_ISM_POLICY = "index.plugins.index_state_management.policy_id"


class Ilm:
    """:class:`ipi_es.cluster.port.Lifecycles` on Elasticsearch."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def available(self) -> bool:
        """See the port."""
        return knows(self._request, "/_ilm/status")

    def read(self, name: str) -> Json | None:
        """See the port."""
        try:
            path = f"/_ilm/policy/{answers.exact_name(name)}"
            answer = self._request("GET", path, proof=proofs.inside(name, "policy"))
        except NotFound:
            return None
        policy: Json = answer[name]["policy"]
        return policy

    def write(self, name: str, policy: Mapping[str, Any]) -> None:
        """See the port."""
        path = f"/_ilm/policy/{answers.exact_name(name)}"
        self._request("PUT", path, body={"policy": policy}, proof=proofs.acknowledged)

    def of_indices(self, pattern: str) -> dict[str, str | None]:
        """See the port."""
        found = by_index(self._request, pattern, "settings", ["lifecycle.name"])
        return {index: (each["index"].get("lifecycle") or {}).get("name") for index, each in sorted(found.items())}

    def attach(self, name: str, index: str) -> None:
        """See the port."""
        path = f"/{answers.exact_name(index)}/_settings"
        self._request("PUT", path, body={"index.lifecycle.name": name}, proof=proofs.acknowledged)

    def renew(self, name: str, index: str) -> None:
        """Do nothing: an index follows the newest version of its policy."""

    def stuck(self, pattern: str) -> dict[str, str]:
        """See the port."""
        path = f"/{answers.target(pattern)}/_ilm/explain"
        try:
            params = {"only_managed": "true", "only_errors": "true"}
            answer = self._request("GET", path, params=params, proof=proofs.mapping("indices"))
        except (RequestRejected, NotFound):
            return {}
        found = {}
        for index, body in sorted((answer.get("indices") or {}).items()):
            info = body.get("step_info") or {}
            found[index] = str(info.get("reason") or info.get("message") or "the server doesn't say why")
        return found


class Ism:
    """:class:`ipi_es.cluster.port.Lifecycles` on OpenSearch."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def available(self) -> bool:
        """See the port."""
        return knows(self._request, "/_plugins/_ism/policies", {"size": "1"})

    def read(self, name: str) -> Json | None:
        """See the port."""
        found = self._found(name)
        if found is None:
            return None
        policy: Json = found["policy"]
        return policy

    def write(self, name: str, policy: Mapping[str, Any]) -> None:
        """See the port; an existing one is replaced by compare-and-set, as the server requires."""
        before = self._found(name)
        params = {}
        if before is not None:
            params = {"if_seq_no": str(before["_seq_no"]), "if_primary_term": str(before["_primary_term"])}
        self._request("PUT", self._path(name), params=params, body={"policy": policy}, proof=proofs.text("_id"))

    def of_indices(self, pattern: str) -> dict[str, str | None]:
        """See the port."""
        try:
            answer = self._request("GET", f"/_plugins/_ism/explain/{answers.target(pattern)}")
        except NotFound:
            return {}
        return {index: body.get(_ISM_POLICY) for index, body in sorted(answer.items()) if isinstance(body, dict)}

    def attach(self, name: str, index: str) -> None:
        """See the port."""
        self._change("add", name, index)

    def renew(self, name: str, index: str) -> None:
        """See the port; the server applies it when it next checks the index."""
        self._change("change_policy", name, index)

    def stuck(self, pattern: str) -> dict[str, str]:
        """See the port."""
        try:
            answer = self._request("GET", f"/_plugins/_ism/explain/{answers.target(pattern)}")
        except (RequestRejected, NotFound):
            return {}
        found = {}
        for index, body in sorted(answer.items()):
            parts = body if isinstance(body, dict) else {}
            if any((parts.get(name) or {}).get("failed") for name in ("action", "retry_info")):
                info = parts.get("info") or {}
                found[index] = str(info.get("cause") or info.get("message") or "the server doesn't say why")
        return found

    def _change(self, what: str, name: str, index: str) -> None:
        path = f"/_plugins/_ism/{what}/{answers.exact_name(index)}"
        answer = self._request("POST", path, body={"policy_id": name}, proof=proofs.flag("failures"))
        if answer.get("failures"):  # reported with status 200
            reasons = "; ".join(str(each.get("reason")) for each in answer.get("failed_indices", ()))
            raise RequestRejected(
                f"{index} could not be put under the policy {name}: {reasons}",
                hint=f"look at it with `GET _plugins/_ism/explain/{index}`",
            )

    def _found(self, name: str) -> Json | None:
        try:
            return self._request("GET", self._path(name), proof=proofs.mapping("policy"))
        except NotFound:
            return None

    @staticmethod
    def _path(name: str) -> str:
        return f"/_plugins/_ism/policies/{answers.exact_name(name)}"
