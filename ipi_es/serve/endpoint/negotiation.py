"""Content types of an endpoint's requests and answers, from their headers."""

from __future__ import annotations

from ipi_es.errors import UsageError
from ipi_es.worker.pairs.score_sagemaker import JSON, KINDS, MediaType

_ENCODINGS = ("utf-8", "utf8", "us-ascii", "ascii")


def content_type(header: str | None) -> MediaType:
    """Return the type of a request's body. Raises UsageError for one that isn't taken, and where there is none."""
    hint = f"Content-Type must be one of {', '.join(KINDS)}"
    if not header:
        raise UsageError("the request has no Content-Type", hint=hint)
    name, *parameters = [part.strip().lower() for part in header.split(";")]
    if name not in KINDS:
        raise UsageError(f"Content-Type {header} is not taken", hint=hint)
    charset = next((each.partition("=")[2].strip(' "') for each in parameters if each.startswith("charset=")), "")
    if charset and charset not in _ENCODINGS:
        raise UsageError(f"the encoding {charset} is not taken", hint="write UTF-8")
    return MediaType.parse(name, "Content-Type")


def accepted(header: str | None) -> MediaType:
    """Return the type to answer in: of several, the first of the highest quality; by default JSON.

    Raises UsageError where none can be given.
    """
    if not header or not header.strip():
        return MediaType(JSON)
    found: list[tuple[float, MediaType]] = []
    for each in header.split(","):
        quality = _quality(each)
        try:
            if quality > 0:
                found.append((quality, MediaType.parse(each, "Accept")))
        except UsageError:
            continue
    if not found:
        raise UsageError(f"Accept {header} can't be given", hint=f"one of {', '.join(KINDS)}")
    return max(found, key=lambda one: one[0])[1]


def _quality(text: str) -> float:
    for part in text.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
