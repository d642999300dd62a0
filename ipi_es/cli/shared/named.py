"""What the commands of named documents (rules, scheduled events) share: cells of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ipi_es.results.documents.visible import visible
from ipi_es.times import iso

if TYPE_CHECKING:
    from ipi_es.results.reading.rule_uses import HiddenResults


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
