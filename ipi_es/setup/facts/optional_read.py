"""Reads that may fail: the error is kept in place of the result, so that the other reads go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from ipi_es.errors import ClusterUnreachable, IpiEsError

T = TypeVar("T")
Looked: TypeAlias = T | IpiEsError | None
"""The result of a read, or its error, or None: not read, because something before it was wrong."""


def try_read(act: Callable[[], T]) -> T | IpiEsError:
    """Return the result of ``act``, or its error. Raises ClusterUnreachable, since all other reads would fail too."""
    try:
        return act()
    except ClusterUnreachable:
        raise
    except IpiEsError as error:
        return error
