"""How to reach a cluster: hosts, credentials, TLS; plain values that the configuration provides."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ipi_es.errors import UsageError

DEFAULT_PORT = 9_200  # the default of Elasticsearch, OpenSearch and Elastic's shippers
CLOUD_PORT = 443  # Elastic Cloud listens here when the cloud id names no port


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One host of a cluster."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @property
    def url(self) -> str:
        """The URL ``https://host:9200/prefix``, without credentials, fit to be shown."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.prefix}"


@dataclass(frozen=True, slots=True)
class Connection:
    """The data that is needed to reach a cluster; its repr shows no secret.

    ``hosts`` are URLs (``http://`` and port 9200 if they name none; ``user:password@`` is used as credentials).
    ``api_key`` is ``id:key`` or its base64 form. ``ca_fingerprint`` is the SHA-256 of the CA's (or the server's
    own) certificate in hexadecimal and replaces ``ca_certs`` and the check of the host's name. ``client_cert`` is a
    PEM file with this client's certificate, and with its key if ``client_key`` is None. ``request_timeout`` is in
    seconds; ``max_retries`` counts the attempts after the first. ``read_again`` reads the configuration once more,
    for credentials and authorities that were replaced; it raises an IpiEsError where that fails. ``aws_sigv4`` is
    the region and the service's name of signatures for AWS, whose credentials come from AWS's default chain.
    ``caller`` is the Authorization header of a caller, ``""`` without one: it is sent in the place of credentials.
    ``run_as`` is the name and the value of the header with which this process acts as another user.
    """

    hosts: tuple[str, ...] = ()
    api_key: str | None = None
    username: str | None = None
    password: str | None = None
    bearer_token: str | None = None
    aws_sigv4: tuple[str, str] | None = None
    cloud_id: str | None = None
    ca_certs: Path | None = None
    ca_fingerprint: str | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    verify_certs: bool = True
    request_timeout: float = 30.0
    max_retries: int = 5
    read_again: Callable[[], Connection] | None = field(default=None, compare=False)
    caller: str | None = None
    run_as: tuple[str, str] | None = None

    @classmethod
    def renewed_by(cls, read: Callable[[], Mapping[str, Any]], now: Mapping[str, Any]) -> Connection:
        """Return the connection with the data ``now``; ``read`` returns those of the configuration as it is later."""
        return cls(**now, read_again=lambda: cls(**read()))

    def __repr__(self) -> str:
        auth = self.authorization()
        kind = "AWS4-HMAC-SHA256" if self.aws_sigv4 else auth.split(" ", 1)[0] if auth else "none"
        return f"Connection({self.where}, authorization: {kind})"

    @property
    def where(self) -> str:
        """The hosts for people, without credentials."""
        return ", ".join(endpoint.url for endpoint in self.endpoints())

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the hosts, split into their parts.

        Raises UsageError for one that can't be read, or without any host.
        """
        if self.cloud_id:
            return (_cloud_endpoint(self.cloud_id),)
        if not self.hosts:
            raise UsageError("no cluster is named", hint="set elasticsearch.hosts, for example http://localhost:9200")
        return tuple(_endpoint(text) for text in self.hosts)

    def authorization(self) -> str | None:
        """Return the Authorization header's value; None without credentials, and where each request is signed."""
        if self.caller is not None:
            return self.caller or None
        if self.api_key:
            return f"ApiKey {_base64(self.api_key) if ':' in self.api_key else self.api_key}"
        if self.bearer_token:
            return f"Bearer {self.bearer_token}"
        if self.username is not None:
            return _basic(self.username, self.password)
        for text in self.hosts:
            parts = urlsplit(text)
            if parts.username:
                return _basic(unquote(parts.username), unquote(parts.password or ""))
        return None

    def headers(self) -> dict[str, str]:
        """Return the headers that authorize every request; none where each is signed."""
        authorization = self.authorization()
        return {"authorization": authorization} | dict([self.run_as] if self.run_as else []) if authorization else {}

    def acting_as(self, header: str, user: str) -> Connection:
        """Return the connection as one that acts for another user of the cluster, by a header of its distribution."""
        again = self.read_again
        return replace(
            self, run_as=(header, user), read_again=None if again is None else lambda: again().acting_as(header, user)
        )

    def under(self, authorization: str | None) -> Connection:
        """Return the connection with a caller's Authorization header in the place of this process's credentials.

        A client certificate is left out too: a cluster may take it for the user, whatever the header says.
        """
        again = self.read_again
        return replace(
            self,
            caller=authorization or "",
            aws_sigv4=None,
            client_cert=None,
            client_key=None,
            read_again=None if again is None else lambda: again().under(authorization),
        )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _basic(username: str, password: str | None) -> str:
    return "Basic " + _base64(f"{username}:{password or ''}")


def _endpoint(text: str) -> Endpoint:
    parts = urlsplit(text if "://" in text else f"http://{text}")
    shown = text.rpartition("@")[2]  # the part before an @ may be a password
    try:
        port = parts.port
    except ValueError:
        raise UsageError(f"the port of “{shown}” is not a port", hint="write https://host:9200") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"“{shown}” is not a cluster's URL", hint="write http://host:9200 or https://host:9200")
    return Endpoint(parts.scheme, parts.hostname, port or DEFAULT_PORT, parts.path.rstrip("/"))


def _cloud_endpoint(cloud_id: str) -> Endpoint:
    """Read Elastic's format ``name:base64(host[:port]$elasticsearch-id$kibana-id)``.

    Raises UsageError for other text.
    """
    wrong = UsageError("the cloud_id can't be read", hint="copy it again from the deployment's page in Elastic Cloud")
    try:
        decoded = base64.b64decode(cloud_id.rpartition(":")[2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise wrong from None
    domain, _, rest = decoded.partition("$")
    cluster = rest.partition("$")[0]
    host, _, own_port = domain.partition(":")
    name, _, port = cluster.partition(":")
    if not host or not name:
        raise wrong
    return Endpoint("https", f"{name}.{host}", int(port or own_port or CLOUD_PORT))
