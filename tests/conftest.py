"""Fixtures of all tests: real servers, and TLS before them.

``server`` runs a test against every kind of server, ``opensearch`` against one OpenSearch only,
``tls_proxy`` puts TLS and a password before ``server``. Servers start when first asked for.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.certificates import Certificates, make_certificates
from servers.elasticsearch import NoJdk
from servers.pool import URL_VARIABLE, Pool, Server, choose
from servers.secured import SecuredOpenSearch
from servers.tls_proxy import TlsProxy

POOL = pytest.StashKey[Pool]()
KINDS_VARIABLE = "IPI_ES_TEST_KINDS"
"""A folder where each process of pytest leaves its counts by kind; run.py sums them up."""


def pytest_configure(config: pytest.Config) -> None:
    # what a shell runs in the background begins with Ctrl-C ignored, and so would the processes that tests interrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        config.stash[POOL] = choose()
    except (OSError, RuntimeError) as error:
        raise pytest.UsageError(f"the cluster given in {URL_VARIABLE} can't be used: {error}") from error


def pytest_report_header(config: pytest.Config) -> str:
    pool = config.stash[POOL]
    return f"servers ({pool.source}): {', '.join(pool.starters)}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" not in metafunc.fixturenames:
        return
    only_on = metafunc.definition.get_closest_marker("only_on")
    parameters = [
        pytest.param(kind, marks=pytest.mark.elasticsearch) if kind.startswith("elasticsearch") else kind
        for kind in metafunc.config.stash[POOL].starters
        if only_on is None or kind.startswith("elasticsearch") == (only_on.args[0] == "elasticsearch")
    ]
    metafunc.parametrize("server", parameters, indirect=True, scope="session")


def pytest_sessionfinish(session: pytest.Session) -> None:
    # also after Ctrl-C; were it not called, the servers would still end with this process
    if POOL in session.config.stash:
        session.config.stash[POOL].close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if folder := os.environ.get(KINDS_VARIABLE):
        counted = {f"{kind} {outcome}": n for (kind, outcome), n in _kinds(terminalreporter).items()}
        (Path(folder) / f"{os.getpid()}.json").write_text(json.dumps(counted), encoding="utf-8")
    if lines := config.stash[POOL].summary():
        terminalreporter.section("servers")
        for line in lines:
            terminalreporter.line(line, red="NOT TESTED" in line)


def _kinds(terminalreporter: pytest.TerminalReporter) -> Counter[tuple[str, str]]:
    """Count tests by (kind, outcome): a kind is a folder of tests, the browser's tests, or Elasticsearch's."""
    found: Counter[tuple[str, str]] = Counter()
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.getreports(outcome):
            kinds = [report.nodeid.split("/")[1]] if report.nodeid.count("/") > 1 else []
            kinds += ["browser"] if "in_a_browser" in report.nodeid else []
            kinds += ["elasticsearch"] if "elasticsearch" in getattr(report, "keywords", {}) else []
            found.update((kind, outcome) for kind in kinds)
    return found


def _get(config: pytest.Config, kind: str) -> Server:
    try:
        return config.stash[POOL].get(kind)
    except NoJdk as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Server:
    """A running server of each kind; has ``url``, ``kind``, ``is_opensearch`` and ``call(method, path, body)``."""
    return _get(request.config, request.param)


@pytest.fixture(scope="session")
def opensearch(request: pytest.FixtureRequest) -> Server:
    """One running OpenSearch, for tests that need just a server."""
    kind = request.config.stash[POOL].opensearch_kind
    if kind is None:
        pytest.skip("none of the given clusters is an OpenSearch")
    return _get(request.config, kind)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """PEM files of a CA, a server certificate for 127.0.0.1, and an unrelated CA."""
    return make_certificates(Path(tmp_path_factory.mktemp("certificates")))


@pytest.fixture
def tls_proxy(server: Server, certificates: Certificates) -> Iterator[TlsProxy]:
    """TLS and a password before ``server``: url, ca, wrong_ca, ca_fingerprint, username, password."""
    with TlsProxy(server.url, certificates) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def secured_opensearch(certificates: Certificates) -> Iterator[SecuredOpenSearch]:
    """OpenSearch 2.19.4 with security on: url (https), ca, wrong_ca, username, password, call(...)."""
    with SecuredOpenSearch.start(certificates) as secured:
        yield secured
