"""A pseudo-terminal with a screen: what a person would see of a command, with everything that scrolled away."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

_TOKEN = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b\][^\x07]*\x07|\r|\n|[^\x1b\r\n]+")


class Screen:
    """What a person sees of ``text``, with what scrolled away: it has no height. It knows what rich sends."""

    def __init__(self, columns: int, text: str = "") -> None:
        self.columns, self.row, self.column = columns, 0, 0
        self.rows: list[list[str]] = [[]]
        self.continued: set[int] = set()  # rows that the terminal began because the one above was full
        self.feed(text)

    def feed(self, text: str) -> None:
        for match in _TOKEN.finditer(text):
            token = match.group()
            if token == "\r":
                self.column = 0
            elif token == "\n":
                self._down()
            elif match.group(2):
                self._order(match.group(1), match.group(2))
            elif not token.startswith("\x1b"):
                for char in token:
                    self._put(char)

    def lines(self) -> list[str]:
        """What stands there, a line as it was written: rows that the terminal wrapped are joined again."""
        found: list[str] = []
        for number, row in enumerate(self.rows):
            text = "".join(row)
            if number in self.continued and found:
                found[-1] += text
            else:
                found.append(text)
        return [line.rstrip() for line in found if line.strip()]

    def _order(self, numbers: str, letter: str) -> None:
        if letter == "A":
            self.row = max(0, self.row - int(numbers or 1))
        elif letter == "K" and numbers == "2":
            self.rows[self.row] = []
            self.continued.discard(self.row)
        elif letter not in "mhlK":
            raise AssertionError(f"the screen doesn't know the order {numbers}{letter}")

    def _down(self) -> None:
        self.row, self.column = self.row + 1, self.column
        if self.row == len(self.rows):
            self.rows.append([])

    def _put(self, char: str) -> None:
        if self.column == self.columns:
            self._down()
            self.column = 0
            self.continued.add(self.row)
        row = self.rows[self.row]
        row.extend(" " * (self.column + 1 - len(row)))
        row[self.column] = char
        self.column += 1


def written_to_terminal(
    command: Sequence[str], columns: int, *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """(exit code, all that was written) of a command whose input, output and errors are one terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    plain = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR", "FORCE_COLOR"}}
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**plain, "TERM": "xterm-256color", **(environment or {})},
        cwd=cwd,
    )
    os.close(theirs)
    found = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # Linux says so when the last process has closed its end
            break
        if not part:
            break
        found += part
    os.close(ours)
    return process.wait(timeout=60), found.decode("utf-8")


def python(code: str) -> list[str]:
    """The command that runs ``code``."""
    return [sys.executable, "-c", code]
