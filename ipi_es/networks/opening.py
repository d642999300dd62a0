"""Open a file of networks: its format is recognized by its content."""

from __future__ import annotations

from pathlib import Path

from ipi_es.errors import UsageError
from ipi_es.networks.layouts import Layout, layout_of
from ipi_es.networks.maxmind import MARKER, METADATA_BYTES, MaxMind
from ipi_es.networks.network_file import NetworkFile, Source
from ipi_es.networks.range_lists import is_exit_list, read_exit_addresses, read_plain_list, read_range_file
from ipi_es.networks.tables import read_table
from ipi_es.networks.text_files import FORMATS, HEAD_BYTES, cells_of, opened, prefix_of

_SHOWN = 8
"""Cells of a first line that an error shows."""


def open_file(file: NetworkFile) -> Source:
    """Open a file of networks. Raises UsageError, with a hint, for a file that can't be read or has another format."""
    path = file.path
    if not path.is_file():
        raise UsageError(f"there is no file {path}", hint="name an existing file of networks, or leave the setting out")
    if _is_maxmind(path):
        return MaxMind.opened(file)
    lines = _first_lines(path)
    first = lines[0] if lines else ""
    if first.lstrip().startswith(("{", "[")):
        return read_range_file(file)
    if is_exit_list(first):
        return read_exit_addresses(file)
    layout = _layout(path, lines)
    if layout is not None:
        return read_table(file, layout)
    if prefix_of(first.partition("#")[0]) is not None:
        return read_plain_list(file)
    shown = ", ".join(next(cells_of(path, first), [])[:_SHOWN]).strip() or "nothing"
    raise UsageError(f"{path} has no known format: its first line names {shown[:200]}", hint=f"known are {FORMATS}")


def is_table_with_header(path: Path) -> bool:
    """Decide whether a file is a table whose header names a prefix, and an operator or a country."""
    layout = None if _is_maxmind(path) else _layout(path, _first_lines(path))
    return layout is not None and layout.has_header and not (layout.operator is None and layout.country is None)


def _layout(path: Path, lines: list[str]) -> Layout | None:
    return layout_of(list(cells_of(path, lines[0], lines[1:]))) if lines else None


def _is_maxmind(path: Path) -> bool:
    with opened(path) as _, path.open("rb") as raw:
        size = raw.seek(0, 2)
        raw.seek(max(size - METADATA_BYTES, 0))
        return MARKER in raw.read()


def _first_lines(path: Path) -> list[str]:
    """Return the complete lines at a file's beginning without comments. Raises UsageError for a binary file."""
    with opened(path) as plain:
        head = plain.read(HEAD_BYTES)
    if b"\0" in head:
        if head.rfind(MARKER) >= 0 or path.name.lower().endswith(".gz"):
            raise UsageError(f"{path} is a compressed database", hint=f"unpack it first: gunzip {path.name}")
        hint = "a MaxMind database ends with its metadata: without them it is cut off, get it again from where it came"
        raise UsageError(f"{path} is binary, and no MaxMind database", hint=hint)
    if not head.strip():
        raise UsageError(f"{path} is empty", hint="get it again from where it came, or leave it out of the setting")
    lines = head.decode("utf-8-sig", errors="replace").splitlines()
    if len(head) == HEAD_BYTES and len(lines) > 1:
        lines.pop()  # it may be cut off
    return [line for line in lines if line.strip() and not line.startswith("#")]
