"""Kibana's rules and connectors over its API: just what putting alerts there needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from ipi_es.errors import (
    AuthenticationFailed,
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    NotFound,
    PermissionDenied,
    RequestRejected,
    TlsError,
)

TIMEOUT = (5.0, 30.0)
"""Seconds to connect, and to wait for an answer: Kibana checks a rule before it says yes."""

BUSY = (429, 502, 503, 504)

NOT_CHANGED = ("rule_type_id", "consumer", "enabled")
"""What an existing rule keeps; `enabled` is a person's choice."""


@dataclass(frozen=True, slots=True)
class Kibana:
    """Where Kibana is and how to log in; ``space`` None: the default one. ``ca_certs``: a file of authorities."""

    url: str
    space: str | None = None
    api_key: str | None = None
    username: str | None = None
    password: str | None = None
    ca_certs: str | None = None
    verify: bool = True

    def write_rule(self, id: str, body: Mapping[str, Any]) -> bool:  # noqa: A002  (the field's word)
        """Create or replace a rule; whether it was created."""
        path = f"/api/alerting/rule/{id}"
        if self._there(path):
            self._call("PUT", path, {name: value for name, value in body.items() if name not in NOT_CHANGED})
            return False
        self._call("POST", path, body)
        return True

    def write_connector(self, id: str, name: str, kind: str, config: Mapping[str, Any]) -> bool:  # noqa: A002
        """Create or replace a connector of a type such as ``.index``; whether it was created."""
        path, body = f"/api/actions/connector/{id}", {"name": name, "config": dict(config), "secrets": {}}
        if self._there(path):
            self._call("PUT", path, body)
            return False
        self._call("POST", path, {**body, "connector_type_id": kind})
        return True

    def _there(self, path: str) -> bool:
        try:
            self._call("GET", path)
        except NotFound:
            return False
        return True

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        space = f"/s/{self.space}" if self.space else ""
        headers = {"kbn-xsrf": "ipi-es"} | ({"Authorization": f"ApiKey {self.api_key}"} if self.api_key else {})
        try:
            answer = requests.request(
                method,
                f"{self.url.rstrip('/')}{space}{path}",
                json=body,
                headers=headers,
                auth=(self.username, self.password or "") if self.username else None,
                verify=self.ca_certs or self.verify,
                timeout=TIMEOUT,
                allow_redirects=False,  # to a log-in page
            )
        except requests.exceptions.SSLError as error:
            raise TlsError(f"Kibana at {self.url}: {error}", hint="name its authorities with ca_certs") from error
        except requests.exceptions.RequestException as error:
            raise ClusterUnreachable(
                f"Kibana at {self.url} can't be reached: {error}", hint="check --kibana"
            ) from error
        if answer.ok and answer.status_code < 300:
            return answer.json() if answer.content else {}
        raise _fault(answer, self.url, method, path)


def _fault(answer: requests.Response, url: str, method: str, path: str) -> ClusterError:
    try:
        said = str(answer.json().get("message", answer.text))
    except ValueError:
        said = answer.text[:200]
    status, where = answer.status_code, f"Kibana at {url} answered {method} {path} with {answer.status_code}: {said}"
    if status == 401 or 300 <= status < 400:
        return AuthenticationFailed(where, hint="give an API key or a user that Kibana knows", status=status)
    if status == 403:
        return PermissionDenied(
            where, hint="the user needs “All” for Stack Rules and Actions and Connectors in that space", status=status
        )
    if status == 404:
        return NotFound(where, status=status)
    if status in BUSY:
        return ClusterBusy(where, hint="try again later", status=status)
    return RequestRejected(where, hint="the message says what it refused", status=status)
