"""Databases in MaxMind's format, read address by address."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipi_es.addresses import V4_PREFIX, Addresses, canonical
from ipi_es.errors import UsageError
from ipi_es.networks.network_file import FileSummary, NetworkFile
from ipi_es.networks.network_ranges import Found
from ipi_es.networks.network_types import bits_of_record, type_bits
from ipi_es.networks.network_values import country_number, operator_number

if TYPE_CHECKING:
    from maxminddb import Reader

OPERATOR_KEYS = ("asn", "as_number", "autonomous_system_number", "source.as.number")
COUNTRY_KEYS = ("country", "country_code", "country_iso_code", "source.geo.country_iso_code")
ORGANIZATION_KEYS = ("org", "organization", "as_name", "autonomous_system_organization")
"""Names of values in records, and of columns in tables."""

MARKER = b"\xab\xcd\xefMaxMind.com"
"""Bytes before a database's metadata, at its end."""

METADATA_BYTES = 128 * 1024
"""The metadata are at most so large, and end the file (MaxMind DB 2.0)."""


@dataclass(frozen=True, slots=True)
class MaxMind:
    """A database in MaxMind's format, of any maker; each distinct address is read once."""

    path: Path
    reader: Reader
    given: int
    """The types that the job gives to all its networks."""
    names: dict[int, str] = field(default_factory=dict)

    has_context = has_types = True  # only its records show which of them they have

    @classmethod
    def opened(cls, file: NetworkFile) -> MaxMind:
        """Open a database. Raises UsageError where it is none, or damaged."""
        import maxminddb

        try:
            return cls(file.path, maxminddb.open_database(str(file.path)), type_bits(file.type))
        except (maxminddb.InvalidDatabaseError, OSError, ValueError) as error:
            hint = "it is damaged or cut off: get it again from where it came"
            raise UsageError(f"{file.path} can't be read as a MaxMind database: {error}", hint=hint) from error

    @property
    def summary(self) -> FileSummary:
        """What the database says of itself."""
        about = self.reader.metadata()
        name = f"MaxMind database {about.database_type}"
        with suppress(ValueError, OverflowError, OSError):  # some makers write no time, or one beyond all calendars
            name += f" of {datetime.fromtimestamp(about.build_epoch, tz=UTC):%Y-%m-%d}"
        return FileSummary(self.path, name, None, None)

    def find(self, addresses: Addresses) -> Found:
        """Return the facts of distinct addresses uint8[n, 16]."""
        found = Found.nothing(len(addresses))
        v4_only = self.reader.metadata().ip_version == 4
        for row, blob in enumerate(map(bytes, addresses)):
            if v4_only and not blob.startswith(V4_PREFIX):
                continue
            record, length = self._record(blob)
            if not isinstance(record, Mapping):
                continue
            number, name = _operator_of(record)
            found.operator[row], found.country[row] = number, _country_of(record)
            found.operator_length[row] = found.country_length[row] = length
            found.types[row] = self.given | bits_of_record(_places(record))
            if name:
                self.names[number] = name
        return found

    def _record(self, address: bytes) -> tuple[object, int]:
        """Return the database's record of an address, and the length of its network.

        Raises UsageError where it is damaged; opening it doesn't show that.
        """
        import maxminddb

        try:
            return self.reader.get_with_prefix_len(canonical(address))
        except (maxminddb.InvalidDatabaseError, ValueError) as error:
            raise UsageError(f"{self.path} is damaged: {error}", hint="get it again from where it came") from error

    def organization(self, operator: int) -> str | None:
        """Return the name of an operator that was looked up before, or None."""
        return self.names.get(operator)


def _places(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the mappings of a record that hold facts about the network itself."""
    return [record, *(record[name] for name in ("traits", "as") if isinstance(record.get(name), Mapping))]


def _operator_of(record: Mapping[str, Any]) -> tuple[int, str]:
    """Read (number, name) under MaxMind's names (flat or in ``traits``) or under others' ``asn`` and ``as_name``."""
    for place in _places(record):
        for key in (*OPERATOR_KEYS, "number"):
            if number := operator_number(place.get(key)):
                names = (place.get(key) for key in (*ORGANIZATION_KEYS, "name"))
                return number, next((name for name in names if isinstance(name, str)), "")
    return 0, ""


def _country_of(record: Mapping[str, Any]) -> int:
    """Read the country of use, or else of registration, as a number; 0 if the record has none."""
    for key in ("country", "registered_country", *COUNTRY_KEYS):
        value = record.get(key)
        number = country_number(value.get("iso_code") if isinstance(value, Mapping) else value)
        if number:
            return number
    return 0
