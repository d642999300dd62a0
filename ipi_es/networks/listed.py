"""A file that lists its networks, flattened."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from ipi_es.addresses import Addresses
from ipi_es.errors import UsageError
from ipi_es.networks.network_file import FileSummary
from ipi_es.networks.network_ranges import FlatTable, Found, NetworkRows

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listed:
    """The networks of one file."""

    path: Path
    format: str
    table: FlatTable

    @classmethod
    def of(cls, path: Path, format_name: str, rows: NetworkRows, left_out: int) -> Listed:
        """Flatten the rows that were read; ``left_out`` lines held no network. Raises UsageError without any row."""
        if not len(rows):
            raise UsageError(
                f"{path} holds no prefix ({format_name})", hint="a prefix is 192.0.2.0/24, 2001:db8::/32 or an address"
            )
        if left_out:
            log.warning(
                "%s: %d of %d lines are left out: no prefix, or too few columns", path, left_out, left_out + len(rows)
            )
        table = rows.flattened()
        if table.too_long:
            log.warning("%s: %d IPv6 prefixes longer than /64 are left out", path, table.too_long)
        return cls(path, format_name, table)

    @property
    def summary(self) -> FileSummary:
        """What the file holds."""
        types = {name: count for name, count in self.table.type_counts.items() if count}
        return FileSummary(self.path, self.format, self.table.rows, types)

    @property
    def has_context(self) -> bool:
        """Whether any network has an operator or a country."""
        return self.table.has_context

    @property
    def has_types(self) -> bool:
        """Whether any network has a type."""
        return any(self.table.type_counts.values())

    def find(self, addresses: Addresses) -> Found:
        """Return the facts of addresses uint8[n, 16]."""
        return self.table.find(addresses)

    def organization(self, operator: int) -> str | None:
        """Return the operator's name, or None."""
        return self.table.names.get(operator)
