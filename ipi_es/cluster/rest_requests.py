"""Shared by the parts that use REST: the type of the request function, and parameters and a check that several need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from ipi_es.cluster.port import Json
from ipi_es.errors import NotFound, RequestRejected

Request: TypeAlias = Callable[..., Json]
"""``(method, path, *, params=None, body=None, proof=…)`` → the answer; errors are those of :mod:`ipi_es.errors`."""

EVERYTHING: Mapping[str, str] = {
    "expand_wildcards": "all",
    "ignore_unavailable": "true",
    "allow_no_indices": "true",
}
"""Parameters that include hidden and closed indices, and allow that there is no index."""


def knows(request: Request, path: str, params: Mapping[str, str] | None = None) -> bool:
    """Decide by a path whether the server has a part; without it the server answers 400, 404, 405 or 410."""
    try:
        request("GET", path, params=dict(params or {}))
    except (RequestRejected, NotFound):
        return False
    return True
