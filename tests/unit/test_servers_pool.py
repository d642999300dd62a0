"""Where the tests' servers come from, and what is said when one can't be had."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers import containers, pool
from servers.elasticsearch import NoJdk, find_jdk, libjvm
from servers.pool import Pool


def a_jdk(folder: Path, name: str, version: str, modules: str = "java.base jdk.jlink") -> Path:
    home = folder / name
    libjvm(home).parent.mkdir(parents=True)
    libjvm(home).touch()
    (home / "release").write_text(f'JAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return home


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_jdk(tmp_path / "jvm", "newer", "25.0.1")
    chosen = a_jdk(tmp_path, "mine", "21.0.2")
    monkeypatch.setenv("JAVA_HOME", str(chosen))
    assert find_jdk(tmp_path / "jvm") == chosen


def test_newest_fitting_jdk_is_taken(tmp_path: Path) -> None:
    a_jdk(tmp_path / "jvm", "old", "17.0.1")
    a_jdk(tmp_path / "jvm", "good", "21.0.1")
    best = a_jdk(tmp_path / "jvm", "best", "25")
    a_jdk(tmp_path / "jvm", "too-new", "26")
    assert find_jdk(tmp_path / "jvm") == best


def test_cut_down_runtime_is_no_jdk(tmp_path: Path) -> None:
    a_jdk(tmp_path / "jvm", "cut", "25", modules="java.base java.logging")
    with pytest.raises(NoJdk, match=r"cut \(no full JDK\)"):
        find_jdk(tmp_path / "jvm")


def test_reason_names_what_was_looked_at(tmp_path: Path) -> None:
    a_jdk(tmp_path / "jvm", "old", "17.0.1")
    with pytest.raises(NoJdk, match=r"full JDK 21 to 25 .*old \(Java 17\)"):
        find_jdk(tmp_path / "jvm")


class Fake:
    def __init__(self, url: str) -> None:
        self.url = url
        self.stopped = 0

    def stop(self) -> None:
        self.stopped += 1


def test_server_is_started_once_and_stopped_at_the_end() -> None:
    made: list[Fake] = []

    def start() -> Fake:
        made.append(Fake("http://127.0.0.1:1"))
        return made[-1]

    servers = Pool("fake", {"opensearch-3.8.0": start})
    assert made == []
    assert servers.get("opensearch-3.8.0") == servers.get("opensearch-3.8.0")
    servers.close()
    servers.close()
    assert [fake.stopped for fake in made] == [1]


def test_missing_jdk_is_said_in_the_summary() -> None:
    def start() -> Fake:
        raise NoJdk("no JDK here")

    servers = Pool("fake", {"elasticsearch-9.5.3": start})
    for _ in range(2):
        with pytest.raises(NoJdk, match="no JDK here"):
            servers.get("elasticsearch-9.5.3")
    assert servers.summary() == ["elasticsearch-9.5.3: NOT TESTED: no JDK here"]


def test_local_servers_are_taken_where_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(pool.URL_VARIABLE, raising=False)
    chosen = pool.choose(engine_answers=lambda: False)
    assert chosen.source.startswith("local")
    assert list(chosen.starters) == ["opensearch-3.8.0", "elasticsearch-9.5.3", "elasticsearch-8.19.5"]
    assert chosen.opensearch_kind == "opensearch-3.8.0"


def test_containers_are_taken_where_an_engine_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(pool.URL_VARIABLE, raising=False)
    assert pool.choose(engine_answers=lambda: True).source == "container"


def test_given_urls_go_before_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pool.URL_VARIABLE, "http://one:9200/, http://two:9200")
    kinds = {"http://one:9200": "elasticsearch-9.5.3", "http://two:9200": "opensearch-3.8.0"}
    chosen = pool.choose(kinds.__getitem__)
    assert chosen.source == "existing (IPI_ES_TEST_URL)"
    assert chosen.get("elasticsearch-9.5.3").url == "http://one:9200"
    chosen.close()


def test_no_engine_is_noticed_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert containers.engine_answers() is False
