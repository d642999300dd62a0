"""What the tests of scheduled events share."""

from __future__ import annotations

from typing import Any

from ipi_es.state.calendar_store import StoredEvent


def planned(name: str = "move", *, start: int = 10_000, end: int = 20_000, **more: Any) -> StoredEvent:
    return StoredEvent(name, "the office moves", "ann", more.pop("created", 900), start, end, **more)
