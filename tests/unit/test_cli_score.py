"""`ipi-es score` from a directory of snapshots: no cluster, no TensorFlow."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from cli_run import run
from saved_snapshot import add_day, save_snapshot
from signin_events import job_data, make_job, write_job

from ipi_es.cli.score_lines import BLOCK_ROWS
from ipi_es.scoring.calibration import CLASS_NAMES
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.worker.pairs.score_rows import read_rows


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ipi-es.yml around."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "snapshots"
    save_snapshot(DirectoryBlobs(folder), make_job())
    return folder


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_csv_in_gives_csv_out(shelf: Path) -> None:
    result = run("score", "sign-ins", "--snapshot", shelf, stdin="user1,203.0.113.1\nuser2,2001:db8::1\n")
    assert result.exit_code == 0, result.output
    rows = cells(result.stdout)
    assert [row[:2] for row in rows] == [["user1", "203.0.113.1"], ["user2", "2001:db8::1"]]
    for _, _, compatibility, probability, history, error in rows:
        assert float(compatibility) == pytest.approx(float(compatibility))
        assert 0 < float(probability) <= 1
        assert history in CLASS_NAMES
        assert error == ""
    assert "no file of job sign-ins" in result.stderr


def test_json_lines_in_give_json_lines_out(shelf: Path) -> None:
    result = run("score", "sign-ins", "--snapshot", shelf, stdin='{"entity": "user1", "ip": "203.0.113.1"}\n')
    [row] = [json.loads(line) for line in result.stdout.splitlines()]
    assert list(row) == ["entity", "ip", "compatibility", "probability", "history_class"]


@pytest.mark.parametrize(
    "line",
    [
        '{"features": ["user1", "203.0.113.1"]}',
        '{"data": {"features": {"values": ["user1", "203.0.113.1"]}}}',
    ],
)
def test_sagemakers_shapes_get_a_dot_product(shelf: Path, line: str) -> None:
    result = run("score", "sign-ins", "--snapshot", shelf, stdin=f"{line}\nuser\n")
    answer = json.loads(result.stdout.splitlines()[0])
    plain = run("score", "sign-ins", "--snapshot", shelf, stdin="user1,203.0.113.1\n")
    assert answer["compatibility"] == float(cells(plain.stdout)[0][2])
    asked = run("score", "sign-ins", "--snapshot", shelf, "--accept", "application/json", stdin="user1,203.0.113.1\n")
    assert json.loads(asked.stdout)["predictions"] == [{"dot_product": answer["dot_product"]}]


def test_all_spellings_give_the_same_score_whatever_the_block(shelf: Path) -> None:
    lines = "".join(f"user{number % 120},192.0.2.{number % 200}\n" for number in range(500))
    whole = run("score", "sign-ins", "--snapshot", shelf, stdin=lines).stdout
    times = 2 * BLOCK_ROWS // 500 + 1  # blocks end in the middle of the lines
    assert run("score", "sign-ins", "--snapshot", shelf, stdin=lines * times).stdout == whole * times


def test_malformed_rows_are_error_rows_counted_and_not_fatal(shelf: Path) -> None:
    lines = (
        b"user1,203.0.113.1\nuser1\n,192.0.2.1\nuser1,nowhere\n\nuser1,192.0.2.1,more\n\xff\xfe,192.0.2.1\nu,192.0.2.1"
    )
    result = run("score", "sign-ins", "--snapshot", shelf, stdin=lines)
    assert result.exit_code == 0
    rows = cells(result.stdout)
    assert [bool(row[-1]) for row in rows] == [False, True, True, True, True, True, False]
    assert [len(row) for row in rows] == [6] * 7
    assert "5 of 7 rows are malformed" in result.stderr
    assert "line 2: 1 column instead of entity,ip" in result.stderr


def test_malformed_json_is_an_error_row_with_its_line(shelf: Path) -> None:
    lines = '{"entity": "user1", "ip": "192.0.2.1"}\n{"entity": 1}\n{\n[1]\n{"entity": true, "ip": "192.0.2.1"}\n'
    result = run("score", "sign-ins", "--snapshot", shelf, stdin=lines)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row.get("line") for row in rows] == [None, 2, 3, 4, 5]
    assert "no JSON object" in rows[2]["error"]


def test_no_input_gives_no_output(shelf: Path) -> None:
    result = run("score", "sign-ins", "--snapshot", shelf, stdin="")
    assert (result.exit_code, result.stdout) == (0, "")


def test_entity_normalize_of_the_jobs_file_is_applied(shelf: Path, tmp_path: Path) -> None:
    file = write_job(tmp_path / "job.json", job_data("signins", entity_normalize=["lowercase", "strip_domain"]))
    result = run("score", file, "--snapshot", shelf, stdin="CORP\\User1,203.0.113.1\nuser1,203.0.113.1\n")
    first, second = cells(result.stdout)
    assert first[0] == "CORP\\User1"
    assert first[2:] == second[2:]


def test_days_after_the_training_are_in_the_history(shelf: Path) -> None:
    blobs, line = DirectoryBlobs(shelf), "newcomer,198.51.100.7\n"
    before = cells(run("score", "sign-ins", "--snapshot", shelf, stdin=line).stdout)[0]
    _, history = save_snapshot(blobs, make_job())
    add_day(blobs, make_job(), history, "newcomer", "198.51.100.7")
    after = cells(run("score", "sign-ins", "--snapshot", shelf, stdin=line).stdout)[0]
    assert (before[4], after[4]) == ("no events", "31–200 events")


def test_directory_without_the_job_says_which_folder_is_meant(tmp_path: Path) -> None:
    result = run("score", "sign-ins", "--snapshot", tmp_path, stdin="a,192.0.2.1\n")
    assert result.exit_code == 1
    assert "no snapshot of job sign-ins" in result.stderr
    assert "snapshots.directory" in result.stderr


def test_quoted_entities_may_hold_commas_and_line_ends() -> None:
    _, rows = read_rows(['"Doe, Jane",192.0.2.1\n', '"two\n', 'lines",192.0.2.2\n'])
    assert [row.entity for row in rows] == ["Doe, Jane", "two\nlines"]


ODD_NAMES = ["x" * 10_000, "nul\x00inside", "Ünïcode ☃", "{guid}", "=1+1", "\u202ertl", "🦄", "a\u2028b", '"', "null"]


def test_odd_names_are_scored_and_spelled_as_they_came(shelf: Path) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([name, "192.0.2.1"] for name in ODD_NAMES)
    rows = cells(run("score", "--snapshot", shelf, stdin=text.getvalue()).stdout)
    assert [row[0] for row in rows] == ODD_NAMES
    lines = "".join(json.dumps({"entity": name, "ip": "192.0.2.1"}) + "\n" for name in ODD_NAMES)
    found = [json.loads(line) for line in run("score", "--snapshot", shelf, stdin=lines).stdout.split("\n")[:-1]]
    assert [row["entity"] for row in found] == ODD_NAMES
    assert [row["compatibility"] for row in found] == [float(row[2]) for row in rows]


def test_a_name_in_braces_does_not_make_csv_json(shelf: Path) -> None:
    result = run("score", "--snapshot", shelf, stdin="{8f14e45f},192.0.2.1\nuser1,192.0.2.1\n")
    assert [row[0] for row in cells(result.stdout)] == ["{8f14e45f}", "user1"]


@pytest.mark.parametrize(
    "line",
    [
        '{"entity": "\\ud800", "ip": "192.0.2.1"}',
        '{"entity": "", "ip": "192.0.2.1"}',
        '{"entity": "a", "ip": ""}',
        '{"entity": "a", "ip": "192.0.2.1\\u0000"}',
        '{"entity": ["a"], "ip": "192.0.2.1"}',
        '{"entity": "a", "ip": 3221225985}',
        '{"features": [1e400, "192.0.2.1"]}',
        "[" * 2_000,
        '{"entity": "a", "ip": "' + "x" * 10_000 + '"}',
    ],
)
def test_odd_json_is_an_error_row_and_the_next_is_scored(shelf: Path, line: str) -> None:
    result = run("score", "--snapshot", shelf, stdin=f'{line}\n{{"entity": "user1", "ip": "192.0.2.1"}}\n')
    assert result.exit_code == 0
    first, second = [json.loads(each) for each in result.stdout.splitlines()]
    assert first["error"]
    assert len(first["error"]) < 300
    assert "compatibility" in second


def test_a_stray_quotation_mark_costs_no_other_row(shelf: Path) -> None:
    lines = '"open,192.0.2.1\n' + "".join(f"user{number},192.0.2.1\n" for number in range(100))
    rows = cells(run("score", "--snapshot", shelf, stdin=lines).stdout)
    assert [row[0] for row in rows[1:]] == [f"user{number}" for number in range(100)]
    assert [bool(row[-1]) for row in rows] == [True] + [False] * 100


def test_where_no_row_was_scored_the_exit_code_says_so(shelf: Path) -> None:
    result = run("score", "sign-ins", "--snapshot", shelf, stdin="user1,nonsense\n")
    assert result.exit_code == 2
    assert "no row was scored" in result.stderr
