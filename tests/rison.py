"""RISON, the form of state in a console's URL, read as a console reads it: for links that we make."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

_WORDS = {"!t": True, "!f": False, "!n": None}


def state_of(link: str) -> dict[str, Any]:
    """``{name: value}`` of a link's ``_g=…&_a=…``."""
    return {name: loads(unquote(text)) for name, _, text in (part.partition("=") for part in link.split("&"))}


def loads(text: str) -> Any:
    """The value that a text says."""
    value, end = _value(text, 0)
    assert end == len(text), text[end:]
    return value


def _value(text: str, at: int) -> tuple[Any, int]:
    if text[at : at + 2] in _WORDS:
        return _WORDS[text[at : at + 2]], at + 2
    if text.startswith("!(", at):
        return _many(text, at + 2, _value)
    if text[at] == "(":
        pairs, end = _many(text, at + 1, _pair)
        return dict(pairs), end
    if text[at] == "'":
        return _quoted(text, at + 1)
    end = at
    while end < len(text) and text[end] not in "(),:!' ":
        end += 1
    word = text[at:end]
    assert word, text[at:]
    return (int(word) if word.isdecimal() else word), end


def _many(text: str, at: int, one: Any) -> tuple[list[Any], int]:
    found: list[Any] = []
    while text[at] != ")":
        if found:
            assert text[at] == ",", text[at:]
            at += 1
        each, at = one(text, at)
        found.append(each)
    return found, at + 1


def _pair(text: str, at: int) -> tuple[tuple[str, Any], int]:
    key, at = _value(text, at)
    assert text[at] == ":", text[at:]
    value, at = _value(text, at + 1)
    return (key, value), at


def _quoted(text: str, at: int) -> tuple[str, int]:
    said = ""
    while text[at] != "'":
        if text[at] == "!":
            at += 1
            assert text[at] in "!'", text[at:]
        said += text[at]
        at += 1
    return said, at + 1
