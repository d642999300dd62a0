"""Files that lie outside the package: in a wheel below ``ipi_es/_data``, in a clone in the repository's root."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from ipi_es.errors import IpiEsError

_IN_WHEEL = "_data"
"""The folder in the wheel (pyproject.toml: force-include)."""


def folder(name: str) -> Traversable:
    """Return the folder ``templates`` or ``kibana``, from a wheel or from the repository of an editable install.

    Raises IpiEsError where the installation lacks it.
    """
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
    """Read a folder's JSON files: ``{name without .json: bytes}``, sorted by name."""
    found = {each.name: each for each in folder(name).iterdir() if each.name.endswith(".json")}
    return {file.removesuffix(".json"): found[file].read_bytes() for file in sorted(found)}
