"""The settings classes below a settings class, as pydantic's annotations name them."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The settings class that a field's annotation names, alone, optional or in a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, Union, types.UnionType):
        found = (section_of(argument) for argument in get_args(annotation))
        return next((section for section in found if section), None)
    return None


def is_list(annotation: Any) -> bool:
    """Whether a field holds several of them."""
    if get_origin(annotation) in (Union, types.UnionType):
        return any(map(is_list, get_args(annotation)))
    return get_origin(annotation) is tuple
