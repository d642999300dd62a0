"""Records of an `entity,ip` CSV, read so that a broken line doesn't affect others. Pure; no NumPy."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator

MAX_JOINED_LINES = 64
"""Maximum number of lines of a quoted record. Otherwise a stray quotation mark would consume the rest of a file."""

_SPACE = " \t\r\n"
"""Characters stripped around a cell; other white space may be part of a name."""


def records(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the record's first line, from 1; its cells without surrounding space) of each non-empty record.

    ``lines`` include their line ends. Quoting follows RFC 4180, and a space before a quotation mark is allowed. A line
    whose quotation marks don't close within :data:`MAX_JOINED_LINES` lines is a record of its own, and reading
    continues with the next line.
    """
    source = iter(lines)
    waiting: deque[str] = deque()
    number = 0
    while True:
        line = waiting.popleft() if waiting else next(source, None)
        if line is None:
            return
        first = number = number + 1
        if '"' not in line:
            if line.strip():
                yield first, [cell.strip(_SPACE) for cell in line.split(",")]
            continue
        taken, cells = _record(line, waiting, source)
        number += taken - 1
        yield first, cells


def _record(line: str, waiting: deque[str], source: Iterator[str]) -> tuple[int, list[str]]:
    """Return (lines taken, cells) of the record that begins with ``line``; other lines go back to ``waiting``."""
    taken, open_ = [line], line.count('"') % 2 == 1
    while open_ and len(taken) < MAX_JOINED_LINES:
        following = waiting.popleft() if waiting else next(source, None)
        if following is None:
            break
        taken.append(following)
        open_ = following.count('"') % 2 == 0
    rows = _parsed(taken)
    if len(taken) == 1 or (len(rows) == 1 and not open_):
        return len(taken), rows[0]
    # several records (a quotation mark in the middle of a cell opens nothing), or a mark that never closes
    waiting.extendleft(reversed(taken[1:]))
    return 1, _parsed([line])[0]


def _parsed(lines: list[str]) -> list[list[str]]:
    """Parse lines as CSV; return at least one row of cells."""
    try:
        rows = [[cell.strip(_SPACE) for cell in row] for row in csv.reader(lines, skipinitialspace=True)]
    except csv.Error:  # a cell above the reader's limit of 128 KiB
        rows = []
    return rows or [["".join(lines).strip()]]
