"""Look up the operator and the registered country of an address's network in local files, never by a request.

There are two kinds of file, distinguished by name: MaxMind's format (``.mmdb``; operator or country databases of any
maker) and tables (``.csv``, ``.csv.gz``) with a header that names a prefix, and an operator or a country.
"""

from __future__ import annotations

import csv
import gzip
import io
import logging
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import V4_PREFIX, Addresses, canonical, is_v4, packed_as_written, words
from ipi_es.errors import UsageError

if TYPE_CHECKING:
    from maxminddb import Reader

log = logging.getLogger(__name__)

PREFIX_COLUMNS = ("prefix", "network", "cidr")
OPERATOR_COLUMNS = ("asn", "as_number", "autonomous_system_number", "source.as.number")
COUNTRY_COLUMNS = ("country", "country_code", "country_iso_code", "source.geo.country_iso_code")
ORGANIZATION_COLUMNS = ("org", "organization", "as_name", "autonomous_system_organization")
MAX_OPERATOR = 2**32 - 1
"""Autonomous system numbers have 32 bits (RFC 6793)."""
_GZIP = b"\x1f\x8b"
_WIDTH_V4, _WIDTH_V6 = 32, 64
"""Bits of an address that a table uses: IPv6 networks are never routed longer than /64, so longer prefixes are left
out."""


def country_number(text: object) -> int:
    """Return a country's two letters as a number: (first << 8) | second, upper case; 0 for any other value."""
    if not isinstance(text, str):
        return 0
    text = text.strip().upper()
    if len(text) != 2 or not ("A" <= text[0] <= "Z" and "A" <= text[1] <= "Z"):
        return 0
    return ord(text[0]) << 8 | ord(text[1])


def country_text(number: int) -> str | None:
    """Return the two letters of a country's number; None for 0."""
    return chr(number >> 8) + chr(number & 0xFF) if number else None


def operator_number(value: object) -> int:
    """Return the number of an autonomous system: 64496, ``"64496"`` or ``"AS64496"``; 0 for any other value."""
    if isinstance(value, str):
        digits = value.strip().upper().removeprefix("AS")
        value = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 10 else 0
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return value if 0 <= value <= MAX_OPERATOR else 0


class _Source(Protocol):
    """One opened file of networks."""

    def find(self, addresses: Addresses) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        """Return (operator uint32[n], country uint16[n]) of distinct addresses uint8[n, 16]; 0 means unknown."""
        ...

    def organization(self, operator: int) -> str | None:
        """Return the operator's name, or None if the file doesn't have it."""
        ...


@dataclass(frozen=True, slots=True)
class NetworkTable:
    """Files of networks, used in order: for each address and each field the first file that has a value decides."""

    _sources: tuple[_Source, ...]

    @classmethod
    def load(cls, paths: str | Path | Sequence[str | Path]) -> NetworkTable:
        """Open one file or several.

        Raises UsageError, with a hint, for a file that can't be read or has another format.
        """
        given = [paths] if isinstance(paths, str | Path) else list(paths)
        if not given:
            raise UsageError("no file of networks is named", hint=_HINT)
        return cls(tuple(_opened(Path(path)) for path in given))

    def look_up(self, addresses: Addresses) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        """Return (operator uint32[n], country uint16[n]) of addresses uint8[n, 16]; 0 means unknown.

        The longest prefix decides. A country is two letters as (first << 8) | second.
        """
        rows = np.ascontiguousarray(addresses).view("V16").ravel()
        unique, back = np.unique(rows, return_inverse=True)
        distinct = unique.view(np.uint8).reshape(-1, 16)
        operator, country = np.zeros(len(unique), dtype=np.uint32), np.zeros(len(unique), dtype=np.uint16)
        for source in self._sources:
            found = source.find(distinct)
            operator = np.where(operator == 0, found[0], operator)
            country = np.where(country == 0, found[1], country)
        return operator[back], country[back]

    def organization(self, operator: int) -> str | None:
        """Return the name of an operator, or None. MaxMind's format knows only operators that were looked up before."""
        names = (source.organization(operator) for source in self._sources)
        return next((name for name in names if name), None) if operator else None


_HINT = (
    "a .mmdb file (GeoLite2-ASN, GeoLite2-Country and the like) or a .csv or .csv.gz with a header that names a "
    "prefix and an asn or a country"
)


def _opened(path: Path) -> _Source:
    kind = path.name.lower().removesuffix(".gz")
    if not path.is_file():
        raise UsageError(f"there is no file {path}", hint="name an existing file of networks, or leave the setting out")
    if kind.endswith(".mmdb"):
        return _MaxMind.opened(path)
    if kind.endswith((".csv", ".tsv")):
        return _read_table(path)
    raise UsageError(f"{path} is neither .mmdb nor .csv", hint=_HINT)


@dataclass(frozen=True, slots=True)
class _MaxMind:
    """A database in MaxMind's format, read address by address (each distinct one once)."""

    path: Path
    reader: Reader
    v4_only: bool
    names: dict[int, str] = field(default_factory=dict)

    @classmethod
    def opened(cls, path: Path) -> _MaxMind:
        import maxminddb

        if path.name.lower().endswith(".gz"):
            raise UsageError(f"{path} is compressed", hint=f"unpack it first: gunzip {path.name}")
        try:
            reader = maxminddb.open_database(str(path))
            return cls(path, reader, reader.metadata().ip_version == 4)
        except (maxminddb.InvalidDatabaseError, OSError, ValueError) as error:
            raise UsageError(f"{path} can't be read as a MaxMind database: {error}", hint=_HINT) from error

    def find(self, addresses: Addresses) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        operator, country = np.zeros(len(addresses), dtype=np.uint32), np.zeros(len(addresses), dtype=np.uint16)
        for row, blob in enumerate(map(bytes, addresses)):
            if self.v4_only and not blob.startswith(V4_PREFIX):
                continue
            record = self._record(blob)
            if isinstance(record, Mapping):
                operator[row], name = _operator_of(record)
                country[row] = _country_of(record)
                if name:
                    self.names[int(operator[row])] = name
        return operator, country

    def _record(self, address: bytes) -> object:
        """Return the database's record of an address.

        Raises UsageError where it is damaged; opening it doesn't show that.
        """
        import maxminddb

        try:
            return self.reader.get(canonical(address))
        except (maxminddb.InvalidDatabaseError, ValueError) as error:
            raise UsageError(f"{self.path} is damaged: {error}", hint="get it again from where it came") from error

    def organization(self, operator: int) -> str | None:
        return self.names.get(operator)


def _operator_of(record: Mapping[str, Any]) -> tuple[int, str]:
    """Read (number, name) under MaxMind's names (flat or in ``traits``) or under others' ``asn`` and ``as_name``."""
    places = [record, *(record[name] for name in ("traits", "as") if isinstance(record.get(name), Mapping))]
    for place in places:
        for key in (*OPERATOR_COLUMNS, "number"):
            if number := operator_number(place.get(key)):
                names = (place.get(key) for key in (*ORGANIZATION_COLUMNS, "name"))
                return number, next((name for name in names if isinstance(name, str)), "")
    return 0, ""


def _country_of(record: Mapping[str, Any]) -> int:
    """Read the country of use, or else of registration, as a number; 0 if the record has none."""
    for key in ("country", "registered_country", *COUNTRY_COLUMNS):
        value = record.get(key)
        number = country_number(value.get("iso_code") if isinstance(value, Mapping) else value)
        if number:
            return number
    return 0


@dataclass(frozen=True, slots=True, eq=False)
class _Ranges:
    """Disjoint ranges that cover the whole space of one address family: range i begins at ``start[i]``."""

    start: NDArray[np.uint64]  # [m], ascending, the first is 0
    operator: NDArray[np.uint32]  # [m]
    country: NDArray[np.uint16]  # [m]

    @classmethod
    def of(
        cls,
        width: int,
        base: NDArray[np.uint64],
        length: NDArray[np.int64],
        operator: NDArray[np.uint32],
        country: NDArray[np.uint16],
    ) -> _Ranges:
        """Flatten nested prefixes (base uint64[n] of ``width`` bits, length): where they overlap the longest wins.

        Short prefixes are painted first, longer ones over them; a field that the longer prefix lacks keeps its value.
        """
        edge = np.uint64((1 << width) - 1)
        free = (width - length).astype(np.uint64)
        # a shift by all 64 bits is undefined: ::/0 is masked by hand
        mask = np.where(length == 0, edge, (np.uint64(1) << np.minimum(free, np.uint64(63))) - np.uint64(1))
        first = base & ~mask
        last = first | mask
        start = np.unique(np.concatenate([np.zeros(1, dtype=np.uint64), first, last[last < edge] + np.uint64(1)]))
        begin = np.searchsorted(start, first)
        end = np.searchsorted(start, last, side="right")
        painted_operator, painted_country = np.zeros(len(start), dtype=np.uint32), np.zeros(len(start), dtype=np.uint16)
        for bits in np.unique(length):
            at = np.flatnonzero(length == bits)
            sizes = end[at] - begin[at]
            cells = np.repeat(begin[at] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
            new_operator, new_country = np.repeat(operator[at], sizes), np.repeat(country[at], sizes)
            painted_operator[cells[new_operator > 0]] = new_operator[new_operator > 0]
            painted_country[cells[new_country > 0]] = new_country[new_country > 0]
        return cls(start, painted_operator, painted_country)

    def find(self, values: NDArray[np.uint64]) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        at = np.searchsorted(self.start, values, side="right") - 1
        return self.operator[at], self.country[at]


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of prefixes, flattened for each address family."""

    v4: _Ranges
    v6: _Ranges
    names: dict[int, str]

    def find(self, addresses: Addresses) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        high, low = words(addresses)
        four = is_v4(addresses)
        at_4, at_6 = self.v4.find(low & np.uint64(0xFFFFFFFF)), self.v6.find(high)
        return np.where(four, at_4[0], at_6[0]), np.where(four, at_4[1], at_6[1])

    def organization(self, operator: int) -> str | None:
        return self.names.get(operator)


def table_rows(path: Path) -> Iterator[list[str]]:
    """Yield the lines of a table of networks as cells, the header first; gzip is recognized by its content.

    Raises UsageError where the file can't be read.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
            plain = gzip.GzipFile(fileobj=raw) if zipped else raw
            text = io.TextIOWrapper(plain, encoding="utf-8-sig", newline="")
            yield from csv.reader(text, delimiter="\t" if ".tsv" in path.name.lower() else ",")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} can't be read as a table of networks: {error}", hint="write it in UTF-8") from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        hint = "it is damaged or cut off: get it again from where it came"
        raise UsageError(f"{path} can't be read as a table of networks: {error}", hint=hint) from error
    except (OSError, csv.Error) as error:
        raise UsageError(f"{path} can't be read as a table of networks: {error}", hint=_HINT) from error


def prefix_of(text: str) -> tuple[bytes, int] | None:
    """Return (16 bytes, length) of ``192.0.2.0/24``, a single address or a prefix of IPv4-mapped addresses.

    The length counts from the family's own first bit: at most 32 for IPv4, else 128. None if ``text`` is not a prefix.
    """
    base, slash, bits = text.strip().partition("/")
    blob = packed_as_written(base)  # 2002::/16 is that network, and not 0.0.0.0
    if blob is None:
        return None
    v4 = blob.startswith(V4_PREFIX)
    whole = _WIDTH_V4 if v4 else 128
    if not slash:
        return blob, whole
    if not (bits.isascii() and bits.isdecimal() and len(bits) <= 3):
        return None
    length = int(bits) - (96 if v4 and ":" in base else 0)
    return (blob, length) if 0 <= length <= whole else None


def _read_table(path: Path) -> _Table:
    rows = table_rows(path)
    header = [name.strip().lower() for name in next(rows, [])]
    places = [_column(header, names) for names in (PREFIX_COLUMNS, OPERATOR_COLUMNS, COUNTRY_COLUMNS)]
    name_at = _column(header, ORGANIZATION_COLUMNS)
    prefix_at, operator_at, country_at = places
    if prefix_at is None or (operator_at is None and country_at is None):
        raise UsageError(
            f"the first line of {path} names {', '.join(header[:8]) or 'nothing'}",
            hint=f"it must name a prefix ({', '.join(PREFIX_COLUMNS)}) and an asn or a country",
        )
    bases, lengths, operators, countries = [], bytearray(), [], []
    names: dict[int, str] = {}
    numbers: dict[str, int] = {"": 0}
    letters: dict[str, int] = {"": 0}
    last = max(place for place in (*places, name_at) if place is not None)
    left_out = 0
    for row in rows:
        prefix = prefix_of(row[prefix_at]) if len(row) > last else None
        if prefix is None:
            left_out += bool(row)
            continue
        blob, length = prefix
        operator = _remembered(numbers, row[operator_at], operator_number) if operator_at is not None else 0
        country = _remembered(letters, row[country_at], country_number) if country_at is not None else 0
        bases.append(blob)
        lengths.append(length)
        operators.append(operator)
        countries.append(country)
        if name_at is not None and operator and row[name_at]:
            names.setdefault(operator, row[name_at])
    if not bases:
        raise UsageError(f"{path} holds no prefix", hint="a prefix is 192.0.2.0/24, 2001:db8::/32 or an address")
    if left_out:
        log.warning(
            "%s: %d of %d lines are left out: no prefix, or too few columns", path, left_out, left_out + len(bases)
        )
    return _flattened(bases, lengths, operators, countries, names)


def _column(header: Sequence[str], names: Iterable[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _remembered(known: dict[str, int], text: str, read: Any) -> int:
    if text not in known:
        known[text] = read(text)
    return known[text]


def _flattened(
    bases: list[bytes], lengths: bytearray, operators: list[int], countries: list[int], names: dict[int, str]
) -> _Table:
    addresses = np.frombuffer(b"".join(bases), dtype=np.uint8).reshape(-1, 16)
    length = np.frombuffer(bytes(lengths), dtype=np.uint8).astype(np.int64)
    operator, country = np.array(operators, dtype=np.uint32), np.array(countries, dtype=np.uint16)
    high, low = words(addresses)
    four = is_v4(addresses)
    six = ~four & (length <= _WIDTH_V6)
    parts = []
    for width, rows, values in ((_WIDTH_V4, four, low & np.uint64(0xFFFFFFFF)), (_WIDTH_V6, six, high)):
        parts.append(_Ranges.of(width, values[rows], length[rows], operator[rows], country[rows]))
    return _Table(parts[0], parts[1], names)
