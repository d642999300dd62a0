"""Templates that new indices are made with, aliases, write blocks, and calendars of Elastic ML: over REST.

Both servers have the same paths for them, apart from the calendars. A server that lacks the simulation of index
templates answers 400, 404 or 405. Where credentials may not simulate, a caller compares priorities and checks the index
afterwards. The functions are shared with the in-memory cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ipi_es.cluster.answers import answers, proofs
from ipi_es.cluster.by_index import by_index
from ipi_es.cluster.port import MOST_CALENDARS, Json
from ipi_es.cluster.rest_requests import Request
from ipi_es.errors import NotFound, PermissionDenied, RequestRejected

LASTING_BLOCKS = ("write", "read_only")
"""Blocks that a person or a lifecycle policy sets. The block of a full disk is removed by the server and isn't
listed."""


FROM_FILES = "or save the two answers, and give them with --calendars and --calendar-events"


def covers(patterns: Iterable[str], index: str) -> bool:
    """Decide whether index patterns match an index name; only ``*`` is special in them."""
    return any(
        re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), index, re.DOTALL)
        for pattern in patterns
    )


def priority_of(template: Mapping[str, Any]) -> int:
    """Return a composable template's priority; 0 where it has none."""
    return int(template.get("priority") or 0)


class RestAdmin:
    """:class:`ipi_es.cluster.port.Admin` on Elasticsearch and OpenSearch."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def index_templates(self) -> dict[str, Json]:
        """See the port."""
        answer = self._request("GET", "/_index_template", proof=proofs.templates)
        return {str(each["name"]): dict(each["index_template"]) for each in answer["index_templates"]}

    def simulate_index(self, name: str) -> Json | None:
        """See the port."""
        try:
            path = f"/_index_template/_simulate_index/{answers.exact_name(name)}"
            # where no template matches, the answer is empty: callers then see that the index gets no template
            answer = self._request("POST", path, proof=proofs.anything)
        except (NotFound, PermissionDenied, RequestRejected):
            return None
        return dict(answer.get("template") or {})

    def add_alias(self, index: str, alias: str) -> None:
        """See the port."""
        action = {"add": {"index": answers.exact_name(index), "alias": answers.exact_name(alias)}}
        self._request("POST", "/_aliases", body={"actions": [action]}, proof=proofs.acknowledged)

    def write_blocks(self, pattern: str) -> dict[str, str]:
        """See the port."""
        found = by_index(self._request, pattern, "settings", ["blocks"])
        return blocked({index: each["index"] for index, each in found.items()})

    def elastic_calendars(self) -> tuple[Json, Json]:
        """See the port."""
        return self._of_elastic_ml("calendars", "calendars"), self._of_elastic_ml("calendars/_all/events", "events")

    def _of_elastic_ml(self, path: str, name: str) -> Json:
        params, proof = {"size": str(MOST_CALENDARS)}, proofs.listed(name, MOST_CALENDARS)
        try:
            return self._request("GET", f"/_ml/{path}", params=params, proof=proof)
        except PermissionDenied as error:
            hint = f"it takes a licence with machine learning, and the cluster right monitor_ml; {FROM_FILES}"
            raise PermissionDenied(error.message, hint=hint, status=error.status) from error
        except (RequestRejected, NotFound) as error:  # a server without Elastic ML has no such path
            raise NotFound(
                f"the cluster has no {name} of Elastic ML: {error.message}",
                hint=f"let ipi-es.yml name the cluster that runs Elastic's job, {FROM_FILES}",
                status=error.status,
            ) from error


def winner(templates: Mapping[str, Json], index: str) -> Json:
    """Return the template that a new index of this name is made with: the one of the highest priority.

    It is empty if no template matches.
    """
    found = [template for template in templates.values() if covers(template["index_patterns"], index)]
    return max(found, key=priority_of, default={})


def blocked(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return ``{index: setting}`` of the indices with a lasting write block, by their settings."""
    found = {}
    for index, each in sorted(settings.items()):
        blocks = each.get("blocks") or {}
        names = [name for name in LASTING_BLOCKS if str(blocks.get(name, "")).lower() == "true"]
        if names:
            found[index] = f"index.blocks.{names[0]}"
    return found
