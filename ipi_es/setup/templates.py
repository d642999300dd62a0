"""The index templates that ipi-es ships, and the comparison of two templates by meaning.

A server returns a template in its own spelling: settings as text and below ``index``, ``false`` as ``"false"``, with
its own dates and empty lists. So templates are compared in a flat form: ``{dotted path: text}``.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es import resources

FINGERPRINT = "fingerprint"
"""Key in ``_meta``: the hash of the template as ipi-es put it. If it doesn't fit, the template was changed by hand."""

_FINGERPRINT_DIGITS = 16

_OWN_KEYS = ("index_patterns", "priority", "template", "composed_of", "version", "allow_auto_create", "_meta")
"""Keys that a person sets; the server adds all others to its answer."""

ADMIN_SETTINGS = (
    "template.settings.index.number_of_shards",
    "template.settings.index.number_of_replicas",
    "template.settings.index.auto_expand_replicas",
    "template.settings.index.refresh_interval",
    "template.settings.index.codec",
    "template.settings.index.routing.",
    "template.settings.index.lifecycle.",
    "priority",
)
"""Settings that depend on the cluster and not on ipi-es: an administrator's values always stay."""


@dataclass(frozen=True, slots=True)
class Template:
    """One shipped index template."""

    name: str
    body: dict[str, Any]

    @property
    def index_patterns(self) -> list[str]:
        """Patterns of the indices that it applies to."""
        return list(self.body["index_patterns"])

    @property
    def mappings(self) -> dict[str, Any]:
        """The mapping of new indices."""
        mappings: dict[str, Any] = self.body["template"]["mappings"]
        return mappings


def load() -> list[Template]:
    """Load the shipped index templates, sorted by name."""
    found = {name: json.loads(blob) for name, blob in resources.json_files("templates").items()}
    return [Template(name, body) for name, body in found.items() if "index_patterns" in body]


def schema_version(body: Mapping[str, Any]) -> int:
    """Return the schema version of a template or a mapping; 0 where it names none.

    Every change of a shipped template raises it; changes only add.
    """
    version = (body.get("_meta") or {}).get("schema_version", 0)
    return version if isinstance(version, int) else 0


def own_part(body: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a template without what the server added; its settings are flat and below ``index.``."""
    kept = {key: copy.deepcopy(body[key]) for key in _OWN_KEYS if body.get(key) not in (None, [], {})}
    template = kept.get("template")
    if isinstance(template, dict) and "settings" in template:
        flat_settings = _flatten(template["settings"], "")
        template["settings"] = {
            key if key.startswith("index.") else f"index.{key}": value for key, value in flat_settings.items()
        }
    return kept


def flat(body: Mapping[str, Any]) -> dict[str, str]:
    """Flatten a template to ``{dotted path: text}``, spelled the same before and after sending; versions left out."""
    lines = _flatten(own_part(body), "")
    mine = ("_meta.", "template.mappings._meta.")
    return {
        key: _text(value)
        for key, value in lines.items()
        if not key.startswith(mine) and not (key.endswith(".type") and value == "object" and _has_children(key, lines))
    }


def fingerprint(body: Mapping[str, Any]) -> str:
    """Return a hash of the flat form (:func:`flat`)."""
    text = json.dumps(sorted(flat(body).items()), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_DIGITS]


def untouched(body: Mapping[str, Any]) -> bool:
    """Return whether a template of the cluster is still as ipi-es put it."""
    return bool((body.get("_meta") or {}).get(FINGERPRINT) == fingerprint(body))


def merged(current: Mapping[str, Any], shipped: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shipped template with an administrator's additions and values of :data:`ADMIN_SETTINGS`."""
    mine, theirs = own_part(shipped), own_part(current)
    result = _overlay(theirs, mine)
    for key, value in theirs.get("template", {}).get("settings", {}).items():
        if is_admin_setting(f"template.settings.{key}"):
            result["template"]["settings"][key] = value
    if "priority" in theirs:
        result["priority"] = theirs["priority"]
    return result


def stamped(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template with its fingerprint, ready to be put."""
    return {**body, "_meta": {**body.get("_meta", {}), FINGERPRINT: fingerprint(body)}}


def is_admin_setting(path: str) -> bool:
    """Return whether a flat path is among :data:`ADMIN_SETTINGS`."""
    return any(path == known or (known.endswith(".") and path.startswith(known)) for known in ADMIN_SETTINGS)


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge both mappings; ``above`` wins where they differ."""
    result = copy.deepcopy(dict(below))
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = _overlay(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _flatten(value: Any, path: str) -> dict[str, Any]:
    if isinstance(value, Mapping) and value:
        lines: dict[str, Any] = {}
        for key in sorted(value):
            lines |= _flatten(value[key], f"{path}.{key}" if path else str(key))
        return lines
    return {path: value}


def _has_children(key: str, lines: Mapping[str, Any]) -> bool:
    prefix = key.removesuffix("type") + "properties."
    return any(line.startswith(prefix) for line in lines)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(sorted(_text(each) for each in value))
    return "{}" if isinstance(value, Mapping) else str(value)
