"""Looks that may fail: the error is kept in place of what was looked for, so that the other looks go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from ipi_es.errors import ClusterUnreachable, IpiEsError

T = TypeVar("T")
Looked: TypeAlias = T | IpiEsError | None
"""What was found, the error instead of it, or None: not looked at, because something before it was wrong."""


def try_read(act: Callable[[], T]) -> T | IpiEsError:
    """The result of ``act``, or the error that it raised; ClusterUnreachable is raised, since all looks would."""
    try:
        return act()
    except ClusterUnreachable:
        raise
    except IpiEsError as error:
        return error
