"""Turn pydantic's mistakes into texts for people, with their places; one error for all mistakes of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ipi_es.config.elastic.elastic_keys import why_not
from ipi_es.config.files.misplaced import belongs
from ipi_es.config.files.nearest import CUTOFF, nearest
from ipi_es.config.files.yaml_documents import Mistake, Path_, YamlDocument
from ipi_es.config.sections import section_of
from ipi_es.config.types import Inconsistent
from ipi_es.errors import ConfigError

OTHER_WORDS = {
    "opensearch": "elasticsearch",
    "cluster": "elasticsearch",
    "url": "hosts",
    "urls": "hosts",
    "token": "bearer_token",
    "ssl_verify": "verify_certs",
    "ca_cert": "ca_certs",
    "user": "username",
    "index": "indices",
    "index_pattern": "indices",
    "batch_size": "mini_batch_size",
    "embedding_dim": "vector_dim",
    "whitelist": "allow_list",
    "ip_field": "by_field_name",
    "entity_field": "partition_field_name",
    "ip": "cidr",
    "network": "cidr",
    "user_name": "entity",
    "entity_field_name": "partition_field_name",
    "user_field": "partition_field_name",
    "username_field": "partition_field_name",
    "ip_field_name": "by_field_name",
    "source_ip": "by_field_name",
    "timestamp_field": "time_field",
    "span": "bucket_span",
    "bucket": "bucket_span",
    "interval": "bucket_span",
    "retention_days": "results_retention_days",
    "webhook_url": "webhook",
    "min_score": "threshold",
}
"""Other words that people use for settings; the right one is proposed only where it is allowed."""

CLEARLY = 0.85
"""Similarity (difflib's ratio, 0–1) from which a name counts as a misspelled one of its own section: one letter of
seven may be wrong. Below it, the same name in another section is more probable."""

SHOWN = 60
"""Maximum number of characters of a wrong value that a message shows."""

LISTED = 100
"""Maximum number of mistakes of one file that a message lists."""


def dotted(path: Path_) -> str:
    """Join a path with dots: ``analysis_config.detectors[0].function``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


Kind: TypeAlias = tuple[type[BaseModel], str]
"""A kind of file: the class of its settings, and its name for people."""


def of_validation(
    error: ValidationError, root: type[BaseModel], document: YamlDocument, other: Kind | None = None
) -> list[Mistake]:
    """Put pydantic's mistakes into words, at most :data:`LISTED`; ``other``: another kind of file that may be meant."""
    found = error.errors(include_url=False, include_input=False)
    # pydantic doesn't count a list's wrong entries: “too short” then only follows from these mistakes
    details = [
        detail
        for detail in found
        if detail["type"] != "too_short"
        or not any(other["loc"][:-1][: len(detail["loc"])] == detail["loc"] for other in found)
    ]
    found_mistakes = [mistake for detail in details[:LISTED] for mistake in _mistakes(detail, root, document, other)]
    more = len(details) - LISTED
    return [*found_mistakes, Mistake((), f"and {more:,} mistakes more")] if more > 0 else found_mistakes


def _mistakes(detail: ErrorDetails, root: type[BaseModel], document: YamlDocument, other: Kind | None) -> list[Mistake]:
    path, error = tuple(detail["loc"]), detail.get("ctx", {}).get("error")
    if isinstance(error, Inconsistent):
        return [Mistake((*path, *place), text) for place, text in error.mistakes]
    return [Mistake(path, _words(detail, root, document, other))]


def refuse(document: YamlDocument, mistakes: Sequence[Mistake]) -> ConfigError:
    """Make one error for all mistakes of a file, in the order of their lines, one line each."""
    ordered = sorted(mistakes, key=lambda mistake: document.line(mistake.path) or 0)
    places = [_place(document, mistake.path) for mistake in ordered]
    if len(ordered) == 1:
        return ConfigError(ordered[0].text, place=places[0])
    lines = [f"  {place}: {mistake.text}" for place, mistake in zip(places, ordered, strict=True)]
    return ConfigError("\n".join([f"{len(ordered)} mistakes", *lines]), place=document.name)


def _place(document: YamlDocument, path: Path_) -> str:
    line = document.line(path)
    file = document.name if line is None else f"{document.name}:{line}"
    return f"{file}: {dotted(path)}" if path else file


def _words(detail: ErrorDetails, root: type[BaseModel], document: YamlDocument, other: Kind | None) -> str:
    path, kind = tuple(detail["loc"]), detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(path, root, other)
    if kind == "missing":
        return _missing(path, root)
    return _wrong_value(detail, document)


def _wrong_value(detail: ErrorDetails, document: YamlDocument) -> str:
    path, kind, context = tuple(detail["loc"]), detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return _not_one_of(str(context["expected"]), _shown(path, document))
    if kind in _COMPARISONS:
        limit = next(context[name] for name in ("ge", "gt", "le", "lt") if name in context)
        return f"must be {_COMPARISONS[kind]} {limit:,}{_instead(path, document)}"
    if kind in ("too_short", "too_long"):
        least = kind == "too_short"
        number = context["min_length" if least else "max_length"]
        return f"must have at {'least' if least else 'most'} {number} {'entry' if number == 1 else 'entries'}"
    return _KINDS.get(kind, detail["msg"]) + _instead(path, document)


_COMPARISONS = {
    "greater_than_equal": "at least",
    "greater_than": "more than",
    "less_than_equal": "at most",
    "less_than": "less than",
}

_WHOLE, _NUMBER, _TEXT = "must be a whole number", "must be a number", "must be text"
_KINDS = {
    "int_parsing": _WHOLE,
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": _NUMBER,
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": f"{_TEXT} (a number or a word such as true needs quotes)",
    "string_too_short": "must not be empty",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping (`key: value` lines)",
    "model_type": "must be a mapping (`key: value` lines)",
    "model_attributes_type": "must be a mapping (`key: value` lines)",
    "path_type": "must be a path",
    "invalid_key": "a key must be text",
}


def _unknown_key(path: Path_, root: type[BaseModel], other: Kind | None) -> str:
    reason = why_not(dotted(path))
    if reason:
        return f"ipi-es doesn't have this setting of Elastic ML: {reason}"
    name, section = str(path[-1]), _section(root, path[:-1])
    allowed = list(section.model_fields) if section else []
    word = OTHER_WORDS.get(name.lower())
    meant = word if word in allowed else None if word else nearest(name, allowed, CLEARLY)
    elsewhere = None if meant else belongs(name.lower(), root) or (belongs(word, root) if word else None)
    if elsewhere:
        return f"unknown setting here; did you mean {elsewhere}?"
    there = belongs(name.lower(), other[0]) if other and not meant else None
    if other and there:
        return f"unknown setting here; {there} belongs into {other[1]}"
    meant = meant or nearest(name, allowed, CUTOFF)
    if meant:
        return f"unknown setting; did you mean “{meant}”?"
    return f"unknown setting; allowed are {', '.join(allowed)}"


def _missing(path: Path_, root: type[BaseModel]) -> str:
    section = _section(root, path[:-1])
    field = section.model_fields.get(str(path[-1])) if section else None
    return f"is missing. {field.description}" if field and field.description else "is missing"


def _not_one_of(expected: str, shown: str | None) -> str:
    allowed = [part.strip("'") for part in expected.replace(" or ", ", ").split(", ")]
    text = f"must be {allowed[0]}" if len(allowed) == 1 else f"must be one of {', '.join(allowed)}"
    if shown is None:
        return text
    near = nearest(shown, allowed) if len(allowed) > 1 else None
    return f"{text}, not “{shown}”" + (f"; did you mean “{near}”?" if near else "")


def _instead(path: Path_, document: YamlDocument) -> str:
    shown = _shown(path, document)
    return "" if shown is None else f", not “{shown}”"


def _shown(path: Path_, document: YamlDocument) -> str | None:
    """Return the value as written in the file, `${VAR}` unexpanded, shortened to :data:`SHOWN`.

    None where there is no single value, and for all values of the section with secrets.
    """
    if path[:1] == ("elasticsearch",):
        return None
    value = document.data
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    if value is None or isinstance(value, (dict, list)):
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _section(root: type[BaseModel], path: Path_) -> type[BaseModel] | None:
    """Return the settings class at a place, following mappings and lists of mappings; None: there is none."""
    section: type[BaseModel] | None = root
    for part in path:
        if isinstance(part, int):
            continue
        field = section.model_fields.get(part) if section else None
        section = None if field is None else section_of(field.annotation)
    return section
