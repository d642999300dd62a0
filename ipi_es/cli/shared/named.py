"""What the commands of named documents (rules, scheduled events) share: checks of names and times, cells of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ipi_es.errors import UsageError
from ipi_es.results.documents.visible import visible
from ipi_es.times import iso

if TYPE_CHECKING:
    from ipi_es.results.reading.rule_uses import HiddenResults

MAX_NAME = 256
"""The most bytes of a name: it is in each record that is hidden under it, and in the id of its document."""


def is_name(name: str) -> bool:
    """Return whether results and terminals can show a name."""
    return name.isprintable() and name == name.strip() and 0 < len(name.encode()) <= MAX_NAME


def require_name(name: str, noun: str) -> None:
    """Raise UsageError for a name that results and terminals can't show; ``noun`` is what has it: “rule”."""
    if not is_name(name):
        raise UsageError(
            f"the name “{visible(name)}” can't be a {noun}'s",
            hint=f"take at most {MAX_NAME} bytes, without control characters, and no white space around them",
        )


def require_times(noun: str, *times: int | None, hint: str) -> None:
    """Raise UsageError for a time that no stored document may have: it would act nowhere."""
    from ipi_es.state.fields import LATEST

    for each in times:
        if each is not None and not 0 <= each <= LATEST:
            raise UsageError(f"a {noun} has times of the years 1970 to 2099, and {iso(each)} is none", hint=hint)


def use_cells(use: HiddenResults | None) -> dict[str, Any]:
    """Return the cells with what was hidden under a name; None: nothing."""
    return {
        "hidden_records": 0 if use is None else use.records,
        "last": None if use is None else iso(use.last),
        "worst_score": None if use is None else use.worst,
    }


def say_cells(row: Mapping[str, Any], fields: Sequence[str]) -> None:
    """Print the cells of one document, a line each, without those that say nothing."""
    for key in fields:
        if row[key] not in (None, "") and row[key] is not False:
            click.echo(f"{key.replace('_', ' '):>14}  {visible(row[key])}")
