"""Translate custom rules of an Elastic ML detector that skip results by filters into rules of an allow list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from ipi_es.config.rules.allow_rule import WILDCARDS


class NotTranslatable(Exception):
    """A custom rule can't be translated into allow rules; the message says why."""


def allow_rules(
    rule: Mapping[str, Any], entity_field: str | None, ip_field: str | None, filters: Mapping[str, Sequence[str]]
) -> list[dict[str, str]]:
    """Translate a custom rule into allow rules; ``filters`` holds the items of the filters by their ids.

    A scope with both fields requires both, so each item of one is combined with each of the other. Raises
    NotTranslatable.
    """
    if not isinstance(rule, dict):
        raise NotTranslatable("is no mapping")
    if rule.get("conditions"):
        raise NotTranslatable("has conditions on values")
    if "skip_result" not in (rule.get("actions") or ["skip_result"]):
        raise NotTranslatable("has another action than skip_result")
    scope = rule.get("scope") or {}
    if not isinstance(scope, dict) or not all(isinstance(part, dict) for part in scope.values()):
        raise NotTranslatable("has a scope that is none")
    if not scope:
        raise NotTranslatable("has no scope, and so skips everything")
    for name in scope:
        if name not in (entity_field, ip_field):
            raise NotTranslatable(f"is about {name}, which is no field of the detector")
    keys = ["cidr" if name == ip_field else "entity" for name in scope]
    items = [_items(name, part, filters, is_ip=name == ip_field) for name, part in scope.items()]
    return [dict(zip(keys, values, strict=True)) for values in product(*items)]


def _items(name: str, part: Mapping[str, Any], filters: Mapping[str, Sequence[str]], *, is_ip: bool) -> Sequence[str]:
    filter_id = str(part.get("filter_id"))
    if part.get("filter_type", "include") != "include":
        raise NotTranslatable(f"excludes what the filter {filter_id} holds")
    if filter_id not in filters:
        raise NotTranslatable(f"takes {name} from the filter {filter_id}, whose items are not given")
    items = filters[filter_id]
    if is_ip and any(character in item for item in items for character in WILDCARDS):
        raise NotTranslatable(f"names addresses by wildcards in the filter {filter_id}")
    return items
