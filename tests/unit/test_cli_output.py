"""Tables on terminals of all widths, and names that try to steer one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from ipi_es.cli.shared.output import NARROW, STYLE, Column, Toned, print_table, say, tenths

COLUMNS = (
    Column("time", "Time"),
    Column("score", "Score", score=True),
    Column("name", "Name"),
    Column("why", "Why", wrap=True, sentence=True),
)
ROWS = [
    {"time": "t1", "score": 99.0, "name": "a-long-name", "why": "one two three"},
    {"time": "t2", "score": 3.0, "name": "用户", "why": "four", STYLE: "dim"},
    {"time": "t3", "score": 3.0, "name": "c", "why": Toned("", "red")},
]


def shown(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    width: int | None,
    rows: Sequence[dict[str, Any]] = ROWS,
    columns: Sequence[Column] = COLUMNS,
) -> list[str]:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    if width is not None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")
    print_table(rows, columns)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_narrow_terminal_has_each_sentence_below_its_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = "\n".join(shown(monkeypatch, capsys, 60))
    assert "99.0 critical" in text
    assert "\n    one two three" in text


def test_a_wide_terminal_has_sentences_in_a_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(monkeypatch, capsys, 160)
    assert any("a-long-name" in line and "one two three" in line for line in lines)


def test_a_pipe_has_no_colours_and_whole_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(monkeypatch, capsys, None)
    assert lines[1] == "t1     99.0 critical  a-long-name  one two three"
    assert "\x1b" not in "".join(lines)


def test_columns_are_aligned_by_the_width_that_characters_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(monkeypatch, capsys, NARROW - 1)
    assert all("Name" not in line or line.index("Name") > line.index("Score") for line in lines)
    assert not any(line.strip() == "" for line in lines)  # an empty sentence has no line


def test_a_name_from_outside_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"time": "x", "score": 1.0, "name": "\x1b[2J\rroot\u202e", "why": "[red]no markup[/red]"}], COLUMNS)
    say(["\x1b]0;title\x07"])
    text = capsys.readouterr().out
    assert not {"\x1b", "\r", "\u202e", "\x07"} & set(text)
    assert "[red]no markup[/red]" in text


def test_severity_is_a_word_and_not_a_colour_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "\n".join(shown(monkeypatch, capsys, None))
    assert "critical" in text
    assert "warning" in text


@pytest.mark.parametrize(
    ("score", "text"),
    [(74.97, "74.9"), (75.0, "75.0"), (49.99, "49.9"), (24.951, "24.9"), (83.18, "83.2"), (0.04, "0.0")],
)
def test_no_score_is_shown_as_of_a_severity_that_it_does_not_reach(score: float, text: str) -> None:
    assert tenths(score) == text


WIDEST_ADDRESS = "2001:0db8:aaaa:bbbb:cccc:dddd:255.255.255.255"
"""45 characters: as wide as an IPv6 address can be written."""

LONG_NAME = "service-account-of-a-department-with-a-long-name@example.org"


@pytest.mark.parametrize("width", [None, 20, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[:3]])
@pytest.mark.parametrize("name", [LONG_NAME, WIDEST_ADDRESS, "service-account-" + "x" * 160])
def test_no_value_is_ever_cut(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    width: int | None,
    columns: tuple[Column, ...],
) -> None:
    assert (len(LONG_NAME), len(WIDEST_ADDRESS)) == (60, 45)
    sentence = f"{WIDEST_ADDRESS} is new for {name}"
    rows = [*ROWS, {"time": "2026-05-29T02:00:00Z", "score": 50.0, "name": name, "why": sentence}]
    lines = shown(monkeypatch, capsys, width, rows, columns)
    plain = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in lines]
    assert any("2026-05-29T02:00:00Z" in line for line in plain)
    assert any("50.0 major" in line for line in plain)
    values = [name, WIDEST_ADDRESS] if columns == COLUMNS else [name]
    for value in values:
        assert any(value in line for line in plain), (value, plain)
    assert "…" not in "".join(plain)


def test_a_row_that_has_no_room_takes_several_lines_under_headings_that_do_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    columns = (*COLUMNS[:3], Column("ip", "IP"), Column("probability", "Probability", right=True))
    row = {"time": "2026-05-29T02:00:00Z", "score": 50.0, "name": LONG_NAME, "ip": WIDEST_ADDRESS, "probability": 1e-5}
    lines = shown(monkeypatch, capsys, 80, [row], columns)
    assert [re.sub(r"\x1b\[[\d;]*m", "", line) for line in lines] == [
        "Time                           Score",
        "    Name",
        "    IP                                             Probability",
        "2026-05-29T02:00:00Z   50.0 major",
        f"    {LONG_NAME}",
        f"    {WIDEST_ADDRESS}        1e-05",
    ]


@pytest.mark.parametrize("width", [None, 145, 200])
def test_a_column_that_wraps_breaks_between_words_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int | None
) -> None:
    row = {"time": "t", "score": 50.0, "name": "n" * 60, "why": f"{LONG_NAME} from {WIDEST_ADDRESS} and more"}
    text = "\n".join(shown(monkeypatch, capsys, width, [row]))
    assert LONG_NAME in text
    assert WIDEST_ADDRESS in text


def test_a_table_without_rows_has_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([], COLUMNS)
    assert capsys.readouterr().out.split() == ["Time", "Score", "Name", "Why"]
