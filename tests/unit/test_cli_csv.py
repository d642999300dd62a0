"""Results as CSV: a spreadsheet reads them, and runs nothing that an attacker wrote."""

from __future__ import annotations

import csv
import io
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.cli.main import cli
from ipi_es.cli.shared.csv_output import FORMULA, write_csv
from ipi_es.results.documents.visible import visible
from ipi_es.times import iso


def written(rows: list[dict[str, Any]], fields: tuple[str, ...] = ()) -> list[list[str]]:
    out = io.StringIO(newline="")
    write_csv(out, rows, fields)
    text = out.getvalue()
    assert text.endswith("\r\n")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def test_every_kind_of_value_has_its_form() -> None:
    row = {
        "text": 'a "b", c',
        "no": None,
        "yes": True,
        "number": -1.5,
        "one": [-2.5],
        "names": ["a;b", "c,d"],
        "nested": [{"job_id": "x", "score": 1.5}],
        "timestamp": 1_780_000_000_000,
        "held_until": None,
    }
    heads, cells = written([row])
    assert dict(zip(heads, cells, strict=True)) == {
        "text": 'a "b", c',
        "no": "",
        "yes": "true",
        "number": "-1.5",
        "one": "-2.5",
        "names": '["a;b","c,d"]',
        "nested": '[{"job_id":"x","score":1.5}]',
        "timestamp": iso(1_780_000_000),
        "held_until": "",
    }


@pytest.mark.parametrize("begin", FORMULA)
def test_text_is_never_a_formula(begin: str) -> None:
    name = begin + "cmd|' /C calc'!A0"
    _, (cell, other) = written([{"entity": name, "ip": "192.0.2.1"}])
    assert cell == "'" + visible(name)
    assert other == "192.0.2.1"


@given(st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.text() | st.integers() | st.none()}), max_size=5))
def test_whatever_names_hold_the_table_has_its_shape(rows: list[dict[str, Any]]) -> None:
    lines = written(rows, ("a", "b"))
    assert lines[0] == ["a", "b"]
    assert [len(line) for line in lines] == [2] * (len(rows) + 1)
    for row, line in zip(rows, lines[1:], strict=True):
        assert line[0].removeprefix("'") in (visible(row["a"]), visible(row["a"]).removeprefix("'"))
        assert not line[0].startswith(FORMULA)


def test_headings_are_there_without_rows_and_what_only_some_rows_have_comes_last() -> None:
    assert written([], ("a", "b")) == [["a", "b"]]
    assert written([{"b": 1}, {"c": 2}], ("a", "b")) == [["a", "b", "c"], ["", "1", ""], ["", "", "2"]]


def formats() -> list[str]:
    """`COMMAND` of all that offer --format."""
    found = []

    def look(command: click.Command, path: str) -> None:
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                look(child, f"{path} {name}".strip())
        for each in command.params:
            if each.name == "output_format" and isinstance(each.type, click.Choice) and "table" in each.type.choices:
                assert list(each.type.choices) == ["table", "json", "ndjson", "csv"], path
                found.append(path)

    look(cli, "")
    return found


def test_every_command_that_offers_formats_offers_csv() -> None:
    assert {"results", "explain", "status", "check", "verdict list", "snapshots list"} <= set(formats())
