"""Look up operator, country and types of an address's networks in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses
from ipi_es.errors import UsageError
from ipi_es.networks.network_file import FileSummary, NetworkFile, Source
from ipi_es.networks.opening import open_file
from ipi_es.networks.text_files import FORMATS


class NetworkFacts(NamedTuple):
    """Facts on the networks of n addresses; 0 where unknown."""

    operator: NDArray[np.uint32]
    """[n]: number of the autonomous system."""
    country: NDArray[np.uint16]
    """[n]: two letters as (first << 8) | second."""
    types: NDArray[np.uint8]
    """[n]: the types of all networks that contain the address, a set each."""


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

    def look_up(self, addresses: Addresses) -> NetworkFacts:
        """Return what all files together say of the networks of addresses uint8[n, 16]."""
        distinct, back = _distinct(addresses)
        types = np.zeros(len(distinct), dtype=np.uint8)
        operator, country = np.zeros(len(distinct), dtype=np.uint32), np.zeros(len(distinct), dtype=np.uint16)
        operator_length, country_length = (np.zeros(len(distinct), dtype=np.uint8) for _ in range(2))
        for source in self._sources:
            found = source.find(distinct)
            if source.has_types:
                types |= found.types
            if source.has_context:
                take = (found.operator > 0) & ((operator == 0) | (found.operator_length > operator_length))
                operator[take], operator_length[take] = found.operator[take], found.operator_length[take]
                take = (found.country > 0) & ((country == 0) | (found.country_length > country_length))
                country[take], country_length[take] = found.country[take], found.country_length[take]
        return NetworkFacts(operator[back], country[back], types[back])

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
