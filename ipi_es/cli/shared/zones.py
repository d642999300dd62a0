"""The shared ``--time-zone`` option; times are UTC by default."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from ipi_es.errors import UsageError
from ipi_es.pages.text import TimeShown

F = TypeVar("F", bound=Callable[..., Any])


def time_zone_option(function: F) -> F:
    """Add the option: ``local``, ``UTC`` or a name such as ``Europe/Berlin``; the command gets a TimeShown."""
    return click.option(
        "--time-zone",
        "shown",
        metavar="ZONE",
        default="UTC",
        show_default=True,
        callback=lambda _ctx, _option, name: TimeShown(zone_of(name)),
        help="Show times in this zone: local, or a name such as Europe/Berlin. JSON always has UTC.",
    )(function)


def zone_of(name: str) -> tzinfo | None:
    """Return the zone of a name; None: this machine's. Raises UsageError for an unknown name."""
    if name.lower() == "local":
        return None
    if name.upper() in {"UTC", "Z"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # unknown, a folder's name, or a path
        raise UsageError(
            f"the time zone “{name}” isn't known here",
            hint="write local, UTC or a name such as Europe/Berlin; where none is known, install the package tzdata",
        ) from error
