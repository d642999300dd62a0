"""Entity spelling: which spellings are one entity, in the events (datafeed) and in the allow list's rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

EntityStep: TypeAlias = Literal["lowercase", "strip_domain"]


def normalize_entity(name: str, steps: Sequence[EntityStep]) -> str:
    r"""``name`` after the ``entity_normalize`` steps, in a fixed order whatever the order given; idempotent.

    ``strip_domain`` drops ``DOMAIN\`` before and ``@domain`` behind; a name that would vanish stays as it is.
    """
    if "strip_domain" in steps:
        name = _without_domain(name)
    return name.lower() if "lowercase" in steps else name


def _without_domain(name: str) -> str:
    user = name.rpartition("\\")[2]
    user = user.partition("@")[0]
    return user or name
