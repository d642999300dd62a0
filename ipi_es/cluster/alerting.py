"""The servers' own alerting: Watcher of Elasticsearch and Alerting of OpenSearch.

A server can lack either (a licence, a plugin): it then has no such path, and answers 400, 403, 404 or 405.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from ipi_es.cluster.answers import answers, proofs
from ipi_es.cluster.rest_requests import Request, knows
from ipi_es.errors import NotFound, RequestRejected

_MOST_MONITORS = 1_000
"""Monitors that a search by name returns at most: names are searched by their words."""


class Watcher:
    """:class:`ipi_es.cluster.port.Alerting` on Elasticsearch."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def available(self) -> bool:
        """See the port."""
        return knows(self._request, "/_watcher/stats")

    def write(self, id: str, body: Mapping[str, Any]) -> bool:  # noqa: A002
        """See the port."""
        path = f"/_watcher/watch/{answers.exact_name(id)}"
        answer = self._request("PUT", path, body=body, proof=proofs.flag("created"))
        return bool(answer.get("created"))

    def write_channel(self, id: str, name: str, url: str) -> bool:  # noqa: A002
        """See the port."""
        raise RequestRejected(f"a watch sends to {url} by itself: there is nowhere to put {id} ({name})")


class OpenSearchAlerting:
    """:class:`ipi_es.cluster.port.Alerting` on OpenSearch, with its plugins Alerting and Notifications."""

    _MONITORS = "/_plugins/_alerting/monitors"
    _CHANNELS = "/_plugins/_notifications/configs"

    def __init__(self, request: Request) -> None:
        self._request = request

    def available(self) -> bool:
        """See the port."""
        return knows(self._request, "/_plugins/_alerting/stats")

    def write(self, id: str, body: Mapping[str, Any]) -> bool:  # noqa: A002, ARG002  (monitors have ids of their own)
        """See the port."""
        found = self._monitor(str(body["name"]))
        if found is None:
            self._request("POST", self._MONITORS, body=body, proof=proofs.text("_id"))
            return True
        self._request("PUT", f"{self._MONITORS}/{quote(found, safe='')}", body=body, proof=proofs.text("_id"))
        return False

    def write_channel(self, id: str, name: str, url: str) -> bool:  # noqa: A002
        """See the port."""
        path = f"{self._CHANNELS}/{answers.exact_name(id)}"
        config = {"name": name, "config_type": "webhook", "is_enabled": True, "webhook": {"url": url}}
        try:
            self._request("GET", path)
        except NotFound:
            body = {"config_id": id, "config": config}
            self._request("POST", self._CHANNELS, body=body, proof=proofs.text("config_id"))
            return True
        except RequestRejected as error:  # a server that has the path answers with a channel, or with 404
            raise NotFound(
                "OpenSearch has its plugin Alerting, but not Notifications, which sends what --webhook names",
                hint="install opensearch-notifications-core and opensearch-notifications and restart the node, or use "
                "the worker's own notifications: `alerts` in the job's file",
                status=error.status,
            ) from error
        self._request("PUT", path, body={"config": config}, proof=proofs.text("config_id"))
        return False

    def _monitor(self, name: str) -> str | None:
        """Return the id of the monitor with exactly this name, or None."""
        query = {"size": _MOST_MONITORS, "query": {"match_phrase": {"monitor.name": name}}}
        try:
            answer = self._request("POST", f"{self._MONITORS}/_search", body=query, proof=partial(proofs.hits, query))
        except NotFound:  # the index of monitors is made with the first one
            return None
        for hit in answer["hits"]["hits"]:
            source = hit["_source"].get("monitor", hit["_source"])
            if source.get("name") == name:
                return str(hit["_id"])
        return None
