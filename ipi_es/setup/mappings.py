"""Find what an existing index's mapping lacks of the shipped one. Fields can be added to a mapping, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ipi_es.setup.templates import schema_version


@dataclass(frozen=True, slots=True)
class MissingMappings:
    """The mapping to put in ``body`` (empty: nothing); ``added`` and ``conflicts`` are lines for people."""

    body: dict[str, Any] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


def missing_from(existing: Mapping[str, Any], shipped: Mapping[str, Any]) -> MissingMappings:
    """Compare an index's mapping with the shipped one; other fields of the index are ignored."""
    found = MissingMappings()
    properties = _missing_properties(existing, shipped, "", found)
    if properties:
        found.body["properties"] = properties
    if str(existing.get("dynamic", True)).lower() != str(shipped["dynamic"]).lower():
        found.body["dynamic"] = shipped["dynamic"]
        found.added.append(f"dynamic: {str(shipped['dynamic']).lower()}")
    if schema_version(existing) < schema_version(shipped):
        found.body["_meta"] = {**existing.get("_meta", {}), **shipped["_meta"]}
        found.added.append(f"_meta.schema_version: {schema_version(shipped)}")
    return found


def _missing_properties(
    existing: Mapping[str, Any], shipped: Mapping[str, Any], path: str, found: MissingMappings
) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    have = existing.get("properties") or {}
    for name, field_mapping in (shipped.get("properties") or {}).items():
        here = f"{path}{name}"
        if name not in have:
            wanted[name] = field_mapping
            found.added.append(f"{here}: {_type(field_mapping)}")
            continue
        if _type(have[name]) != _type(field_mapping):
            found.conflicts.append(f"{here}: is {_type(have[name])}, should be {_type(field_mapping)}")
            continue
        below = _missing_properties(have[name], field_mapping, f"{here}.", found)
        if below:
            # a nested object must repeat its type, or the server takes it for a plain object
            keep = {key: value for key, value in field_mapping.items() if key == "type"}
            wanted[name] = {**keep, "properties": below}
    return wanted


def _type(field_mapping: Mapping[str, Any]) -> str:
    return str(field_mapping.get("type", "object"))
