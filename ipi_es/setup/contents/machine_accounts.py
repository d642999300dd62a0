"""Accounts that are no person: computers, built-in accounts of Windows and Kubernetes, placeholders. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate

from ipi_es.config.entity_names import EntityStep, normalize_entity

_WINDOWS = (
    "system",
    "local service",
    "network service",
    "anonymous logon",
    "dwm-[0-9]*",
    "umfd-[0-9]*",
)
"""Built-in accounts of Windows, in lower case; `DWM-1` draws the windows of a session, `UMFD-1` its fonts."""

PATTERNS = (
    "*$",
    "*$@*",
    *(each for name in _WINDOWS for each in (name, f"*\\{name}")),
    "system:serviceaccount:*",
    "system:node:*",
    "system:kube-*",
    "-",
    "<none>",
)
"""Shell patterns of accounts that are clearly no person, as `exclude_entities` takes them, in lower case."""

_SERVICE = re.compile(r"(?:.*\\)?(?:svc|srv|service)[-_.].+")
"""Names that people give to accounts of services: not certain enough to leave them out."""

_COMPILED = {pattern: re.compile(translate(pattern)) for pattern in PATTERNS}

SHOWN = 3
"""Examples of names that are kept."""


@dataclass(frozen=True, slots=True)
class MachineAccounts:
    """The accounts of a log that are no person, with their numbers of events out of ``all_events``."""

    all_names: int
    all_events: int
    names: int = 0
    events: int = 0
    examples: tuple[str, ...] = ()
    """The most frequent ones, as spelled."""
    patterns: tuple[str, ...] = ()
    """Those of :data:`PATTERNS` that match some; ready for `exclude_entities`."""
    service_names: int = 0
    service_events: int = 0
    service_example: str = ""


def machine_accounts(events: Mapping[str, int], steps: Sequence[EntityStep] = ()) -> MachineAccounts:
    """Find the machine accounts among entities: ``{name: events}``, the most frequent first.

    ``steps`` are those of `entity_normalize`; names are compared in lower case all the same, as Windows does.
    """
    found, patterns, services = list[str](), dict[str, None](), list[str]()
    for name in events:
        plain = normalize_entity(name, steps).lower()
        pattern = next((each for each, compiled in _COMPILED.items() if compiled.match(plain)), None)
        if pattern is not None:
            found.append(name)
            patterns[pattern] = None
        elif _SERVICE.fullmatch(plain):
            services.append(name)
    return MachineAccounts(
        all_names=len(events),
        all_events=sum(events.values()),
        names=len(found),
        events=sum(events[name] for name in found),
        examples=tuple(found[:SHOWN]),
        patterns=tuple(each for each in PATTERNS if each in patterns),
        service_names=len(services),
        service_events=sum(events[name] for name in services),
        service_example=services[0] if services else "",
    )


def is_machine(name: str) -> bool:
    """Return whether a name, as spelled in the events, is clearly no person's."""
    plain = name.lower()
    return not plain.strip() or any(compiled.match(plain) for compiled in _COMPILED.values())
