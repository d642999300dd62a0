"""Records of an `entity,ip` CSV, read so that one broken line costs no other. Pure; no NumPy."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator

MAX_JOINED_LINES = 64
"""Lines that one quoted record may go over. A stray quotation mark would otherwise swallow the rest of a file."""

_SPACE = " \t\r\n"
"""What is dropped around a cell; other white space may be a part of a name."""


def records(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """(number of the record's first line, from 1; its cells without surrounding space) of each line with something.

    Lines have their line ends. Quoting is RFC 4180's, ``,"`` and ``, "`` alike. A line whose quotation marks don't
    close within :data:`MAX_JOINED_LINES` lines is given alone, and reading goes on behind it.
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
    """(lines taken, cells) of the record that begins with ``line``; lines not its own go back to ``waiting``."""
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
    """At least one row of cells."""
    try:
        rows = [[cell.strip(_SPACE) for cell in row] for row in csv.reader(lines, skipinitialspace=True)]
    except csv.Error:  # a cell above the reader's limit of 128 KiB
        rows = []
    return rows or [["".join(lines).strip()]]
