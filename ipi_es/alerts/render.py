"""Alert definitions: the templates of ``templates/alerts`` with a job's values in the place of their ``${names}``.

A placeholder that is a whole text takes the value as it is (a number stays one), one within a text its words.
``${script:NAME}`` is the Painless file of that name beside the template, filled in the same way. An action whose
destination nobody gave is left out.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ipi_es import resources
from ipi_es.alerts.kinds import Kind, Stack
from ipi_es.alerts.parameters import Parameters
from ipi_es.errors import UsageError

_PLACE = re.compile(r"\$\{([a-z_:]+)\}")
_DESTINATIONS = ("webhook", "index", "channel", "webhook_channel", "index_connector", "webhook_connector")
"""Placeholders that may have no value."""

_AS_TEXT = ("esQuery", "body")
"""Keys of a Kibana rule whose objects are sent as JSON in a text."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One alert, ready to be put into its console under ``id``."""

    stack: Stack
    kind: Kind
    id: str
    name: str
    body: dict[str, Any]


class _LeftOut(Exception):
    """What names a destination that nobody gave."""


def render(stack: Stack, kind: Kind, parameters: Parameters, ids: Mapping[str, str] | None = None) -> Definition:
    """The definition; ``ids``: connectors and channels that the console has (see :mod:`ipi_es.alerts.install`)."""
    values = parameters.values(kind) | destinations(stack, parameters) | dict(ids or {})
    template = json.loads(_read(stack, f"{kind}.json"))
    body = _filled(template, lambda name: _value(stack, name, values))
    if stack == "kibana":
        body = _with_texts(body)
    if stack == "watcher" and len(body["actions"]) > 1:
        del body["actions"]["log"]  # it is there for those who named no destination
    if not _actions(stack, body):
        raise UsageError(
            "an alert that goes nowhere would never be seen",
            hint="name a destination: "
            + ("--channel or --webhook" if stack == "opensearch" else "--index or --webhook"),
        )
    return Definition(stack, kind, definition_id(stack, parameters, kind), values["name"], body)


def destinations(stack: Stack, parameters: Parameters) -> dict[str, str | None]:
    """Ids that the definitions of a job give their connectors or channels; None where no destination was named."""
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
    """The same at every run, so that a second one replaces what the first one put."""
    if stack == "kibana":
        return stable_uuid(f"{parameters.place}-{kind}")
    return f"ipi-es-{parameters.job.job_id}-{kind}"


def stable_uuid(name: str) -> str:
    """A UUID of a name, in the form of random ones: Kibana takes no other ids for rules and connectors."""
    return str(uuid.UUID(bytes=hashlib.sha256(f"ipi-es-{name}".encode()).digest()[:16], version=4))


def _read(stack: Stack, file: str) -> str:
    return (resources.folder("templates") / "alerts" / stack / file).read_text(encoding="utf-8")


def _value(stack: Stack, name: str, values: Mapping[str, Any]) -> Any:
    if name.startswith("script:"):
        source = _read(stack, f"{name.removeprefix('script:')}.painless").rstrip()
        return _PLACE.sub(lambda found: str(_value(stack, found[1], values)), source)
    value = values[name]
    if value is None:
        if name in _DESTINATIONS:
            raise _LeftOut
        raise ValueError(f"${{{name}}} has no value here")
    return value


def _filled(part: Any, value: Callable[[str], Any]) -> Any:
    if isinstance(part, dict):
        filled = {}
        for key, each in part.items():
            if key == "actions":
                filled[key] = _actions_filled(each, value)
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
    """A mapping or a list of actions without those that have no destination."""
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
