"""Files that lie outside the package in the repository: in a wheel below ``ipi_es/_data``, else in the repository."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from ipi_es.errors import IpiEsError

_IN_WHEEL = "_data"
"""Where the wheel carries them (pyproject.toml: force-include)."""


def folder(name: str) -> Traversable:
    """The folder ``templates`` or ``kibana``, from a wheel or from the repository of an editable install."""
    packed = files("ipi_es") / _IN_WHEEL / name
    if packed.is_dir():
        return packed
    beside = Path(__file__).resolve().parent.parent / name
    if beside.is_dir():
        return beside
    raise IpiEsError(
        f"this installation of ipi-es lacks its folder “{name}”",
        hint="install it again: `pip install --force-reinstall ipi-es`, or `pip install -e .` in a whole clone",
    )


def json_files(name: str) -> dict[str, bytes]:
    """``{name without .json: bytes}`` of a folder's JSON files, by name."""
    found = {each.name: each for each in folder(name).iterdir() if each.name.endswith(".json")}
    return {file.removesuffix(".json"): found[file].read_bytes() for file in sorted(found)}
