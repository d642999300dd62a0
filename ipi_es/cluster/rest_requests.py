"""What the parts that speak REST share: how they are given the way to ask, and two things that they ask alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from ipi_es.cluster.port import Json
from ipi_es.errors import NotFound, RequestRejected

Request: TypeAlias = Callable[..., Json]
"""``(method, path, *, params=None, body=None, proof=…)`` → the answer; errors are of the project's tree."""

EVERYTHING: Mapping[str, str] = {
    "expand_wildcards": "all",
    "ignore_unavailable": "true",
    "allow_no_indices": "true",
}
"""Parameters: hidden and closed indices too, and none is no error."""


def knows(request: Request, path: str, params: Mapping[str, str] | None = None) -> bool:
    """Whether the server has a part, by a path of it: one that it lacks is answered with 400, 404, 405 or 410."""
    try:
        request("GET", path, params=dict(params or {}))
    except (RequestRejected, NotFound):
        return False
    return True
