"""The one place that prints results: as a table for people, as JSON or JSON lines for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
import orjson

from ipi_es.errors import UsageError
from ipi_es.results.visible import visible
from ipi_es.scoring.probability import severity

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

SEVERITY_COLOURS = {"critical": "red", "major": "dark_orange", "minor": "yellow", "warning": "cyan"}
"""rich's colour of each severity; the words are always printed too, colour is never the only sign."""

PIPE_WIDTH = 160
"""Characters of a table's line where the output is no terminal."""

NARROW = 140
"""Characters of a terminal's line below which a sentence has no room in a table's column and gets lines of its own."""

INDENT = 4
"""Characters before such a line."""

GAP = 2
"""Characters between two columns."""

LEAST = 30
"""Characters below which a column of text isn't read any more."""

STYLE = "_style"
"""Key of a row's own style, for tables alone: a result that needn't be looked at is dim."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column: where its value is in a row, its heading, and whether it holds a score."""

    key: str
    heading: str
    score: bool = False
    right: bool = False
    wrap: bool = False
    sentence: bool = False
    """It holds sentences: the last column, if it is one, goes below its row where the terminal is narrow."""


class Toned(NamedTuple):
    """A cell's text with rich's style for it."""

    text: str
    style: str


def format_option(function: F) -> F:
    """The shared ``--format`` option."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(["table", "json", "ndjson"]),
        default="table",
        show_default=True,
        help="For people, one JSON array, or one JSON object a line.",
    )(function)


def yes_option(function: F) -> F:
    """The shared ``--yes`` option of commands that destroy something."""
    return click.option("--yes", is_flag=True, help="Don't ask.")(function)


def confirmed(text: str, *, yes: bool) -> None:
    """Say what is about to happen and ask, unless ``yes``; UsageError where nobody is there to answer."""
    if yes:
        return
    if not _somebody_is_there():
        raise UsageError(text, hint="nobody is there to be asked: say it with --yes")
    click.echo(text, err=True)
    if not click.confirm("Go on?", err=True):
        raise click.exceptions.Exit(1)


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()


def emit(rows: Iterable[Mapping[str, Any]], columns: Sequence[Column], output_format: str, *, empty: str) -> None:
    """Print ``rows`` in the asked format; ``empty`` is what a person reads when there are none."""
    if output_format == "ndjson":
        for row in rows:
            sys.stdout.write(orjson.dumps(row).decode() + "\n")
    elif output_format == "json":
        sys.stdout.write(orjson.dumps(list(rows), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        found = list(rows)
        if found:
            print_table(found, columns)
        else:
            click.echo(empty)


def console() -> Console:
    """Where people read: a terminal as wide as it is; a pipe gets wide lines, as what reads it may search for an id."""
    from rich.console import Console

    found = Console(highlight=False)
    return found if found.is_terminal else Console(width=PIPE_WIDTH, highlight=False)


def say(lines: Iterable[str | Toned]) -> None:
    """Print lines of text, coloured on a terminal; none is broken by us."""
    out = console()
    for line in lines:
        out.print(cell(line), soft_wrap=True)


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], *, title: str | None = None) -> None:
    """An aligned table; scores carry their severity's colour and word.

    No value is ever cut: it may be a name to search for. On a terminal that is too narrow for a column of sentences,
    the last such column stands below each row instead; where even the rest has no room, lines are longer than it.
    """
    from rich.table import Table

    out = console()
    cells = [[cell(row.get(column.key), score=column.score) for column in columns] for row in rows]
    if not _has_room(out, columns, cells):
        _print_lines(out, rows, columns, cells, title)
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column.heading,
            justify="right" if column.right or column.score else "left",
            no_wrap=not column.wrap,
            overflow="fold",
        )
    for row, line in zip(rows, cells, strict=True):
        table.add_row(*line, style=row.get(STYLE))
    out.print(table)


def _has_room(out: Console, columns: Sequence[Column], cells: Sequence[Sequence[Text]]) -> bool:
    """Whether columns that don't wrap are as wide as they need, and each that does has :data:`LEAST` at least."""
    if columns[-1].sentence and out.is_terminal and out.width < NARROW:
        return False
    widths = [LEAST if column.wrap else width for column, width in zip(columns, _widths(columns, cells), strict=True)]
    return sum(widths) + GAP * (len(columns) - 1) <= out.width


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[Text]]) -> list[int]:
    from rich.cells import cell_len

    return [
        max(cell_len(column.heading), *(line[place].cell_len for line in cells), 0)
        for place, column in enumerate(columns)
    ]


def _print_lines(
    out: Console,
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    cells: Sequence[Sequence[Text]],
    title: str | None,
) -> None:
    """Aligned lines that nobody breaks, each with its sentence below, if it has one."""
    from rich.padding import Padding
    from rich.text import Text

    short = columns[:-1] if columns[-1].sentence else columns
    heads = [Text(column.heading, style="bold") for column in columns]
    widths = _widths(columns, cells)
    if title is not None:
        out.print(Text(title, style="italic"))
    for place, line in enumerate((heads, *cells)):
        style = "" if place == 0 else rows[place - 1].get(STYLE) or ""
        for text, column, width in zip(
            line, short, widths, strict=False
        ):  # the sentence is a cell, but not in the line
            missing = width - text.cell_len
            if column.right or column.score:
                text.pad_left(missing)
            else:
                text.pad_right(missing)
        out.print(Text(" " * GAP, style=style).join(line[: len(short)]), style=style, soft_wrap=True)
        if place and len(short) < len(columns):
            sentence = line[-1]
            sentence.style = sentence.style or style
            if sentence.plain:
                out.print(Padding(sentence, (0, 0, 0, INDENT)))


def cell(value: Any, *, score: bool = False) -> Text:
    """What a cell shows: a score with its severity, text from outside without what would steer a terminal."""
    from rich.text import Text

    if score and value is not None:
        name = str(severity(float(value)))
        return Text(f"{float(value):5.1f} {name:<8}", style=SEVERITY_COLOURS[name])
    if isinstance(value, Toned):
        return Text(visible(value.text), style=value.style)
    return Text(_plain(value))


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(part) for part in value)
    return visible(value)
