"""Judge whether a job's entities are single persons, or roles, shared accounts and machines. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fnmatch import fnmatchcase

from ipi_es.config.entity_names import normalize_entity
from ipi_es.config.job_config import Job
from ipi_es.lists import some
from ipi_es.setup.checks.check_finding import Finding, ok, percent, warning
from ipi_es.setup.contents.account_fields import SharedField
from ipi_es.setup.contents.machine_accounts import machine_accounts
from ipi_es.setup.facts.facts_entities import Names, Spread
from ipi_es.setup.facts.field_roles import ENTITY, place_of

OPERATORS_A_DAY = 10
"""Number of network operators in one day from which several people or machines probably share the entity.

On real events (37,519 days of an entity) no entity had more than 4.
"""

NETWORKS_A_DAY = 15
"""The same for /16 networks; one mobile operator gives a person several of them. 4 of those days had as many."""

DAYS_ALIKE = 2
"""Days of the last week that must show this: a single one may be an attack."""

MACHINES_WARNED = 0.1
"""Share of the learned events with machine accounts above which a warning is given."""


def judge_spread(job: Job, spread: Sequence[Spread], shared: SharedField | None = None) -> list[Finding]:
    """Warn of entities that are no single person: on several days they use more operators or networks than a person.

    ``shared``: another field distinguishes the people who share the entity; this is a warning in any case.
    """
    by_entity: dict[str, list[Spread]] = defaultdict(list)
    for each in spread:
        if _is_many(each):
            by_entity[each.entity].append(each)
    days = len({each.day for each in spread})
    many = {name: rows for name, rows in by_entity.items() if len(rows) >= min(DAYS_ALIKE, days)}
    if not many:
        return [] if shared is None else [warning("entities", shared.text, _name_instead(job, shared))]
    worst = sorted(many, key=lambda name: -max(_number(each) for each in many[name]))
    shown = [_shown(name, max(many[name], key=_number)) for name in worst]
    text = (
        f"{len(worst)} {job.entity_field} {'signs' if len(worst) == 1 else 'sign'} in from more networks than a person "
        f"does: {some(shown, separator='; ')}"
    )
    if shared is not None:
        return [warning("entities", f"{text}; {shared.text}", _name_instead(job, shared))]
    hint = (
        "a role, a shared account or a service has no usual address: name a field that distinguishes its users in "
        f"{place_of(ENTITY, job)} (for assumed roles, the session's ARN), or let the query leave it out"
    )
    return [warning("entities", text, hint)]


def _is_many(one: Spread) -> bool:
    if one.operators is not None:
        return one.operators >= OPERATORS_A_DAY
    return one.networks >= NETWORKS_A_DAY


def _number(one: Spread) -> int:
    return one.operators if one.operators is not None else one.networks


def _shown(name: str, one: Spread) -> str:
    kind = "operators" if one.operators is not None else "/16 networks"
    return f"{name} from {_number(one)} {kind} ({one.addresses:,} addresses) in a day"


def _name_instead(job: Job, shared: SharedField) -> str:
    return f"set {place_of(ENTITY, job)}: {shared.better.name}, which has {shared.better.text}"


def judge_machines(job: Job, names: Names) -> list[Finding]:
    """Warn of machine accounts that the job learns; those that `exclude_entities` leaves out don't count."""
    feed = job.datafeed_config
    steps = feed.entity_normalize
    patterns = [normalize_entity(pattern, steps) for pattern in feed.exclude_entities]
    left = {
        name: count
        for name, count in names.events.items()
        if not any(fnmatchcase(normalize_entity(name, steps), pattern) for pattern in patterns)
    }
    found = machine_accounts(left, steps)
    if not found.names:
        return []
    text = (
        f"{found.names:,} of {found.all_names:,} entities are no persons, such as {', '.join(found.examples)}, with "
        f"{percent(found.events, found.all_events)} of the events"
    )
    if found.events < MACHINES_WARNED * found.all_events:
        return [ok("entities", text)]
    if found.names == found.all_names:
        hint = "let the query choose the sign-ins of people; leave it if machines are what the job is for"
        return [warning("entities", text, hint)]
    wanted = ", ".join(f"'{pattern}'" for pattern in [*feed.exclude_entities, *found.patterns])
    hint = f"set datafeed_config.exclude_entities: [{wanted}], unless machines are what the job is for"
    return [warning("entities", text, hint)]
