"""Settings and mappings of the indices that match a pattern.

The servers answer ``{}`` where no index matches, and so may a proxy without a real answer. Then the shards behind the
pattern are counted: a count of 0 confirms that there is no index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ipi_es.cluster.answers import answers, proofs
from ipi_es.cluster.port import Json
from ipi_es.cluster.rest_requests import EVERYTHING, Request
from ipi_es.errors import NotFound, PermissionDenied

_PATHS = {"settings": "_settings", "mappings": "_mapping"}
TRIES = 3


def by_index(
    request: Request, pattern: str, what: Literal["settings", "mappings"], only: Sequence[str] = ()
) -> dict[str, Json]:
    """Return ``{index: its settings or mappings}`` of all indices, hidden and closed ones too.

    ``only``: the names below ``settings.index`` to return; the others are left out. Raises AnswerIncomplete where the
    answer names no index although there are some.
    """
    path = f"/{answers.target(pattern)}"
    # every index has a uuid: it proves that the index exists
    chosen = {"filter_path": ",".join(f"*.settings.index.{name}" for name in ("uuid", *only))} if only else {}
    for _ in range(TRIES):
        try:
            answer = request(
                "GET", f"{path}/{_PATHS[what]}", params={**EVERYTHING, **chosen}, proof=proofs.objects(what)
            )
        except NotFound:
            return {}
        if answer or _none_is_there(request, path):
            return {index: dict(body[what]) for index, body in answer.items()}
    raise answers.incomplete(f"GET {path}/{_PATHS[what]}", "names no index, though there are some")


def _none_is_there(request: Request, path: str) -> bool:
    try:
        counted = request("POST", f"{path}/_count", params=dict(EVERYTHING), proof=proofs.sharded)
    except (NotFound, PermissionDenied):
        return True  # without the right to count there is no better answer
    return not counted["_shards"]["total"]
