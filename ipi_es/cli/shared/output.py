"""Output of all commands: a table for people; JSON, JSON lines or CSV for programs."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
import orjson

from ipi_es.errors import UsageError
from ipi_es.results.documents.visible import visible
from ipi_es.scoring.probability import severity

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

SEVERITY_COLOURS = {"critical": "red", "major": "dark_orange", "minor": "yellow", "warning": "cyan"}
"""Severity → rich's colour; the word is always printed too."""

PIPE_WIDTH = 160
"""Width of a table's line where the output isn't a terminal, characters."""

MOST_ROWS = 2_000
"""Rows of a table above which none is wrapped within its column: a hundred thousand would take minutes."""

NARROW = 140
"""Width of a terminal, in characters, below which a sentence gets lines of its own instead of a column."""

INDENT = 4
"""Characters before each of these lines."""

GAP = 2
"""Characters between two columns."""

LEAST = 30
"""Characters that a column of text needs at least."""

STYLE = "_style"
"""Key of a row's style in tables: a result that needs no attention is dim."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column: the key of its value in a row, its heading, and whether it holds a score."""

    key: str
    heading: str
    score: bool = False
    right: bool = False
    wrap: bool = False
    sentence: bool = False
    """Whether it holds sentences; on a narrow terminal such a last column is printed below its row."""


class Toned(NamedTuple):
    """A cell's text and its style for rich."""

    text: str
    style: str


def format_option(function: F) -> F:
    """Add the shared ``--format`` option."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(["table", "json", "ndjson", "csv"]),
        default="table",
        show_default=True,
        help="For people; one JSON array; one JSON object a line; or CSV with headings, where text that a spreadsheet "
        "would take for a formula begins with an apostrophe.",
    )(function)


def accept_change_option(function: F) -> F:
    """Add the shared ``--accept-change`` option, for commands that continue with what a job has learned."""
    return click.option(
        "--accept-change",
        is_flag=True,
        help="Go on with what was learned although settings of the job changed since (docs/configuration.md lists "
        "which may).",
    )(function)


def yes_option(function: F) -> F:
    """Add the shared ``--yes`` option, for commands that delete something."""
    return click.option("--yes", is_flag=True, help="Don't ask.")(function)


def confirmed(text: str, *, yes: bool) -> None:
    """Print what is about to happen and ask, unless ``yes``; exit with code 1 on “no”.

    Raises UsageError where standard input isn't a terminal.
    """
    if yes:
        return
    require_terminal(text)
    click.echo(text, err=True)
    if not click.confirm("Go on?", err=True):
        raise click.exceptions.Exit(1)


def require_terminal(text: str) -> None:
    """Raise UsageError with ``text`` where standard input isn't a terminal, so that nobody can answer."""
    if not _is_interactive():
        raise UsageError(text, hint="stdin is not a terminal; pass --yes")


def _is_interactive() -> bool:
    return sys.stdin.isatty()


def emit(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[Column],
    output_format: str,
    *,
    empty: str,
    fields: Sequence[str] = (),
) -> None:
    """Print ``rows`` in the given format; ``empty`` is printed instead of a table without rows.

    ``fields``: the first columns of CSV, which are printed even without rows.
    """
    if output_format == "ndjson":
        for row in rows:
            sys.stdout.write(orjson.dumps(row).decode() + "\n")
    elif output_format == "json":
        sys.stdout.write(orjson.dumps(list(rows), option=orjson.OPT_INDENT_2).decode() + "\n")
    elif output_format == "csv":
        from ipi_es.cli.shared.csv_output import write_csv

        write_csv(sys.stdout, rows, fields)
    else:
        found = list(rows)
        if found:
            print_table(found, columns)
        else:
            click.echo(empty)


def console() -> Console:
    """Return the console of standard output; other outputs than a terminal get wide lines, so that ids stay whole."""
    from rich.console import Console

    found = Console(highlight=False)
    return found if found.is_terminal else Console(width=PIPE_WIDTH, highlight=False)


def say(lines: Iterable[str | Toned]) -> None:
    """Print lines of text, coloured on a terminal; only the terminal wraps them."""
    out = console()
    for line in lines:
        out.print(cell(line), soft_wrap=True)


def say_indented(text: str, mark: str = "") -> None:
    """Print a text indented by two spaces and ``mark``; on a terminal its further lines are indented as far."""
    out = console()
    if not out.is_terminal:
        click.echo(f"  {mark}{text}")
        return
    begin, further = f"  {mark}", " " * (2 + len(mark))
    click.echo(click.wrap_text(text, out.width, initial_indent=begin, subsequent_indent=further))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], *, title: str | None = None) -> None:
    """Print an aligned table; scores have their severity's colour and word.

    No value is ever cut, because it may be a name to search for. On a terminal that is too narrow for a last column of
    sentences, each sentence is printed below its row; where the other columns don't fit, a row takes several lines. So
    it does in a table of more than :data:`MOST_ROWS`.
    """
    from rich.table import Table

    out = console()
    cells = [[cell(row.get(column.key), score=column.score) for column in columns] for row in rows]
    if len(rows) > MOST_ROWS or not _has_room(out, columns, cells):
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
    """Decide whether the table fits: other columns at full width, wrapping ones with :data:`LEAST` characters or more.

    A column that wraps also needs the width of its longest word, so that no name is broken.
    """
    from rich.cells import cell_len

    if columns[-1].sentence and out.is_terminal and out.width < NARROW:
        return False
    widths = _widths(columns, cells)
    for place, column in enumerate(columns):
        if column.wrap:
            words = (cell_len(word) for line in cells for word in line[place].plain.split())
            widths[place] = max([LEAST, *words])
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
    """Print aligned lines, each with its sentence, if any, below it.

    On a terminal that is too narrow for all columns, each row and the headings take several lines.
    """
    from rich.text import Text

    short = columns[:-1] if columns[-1].sentence else columns
    heads = [Text(column.heading, style="bold") for column in columns]
    widths = _widths(columns, cells)
    decks = _decks(widths[: len(short)], out.width if out.is_terminal else None)
    if title is not None:
        out.print(Text(title, style="italic"))
    for place, line in enumerate((heads, *cells)):
        style = "" if place == 0 else rows[place - 1].get(STYLE) or ""
        # zip drops the sentence, which has a cell but isn't in the line
        padded = [_padded(*each) for each in zip(line, short, widths, strict=False)]
        for number, deck in enumerate(decks):
            text = Text(" " * GAP, style=style).join(padded[each] for each in deck)
            text.rstrip()
            if number:
                text.pad_left(INDENT)
            _print_line(out, text, style)
        if place and len(short) < len(columns) and line[-1].plain:
            line[-1].style = line[-1].style or style
            _print_below(out, line[-1])


def _print_line(out: Console, text: Text, style: str) -> None:
    if out.is_terminal:
        out.print(text, style=style, soft_wrap=True)
    else:  # a third of the time
        click.echo(text.plain)


def _decks(widths: Sequence[int], room: int | None) -> list[range]:
    """Divide columns of ``widths`` characters into lines of ``room`` characters; None: all in one line.

    A column that is wider than a line has a line of its own, which the terminal wraps: its values stay whole.
    """
    decks, begin, used = [], 0, 0
    for place, width in enumerate(widths):
        longer = used + GAP + width if place > begin else width + (INDENT if begin else 0)
        if room is not None and longer > room and place > begin:
            decks.append(range(begin, place))
            begin, longer = place, width + INDENT
        used = longer
    return [*decks, range(begin, len(widths))]


def _padded(text: Text, column: Column, width: int) -> Text:
    missing = width - text.cell_len
    if column.right or column.score:
        text.pad_left(missing)
    else:
        text.pad_right(missing)
    return text


def _print_below(out: Console, sentence: Text) -> None:
    """Print a sentence below its row, broken only between words, so that names and addresses stay whole."""
    for line in sentence.divide(_line_ends(sentence.plain, max(out.width - INDENT, 1))):
        line.rstrip()
        line.pad_left(INDENT)
        out.print(line, soft_wrap=True)


def _line_ends(text: str, room: int) -> list[int]:
    """Return the offsets at which lines of at most ``room`` characters end; a longer word has a line of its own."""
    from rich.cells import cell_len

    ends, used = [], 0
    for match in re.finditer(r"\S+\s*", text):
        if used and used + cell_len(match.group().rstrip()) > room:
            ends.append(match.start())
            used = 0
        used += cell_len(match.group())
    return ends


def cell(value: Any, *, score: bool = False) -> Text:
    """Return a cell's text: a score with its severity, other text without control characters."""
    from rich.text import Text

    if score and value is not None:
        name = str(severity(float(value)))
        return Text(f"{tenths(float(value)):>5} {name:<8}", style=SEVERITY_COLOURS[name])
    if isinstance(value, Toned):
        return Text(visible(value.text), style=value.style)
    return Text(_plain(value))


def tenths(score: float) -> str:
    """Format a score, 0–100, with one decimal; it is never rounded up to the next severity: 74.97 is 74.9."""
    text = f"{score:.1f}"
    return text if severity(float(text)) == severity(score) else f"{math.floor(score * 10) / 10:.1f}"


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(part) for part in value)
    return visible(value)
