"""Kibana's rules and connectors through its API, as far as the installation of alerts needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es.cluster.console import NAMES, Console
from ipi_es.errors import NotFound, UsageError

NOT_CHANGED = ("rule_type_id", "consumer", "enabled")
"""Fields that an existing rule keeps; `enabled` is the user's choice."""


@dataclass(frozen=True, slots=True)
class Kibana:
    """Rules and connectors of a console, in its space."""

    console: Console

    def __post_init__(self) -> None:
        if self.console.info.kind != "kibana":
            raise UsageError(
                f"{NAMES[self.console.info.kind]} has no rules of its own",
                hint="its alerts are the cluster's: take --stack opensearch",
            )

    def write_rule(self, id: str, body: Mapping[str, Any]) -> bool:  # noqa: A002  (the field's word)
        """Create or replace a rule; return whether it was created."""
        path = f"/api/alerting/rule/{id}"
        if self._there(path):
            kept = {name: value for name, value in body.items() if name not in NOT_CHANGED}
            self.console.request("PUT", path, kept)
            return False
        self.console.request("POST", path, dict(body))
        return True

    def write_connector(self, id: str, name: str, kind: str, config: Mapping[str, Any]) -> bool:  # noqa: A002
        """Create or replace a connector of a type such as ``.index``; return whether it was created."""
        path, body = f"/api/actions/connector/{id}", {"name": name, "config": dict(config), "secrets": {}}
        if self._there(path):
            self.console.request("PUT", path, body)
            return False
        self.console.request("POST", path, {**body, "connector_type_id": kind})
        return True

    def _there(self, path: str) -> bool:
        try:
            self.console.request("GET", path)
        except NotFound:
            return False
        return True
