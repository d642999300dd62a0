"""The layouts of tables of networks: which column holds what. Decided by the first lines, never by a file's name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ipi_es.networks.maxmind import COUNTRY_KEYS, OPERATOR_KEYS, ORGANIZATION_KEYS
from ipi_es.networks.network_ranges import Network
from ipi_es.networks.network_types import PROXY_WORDS, TYPE_COLUMNS, TYPE_FLAGS, USAGE_WORDS, NetworkType
from ipi_es.networks.network_values import country_number
from ipi_es.networks.text_files import is_number, numbered_range, prefix_of, range_of

PREFIX_COLUMNS = ("prefix", "network", "cidr")

Cells: TypeAlias = Sequence[str]

_CONTINENTS = frozenset({"AF", "AN", "AS", "EU", "NA", "OC", "SA", "ZZ"})
_NO_COUNTRY = "ZZ"
"""Letters that DB-IP writes for an unknown country."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a table has what, as indexes of columns; None: it lacks it."""

    format: str
    network: Callable[[Cells], Network | None]
    operator: int | None = None
    country: int | None = None
    name: int | None = None
    """Column of the operator's name."""
    words: tuple[int, ...] = ()
    """Columns that name types."""
    flags: tuple[tuple[int, int], ...] = ()
    """Columns that are true or false, each with the types that it then means."""
    usual: NetworkType | None = None
    """The type of all its networks, where the job gives none."""
    has_header: bool = False
    last_network: int = 0
    """The last column that the network is read from."""

    @property
    def width(self) -> int:
        """Columns that a line must have."""
        places = (self.operator, self.country, self.name, *self.words, *(at for at, _ in self.flags), self.last_network)
        return 1 + max(place for place in places if place is not None)

    @property
    def says_something(self) -> bool:
        """Whether it has a column of an operator, a country or a type."""
        return self.operator is not None or self.country is not None or bool(self.words or self.flags)


def layout_of(lines: Sequence[Cells]) -> Layout | None:
    """Recognize the layout by a table's first lines; None if it is unknown."""
    first = [cell.strip() for cell in lines[0]] if lines else []
    if any(name.lower() in PREFIX_COLUMNS for name in first):
        return _with_header([name.lower() for name in first])
    if len(first) < 3:
        return None
    if is_number(first[0]) and is_number(first[1]):
        return _numbered(lines, len(first))
    if range_of(first[0], first[1]) is not None:
        return _dbip(lines, len(first))
    if prefix_of(first[0]) is not None and country_number(first[1]) and len(first) >= 4:
        return Layout("Apple's relay list", _prefix_at(0), country=1, usual="relay")
    return None


def _prefix_at(place: int) -> Callable[[Cells], Network | None]:
    return lambda row: prefix_of(row[place])


def _with_header(header: Sequence[str]) -> Layout:
    place = next(header.index(name) for name in PREFIX_COLUMNS if name in header)
    return Layout(
        "table",
        _prefix_at(place),
        operator=_column(header, OPERATOR_KEYS),
        country=_column(header, COUNTRY_KEYS),
        name=_column(header, ORGANIZATION_KEYS),
        words=tuple(at for at, name in enumerate(header) if name in TYPE_COLUMNS),
        flags=tuple((at, TYPE_FLAGS[name]) for at, name in enumerate(header) if name in TYPE_FLAGS),
        has_header=True,
        last_network=place,
    )


def _column(header: Sequence[str], names: Iterable[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _numbered(lines: Sequence[Cells], width: int) -> Layout | None:
    """Recognize IP2Location's and IP2Proxy's files, which have no header; the columns differ by product."""

    def network(row: Cells) -> Network | None:
        return numbered_range(row[0], row[1])

    third = _values(lines, 2)
    if any("/" in value for value in third) and width >= 4:
        return Layout("IP2Location ASN", network, operator=3, name=4 if width > 4 else None, last_network=1)
    if all(is_number(value) for value in third):
        return Layout("numbered ranges", network, operator=2, name=3 if width > 3 else None, last_network=1)
    usage = next((at for at in range(4, width) if _are(_values(lines, at), USAGE_WORDS)), None)
    if _are(third, PROXY_WORDS):
        words: tuple[int, ...] = (2,) if usage is None else (2, usage)
        asn = 10 if width > 11 else None
        return (
            Layout("IP2Proxy", network, operator=asn, country=3, name=asn and asn + 1, words=words, last_network=1)
            if width > 3
            else None
        )
    if not _are_countries(third):
        return None
    asn = (
        usage + 4 if usage is not None and usage + 5 < width else None
    )  # after the address type, category and district
    words = () if usage is None else (usage,)
    return Layout("IP2Location", network, operator=asn, country=2, name=asn and asn + 1, words=words, last_network=1)


def _dbip(lines: Sequence[Cells], width: int) -> Layout | None:
    """Recognize DB-IP's files, which have no header; the number of columns tells the product."""

    def network(row: Cells) -> Network | None:
        return range_of(row[0], row[1])

    third = _values(lines, 2)
    if all(is_number(value) for value in third):
        return Layout("DB-IP ASN", network, operator=2, name=3 if width > 3 else None, last_network=1)
    if not _are_countries(third):
        return None
    if width == 3 or not set(third) <= _CONTINENTS:
        return Layout("DB-IP country", network, country=2, last_network=1)
    isp = {9: 4, 18: 14, 19: 14}.get(width)  # “IP to ISP”, “IP to Location + ISP” without and with a usage type
    if isp is None:
        return Layout("DB-IP location", network, country=3, last_network=1)
    words = (isp + 2,) if width != 18 else ()
    return Layout("DB-IP ISP", network, operator=isp + 1, country=3, name=isp, words=words, last_network=1)


def _values(lines: Sequence[Cells], place: int) -> set[str]:
    """Return the distinct values of a column; IP2Location writes ``-`` for unknown ones, which are left out."""
    return {row[place].strip() for row in lines if len(row) > place} - {"", "-"}


def _are(values: Collection[str], words: Mapping[str, int]) -> bool:
    """Decide whether there are values and all are among some words in capitals, alone or joined by ``/``."""
    return bool(values) and all(
        value.isupper() and all(part.lower() in words for part in value.split("/")) for value in values
    )


def _are_countries(values: Collection[str]) -> bool:
    return bool(values) and all(country_number(value) for value in values)


def country_of(text: str) -> int:
    """Return the number of a country in a file without a header, where ``ZZ`` is unknown."""
    return 0 if text == _NO_COUNTRY else country_number(text)
