"""One rule of a job's allow list, and what is wrong with rules that would allow everything."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from ipi_es.config.entity_names import EntityStep, normalize_entity
from ipi_es.config.types import Inconsistent, Section, Text

WILDCARDS = "*?["
"""Characters that make an entity a shell-style pattern."""

EVERY_ADDRESS = frozenset({"::/0", "0.0.0.0/0", str(ipaddress.ip_network("::ffff:0.0.0.0/96"))})
"""Networks of all addresses, and of all IPv4 addresses: no job's finding would be left, or nearly none."""


def names_everybody(pattern: str) -> bool:
    """Whether a pattern names all entities: nothing but ``*``, and ``?`` beside it (``?*``)."""
    return not pattern.strip("*?") and (not pattern or "*" in pattern)


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(f"“{text}” is no address or network: write 198.51.100.7 or 198.51.100.0/24") from None
    # a typing mistake here would silence far more, or far less, than was meant
    raise ValueError(
        f"{text} has bits set behind its prefix: write {interface.network} for the network, "
        f"{interface.ip} for the address"
    )


Cidr: TypeAlias = Annotated[str, AfterValidator(_cidr)]


class AllowRule(Section):
    """Which pairs are allowed: by entity, by network, or (with both) that entity from that network only."""

    entity: Text | None = Field(
        default=None, description="The entity, after `entity_normalize`; `*`, `?` and `[…]` as in a shell (`svc-*`)."
    )
    cidr: Cidr | None = Field(default=None, description="A network or an address.")
    id: Text | None = Field(
        default=None, description="What `suppressed_by` will hold; by default made of entity and cidr."
    )
    comment: str = Field(default="", description="Why; for people.")

    @model_validator(mode="after")
    def _not_everything(self) -> AllowRule:
        if self.entity is None and self.cidr is None:
            raise ValueError("needs entity, cidr or both")
        every_entity = self.entity is None or names_everybody(self.entity)
        every_address = self.cidr is None or self.cidr in EVERY_ADDRESS
        if every_entity and every_address:
            raise ValueError("would allow everything: name an entity or a network")
        return self

    @property
    def name(self) -> str:
        """``id``, or what the rule says: stable when rules are added or moved."""
        if self.id is not None:
            return self.id
        parts = (("entity", self.entity), ("cidr", self.cidr))
        return " ".join(f"{key}:{value}" for key, value in parts if value is not None)


def check_rules(rules: Sequence[AllowRule], steps: Sequence[EntityStep]) -> None:
    """Inconsistent for rules named alike, and for patterns that normalization turns into “everybody”."""
    mistakes: list[tuple[tuple[str | int, ...], str]] = []
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        if rule.name in seen:
            mistakes.append((("allow_list", index), f"a rule “{rule.name}” is there already"))
        seen.add(rule.name)
        named = rule.entity is not None and not names_everybody(rule.entity)
        if rule.entity and named and names_everybody(normalize_entity(rule.entity, steps)):
            text = f"with strip_domain entities have no domain, so “{rule.entity}” would allow everybody; use a cidr"
            mistakes.append((("allow_list", index, "entity"), text))
    if mistakes:
        raise Inconsistent(*mistakes)
