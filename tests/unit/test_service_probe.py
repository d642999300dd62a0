"""The image's health check: what it asks by the container's command, and how it fails."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.certificates import make_certificates
from service_parts import NOW, FixedClock, busy_fleet
from starlette.types import Receive, Scope, Send

from ipi_es.http.connection_limits import ConnectionLimits
from ipi_es.http.listener import HttpListener
from ipi_es.service.health import probe
from ipi_es.service.health.http_server import Listener


@pytest.fixture
def port() -> Iterator[str]:
    """The port of a worker that serves on this machine."""
    with Listener("127.0.0.1:0", busy_fleet(), FixedClock(NOW)) as listener:
        yield listener.url.rpartition(":")[2]


@pytest.fixture
def closed_port() -> str:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return str(bound.getsockname()[1])


def first_process(folder: Path, *words: str) -> Path:
    """A file as Linux shows the command line of a process."""
    path = folder / "cmdline"
    path.write_text("".join(f"{word}\0" for word in words), encoding="utf-8")
    return path


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", ""])
def test_a_worker_that_answers_is_healthy(host: str, port: str, tmp_path: Path) -> None:
    assert probe.main(first_process(tmp_path, "/opt/ipi-es/bin/ipi-es", "run", "--listen", f"{host}:{port}")) == 0


def test_a_worker_behind_an_init_process_is_found(closed_port: str, tmp_path: Path) -> None:
    words = (
        "/sbin/docker-init",
        "--",
        "python",
        "ipi-es",
        "-v",
        "run",
        f"--listen=127.0.0.1:{closed_port}",
        "sign-ins",
    )
    assert probe.main(first_process(tmp_path, *words)) == 1


def test_a_worker_that_does_not_answer_is_not_healthy_and_the_reason_is_printed(
    closed_port: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe.main(first_process(tmp_path, "ipi-es", "run", "--listen", f"0.0.0.0:{closed_port}")) == 1
    said = capsys.readouterr().out
    assert f"0.0.0.0:{closed_port}, /healthz: " in said
    assert "refused" in said


def test_no_proxy_is_asked(port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed_port: str) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
    assert probe.main(first_process(tmp_path, "ipi-es", "run", "--listen", f"127.0.0.1:{port}")) == 0


def test_another_answer_is_not_healthy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4_096)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        assert probe.ask("http", f"127.0.0.1:{server.getsockname()[1]}") == "answers 404"
        thread.join()


@pytest.mark.parametrize(
    "words",
    [
        ("ipi-es", "--help"),
        ("ipi-es", "backfill", "sign-ins", "--start", "now-7d"),
        ("ipi-es", "run", "--once"),
        ("/sbin/docker-init", "--", "ipi-es", "setup"),
    ],
)
def test_another_command_is_healthy_while_it_runs(words: tuple[str, ...], tmp_path: Path) -> None:
    assert probe.main(first_process(tmp_path, *words)) == 0


@pytest.mark.parametrize("way", ["variable", "option", "folder"])
def test_the_settings_say_where_a_worker_listens(
    way: str, closed_port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ipi-es.yml"
    file.write_text(f"worker:\n  listen: 127.0.0.1:{closed_port}\n", encoding="utf-8")
    if way == "variable":
        monkeypatch.setenv("IPI_ES_CONFIG", str(file))
    elif way == "folder":
        monkeypatch.chdir(tmp_path)
    words = ("--config", str(file)) if way == "option" else ()
    assert probe.listen_of(["ipi-es", *words, "run"]) == ("http", f"127.0.0.1:{closed_port}")


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("serve",), ("http", "127.0.0.1:9275")),
        (("serve", "--listen", "0.0.0.0:80"), ("http", "0.0.0.0:80")),
        (("serve", "--tls-certificate=a.pem", "--tls-key=b.pem"), ("https", "127.0.0.1:9275")),
    ],
)
def test_the_server_of_results_is_asked_where_it_listens(
    words: tuple[str, ...], asked: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert probe.listen_of(["ipi-es", *words]) == asked


def test_a_server_with_tls_is_asked_by_tls(tmp_path: Path) -> None:
    async def answer(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    made = make_certificates(tmp_path)
    tls = (made.chain, made.key)
    limits = ConnectionLimits(connections=4, longest=10.0, keep_alive=1, headers=4_096)
    with HttpListener("127.0.0.1:0", answer, limits, setting="it", paths="/healthz", tls=tls) as listener:
        assert probe.ask("https", f"127.0.0.1:{listener.port}") is None
        assert probe.ask("http", f"127.0.0.1:{listener.port}") is not None


def test_a_worker_that_serves_nothing_is_healthy_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert probe.main(first_process(tmp_path, "ipi-es", "run")) == 0
