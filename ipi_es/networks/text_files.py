"""Files of networks as text: lines, cells, networks; gzip is recognized by its content."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, dropwhile
from pathlib import Path
from typing import BinaryIO

from ipi_es.addresses import V4_PREFIX, packed_as_written
from ipi_es.errors import UsageError
from ipi_es.networks.network_ranges import WIDTH_V4, Network

HEAD_BYTES = 256 * 1024
"""Bytes at a file's beginning from which its format is recognized: more than a thousand lines."""

FORMATS = (
    "MaxMind databases (.mmdb), tables whose header names a prefix and an asn, a country or a type, CSV files of "
    "IP2Location, IP2Proxy and DB-IP, Apple's egress-ip-ranges.csv, the range files of AWS, Google, Azure, Oracle and "
    "Cloudflare, Tor's exit lists, lists of one network a line"
)
"""The formats that are known, for hints; docs/network.md describes them."""

_GZIP = b"\x1f\x8b"
_MAPPED = 0xFFFF_0000_0000
"""The first IPv4-mapped address, ::ffff:0.0.0.0, as a number."""
_MAX_DIGITS = 39
"""Decimal digits of the largest address."""


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file, unpacked. Raises UsageError where it can't be read, while it is being read too."""
    try:
        with path.open("rb") as raw:
            zipped = raw.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
            yield gzip.GzipFile(fileobj=raw) if zipped else raw  # type: ignore[misc]
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} can't be read as a table of networks: {error}", hint="write it in UTF-8") from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        hint = "it is damaged or cut off: get it again from where it came"
        raise UsageError(f"{path} can't be read as a table of networks: {error}", hint=hint) from error
    except OSError as error:
        raise UsageError(
            f"{path} can't be read as a table of networks: {error}", hint=f"known are {FORMATS}"
        ) from error


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of a text without the empty ones and comments (``#``) at its beginning."""
    with opened(path) as plain:
        text = io.TextIOWrapper(plain, encoding="utf-8-sig", newline="")
        yield from dropwhile(lambda line: not line.strip() or line.startswith("#"), text)


def table_rows(path: Path) -> Iterator[list[str]]:
    """Yield the lines of a table of networks as cells, the header first; gzip is recognized by its content.

    Raises UsageError where the file can't be read.
    """
    lines = lines_of(path)
    first = next(lines, None)
    if first is not None:
        yield from cells_of(path, first, lines)


def cells_of(path: Path, first: str, others: Iterable[str] = ()) -> Iterator[list[str]]:
    """Split a file's lines into cells, at tabs if the first line has one, else at commas.

    Raises UsageError where that isn't possible.
    """
    try:
        yield from csv.reader(chain([first], others), delimiter="\t" if "\t" in first else ",")
    except csv.Error as error:
        raise UsageError(
            f"{path} can't be read as a table of networks: {error}", hint=f"known are {FORMATS}"
        ) from error


def prefix_of(text: str) -> tuple[bytes, int] | None:
    """Return (16 bytes, length) of ``192.0.2.0/24``, a single address or a prefix of IPv4-mapped addresses.

    The length counts from the family's own first bit: at most 32 for IPv4, else 128. None if ``text`` is not a prefix.
    """
    base, slash, bits = text.strip().partition("/")
    blob = packed_as_written(base)  # 2002::/16 is that network, and not 0.0.0.0
    if blob is None:
        return None
    v4 = blob.startswith(V4_PREFIX)
    whole = WIDTH_V4 if v4 else 128
    if not slash:
        return blob, whole
    if not (bits.isascii() and bits.isdecimal() and len(bits) <= 3):
        return None
    length = int(bits) - (96 if v4 and ":" in base else 0)
    return (blob, length) if 0 <= length <= whole else None


def range_of(first: str, last: str) -> Network | None:
    """Return (first, last), 16 bytes each, of the ends of a range, as addresses; None if they aren't a range."""
    return _ordered(packed_as_written(first), packed_as_written(last))


def numbered_range(first: str, last: str) -> Network | None:
    """Return (first, last), 16 bytes each, of the ends of a range, as decimal numbers; None if they aren't a range.

    A range that ends below 2**32 is of IPv4: the numbers of IPv6 addresses in use are far larger.
    """
    if not (is_number(first) and is_number(last)):
        return None
    begin, end = int(first), int(last)
    if end < 1 << WIDTH_V4:
        begin, end = begin | _MAPPED, end | _MAPPED
    return _ordered(*(number.to_bytes(16, "big") if number < 1 << 128 else None for number in (begin, end)))


def is_number(text: str) -> bool:
    """Decide whether a text is an address as a decimal number."""
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS


def _ordered(first: bytes | None, last: bytes | None) -> Network | None:
    if first is None or last is None or first > last or first.startswith(V4_PREFIX) != last.startswith(V4_PREFIX):
        return None
    return first, last
