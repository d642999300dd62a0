"""A console beside the cluster: whose CA and key it is asked with."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipi_es.cli.shared.console_options import console_of
from ipi_es.cluster import console
from ipi_es.cluster.connection import Connection
from ipi_es.config.settings.settings_file import Settings


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """The connections that consoles are made with."""
    made: list[Connection] = []
    monkeypatch.setattr(console, "Console", lambda _url, connection, **_: made.append(connection))
    return made


def settings() -> Settings:
    return Settings.model_validate(
        {"elasticsearch": {"hosts": ["https://es.example.org:9200"], "username": "elastic", "password": "secret"}}
    )


def test_a_key_of_the_console_takes_the_place_of_name_and_password(asked: list[Connection], tmp_path: Path) -> None:
    key, ca = tmp_path / "key", tmp_path / "ca.crt"
    key.write_text("c29tZTprZXk=\n", encoding="utf-8")
    ca.touch()
    console_of(settings(), "https://kibana.example.org", space=None, ca=ca, api_key_file=key)
    assert (asked[0].api_key, asked[0].username, asked[0].password) == ("c29tZTprZXk=", None, None)
    assert asked[0].ca_certs == str(ca)


def test_without_one_it_is_asked_as_the_cluster_is(asked: list[Connection]) -> None:
    console_of(settings(), "https://kibana.example.org", space=None, ca=None, api_key_file=None)
    assert (asked[0].username, asked[0].password) == ("elastic", "secret")
