"""Tables of networks, one network a line, in any of the known layouts."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ipi_es.errors import UsageError
from ipi_es.lists import some
from ipi_es.networks.layouts import PREFIX_COLUMNS, Layout, country_of
from ipi_es.networks.listed import Listed
from ipi_es.networks.network_file import NetworkFile
from ipi_es.networks.network_ranges import NetworkRows
from ipi_es.networks.network_types import bits_of_words, is_true, type_bits
from ipi_es.networks.network_values import country_number, operator_number
from ipi_es.networks.text_files import table_rows

log = logging.getLogger(__name__)

_NAMED = 5
"""Unknown words for types that the log names."""


def read_table(file: NetworkFile, layout: Layout) -> Listed:
    """Read a table. Raises UsageError where it says nothing of its networks, or holds none."""
    path, lines = file.path, table_rows(file.path)
    if layout.has_header:
        header = [name.strip().lower() for name in next(lines, [])]
        if not layout.says_something and file.type is None:
            raise UsageError(
                f"the first line of {path} names {', '.join(header[:8]) or 'nothing'}",
                hint=f"it must name a prefix ({', '.join(PREFIX_COLUMNS)}) and an asn, a country or a type",
            )
    rows, left_out = NetworkRows(), 0
    width, read = layout.width, _Reader(layout, file)
    for cells in lines:
        network = layout.network(cells) if len(cells) >= width else None
        if network is None:
            left_out += bool(cells)
        else:
            rows.add(network, *read.facts(cells, rows.names))
    if read.unknown:
        log.warning("%s: as types of networks, %s are not known", path, some(list(read.unknown), _NAMED))
    return Listed.of(path, layout.format, rows, left_out)


class _Read(dict[str, int]):
    """Numbers of texts, each read once."""

    def __init__(self, read: Callable[[str], int]) -> None:
        self._read = read

    def __missing__(self, text: str) -> int:
        number = self[text] = self._read(text)
        return number


class _Reader:
    """Reads the facts of a line."""

    def __init__(self, layout: Layout, file: NetworkFile) -> None:
        self._layout = layout
        usual = None if file.type is not None else layout.usual
        self._given = type_bits(file.type) | type_bits(usual)
        self._typed = bool(layout.words or layout.flags)
        self._operators = _Read(operator_number)
        self._countries = _Read(country_number if layout.has_header else country_of)
        self._words = _Read(self._bits)
        self.unknown: dict[str, None] = {}
        """Texts that should name types, and don't."""

    def facts(self, cells: list[str], names: dict[int, str]) -> tuple[int, int, int]:
        """Return operator, country and types of a line, and put the operator's name into ``names``."""
        layout = self._layout
        operator = 0 if layout.operator is None else self._operators[cells[layout.operator]]
        country = 0 if layout.country is None else self._countries[cells[layout.country]]
        if layout.name is not None and operator and operator not in names and cells[layout.name]:
            names[operator] = cells[layout.name]
        return operator, country, self._given | self._types(cells) if self._typed else self._given

    def _types(self, cells: list[str]) -> int:
        types = 0
        for place in self._layout.words:
            types |= self._words[cells[place]]
        for place, bits in self._layout.flags:
            if is_true(cells[place].strip()):
                types |= bits
        return types

    def _bits(self, text: str) -> int:
        bits = bits_of_words(text)
        if bits is None:
            self.unknown[text] = None
        return bits or 0
