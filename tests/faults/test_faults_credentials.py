"""A certificate that is exchanged and a password that is revoked while a worker is at work, before real servers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import live_parts
import pytest
from fault_parts import checkpoint_of
from fault_place import END, Place
from live_parts import DELAY, Worker
from servers.certificates import Certificates, make_certificates
from servers.tls_proxy import TlsProxy
from worker_company import HOUR, SCORED_FROM

from ipi_es.cli.shared.shell import Shell
from ipi_es.cluster.port import Cluster
from ipi_es.config.files.loading import load_settings
from ipi_es.service.tick_outcome import TickResult

pytestmark = pytest.mark.faults

MIDDLE = SCORED_FROM + 27 * HOUR
SECOND = "second/%:pass"


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> list[Certificates]:
    """Two of authorities that don't know each other."""
    return [make_certificates(tmp_path_factory.mktemp(name)) for name in ("first", "second")]


@pytest.fixture
def proxy(place: Place, issued: list[Certificates]) -> Iterator[TlsProxy]:
    with TlsProxy(place.url, issued[0]) as made:
        yield made


@pytest.fixture
def cluster(proxy: TlsProxy, tmp_path: Path) -> Iterator[Cluster]:
    """A connection as `ipi-es run` makes it: the password and the authority are files."""
    (tmp_path / "password").write_text(f"{proxy.password}\n")
    (tmp_path / "ca.pem").write_bytes(proxy.ca.read_bytes())
    file = tmp_path / "ipi-es.yml"
    section = {"hosts": [proxy.url], "username": proxy.username, "max_retries": 1}
    file.write_text(json.dumps({"elasticsearch": {**section, "password_file": "password", "ca_certs": "ca.pem"}}))
    made = Shell(load_settings(file), verbose=False, config=file).connect()
    yield made
    made.close()


def amid(worker: Worker, what: Callable[[], None]) -> None:
    """Let something happen once, while the bucket at MIDDLE is scored."""
    done = list[bool]()

    def hooked(each: Any) -> None:
        if not done and each.bucket.start >= MIDDLE:
            done.append(True)
            live_parts.let_writes_end()
            what()

    worker.on_scored = hooked


@pytest.mark.parametrize("what", ["password", "certificate"])
def test_a_worker_is_refused_says_so_and_goes_on_with_what_the_files_hold_then(
    place: Place,
    proxy: TlsProxy,
    cluster: Cluster,
    issued: list[Certificates],
    tmp_path: Path,
    what: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = Worker(cluster, place.job)
    amid(worker, lambda: proxy.change_password(SECOND) if what == "password" else proxy.rotate(issued[1]))
    with caplog.at_level(logging.INFO):
        outcome = worker.tick(END)
        assert outcome.did is TickResult.FAILED
        assert ("refused the credentials" if what == "password" else "is not trusted") in outcome.text
        assert "cluster_away" in {str(each.trouble) for each in worker.health.reasons(END + DELAY)}
        assert checkpoint_of(place.cluster, place.job) <= MIDDLE
        (tmp_path / "password").write_text(f"{SECOND if what == 'password' else proxy.password}\n")
        (tmp_path / "ca.pem").write_bytes(issued[int(what == "certificate")].ca.read_bytes())
        assert worker.tick(END).did is TickResult.WORKED
    assert worker.health.reasons(END + DELAY) == []
    assert "have changed and were read again" in caplog.text
    for secret in (proxy.password, SECOND):
        assert secret not in caplog.text + outcome.text
    place.all_is_well()


def test_a_new_certificate_of_the_same_authority_is_nothing_to_a_worker(
    place: Place, proxy: TlsProxy, cluster: Cluster, issued: list[Certificates]
) -> None:
    worker = Worker(cluster, place.job)
    amid(worker, lambda: proxy.rotate(replace(issued[0])))
    while worker.tick(END).did is TickResult.FAILED:  # a connection that is closed amid a write whose answer is lost
        pass
    place.all_is_well()
