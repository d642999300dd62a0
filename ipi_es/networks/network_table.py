"""Look up operator, country and types of an address's networks in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses
from ipi_es.errors import UsageError
from ipi_es.networks.network_file import FileSummary, NetworkFile, Source
from ipi_es.networks.opening import open_file
from ipi_es.networks.text_files import FORMATS


@dataclass(frozen=True, slots=True)
class NetworkTable:
    """Files of networks. For operator and country the smallest network that has one decides; types add.

    Among networks of one size, the first file decides.
    """

    _sources: tuple[Source, ...]

    @classmethod
    def load(cls, files: str | Path | Sequence[str | Path | NetworkFile]) -> NetworkTable:
        """Open one file or several.

        Raises UsageError, with a hint, for a file that can't be read or has another format.
        """
        given = [files] if isinstance(files, str | Path) else list(files)
        if not given:
            raise UsageError("no file of networks is named", hint=f"known are {FORMATS}")
        named = [file if isinstance(file, NetworkFile) else NetworkFile(Path(file)) for file in given]
        return cls(tuple(open_file(file) for file in named))

    def look_up(self, addresses: Addresses) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        """Return (operator uint32[n], country uint16[n]) of addresses uint8[n, 16]; 0 means unknown.

        A country is two letters as (first << 8) | second.
        """
        distinct, back = _distinct(addresses)
        operator, country = np.zeros(len(distinct), dtype=np.uint32), np.zeros(len(distinct), dtype=np.uint16)
        operator_length, country_length = (np.zeros(len(distinct), dtype=np.uint8) for _ in range(2))
        for source in self._sources:
            if source.has_context:
                found = source.find(distinct)
                take = (found.operator > 0) & ((operator == 0) | (found.operator_length > operator_length))
                operator[take], operator_length[take] = found.operator[take], found.operator_length[take]
                take = (found.country > 0) & ((country == 0) | (found.country_length > country_length))
                country[take], country_length[take] = found.country[take], found.country_length[take]
        return operator[back], country[back]

    @property
    def has_types(self) -> bool:
        """Whether any file can have a type."""
        return any(source.has_types for source in self._sources)

    def types_of(self, addresses: Addresses) -> NDArray[np.uint8]:
        """Return the types (uint8[n]) of the networks that contain addresses uint8[n, 16], of all files together."""
        distinct, back = _distinct(addresses)
        types = np.zeros(len(distinct), dtype=np.uint8)
        for source in self._sources:
            if source.has_types:
                types |= source.find(distinct).types
        return types[back]

    def organization(self, operator: int) -> str | None:
        """Return the name of an operator, or None. MaxMind's format knows only operators that were looked up before."""
        names = (source.organization(operator) for source in self._sources)
        return next((name for name in names if name), None) if operator else None

    def of_each_file(self, addresses: Addresses) -> Iterator[tuple[FileSummary, NDArray[np.bool_], NDArray[np.uint8]]]:
        """Yield for each file what it holds, which addresses it knows (bool[n]), and their types in it (uint8[n])."""
        distinct, back = _distinct(addresses)
        for source in self._sources:
            found = source.find(distinct)
            known = (found.operator > 0) | (found.country > 0) | (found.types > 0)
            yield source.summary, known[back], found.types[back]


def _distinct(addresses: Addresses) -> tuple[Addresses, NDArray[np.intp]]:
    """Return the distinct addresses uint8[m, 16], and the index of each address among them, intp[n]."""
    rows = np.ascontiguousarray(addresses).view("V16").ravel()
    unique, back = np.unique(rows, return_inverse=True)
    return unique.view(np.uint8).reshape(-1, 16), back
