"""`ipi-es init` on real servers: without a password, and behind TLS and a password."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cli_run import at_a_terminal, run
from servers.pool import Server
from servers.tls_proxy import TlsProxy

from ipi_es.config.files.loading import load_settings


@pytest.fixture(autouse=True)
def in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch)


def test_a_cluster_without_a_password_is_set_up_without_a_question(server: Server, tmp_path: Path) -> None:
    done = run("init", "--url", server.url, "--yes")
    assert done.exit_code == 0, done.output
    assert load_settings(tmp_path / "ipi-es.yml").elasticsearch.hosts == (server.url,)
    assert "ipi-es job create NAME --from SOURCE" in done.output
    assert run("setup").output.startswith("Nothing to do")
    again = run("init", "--url", server.url, "--yes")
    assert again.exit_code == 2
    assert "ipi-es.yml exists already" in again.output
    again = run("init", "--url", server.url, "--yes", "--overwrite")
    assert again.exit_code == 0
    assert "The cluster has all index templates" in again.output


@pytest.mark.usefixtures("terminal")
def test_questions_lead_through_an_unknown_authority_and_a_password(tls_proxy: TlsProxy, tmp_path: Path) -> None:
    answers = [tls_proxy.url, "y", "password", tls_proxy.username, tls_proxy.password, "n"]
    done = run("init", stdin="\n".join(answers) + "\n")
    assert done.exit_code == 0, done.output
    assert tls_proxy.ca_fingerprint in done.output
    assert tls_proxy.password not in done.output
    written = (tmp_path / "ipi-es.yml").read_text()
    assert tls_proxy.password not in written
    cluster = load_settings(tmp_path / "ipi-es.yml").elasticsearch
    assert cluster.ca_fingerprint == tls_proxy.ca_fingerprint
    assert (cluster.username, cluster.plain()["password"]) == (tls_proxy.username, tls_proxy.password)
    secret = tmp_path / "ipi-es.password"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert run("setup", "--dry-run").exit_code == 0


@pytest.mark.usefixtures("terminal")
def test_a_wrong_url_is_asked_for_again(server: Server, tmp_path: Path) -> None:
    done = run("init", "--no-setup", stdin=f"http://127.0.0.1:1\nnowhere\n{server.url}\n")
    assert done.exit_code == 0, done.output
    assert load_settings(tmp_path / "ipi-es.yml").elasticsearch.hosts == (server.url,)


def test_without_a_terminal_a_failure_leaves_no_file(tls_proxy: TlsProxy, tmp_path: Path) -> None:
    asked = run("init")
    assert asked.exit_code == 2
    assert "stdin is not a terminal; pass --yes" in asked.output
    for options in (("--url", "http://127.0.0.1:1"), ("--url", tls_proxy.url, "--ca-certs", tls_proxy.ca)):
        done = run("init", "--yes", *options)
        assert done.exit_code == 1
        assert done.output
    assert list(tmp_path.iterdir()) == []
