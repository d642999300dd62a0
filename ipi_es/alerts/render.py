"""Alert definitions: the templates of ``templates/alerts`` with a job's values in place of their ``${names}``.

A placeholder that is a whole text is replaced by the value itself (a number stays a number), one within a text by the
value's text. ``${script:NAME}`` is the Painless file of that name beside the template or in ``common``, filled in the
same way; ``${names:LIST}`` and ``${hits:LIST:FIELD}`` are the Mustache that names the first of a list. An action
without a destination is left out, and so is a field that the console can't compute.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es import resources
from ipi_es.alerts.kinds import Kind, Stack
from ipi_es.alerts.message import SHOWN
from ipi_es.alerts.parameters import Parameters
from ipi_es.errors import UsageError

_PLACE = re.compile(r"\$\{([a-z_:.0-9]+)\}")
_DESTINATIONS = ("webhook", "index", "channel", "webhook_channel", "index_connector", "webhook_connector")
"""Placeholders that may have no value."""

_OPTIONAL = ("severity",)
"""Placeholders of fields that are left out where they have no value."""

_WHOLE_OPTIONAL = tuple(f"${{{name}}}" for name in _OPTIONAL)

_AS_TEXT = ("esQuery", "body")
"""Keys of a Kibana rule whose objects are sent as a text of JSON."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One alert definition, ready to be written to its console under ``id``."""

    stack: Stack
    kind: Kind
    id: str
    name: str
    body: dict[str, Any]


class _LeftOut(Exception):
    """Raised for a placeholder of a destination that wasn't given, or of a field that is optional."""


def render(stack: Stack, kind: Kind, parameters: Parameters, ids: Mapping[str, str] | None = None) -> Definition:
    """Render a definition; ``ids`` are existing connectors and channels (see :mod:`ipi_es.alerts.install`).

    Raises UsageError where no action has a destination.
    """
    values = parameters.values(kind) | destinations(stack, parameters) | dict(ids or {})
    template = json.loads(_read(stack, f"{kind}.json"))
    body = _filled(template, lambda name: _value(stack, name, values))
    if stack == "kibana":
        body = _with_texts(body)
    if stack == "watcher" and len(body["actions"]) > 1:
        del body["actions"]["log"]  # only for definitions without a destination
    if not _actions(stack, body):
        raise UsageError(
            "an alert that goes nowhere would never be seen",
            hint="name a destination: "
            + ("--channel or --webhook" if stack == "opensearch" else "--index or --webhook"),
        )
    return Definition(stack, kind, definition_id(stack, parameters, kind), values["name"], body)


def destinations(stack: Stack, parameters: Parameters) -> dict[str, str | None]:
    """Return the ids of a job's connectors or channels, by placeholder; None where no destination was given."""
    job_id, chosen = parameters.job.job_id, parameters.destination
    if stack == "opensearch":
        return {"webhook_channel": f"ipi-es-{job_id}-webhook" if chosen.webhook else None}
    if stack == "kibana":
        return {
            "index_connector": stable_uuid(f"{parameters.place}-index") if chosen.index else None,
            "webhook_connector": stable_uuid(f"{parameters.place}-webhook") if chosen.webhook else None,
        }
    return {}


def definition_id(stack: Stack, parameters: Parameters, kind: Kind) -> str:
    """Return the id of a definition: the same in every run, so that a second run replaces the first one's."""
    if stack == "kibana":
        return stable_uuid(f"{parameters.place}-{kind}")
    return f"ipi-es-{parameters.job.job_id}-{kind}"


def stable_uuid(name: str) -> str:
    """Derive a UUID from a name, in the form of a random one: Kibana accepts no other ids for rules and connectors."""
    return str(uuid.UUID(bytes=hashlib.sha256(f"ipi-es-{name}".encode()).digest()[:16], version=4))


def _read(stack: Stack, file: str) -> str:
    folder = resources.folder("templates") / "alerts"
    path = folder / stack / file
    return (path if path.is_file() else folder / "common" / file).read_text(encoding="utf-8")


def _first(path: str, value: str) -> str:
    """Return Mustache for ``a, b, c and more``: ``value`` of the first elements of the list at ``path``."""
    shown = [f"{{{{#{path}.{place}}}}}{', ' if place else ''}{value}{{{{/{path}.{place}}}}}" for place in range(SHOWN)]
    return "".join(shown) + f"{{{{#{path}.{SHOWN}}}}} and more{{{{/{path}.{SHOWN}}}}}"


def _value(stack: Stack, name: str, values: Mapping[str, Any]) -> Any:
    if name.startswith("script:"):
        source = _read(stack, f"{name.removeprefix('script:')}.painless").rstrip()
        return _PLACE.sub(lambda found: str(_value(stack, found[1], values)), source)
    if name.startswith("names:"):
        return _first(name.removeprefix("names:"), "{{.}}")
    if name.startswith("hits:"):
        _, path, field = name.split(":")
        return _first(path, f"{{{{_source.{field}}}}}")
    value = values[name]
    if value is None:
        if name in (*_DESTINATIONS, *_OPTIONAL):
            raise _LeftOut
        raise ValueError(f"${{{name}}} has no value here")
    return value


def _filled(part: Any, value: Callable[[str], Any]) -> Any:
    if isinstance(part, dict):
        filled = {}
        for key, each in part.items():
            if key == "actions":
                filled[key] = _actions_filled(each, value)
            elif each in _WHOLE_OPTIONAL:
                with contextlib.suppress(_LeftOut):
                    filled[key] = _filled(each, value)
            else:
                filled[str(_filled(key, value))] = _filled(each, value)
        return filled
    if isinstance(part, list):
        return [_filled(each, value) for each in part]
    if not isinstance(part, str):
        return part
    whole = _PLACE.fullmatch(part)
    return value(whole[1]) if whole else _PLACE.sub(lambda found: str(value(found[1])), part)


def _actions_filled(actions: Any, value: Callable[[str], Any]) -> Any:
    """Fill in a mapping or a list of actions, without those that have no destination."""
    filled: Any = {} if isinstance(actions, dict) else []
    for name, each in actions.items() if isinstance(actions, dict) else enumerate(actions):
        try:
            action = _filled(each, value)
        except _LeftOut:
            continue
        if isinstance(filled, dict):
            filled[name] = action
        else:
            filled.append(action)
    return filled


def _with_texts(part: Any) -> Any:
    if isinstance(part, dict):
        return {
            key: json.dumps(each, ensure_ascii=False) if key in _AS_TEXT else _with_texts(each)
            for key, each in part.items()
        }
    return [_with_texts(each) for each in part] if isinstance(part, list) else part


def _actions(stack: Stack, body: Mapping[str, Any]) -> Any:
    return body["triggers"][0]["query_level_trigger"]["actions"] if stack == "opensearch" else body["actions"]
