"""The rights that the credentials lack, as the server reports them; only Elasticsearch can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ipi_es.cluster.answers import proofs
from ipi_es.cluster.rest_requests import Request
from ipi_es.errors import NotFound, RequestRejected

_PATH = "/_security/user/_has_privileges"


def lacking(
    request: Request, on_cluster: Sequence[str], on_indices: Mapping[str, Sequence[str]]
) -> list[tuple[str, str | None]] | None:
    """See :meth:`ipi_es.cluster.port.Cluster.lacking`; None from a bare server, or with security turned off."""
    index = [{"names": [name], "privileges": list(rights)} for name, rights in on_indices.items()]
    try:
        body = {"cluster": list(on_cluster), "index": index}
        answer = request("POST", _PATH, body=body, proof=proofs.rights)
    except (NotFound, RequestRejected):
        return None
    has = answer.get("cluster", {})
    found: list[tuple[str, str | None]] = [(right, None) for right in on_cluster if not has.get(right)]
    for name, rights in on_indices.items():
        has = answer.get("index", {}).get(name, {})
        found += [(right, name) for right in rights if not has.get(right)]
    return found
