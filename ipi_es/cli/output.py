"""The one place that prints results: as a table for people, as JSON or JSON lines for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click
import orjson

from ipi_es.errors import UsageError
from ipi_es.scoring.probability import severity

SEVERITY_COLOURS = {"critical": "red", "major": "dark_orange", "minor": "yellow", "warning": "cyan"}
"""rich's colour of each severity; the words are always printed too, colour is never the only sign."""

PIPE_WIDTH = 160
"""Characters of a table's line where the output is no terminal."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column: where its value is in a row, its heading, and whether it holds a score."""

    key: str
    heading: str
    score: bool = False
    right: bool = False
    wrap: bool = False


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


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], *, title: str | None = None) -> None:
    """An aligned table; scores carry their severity's colour and word."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column.heading,
            justify="right" if column.right or column.score else "left",
            no_wrap=not column.wrap,
            overflow="fold",
        )
    for row in rows:
        cells = []
        for column in columns:
            value = row.get(column.key)
            if column.score and value is not None:
                name = str(severity(float(value)))
                cells.append(Text(f"{float(value):5.1f} {name:<8}", style=SEVERITY_COLOURS[name]))
            else:
                cells.append(Text(_cell(value)))
        table.add_row(*cells)
    console = Console()
    # off a terminal nothing is cut: what reads a pipe may search for an id
    Console(width=None if console.is_terminal else PIPE_WIDTH).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ", ".join(_cell(part) for part in value)
    return str(value)
