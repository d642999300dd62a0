"""The rules that would allow what an incident is made of."""

from __future__ import annotations

import glob
from collections.abc import Sequence

from ipi_es.errors import UsageError
from ipi_es.results.reading.incident_grouping import Incident

MOST_RULES = 20
"""Rules that are made of one incident at most: more are not read before they are added."""


_HINT = "--group takes the place of the accounts; a rule with --cidr alone allows a network for every account"


def conditions_of(incident: Incident, name: str, group: str | None = None) -> list[dict[str, str]]:
    """Return the conditions of each rule for an incident: a network with an account, or a network alone.

    The accounts are left out where a whole group moved to a new network, and replaced where a ``group`` is given.
    ``name`` is the incident's id, for messages. Raises UsageError where there would be too many rules, or where the
    results don't name all accounts.
    """
    moved = incident.moved_to()
    if group is not None:
        found = [{"group": group, "cidr": network} for network in incident.names("network")]
    elif moved:
        found = [{"cidr": network} for network in moved]
    else:
        pairs = incident.pairs()
        counted = max((int(each.get("entity_count") or 0) for _, each in incident.results), default=0)
        if counted > len({entity for entity, _ in pairs}):
            raise UsageError(f"the results of {name} don't name all of its {counted:,} accounts", hint=_HINT)
        found = [{"entity": glob.escape(entity), "cidr": network} for entity, network in pairs]
    if not found:
        raise UsageError(f"the results of {name} name no pair of account and network", hint=_HINT)
    if len(found) > MOST_RULES:
        raise UsageError(f"{name} would take {len(found)} rules, more than {MOST_RULES}", hint=_HINT)
    return found


def named(name: str, chosen: Sequence[dict[str, str]]) -> list[tuple[str, dict[str, str]]]:
    """Return the conditions of each rule with its name: NAME, or NAME-1, NAME-2 and so on for several."""
    names = [name] if len(chosen) == 1 else [f"{name}-{number}" for number in range(1, len(chosen) + 1)]
    return list(zip(names, chosen, strict=True))
