"""Writing to stderr while progress bars are drawn: log lines, notes and bars don't break one another."""

from __future__ import annotations

import sys
import threading
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

BAR_WIDTH = 40
"""Maximum width of the bar itself, characters; on a narrow terminal it shrinks."""

WIDE = 72
"""Width of a terminal, in characters, from which the remaining time and the note fit beside the bar."""


class LinesAboveBars:
    """A replacement for ``sys.stderr`` that prints whole lines above the bars of a live display.

    Only the terminal wraps lines. Text without a line end is kept until the rest of its line is written.
    """

    def __init__(self, console: Console, stream: TextIO) -> None:
        """``stream``: the real stderr, to which ``console`` writes."""
        self.rich_proxied_file = stream  # rich reads this, so that its own output isn't sent here again
        self._console, self._rest = console, ""
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Print the lines that ``text`` completes."""
        if not isinstance(text, str):
            raise TypeError(f"write() takes text, not {type(text).__name__}")  # click tests streams with bytes
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            if lines:
                self._console.print(Text("\n").join(map(Text.from_ansi, lines)), soft_wrap=True)
        return len(text)

    def finish(self) -> None:
        """Print the rest of an unfinished line."""
        with self._lock:
            if self._rest:
                self.write("\n")

    def flush(self) -> None:
        """Flush the real stream; an unfinished line is kept."""
        self.rich_proxied_file.flush()

    def isatty(self) -> bool:
        """Return True: the real stream is a terminal."""
        return True

    def fileno(self) -> int:
        """Return the real stream's file descriptor."""
        return self.rich_proxied_file.fileno()

    @property
    def encoding(self) -> str:
        """The real stream's encoding."""
        return self.rich_proxied_file.encoding

    @property
    def errors(self) -> str | None:
        """The real stream's handling of characters that its encoding lacks."""
        return self.rich_proxied_file.errors


class Bars(Progress):
    """Progress bars on stderr, if it is a terminal. Between start and stop, text for stderr appears above them."""

    def __init__(self) -> None:
        stream = sys.stderr
        console = Console(file=stream, highlight=False)
        self.drawn = stream.isatty() and console.is_terminal and not console.is_dumb_terminal
        """Whether bars are drawn; a file, a pipe and a terminal that can't move its cursor get log lines instead."""
        super().__init__(
            *_columns(console.width),
            console=console,
            disable=not self.drawn,
            transient=True,
            redirect_stdout=False,  # results may go to a file while the bars go to a terminal
            redirect_stderr=False,  # by LinesAboveBars, which doesn't break lines as rich's own does
        )
        self._lines: LinesAboveBars | None = None
        self._before: TextIO = stream

    def start(self) -> None:
        """Draw the bars, and replace ``sys.stderr``."""
        if self.drawn and self._lines is None:
            self._before = sys.stderr
            self._lines = LinesAboveBars(self.console, self._before)
            sys.stderr = self._lines
        super().start()

    def stop(self) -> None:
        """Remove the bars, and restore ``sys.stderr``."""
        super().stop()
        if self._lines is not None:
            lines, self._lines = self._lines, None
            if sys.stderr is lines:
                sys.stderr = self._before
            lines.finish()


def _columns(width: int) -> list[ProgressColumn]:
    """Return the columns of a bar that fit on a terminal of ``width`` characters without being cut."""
    columns: list[ProgressColumn] = [
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=None, table_column=Column(max_width=BAR_WIDTH)),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),  # only the bar shrinks
    ]
    return (
        [*columns, TimeRemainingColumn(table_column=Column(no_wrap=True)), TextColumn("{task.fields[note]}")]
        if width >= WIDE
        else columns
    )
