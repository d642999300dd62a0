"""Connections under callers' credentials: nothing of this process's own is sent for them."""

from __future__ import annotations

from pathlib import Path

from ipi_es.cluster.connection import Connection

OWN = Connection(
    hosts=("https://elastic:secret@es:9200",),
    api_key="id:key",
    client_cert=Path("client.pem"),
    aws_sigv4=("eu-central-1", "es"),
    read_again=lambda: OWN,
)


def test_the_callers_header_replaces_all_credentials() -> None:
    bound = OWN.under("Bearer token")
    assert bound.authorization() == "Bearer token"
    assert (bound.client_cert, bound.client_key, bound.aws_sigv4) == (None, None, None)
    assert bound.hosts == OWN.hosts
    assert "token" not in repr(bound)


def test_without_a_header_nothing_is_sent() -> None:
    assert OWN.under(None).authorization() is None


def test_what_is_read_again_has_the_callers_header_too() -> None:
    again = OWN.under("Bearer token").read_again
    assert again is not None
    assert again() == OWN.under("Bearer token")
