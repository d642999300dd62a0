"""What the commands of named documents (rules, scheduled events) ask of names, texts and times."""

from __future__ import annotations

from ipi_es.errors import UsageError
from ipi_es.results.documents.visible import visible
from ipi_es.times import iso

MAX_NAME = 256
"""The most bytes of a name: it is in each record that is hidden under it, and in the id of its document."""


def is_name(name: str) -> bool:
    """Return whether results and terminals can show a name."""
    return name.isprintable() and name == name.strip() and 0 < len(name.encode()) <= MAX_NAME


def require_name(name: str, noun: str) -> None:
    """Raise UsageError for a name that results and terminals can't show; ``noun`` is what has it: “rule”."""
    if not is_name(name):
        raise UsageError(
            f"the name “{visible(name)}” can't be a {noun}'s",
            hint=f"take at most {MAX_NAME} bytes, without control characters, and no white space around them",
        )


def require_times(noun: str, *times: int | None, hint: str) -> None:
    """Raise UsageError for a time that no stored document may have: it would act nowhere."""
    from ipi_es.state.fields import LATEST

    for each in times:
        if each is not None and not 0 <= each <= LATEST:
            raise UsageError(f"a {noun} has times of the years 1970 to 2099, and {iso(each)} is none", hint=hint)
