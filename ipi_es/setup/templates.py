"""The index templates that ipi-es ships, and two templates compared as the servers mean them.

A server gives a template back in its own spelling: settings as text and below ``index``, ``false`` as ``"false"``, its
own dates and empty lists added. So templates are compared flat: ``{dotted path: text}``.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es import resources

SCHEMA_VERSION = 4
"""Of the shipped templates. Raised by every change of a template; changes only ever add."""

FINGERPRINT = "fingerprint"
"""In ``_meta``: of the template as ipi-es put it. Where it no longer fits, somebody changed the template by hand."""

_FINGERPRINT_DIGITS = 16

_OWN_KEYS = ("index_patterns", "priority", "template", "composed_of", "version", "allow_auto_create", "_meta")
"""What a person sets; everything else in a server's answer is the server's."""

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
"""What depends on the cluster and not on ipi-es: whatever an administrator sets here stays, without being asked for."""


@dataclass(frozen=True, slots=True)
class Template:
    """One shipped index template."""

    name: str
    body: dict[str, Any]

    @property
    def index_patterns(self) -> list[str]:
        """The indices that it is for."""
        return list(self.body["index_patterns"])

    @property
    def mappings(self) -> dict[str, Any]:
        """The mapping that it gives them."""
        mappings: dict[str, Any] = self.body["template"]["mappings"]
        return mappings


def load() -> list[Template]:
    """The shipped index templates, by name."""
    found = {name: json.loads(blob) for name, blob in resources.json_files("templates").items()}
    return [Template(name, body) for name, body in found.items() if "index_patterns" in body]


def schema_version(body: Mapping[str, Any]) -> int:
    """The schema of a template or a mapping; 0 where it names none."""
    version = (body.get("_meta") or {}).get("schema_version", 0)
    return version if isinstance(version, int) else 0


def own_part(body: Mapping[str, Any]) -> dict[str, Any]:
    """A template without what the server added, settings flat and below ``index.``."""
    kept = {key: copy.deepcopy(body[key]) for key in _OWN_KEYS if body.get(key) not in (None, [], {})}
    template = kept.get("template")
    if isinstance(template, dict) and "settings" in template:
        flat_settings = _flatten(template["settings"], "")
        template["settings"] = {
            key if key.startswith("index.") else f"index.{key}": value for key, value in flat_settings.items()
        }
    return kept


def flat(body: Mapping[str, Any]) -> dict[str, str]:
    """``{dotted path: text}``, in the same spelling for what was sent and what came back; versions left out."""
    lines = _flatten(own_part(body), "")
    mine = ("_meta.", "template.mappings._meta.")
    return {
        key: _text(value)
        for key, value in lines.items()
        if not key.startswith(mine) and not (key.endswith(".type") and value == "object" and _has_children(key, lines))
    }


def fingerprint(body: Mapping[str, Any]) -> str:
    """A hash of what :func:`flat` compares."""
    text = json.dumps(sorted(flat(body).items()), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_DIGITS]


def untouched(body: Mapping[str, Any]) -> bool:
    """Whether a template of the cluster still is what ipi-es put there."""
    return bool((body.get("_meta") or {}).get(FINGERPRINT) == fingerprint(body))


def merged(current: Mapping[str, Any], shipped: Mapping[str, Any]) -> dict[str, Any]:
    """The shipped template, with what an administrator added to it, or set among :data:`ADMIN_SETTINGS`."""
    mine, theirs = own_part(shipped), own_part(current)
    result = _overlay(theirs, mine)
    for key, value in theirs.get("template", {}).get("settings", {}).items():
        if is_admin_setting(f"template.settings.{key}"):
            result["template"]["settings"][key] = value
    if "priority" in theirs:
        result["priority"] = theirs["priority"]
    return result


def stamped(body: Mapping[str, Any]) -> dict[str, Any]:
    """The template with its fingerprint, as it is put."""
    return {**body, "_meta": {**body.get("_meta", {}), FINGERPRINT: fingerprint(body)}}


def is_admin_setting(path: str) -> bool:
    """Whether a flat path is among :data:`ADMIN_SETTINGS`."""
    return any(path == known or (known.endswith(".") and path.startswith(known)) for known in ADMIN_SETTINGS)


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both, ``above`` winning where they disagree."""
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
