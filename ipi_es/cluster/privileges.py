"""The user that the credentials belong to, and the rights that they lack (only Elasticsearch reports these)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ipi_es.cluster.answers import proofs
from ipi_es.cluster.port import Distribution
from ipi_es.cluster.rest_requests import Request
from ipi_es.errors import ClusterError, NotFound, RequestRejected

_PATH = "/_security/user/_has_privileges"
_USERS: Mapping[Distribution, tuple[str, str]] = {
    "elasticsearch": ("/_security/_authenticate", "username"),
    "opensearch": ("/_plugins/_security/authinfo", "user_name"),
}
"""Path that answers who asks, and the field with the name."""
_NO_SECURITY = ("no handler found", "Security must be explicitly enabled", "Incorrect HTTP method")
"""Words by which a server refuses that path where it has no security, or where that is turned off."""


def user_name(request: Request, distribution: Distribution) -> str | None:
    """See :meth:`ipi_es.cluster.port.Cluster.user_name`."""
    path, field = _USERS[distribution]
    try:
        answer = request("GET", path, proof=proofs.text(field))
    except ClusterError as error:
        if any(words in error.message for words in _NO_SECURITY):
            return None
        raise
    return str(answer[field])


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
