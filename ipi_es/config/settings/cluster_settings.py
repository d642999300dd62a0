"""The settings of the connection to the cluster."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from ipi_es.config.types import Count, Inconsistent, ReadableFile, Section, Text, Timeout

DEFAULT_HOST = "http://localhost:9200"
"""The address of a server with default settings."""

SECRETS = ("api_key", "password", "bearer_token")
"""Settings that are never shown; each may be in a file of its own, named by ``<name>_file``."""


_NO_URL = "must be a URL with http:// or https://, such as https://es.example.org:9200"


def _hosts(value: Any) -> Any:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _url(text: str) -> str:
    if "@" in text:
        raise ValueError("has credentials in it: put them into username and password (or password_file)")
    try:
        parts = urlsplit(text)
    except ValueError:  # its message may quote the text
        raise ValueError(_NO_URL) from None
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(_NO_URL)
    if port is None:
        raise ValueError("must name its port, such as https://es.example.org:9200 (or :443)")
    if parts.query or parts.fragment:
        raise ValueError("must end after the host, the port and an optional path")
    return text.rstrip("/")


def _secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise ValueError("is empty; leave it out, or give it a value")
    return value


def header_mistake(name: str, secret: str) -> str | None:
    """Say why a secret can't be sent in a header, without quoting it; None: it can. A password can: it is encoded."""
    if name == "password" or (secret.isascii() and secret.isprintable()):
        return None
    return f"{name} has a line break or another character that no header can hold: write one line of plain ASCII"


def _fingerprint(text: str) -> str:
    plain = text.replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise ValueError("must be a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons")
    return plain


def _region(text: str) -> str:
    if not re.fullmatch(r"[a-z]+(-[a-z]+)+-[0-9]+", text):
        raise ValueError("must be a region of AWS, such as eu-central-1")
    return text


Url: TypeAlias = Annotated[str, AfterValidator(_url)]
Secret: TypeAlias = Annotated[SecretStr, AfterValidator(_secret)]


class AwsSettings(Section):
    """Signatures for Amazon OpenSearch Service, with credentials of AWS's default chain; needs the extra `[aws]`."""

    region: Annotated[str, AfterValidator(_region)] = Field(description="The domain's region, such as `eu-central-1`.")
    service: Literal["es", "aoss"] = Field(
        default="es",
        description="`es`: a domain of Amazon OpenSearch Service; `aoss`: OpenSearch Serverless, which lacks requests "
        "that ipi-es needs, so that it says so and ends.",
    )


class ClusterSettings(Section):
    """The cluster, Elasticsearch or OpenSearch: which it is is found out."""

    hosts: Annotated[tuple[Url, ...], BeforeValidator(_hosts)] = Field(
        default=(DEFAULT_HOST,), description="URLs with scheme and port; one or several of the same cluster."
    )
    cloud_id: Text | None = Field(default=None, description="Elastic Cloud's id, instead of `hosts`.")
    api_key: Secret | None = Field(default=None, description="API key (the encoded form).")
    api_key_file: ReadableFile | None = Field(default=None, description="File that holds `api_key`.")
    bearer_token: Secret | None = Field(default=None, description="Bearer token of a service account.")
    bearer_token_file: ReadableFile | None = Field(default=None, description="File that holds `bearer_token`.")
    username: Text | None = Field(default=None, description="User name, together with a password.")
    password: Secret | None = Field(default=None, description="Password.")
    password_file: ReadableFile | None = Field(default=None, description="File that holds `password`.")
    aws_sigv4: AwsSettings | None = Field(
        default=None,
        description="Sign each request for Amazon OpenSearch Service, instead of a key or a password; the credentials "
        "come from AWS's default chain (environment, profile, role).",
    )
    ca_certs: ReadableFile | None = Field(
        default=None, description="File with the certificate authorities to trust (PEM)."
    )
    ca_fingerprint: Annotated[str, AfterValidator(_fingerprint)] | None = Field(
        default=None, description="SHA-256 fingerprint of the cluster's certificate authority, instead of `ca_certs`."
    )
    client_cert: ReadableFile | None = Field(
        default=None,
        description="File with this client's own certificate (PEM), for a cluster that knows its users by certificates "
        "(PKI). It may hold the key too.",
    )
    client_key: ReadableFile | None = Field(
        default=None, description="File with the key of `client_cert` (PEM, without a passphrase)."
    )
    verify_certs: bool = Field(default=True, description="False accepts any certificate: for tests only.")
    request_timeout: Timeout = Field(default=60, description="Time limit of one request, as `60s` or in seconds.")
    max_retries: Count = Field(
        default=5, ge=0, le=100, description="Further attempts when the cluster is away or busy."
    )

    @model_validator(mode="before")
    @classmethod
    def _cloud_instead_of_hosts(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("cloud_id") is not None and "hosts" not in data:
            return {**data, "hosts": []}
        return data

    @model_validator(mode="after")
    def _no_contradictions(self) -> ClusterSettings:
        mistakes = [*self._address_mistakes(), *self._credential_mistakes(), *self._tls_mistakes()]
        if mistakes:
            raise Inconsistent(*(((), text) for text in mistakes))
        return self

    def _address_mistakes(self) -> list[str]:
        mistakes = []
        if self.cloud_id is not None and self.hosts:
            mistakes.append("cloud_id and hosts name the cluster twice: keep one")
        if self.cloud_id is None and not self.hosts:
            mistakes.append("hosts is empty: name at least one URL")
        if self.cloud_id is not None and self.aws_sigv4 is not None:
            mistakes.append("cloud_id is Elastic's cloud, aws_sigv4 is for AWS: keep one")
        if len({urlsplit(host).scheme for host in self.hosts}) > 1:
            mistakes.append("hosts mixes http:// and https://: a cluster speaks one of them")
        return mistakes

    def _credential_mistakes(self) -> list[str]:
        mistakes = [
            f"{name} and {name}_file say the same thing twice: keep one"
            for name in SECRETS
            if getattr(self, name) is not None and getattr(self, f"{name}_file") is not None
        ]
        has = {name: getattr(self, name) is not None or getattr(self, f"{name}_file") is not None for name in SECRETS}
        ways = [name for name in ("api_key", "bearer_token") if has[name]]
        if self.username is not None or has["password"]:
            ways.append("username/password")
        if self.aws_sigv4 is not None:
            ways.append("aws_sigv4")
        if len(ways) > 1:
            mistakes.append(f"{' and '.join(ways)} are different ways to log in: keep one")
        if self.username is not None and not has["password"]:
            mistakes.append("username needs password or password_file")
        if has["password"] and self.username is None:
            mistakes.append("password needs username")
        given = {name: _reveal(getattr(self, name)) or "" for name in SECRETS}
        return mistakes + [said for name, text in given.items() if (said := header_mistake(name, text))]

    def _tls_mistakes(self) -> list[str]:
        mistakes = []
        tls = [name for name in ("ca_certs", "ca_fingerprint") if getattr(self, name) is not None]
        own = [name for name in ("client_cert", "client_key") if getattr(self, name) is not None]
        if own == ["client_key"]:
            mistakes.append("client_key needs client_cert, the certificate that it belongs to")
        if own and any(host.startswith("http://") for host in self.hosts):
            mistakes.append(f"{' and '.join(own)} is for https://, but hosts begin with http://")
        if tls and any(host.startswith("http://") for host in self.hosts):
            mistakes.append(f"{' and '.join(tls)} is for https://, but hosts begin with http://")
        if tls and not self.verify_certs:
            mistakes.append(f"verify_certs: false makes {' and '.join(tls)} useless: drop one")
        if len(tls) > 1:
            mistakes.append("ca_certs and ca_fingerprint both say whom to trust: keep one")
        return mistakes

    def plain(self) -> dict[str, Any]:
        """Return all values that a connection needs as plain values, secrets included: never log them."""
        return {
            "hosts": self.hosts,
            "cloud_id": self.cloud_id,
            "username": self.username,
            **{name: _reveal(getattr(self, name)) for name in SECRETS},
            "aws_sigv4": None if self.aws_sigv4 is None else (self.aws_sigv4.region, self.aws_sigv4.service),
            "ca_certs": None if self.ca_certs is None else str(self.ca_certs),
            "ca_fingerprint": self.ca_fingerprint,
            "client_cert": None if self.client_cert is None else str(self.client_cert),
            "client_key": None if self.client_key is None else str(self.client_key),
            "verify_certs": self.verify_certs,
            "request_timeout": self.request_timeout,
            "max_retries": self.max_retries,
        }


def _reveal(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
