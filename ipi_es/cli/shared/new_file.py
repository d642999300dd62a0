"""Write a file that a command was asked for, and replace none unasked."""

from __future__ import annotations

from pathlib import Path

from ipi_es.errors import UsageError


def require_free(path: Path, *, overwrite: bool) -> None:
    """Raise UsageError if the file exists already, unless ``overwrite``."""
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists already", hint="choose another name, or replace it with --overwrite")


def write_file(path: Path, text: str) -> None:
    """Write a file as UTF-8, and make its folder. Raises UsageError if it can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}", hint="choose another place with -o") from error
