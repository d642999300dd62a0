"""The HTTP API of Kibana and of OpenSearch Dashboards: which of them answers, and single requests.

A console differs from a cluster: it has its own URL, path, and spaces (Kibana) or tenants (OpenSearch Dashboards), and
requires its own header in every request that changes data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import quote, urlsplit

import orjson
from urllib3.exceptions import HTTPError

from ipi_es.cluster.answers.faults import connection_fault, response_fault, tls_expected_fault
from ipi_es.cluster.connection import Connection, Endpoint
from ipi_es.cluster.transport.authorizing import authorizer
from ipi_es.cluster.transport.deadline import limited_manager
from ipi_es.cluster.transport.tls import speaks_tls, tls_context
from ipi_es.errors import (
    AuthenticationFailed,
    ClusterBusy,
    ClusterError,
    ClusterUnreachable,
    NotFound,
    PermissionDenied,
    RequestRejected,
    TlsError,
    UnsupportedServer,
    UsageError,
)

Kind: TypeAlias = Literal["kibana", "opensearch-dashboards"]

NAMES: dict[Kind, str] = {"kibana": "Kibana", "opensearch-dashboards": "OpenSearch Dashboards"}

OLDEST: dict[Kind, tuple[int, int]] = {"kibana": (8, 12), "opensearch-dashboards": (2, 8)}
"""The first (major, minor) version that the shipped dashboards are made for."""

DEFAULT_PORT = 5_601  # of both consoles, where a URL names none

_NOT_FOUND = 404

_XSRF: dict[Kind, str] = {"kibana": "kbn-xsrf", "opensearch-dashboards": "osd-xsrf"}
_NAME_HEADERS: dict[str, Kind] = {"kbn-name": "kibana", "osd-name": "opensearch-dashboards"}
_OWN_TENANTS = {"global", "Global", "private", "__user__"}  # names that no list of tenants has
_TRUST = "write https:// only if the console speaks TLS; name the CA that signed its certificate with --kibana-ca FILE"
_LOGIN = "the cluster's credentials are used (ipi-es.yml, elasticsearch), or those of --kibana-api-key-file FILE"
_NO_SPACE = (
    "--space takes a space's identifier, as the console's URLs have it behind /s/; Stack Management → Spaces lists and"
    " creates them"
)
_NO_TENANT = (
    "--tenant takes global, private, or a tenant's name, and the user needs a role with that tenant; Security → Tenants"
    " lists and creates them"
)
_HINTS: dict[type[ClusterError], str] = {
    ClusterUnreachable: "check the console's URL (host, port, http or https, base path), and that it runs",
    ClusterBusy: "it is starting, or its cluster is away: look at its log, and try again in a minute",
    PermissionDenied: "the user or key needs the right to manage saved objects there for dashboards, and “All” for"
    " Stack Rules and for Actions and Connectors for Kibana's rules",
    NotFound: "is there such a path? a console's URL ends with its base path, without the space",
}
_BOUNDARY = "ipi-es-dashboards-9f1c2e"  # occurs in no saved object; a test checks that
_FIRST_ERROR = 400


@dataclass(frozen=True, slots=True)
class ConsoleInfo:
    """The detected console; ``version`` is empty where the console hides it."""

    kind: Kind
    version: str
    url: str

    @property
    def text(self) -> str:
        """Name and version for people: ``Kibana 8.12.0``."""
        return f"{NAMES[self.kind]} {self.version}".rstrip()


class Console:
    """One console, in a space or tenant; credentials and trust come from a :class:`Connection`.

    Raises NotFound for a space that Kibana doesn't have, or a tenant that isn't open to the user.
    """

    def __init__(
        self, url: str, connection: Connection, *, space: str | None = None, tenant: str | None = None
    ) -> None:
        self._endpoint = _endpoint(url)
        self._authorize = authorizer(connection)
        self._timeout = connection.request_timeout
        self._space, self._tenant = space, tenant
        trust = Connection(
            hosts=(self._endpoint.url,),
            ca_certs=connection.ca_certs,
            ca_fingerprint=connection.ca_fingerprint,
            verify_certs=connection.verify_certs,
            request_timeout=connection.request_timeout,
        )
        self._http = limited_manager(ssl_context=tls_context(trust))
        try:
            self.info = self._find_out()
            if space and self.info.kind == "kibana":
                self._require_space(space)
            if tenant and self.info.kind == "opensearch-dashboards":
                self._require_tenant(tenant)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connections."""
        self._http.clear()

    def request(self, method: str, path: str, body: Any = None, *, params: Mapping[str, str] | None = None) -> Any:
        """Send one request to the API below the space; return the parsed answer.

        Raises an error of :mod:`ipi_es.errors`.
        """
        sent = None if body is None else orjson.dumps(body)
        return self._ask(method, path, sent, "application/json", params)

    def upload(self, path: str, name: str, content: bytes, *, params: Mapping[str, str] | None = None) -> Any:
        """POST one file as a form's field ``file``; return the parsed answer. Raises as :meth:`request` does."""
        head = (
            f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n'
            "content-type: application/ndjson\r\n\r\n"
        )
        form = head.encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()
        return self._ask("POST", path, form, f"multipart/form-data; boundary={_BOUNDARY}", params)

    def _find_out(self) -> ConsoleInfo:
        status, headers, body = self._send("GET", "/api/status", None, {})
        lower = {name.lower() for name in headers}
        kind = next((kind for header, kind in _NAME_HEADERS.items() if header in lower), None)
        if status in {401, 403} or (kind is not None and status >= _FIRST_ERROR and status != 503):
            raise _own_hint(response_fault(status, body, self._endpoint.url), _LOGIN)
        if kind is None:
            raise UnsupportedServer(
                f"{self._endpoint.url} is neither Kibana nor OpenSearch Dashboards ({status})",
                hint="give the console's URL with its base path, such as http://localhost:5601; the cluster's own port"
                " is another one",
            )
        if status == 503:  # both answer it while they start, and while their cluster can't be reached
            raise _own_hint(response_fault(status, body, self._endpoint.url), _LOGIN)
        version = body.get("version", {}) if isinstance(body, dict) else {}
        return ConsoleInfo(kind, str(version.get("number", "")), self._endpoint.url)

    def _require_space(self, space: str) -> None:
        """Raise NotFound if there is no such space: Kibana imports objects and rules into one that doesn't exist."""
        path = f"/api/spaces/space/{quote(space, safe='')}"
        status, _, answer = self._send("GET", path, None, {})
        if status == _NOT_FOUND:
            raise NotFound(f"{self.info.text} at {self._endpoint.url} has no space “{space}”", hint=_NO_SPACE)
        if status >= _FIRST_ERROR:
            raise _fault(status, answer, self._endpoint.url)

    def _require_tenant(self, tenant: str) -> None:
        """Raise NotFound if the user has no such tenant: the console takes another one then, without a word."""
        status, _, answer = self._send("GET", "/api/v1/configuration/account", None, {})
        if status == _NOT_FOUND:  # no plugin Security: no tenants
            raise NotFound(f"{self.info.text} at {self._endpoint.url} has no tenants", hint="leave out --tenant")
        if status >= _FIRST_ERROR:
            raise _fault(status, answer, self._endpoint.url)
        account = answer.get("data") if isinstance(answer, dict) else None
        names = account.get("tenants") if isinstance(account, dict) else None
        if isinstance(names, dict) and tenant not in {*names, *_OWN_TENANTS}:
            raise NotFound(
                f"{self.info.text} at {self._endpoint.url} has no tenant “{tenant}” for this user", hint=_NO_TENANT
            )

    def _ask(
        self, method: str, path: str, body: bytes | None, content_type: str, params: Mapping[str, str] | None
    ) -> Any:
        headers = {_XSRF[self.info.kind]: "true"}
        if body is not None:
            headers["content-type"] = content_type
        if self._tenant is not None:
            headers["securitytenant"] = self._tenant
        query = "&".join(f"{quote(name)}={quote(value)}" for name, value in (params or {}).items())
        space = f"/s/{quote(self._space, safe='')}" if self._space else ""
        status, _, answer = self._send(method, f"{space}{path}" + (f"?{query}" if query else ""), body, headers)
        if status >= _FIRST_ERROR:
            raise _fault(status, answer, self._endpoint.url)
        return answer

    def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Mapping[str, str], Any]:
        url = self._endpoint.url
        sent = {"accept": "application/json"} | headers | self._authorize(method, url + path, body)
        try:
            answer = self._http.request(
                method, url + path, body=body, headers=sent, timeout=self._timeout, retries=False, redirect=False
            )
        except (HTTPError, OSError) as error:
            if self._endpoint.scheme == "http" and speaks_tls(self._endpoint, self._timeout):
                raise _own_hint(tls_expected_fault(url), "write the console's URL with https://") from error
            raise _own_hint(connection_fault(error, url), _TRUST) from error
        try:
            parsed: Any = orjson.loads(answer.data)
        except orjson.JSONDecodeError:
            parsed = answer.data.decode("utf-8", "replace")
        return answer.status, answer.headers, parsed


def _own_hint(fault: ClusterError, hint: str) -> ClusterError:
    """Replace an error's hint, which names the cluster's settings; ``hint`` is the one for TLS and login errors."""
    if not isinstance(fault, (TlsError, AuthenticationFailed)):
        found = next((text for kind, text in _HINTS.items() if isinstance(fault, kind)), None)
        if found is None:
            return fault
        hint = found
    return type(fault)(fault.message, hint=hint, status=fault.status)


def _fault(status: int, answer: Any, where: str) -> ClusterError:
    """Make the error of a console's answer, with the cause that the console gives as ``message``.

    For a 404, the ``message`` also shows that the answer is the console's own.
    """
    message = answer.get("message") if isinstance(answer, dict) else None
    body = {"error": message, **answer} if message and status == _NOT_FOUND else answer
    fault = _own_hint(response_fault(status, body, where), _LOGIN)
    if message and isinstance(fault, RequestRejected):
        return RequestRejected(f"{where} refused it ({status}): {message}", hint=fault.hint, status=status)
    return fault


def _endpoint(url: str) -> Endpoint:
    """Split a console's URL, with its base path.

    Raises UsageError, which never quotes a URL that may hold a password.
    """
    if "@" in url:
        raise UsageError(
            "a console's URL must not hold a password", hint="credentials are those of ipi-es.yml's `elasticsearch`"
        )
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:  # such as an unclosed bracket
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"“{url}” is no URL of a console", hint="write it as http://localhost:5601 or https://…/base")
    try:
        port = parts.port or (443 if parts.scheme == "https" else DEFAULT_PORT)
    except ValueError as error:
        raise UsageError(f"“{url}” has no usable port", hint="write it as http://localhost:5601") from error
    return Endpoint(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))
