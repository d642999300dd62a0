"""`ipi-es score` of a folder, of an archive, and strictly."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from cli_run import run
from saved_snapshot import save_snapshot
from signin_events import make_job

from ipi_es.errors import SnapshotDamaged
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.worker.pairs.model_archive import MAX_BYTES, unpacked

LINES = "".join(f"user{number % 120},192.0.2.{number % 251}\n" for number in range(5_000))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ipi-es.yml around."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    save_snapshot(DirectoryBlobs(tmp_path / "snapshots"), make_job())
    return tmp_path / "snapshots"


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    """Files to score: plain, packed, in a folder, and a marker file that isn't read."""
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    (folder / "a.csv").write_text(LINES)
    (folder / "more" / "b.csv").write_bytes(gzip.compress(b"user1,203.0.113.1\n"))
    (folder / "_SUCCESS").write_text("")
    return folder


def score_batch(shelf: Path, batch: Path, *more: str) -> tuple[int, str, dict[str, str]]:
    """The exit code, what was printed, and the answers by name."""
    out = batch.with_name("out")
    result = run("score", "--model-dir", shelf, "--input-dir", batch, "--output-dir", out, *more)
    found = {str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()}
    return result.exit_code, result.output, found


def test_each_file_gets_an_answer_with_its_rows_in_order(shelf: Path, batch: Path) -> None:
    code, said, found = score_batch(shelf, batch)
    assert code == 0, said
    assert set(found) == {"a.csv.out", "more/b.csv.out"}
    assert found["a.csv.out"] == run("score", "--snapshot", shelf, stdin=LINES).stdout
    assert found["more/b.csv.out"].startswith("user1,203.0.113.1,")
    assert "5,001 rows of 2 files were read, 0 of them malformed" in said


def test_answers_are_sagemakers_on_request(shelf: Path, batch: Path) -> None:
    _, _, found = score_batch(shelf, batch, "--content-type", "text/csv", "--accept", "application/jsonlines")
    dots = [json.loads(line)["dot_product"] for line in found["a.csv.out"].splitlines()]
    assert len(dots) == 5_000
    _, _, whole = score_batch(shelf, batch, "--content-type", "text/csv")
    assert [one["dot_product"] for one in json.loads(whole["a.csv.out"])["predictions"]] == dots


def test_a_file_that_cannot_be_read_fails_at_the_end_and_the_others_go_on(shelf: Path, batch: Path) -> None:
    (batch / "a.json").write_text("{")
    (batch / "c.json").write_text('{"instances": [{"features": ["user1", "192.0.2.1"]}]}')
    for file in (batch / "a.csv", batch / "more" / "b.csv"):
        file.unlink()
    code, said, found = score_batch(shelf, batch, "--content-type", "application/json")
    assert (code, set(found)) == (1, {"c.json.out"})
    assert "1 of 2 files can't be read: a.json: the request is no JSON" in said


def test_a_malformed_row_keeps_its_place_and_with_strict_its_file_gets_no_answer(shelf: Path, batch: Path) -> None:
    (batch / "bad.csv").write_text("user1,192.0.2.1\nuser1,nowhere\n")
    code, said, found = score_batch(shelf, batch)
    assert (code, len(found["bad.csv.out"].splitlines())) == (0, 2)
    assert "bad.csv, line 2: “nowhere” is no IP address" in said
    (batch.with_name("out") / "bad.csv.out").unlink()
    code, said, found = score_batch(shelf, batch, "--strict")
    assert (code, set(found)) == (1, {"a.csv.out", "more/b.csv.out"})
    assert "1 of 5,003 rows are malformed and not scored: bad.csv, line 2: “nowhere” is no IP address" in said


def test_strict_names_the_rows_of_standard_input(shelf: Path) -> None:
    lines = "user1,192.0.2.1\n" + "user1,nowhere\n" * 12
    assert run("score", "--snapshot", shelf, stdin=lines).exit_code == 0
    result = run("score", "--snapshot", shelf, "--strict", stdin=lines)
    assert result.exit_code == 1
    assert "12 of 13 rows are malformed" in result.stderr
    assert "line 2: " in result.stderr
    assert "line 11: " in result.stderr
    assert "line 12: " not in result.stderr
    assert "and 2 more" in result.stderr
    assert run("score", "--snapshot", shelf, "--strict", stdin="user1,192.0.2.1\n").exit_code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--input-dir", "in"], "go together"),
        (["--output-dir", "out"], "go together"),
        (["--input-dir", "in", "--output-dir", "in/out"], "lies within"),
        (["--input-dir", "in", "--output-dir", "file/out"], "can't be written"),
    ],
)
def test_mistakes_with_folders_are_said(shelf: Path, batch: Path, options: list[str], said: str) -> None:
    batch.with_name("file").write_text("")
    result = run("score", "--model-dir", shelf, *options)
    assert result.exit_code == 2
    assert said in result.stderr


def pack(file: Path, members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(file, "w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(data) if kind == tarfile.REGTYPE else 0
            member.linkname = "/etc/passwd"
            archive.addfile(member, io.BytesIO(data))
    return file


def test_an_archive_scores_as_its_folder(shelf: Path, tmp_path: Path) -> None:
    files = {f"./{path.relative_to(shelf)}": path.read_bytes() for path in shelf.rglob("*") if path.is_file()}
    archive = pack(tmp_path / "model.tar.gz", files)
    expected = run("score", "--model-dir", shelf, stdin=LINES).stdout
    assert run("score", "--model-dir", archive, stdin=LINES).stdout == expected
    refused = run("score", "--model-dir", pack(tmp_path / "none.tar.gz", {"a": b""}), stdin=LINES)
    assert (refused.exit_code, "none.tar.gz has no snapshot" in refused.stderr) == (1, True)


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside"])
def test_an_archive_writes_nothing_outside_of_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(SnapshotDamaged, match="no plain file"), unpacked(pack(tmp_path / "a", {name: b"x"})):
        pass


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_an_archive_has_plain_files_alone(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(SnapshotDamaged, match="no plain file"), unpacked(pack(tmp_path / "a", {"x": b""}, kind)):
        pass


def test_an_archive_is_whole_and_not_too_large(tmp_path: Path) -> None:
    whole = pack(tmp_path / "a", {"job/x": bytes(range(256)) * 100}).read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"no archive at all"):
        (tmp_path / "b").write_bytes(data)
        with pytest.raises(SnapshotDamaged, match="can't be used as an archive"), unpacked(tmp_path / "b"):
            pass
    member = tarfile.TarInfo("job/x")
    member.size = MAX_BYTES + 1  # it says so; the bytes need not be there
    (tmp_path / "c").write_bytes(member.tobuf())
    with pytest.raises(SnapshotDamaged, match="it has more than"), unpacked(tmp_path / "c"):
        pass
