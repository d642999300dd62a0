"""The settings of the HTTP server."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from ipi_es.config.types import Inconsistent, ReadableFile, Section, Texts

LOOPBACK, MAX_PORT = "127.0.0.1", 65_535


def _header_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", text) or text.lower() in {"authorization", "cookie", "host"}:
        raise ValueError("must be a header's name of its own, such as X-Forwarded-User")
    return text


def _is_network(text: str) -> bool:
    try:
        return bool(ip_network(text, strict=False))
    except ValueError:
        return False


def listen_address(text: str) -> str:
    """Complete a listen address to ``HOST:PORT``, by default on 127.0.0.1. Raises ValueError, with the right form."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > MAX_PORT:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:9274, or :9274 for this machine alone")
    return f"{host or LOOPBACK}:{port}"


Listen: TypeAlias = Annotated[str, AfterValidator(listen_address)]


class ServeSettings(Section):
    """How `ipi-es serve` works."""

    listen: Listen = Field(default="127.0.0.1:9275", description="HOST:PORT to serve at.")
    tls_certificate: ReadableFile | None = Field(
        default=None, description="File with the server's certificate and its chain (PEM): serve HTTPS."
    )
    tls_key: ReadableFile | None = Field(
        default=None, description="File with the key of `tls_certificate` (PEM, without a passphrase)."
    )
    anonymous: bool = Field(
        default=False,
        description="Serve a cluster without security to other machines too: whoever can connect may read and answer.",
    )
    product_header: bool = Field(
        default=False,
        description="Answer with `X-elastic-product: Elasticsearch`, which Elastic's clients require of a server.",
    )
    trusted_proxies: Texts = Field(
        default=(),
        description="Addresses or networks of proxies in front of the server, whose `X-Forwarded-Proto` and "
        "`X-Forwarded-For` count.",
    )
    user_header: Annotated[str, AfterValidator(_header_name)] | None = Field(
        default=None,
        description="Header in which a trusted proxy names the user whom it signed in, such as `X-Forwarded-User`: the "
        "server's own user acts for that one (run-as), if the cluster lets it.",
    )
    strict: bool = Field(
        default=False,
        description="Refuse a SageMaker request with a malformed row, as `?strict=1` does. By default such a row gets "
        "an error in its place.",
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> ServeSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise Inconsistent(((), "tls_certificate and tls_key belong together: give both, or neither"))
        if self.user_header is not None and not self.trusted_proxies:
            raise Inconsistent((("user_header",), "needs trusted_proxies: anybody else could name any user"))
        for place, each in enumerate(self.trusted_proxies):
            if not _is_network(each):
                raise Inconsistent((("trusted_proxies", place), "must be an address or a network, as 192.0.2.0/24"))
        return self

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """The files of certificate and key; None: HTTP."""
        if self.tls_certificate is None or self.tls_key is None:
            return None
        return self.tls_certificate, self.tls_key
