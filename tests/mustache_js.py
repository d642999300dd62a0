"""Mustache as Kibana fills it in: sections, lists, lookups by index, and the lambda that computes."""

from __future__ import annotations

import math
import re
from typing import Any

_TAG = re.compile(r"\{\{([#^]?)([\w.]+)\}\}")


def render(text: str, view: dict[str, Any]) -> str:
    """The text with the view's values in it."""
    return _render(text, [view])


def _render(text: str, stack: list[Any]) -> str:
    tag = _TAG.search(text)
    if tag is None:
        return text
    before, kind, name, rest = text[: tag.start()], tag[1], tag[2], text[tag.end() :]
    value = _look_up(name, stack)
    if not kind:
        return before + _text(value) + _render(rest, stack)
    inside, _, after = rest.partition("{{/" + name + "}}")
    if name == "EvalMath":
        filled = str(_evaluated(_render(inside, stack)))
    elif kind == "^":
        filled = "" if value else _render(inside, stack)
    elif isinstance(value, list):
        filled = "".join(_render(inside, [*stack, each]) for each in value)
    else:
        filled = _render(inside, [*stack, value]) if value else ""
    return before + filled + _render(after, stack)


def _look_up(name: str, stack: list[Any]) -> Any:
    if name == ".":
        return stack[-1]
    first, *others = name.split(".")
    for view in reversed(stack):
        if isinstance(view, dict) and first in view:
            value = view[first]
            for part in others:
                if isinstance(value, list):
                    value = value[int(part)] if part.isdecimal() and int(part) < len(value) else None
                else:
                    value = value.get(part) if isinstance(value, dict) else None
            return value
    return None


def _text(value: Any) -> str:
    return "" if value is None else ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _evaluated(text: str) -> float:
    """The only form that is used: the largest of some numbers, rounded down to one decimal."""
    form = re.fullmatch(r"floor\(max\(([-\d.e,]+)\)\*10\)/10", text)
    assert form is not None, text
    return math.floor(max(float(each) for each in form[1].split(",")) * 10) / 10
