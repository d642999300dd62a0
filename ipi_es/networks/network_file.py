"""A file of networks: what a job names, and what is read of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ipi_es.addresses import Addresses
from ipi_es.networks.network_ranges import Found
from ipi_es.networks.network_types import NetworkType


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """A file, and the type of all its networks, if it is given."""

    path: Path
    type: NetworkType | None = None


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What a file holds. ``networks``: how many it lists; None for MaxMind's format, which lists none.

    ``types``: for each type the number of networks that have it; None where only looking addresses up shows it.
    """

    path: Path
    format: str
    networks: int | None
    types: Mapping[NetworkType, int] | None


class Source(Protocol):
    """One opened file of networks."""

    @property
    def summary(self) -> FileSummary:
        """What the file holds."""
        ...

    @property
    def has_context(self) -> bool:
        """Whether it can have an operator or a country."""
        ...

    @property
    def has_types(self) -> bool:
        """Whether it can have a type."""
        ...

    def find(self, addresses: Addresses) -> Found:
        """Return the facts of distinct addresses uint8[n, 16]."""
        ...

    def organization(self, operator: int) -> str | None:
        """Return the operator's name, or None if the file doesn't have it."""
        ...
