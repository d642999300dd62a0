"""Find the settings classes below a settings class by the annotations of its fields."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the settings class in a field's annotation, alone, optional or in a tuple; None: there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, Union, types.UnionType):
        found = (section_of(argument) for argument in get_args(annotation))
        return next((section for section in found if section), None)
    return None


def is_list(annotation: Any) -> bool:
    """Return whether a field with this annotation holds a tuple."""
    if get_origin(annotation) in (Union, types.UnionType):
        return any(map(is_list, get_args(annotation)))
    return get_origin(annotation) is tuple
