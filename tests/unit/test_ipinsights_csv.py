"""CSV channels: what is read, what is left out and counted, and that nothing odd is fatal."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.addresses import canonical
from ipi_es.errors import DataError, NoEvents, UsageError
from ipi_es.ipinsights.sagemaker.csv_pairs import PairReader
from ipi_es.ipinsights.sagemaker.csv_records import MAX_JOINED_LINES, records
from ipi_es.worker.training.timed_channels import events_of


def cells(text: str) -> list[list[str]]:
    return [found for _, found in records(io.StringIO(text, newline=""))]


def read(path: Path, data: bytes) -> tuple[PairReader, list[tuple[str, str]], dict[str, int]]:
    path.write_bytes(data)
    reader = PairReader()
    column = reader.read(path)
    pairs = [
        (reader.entities[entity], canonical(reader.addresses[ip].tobytes()))
        for entity, ip in column.file.read(0, len(column))
    ]
    return reader, pairs, column.left_out.counts


PLAIN = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: text.strip(" \t\r\n"))


@given(st.lists(st.tuples(PLAIN, PLAIN), max_size=20))
def test_what_a_csv_writer_wrote_is_read_again(rows: list[tuple[str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    short = [row for row in rows if sum(cell.count("\n") + cell.count("\r") for cell in row) < MAX_JOINED_LINES]
    if len(short) == len(rows):
        assert cells(text.getvalue()) == [list(row) for row in rows]


@given(st.lists(st.text(st.sampled_from('a,"\n\r \x00é')), max_size=30))
def test_any_text_can_be_read_and_good_lines_stay_good(pieces: list[str]) -> None:
    text = "\n".join(["good,192.0.2.1", *(piece.replace('"', "") for piece in pieces), "last,192.0.2.2"])
    found = cells(text)
    assert found[0] == ["good", "192.0.2.1"]
    assert found[-1] == ["last", "192.0.2.2"]
    cells("\n".join(pieces))  # whatever it is


def test_a_stray_quotation_mark_costs_its_own_line_only() -> None:
    lines = ['"open,192.0.2.1\n', *(f"user{number},192.0.2.{number}\n" for number in range(200))]
    found = list(records(lines))
    assert found[0] == (1, ["open,192.0.2.1"])
    assert [row for _, row in found[1:]] == [[f"user{number}", f"192.0.2.{number}"] for number in range(200)]
    assert [number for number, _ in found] == list(range(1, 202))


def test_a_mark_in_the_middle_of_a_name_is_a_character() -> None:
    assert cells('5" pipe,192.0.2.1\n6" pipe,192.0.2.2\n') == [['5" pipe', "192.0.2.1"], ['6" pipe', "192.0.2.2"]]


def test_space_around_cells_is_dropped_also_before_quotes() -> None:
    assert cells(' entity_id_1 , "192.168.1.2"\r\n') == [["entity_id_1", "192.168.1.2"]]


def test_records_over_lines_are_numbered_by_their_first() -> None:
    assert [number for number, _ in records(["a,b\n", '"two\n', 'lines",b\n', "\n", "c,d"])] == [1, 2, 5]


def test_what_cannot_be_used_is_counted_by_kind_with_the_first(tmp_path: Path) -> None:
    data = b"user,ip\nalice,192.0.2.1\n,192.0.2.2\nbob\nbob,1.2.3.4.5\n\xff\xfe,192.0.2.3\na,b,c\ncarol,2001:db8::1\n"
    reader, pairs, left_out = read(tmp_path / "train.csv", data)
    assert pairs == [("alice", "192.0.2.1"), ("carol", "2001:db8::1")]
    assert left_out == {
        "with a malformed address": 2,
        "with an empty entity": 1,
        "without exactly two columns": 2,
        "that are not UTF-8": 1,
    }
    assert "(first: train.csv:1: user,ip)" in PairReader().read(tmp_path / "train.csv").left_out.said()
    assert reader.entities == ["alice", "carol"]


@pytest.mark.parametrize(
    "name",
    ["x" * 10_000, "x" * 200_000, "Ünïcode ☃ 用户", "nul\x00inside", "\u202ertl", "{braces}", "\u2028sep", "'; --"],
)
def test_any_name_is_an_entity(tmp_path: Path, name: str) -> None:
    _, pairs, left_out = read(tmp_path / "f", f"{name},192.0.2.1\nb,192.0.2.2\n".encode())
    assert pairs == [(name, "192.0.2.1"), ("b", "192.0.2.2")]
    assert not left_out


@pytest.mark.parametrize(
    "ip", ["", "300.1.1.1", "192.0.2.1:http", "192.0.2", "1", "١٩٢.0.2.1", "192.0.2.1\x00", "::g", "x" * 10_000, "\x00"]
)
def test_no_address_is_malformed_and_not_fatal(tmp_path: Path, ip: str) -> None:
    _, pairs, left_out = read(tmp_path / "f", f"a,{ip}\nb,192.0.2.2\n".encode())
    assert pairs == [("b", "192.0.2.2")]
    assert left_out == {"with a malformed address": 1}


def test_gzip_is_recognized_whatever_the_name(tmp_path: Path) -> None:
    _, pairs, _ = read(tmp_path / "part-0", gzip.compress(b"a,192.0.2.1\n"))
    assert pairs == [("a", "192.0.2.1")]


def test_a_folder_is_read_with_all_below_but_no_markers(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.csv").write_text("b,192.0.2.2\n")
    (tmp_path / "1.csv.gz").write_bytes(gzip.compress(b"a,192.0.2.1"))
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / ".1.csv.crc").write_bytes(b"\x00\x01")
    reader = PairReader()
    column = reader.read(tmp_path)
    assert (reader.entities, column.left_out.total) == (["a", "b"], 0)


def test_channels_share_one_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("a,192.0.2.1\nb,192.0.2.2\n")
    (tmp_path / "validation").write_text("b,192.0.2.1\nc,192.0.2.3\n")
    reader = PairReader()
    reader.read(tmp_path / "train")
    column = reader.read(tmp_path / "validation")
    np.testing.assert_array_equal(column.file.read(0, 2), [[1, 0], [2, 2]])


def test_what_is_not_there_or_empty_or_damaged_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no"):
        PairReader().read(tmp_path / "nothing")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="has no files"):
        PairReader().read(tmp_path / "folder")
    with pytest.raises(NoEvents, match="2 with a malformed address"):
        read(tmp_path / "bad", b"a,b\nc,d\n")
    whole = gzip.compress(b"a,192.0.2.1\n" * 10_000)
    for data in (whole[: len(whole) // 2], whole[:20] + b"\x00" * 30 + whole[50:], b"\x1f\x8bno"):
        with pytest.raises(DataError, match="is damaged"):
            read(tmp_path / "damaged", data)


def test_a_third_column_is_the_time_and_the_first_usable_row_decides(tmp_path: Path) -> None:
    path = tmp_path / "timed.csv"
    path.write_text(
        "user,ip,time\na,192.0.2.1,2026-05-01T08:00:00Z\nb,192.0.2.2\nb,192.0.2.2,1777622400000\nb,192.0.2.2,soon\n"
    )
    reader = PairReader()
    column = reader.read(path)
    assert column.time is not None
    assert column.time.tolist() == [1_777_622_400] * 2
    assert column.left_out.counts == {
        "without exactly two columns": 1,
        "without exactly three columns": 1,
        "with a time that can't be read": 1,
    }
    path.write_text("a,192.0.2.1\nb,192.0.2.2,5\n")
    plain = PairReader().read(path)
    assert plain.time is None
    assert plain.left_out.counts == {"without exactly two columns": 1}


def test_rows_with_times_become_training_events_by_the_hour(tmp_path: Path) -> None:
    path = tmp_path / "timed.csv"
    path.write_text("b,192.0.2.1,7300\na,192.0.2.1,3700\na,192.0.2.1,3601\na,192.0.2.1,7201\n")
    reader = PairReader()
    events = events_of(reader, [reader.read(path)], 86_400)
    rows = zip(events.time.tolist(), events.entity.tolist(), events.count.tolist(), strict=True)
    assert list(rows) == [(3_600, 1, 2), (7_200, 0, 1), (7_200, 1, 1)]
