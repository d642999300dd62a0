"""One rule of a job's allow list, and checks against rules that would allow everything."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ipi_es.config.entity_names import EntityStep, normalize_entity
from ipi_es.config.files.entity_groups import WILDCARDS, EntityGroups
from ipi_es.config.rules.allow_coverage import SHOWN, too_much
from ipi_es.config.types import Inconsistent, Section, Text
from ipi_es.embedded_addresses import Embedding, unwrapped_network
from ipi_es.lists import some
from ipi_es.networks.network_types import NetworkType
from ipi_es.networks.network_values import country_number, country_text, operator_number

__all__ = ["WILDCARDS", "AllowRule", "Cidr", "check_rules", "names_everybody"]

EVERY_ADDRESS = frozenset({"::/0", "0.0.0.0/0", str(ipaddress.ip_network("::ffff:0.0.0.0/96"))})
"""Networks of all addresses, and of all IPv4 addresses: allowing one would leave a job no findings, or nearly none."""

CONDITIONS = ("entity", "group", "cidr", "operator", "country", "network_type")
"""What a rule can name, by the settings' names; all that it names must match."""

_SMALL = 16
"""Bits of a prefix; a few networks of longer ones are a small part of all addresses."""


def names_everybody(pattern: str) -> bool:
    """Return whether a pattern matches all entities: only ``*``, or ``*`` and ``?`` together (``?*``)."""
    return not pattern.strip("*?") and (not pattern or "*" in pattern)


def _cidr(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        pass
    else:
        return str(unwrapped_network(network))
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


def _operator(value: object) -> int:
    number = operator_number(value)
    if not number:
        raise ValueError(f"“{value}” is no number of an autonomous system: write 64496 or AS64496")
    return number


def _country(text: str) -> str:
    found = country_text(country_number(text))
    if found is None:
        raise ValueError(f"“{text}” is no country: write its two letters, as AT")
    return found


Operator: TypeAlias = Annotated[int, BeforeValidator(_operator)]
Country: TypeAlias = Annotated[str, AfterValidator(_country)]


class AllowRule(Section):
    """Which pairs are allowed: by entity or group, network, operator, country, type; all that is given must match."""

    entity: Text | None = Field(
        default=None, description="The entity, after `entity_normalize`; `*`, `?` and `[…]` as in a shell (`svc-*`)."
    )
    group: Text | None = Field(
        default=None, description="A group of `entity_groups`, instead of an entity: all that belong to it."
    )
    cidr: Cidr | None = Field(default=None, description="A network or an address.")
    operator: Operator | None = Field(
        default=None, description="A network operator by the number of its autonomous system: 64496 or AS64496."
    )
    country: Country | None = Field(default=None, description="A country by its two letters: AT.")
    network_type: NetworkType | None = Field(
        default=None, description="A type that a file of `networks_files` gives the address's network."
    )
    learn: bool = Field(
        default=False,
        description="Learn what the rule allows, so that it raises no alarm once the rule is gone.",
    )
    force: bool = Field(default=False, description="Take the rule although it allows nearly everything.")
    id: Text | None = Field(default=None, description="What `suppressed_by` will hold; by default made of the others.")
    comment: str = Field(default="", description="Why; for people.")

    @model_validator(mode="after")
    def _not_everything(self) -> AllowRule:
        if not self.conditions:
            raise ValueError("needs entity, group, cidr, operator, country or network_type; all that it has must match")
        if self.entity is not None and self.group is not None:
            raise ValueError("has an entity and a group: write a rule for each")
        every_entity = self.group is None and (self.entity is None or names_everybody(self.entity))
        every_address = self.cidr is None or self.cidr in EVERY_ADDRESS
        if every_entity and every_address and self.operator is None and self.network_type is None and not self.force:
            if self.country is not None:
                raise ValueError("would allow everybody from a whole country: name an entity, a network or an operator")
            raise ValueError("would allow everything: name an entity or a network")
        return self

    @property
    def conditions(self) -> dict[str, str]:
        """What must match: text by the setting's name."""
        each = {name: getattr(self, name) for name in CONDITIONS}
        return {name: str(value) for name, value in each.items() if value is not None}

    @property
    def by_context(self) -> bool:
        """Whether it asks what is known of the address's network: operator, country or type."""
        return self.operator is not None or self.country is not None or self.network_type is not None

    @property
    def is_pattern(self) -> bool:
        """Whether its entity is a pattern, which may match several."""
        return any(character in (self.entity or "") for character in WILDCARDS)

    @property
    def is_wide(self) -> bool:
        """Whether it may be much of what a few rules allow together: no single name, and no small network."""
        small = self.cidr is not None and ipaddress.ip_network(self.cidr).prefixlen > _SMALL
        single = self.entity is not None and not self.is_pattern
        return not (small or single or self.by_context or self.force)

    @property
    def name(self) -> str:
        """``id``, or a text of what must match; it stays the same when rules are added or moved."""
        return self.id or " ".join(f"{key}:{value}" for key, value in self.conditions.items())


def check_rules(
    rules: Sequence[AllowRule],
    steps: Sequence[EntityStep],
    translators: Sequence[Embedding] = (),
    groups: EntityGroups | None = None,
) -> None:
    """Raise Inconsistent for rules with the same name, and for rules that match all, nothing, or too much together.

    Normalization can turn a pattern into “all entities”. Networks inside a translator's prefix match nothing, since the
    IPv4 address is taken out of such addresses.
    """
    mistakes: list[tuple[tuple[str | int, ...], str]] = []
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        if rule.name in seen:
            mistakes.append((("allow_list", index), f"a rule “{rule.name}” is there already"))
        seen.add(rule.name)
        if unknown := _unknown(rule.group, groups):
            mistakes.append((("allow_list", index, "group"), unknown))
        if inside := _inside(rule.cidr, translators):
            mistakes.append((("allow_list", index, "cidr"), inside))
        named = rule.entity is not None and not names_everybody(rule.entity)
        if rule.entity and named and not rule.force and names_everybody(normalize_entity(rule.entity, steps)):
            text = f"with {', '.join(steps)} “{rule.entity}” is “*” and would allow everybody; use a cidr"
            mistakes.append((("allow_list", index, "entity"), text))
    if mistakes:
        raise Inconsistent(*mistakes)
    check_together(rules, steps, groups)


def check_together(
    rules: Sequence[AllowRule], steps: Sequence[EntityStep], groups: EntityGroups | None = None, new: str | None = None
) -> None:
    """Raise Inconsistent where rules together allow nearly everything; ``new``: only where the rule of this name helps.

    A rule by a group allows nobody here where no groups are known.
    """
    known = [rule for rule in rules if rule.group is None or groups is not None]
    found = too_much([one for rule in known for one in _spelled_out(rule, groups)], steps)
    if found is not None and (new is None or new in found.rules):
        shown = some([f"“{name}”" for name in dict.fromkeys(found.rules)], SHOWN)
        raise Inconsistent((("allow_list",), f"{shown} would allow {found.text}: narrow them, or take one out"))


def _unknown(group: str | None, groups: EntityGroups | None) -> str | None:
    """Say what is wrong with a rule's group; None: nothing."""
    if group is None or (groups is not None and (group in groups.names or not groups.complete)):
        return None
    if groups is None:
        return f"“{group}” needs entity_groups: it says which entities belong to a group"
    return f"no entity is in a group “{group}”; entity_groups has {some(groups.names, SHOWN)}"


def _spelled_out(rule: AllowRule, groups: EntityGroups | None) -> list[AllowRule]:
    """Return the rule, or one of the same name for each pattern of its group.

    Single names never cover too much; what a rule by operator, country or type covers is known of no address here; and
    a forced rule may cover what it will.
    """
    if rule.by_context or rule.force:
        return []
    if rule.group is None or groups is None:
        return [rule]
    return [
        AllowRule.model_construct(entity=each, cidr=rule.cidr, id=rule.name)
        for each in groups.patterns.get(rule.group, ())
    ]


def _inside(cidr: str | None, translators: Sequence[Embedding]) -> str | None:
    """Say what is wrong with a network inside a translator's prefix; None: it lies in none."""
    if cidr is None or not translators:
        return None
    network = ipaddress.ip_network(cidr)
    try:
        found = unwrapped_network(network, translators)
    except ValueError as error:
        return str(error)
    if found == network:
        return None
    return f"{cidr} lies in one of nat64_prefixes, whose addresses count as the IPv4 addresses inside: write {found}"
