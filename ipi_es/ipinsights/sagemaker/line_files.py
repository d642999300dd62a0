"""Lines of a text file or of standard input, plain or gzip."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from ipi_es.errors import DataError, UsageError

STDIN = Path("-")
_GZIP = b"\x1f\x8b"


def shown_name(path: Path) -> str:
    """Return the file's name for messages."""
    return "standard input" if path == STDIN else str(path)


@contextmanager
def opened(path: Path) -> Iterator[Iterator[str]]:
    """Open a file, plain or gzip, as an iterator of lines; bytes that aren't UTF-8 become surrogate escapes.

    ``-`` is standard input. Raises DataError for damaged gzip, UsageError where the file can't be read.
    """
    try:
        with _bytes(path) as stream:
            plain: BinaryIO = stream
            if stream.peek(len(_GZIP))[: len(_GZIP)] == _GZIP:
                plain = cast("BinaryIO", gzip.GzipFile(fileobj=stream))
            text = io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape", newline="")
            yield iter(text)
            text.detach()
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        hint = "write it again, or unpack what can be read of it"
        raise DataError(f"{shown_name(path)} is damaged: {error}", hint=hint) from error
    except OSError as error:
        what = f"{shown_name(path)} can't be read: {error.strerror or error}"
        raise UsageError(what, hint="check its rights") from error


@contextmanager
def _bytes(path: Path) -> Iterator[io.BufferedReader[Any]]:
    if path != STDIN:
        with path.open("rb") as file:
            yield file
        return
    buffered = io.BufferedReader(cast("io.RawIOBase", sys.stdin.buffer))
    yield buffered
    buffered.detach()
