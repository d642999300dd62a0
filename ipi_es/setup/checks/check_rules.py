"""Judge rules that allow pairs, verdicts, scheduled events, and groups that events name of entities. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_coverage import MOST
from ipi_es.config.rules.allow_rule import check_together
from ipi_es.config.types import Inconsistent
from ipi_es.errors import DataError
from ipi_es.results.words import CRITICAL
from ipi_es.setup.checks.check_finding import Finding, ok, percent, problem, warning
from ipi_es.setup.facts.facts_rules import CalendarFacts, GroupFacts, RuleFacts
from ipi_es.state.calendar_store import CALENDARS_INDEX, StoredEvent
from ipi_es.state.rule_store import RULES_INDEX, StoredRule
from ipi_es.state.verdict_store import VERDICTS_INDEX, StoredVerdicts
from ipi_es.times import SECONDS, iso

UNUSED_DAYS = 30
"""Days after which a rule that hid nothing is named, and for which one that hid something critical is."""

ENDED_DAYS = 7
"""Days for which an expired rule, and a scheduled event that is over, is named."""

LONGEST_DAYS = 7
"""Days after which scheduled events without a gap are named: so long nothing is alerted and nothing is learned."""


def judge_rules(job: Job, facts: RuleFacts, now: int) -> list[Finding]:
    """Warn of documents that are no rules, and of rules that hid nothing, hid something critical, or expired lately.

    Rules that together allow nearly everything, as a document may that no command wrote, are a problem. ``now`` is
    epoch seconds.
    """
    found = [
        warning("rules", text, f"correct or delete {id_} in {RULES_INDEX}: it allows nothing")
        for id_, text in facts.stored.damaged.items()
    ]
    acting = [each.rule for each in facts.stored.rules if not each.ended_at(now)]
    wide = [rule for rule in acting if rule.is_wide]
    try:
        if wide:
            check_together([*job.allow_list, *wide], job.entity_steps)
    except Inconsistent as error:
        found.append(problem("rules", DataError(str(error), hint="end one of them: ipi-es rule end NAME")))
    for name, use in facts.uses.items():
        if use.worst >= CRITICAL and now - use.last < UNUSED_DAYS * SECONDS["d"]:
            text = f"the rule “{name}” hid {use.records:,} records, the last {iso(use.last)}, up to {use.worst:.0f}"
            found.append(warning("rules", text, f"look at them: ipi-es results records {job.job_id} --all"))
    for rule in facts.stored.rules:
        found += _aged(rule, facts, now)
    return found or ([ok("rules", f"{len(acting):,} of {RULES_INDEX} act or will act")] if acting else [])


def _aged(rule: StoredRule, facts: RuleFacts, now: int) -> Iterator[Finding]:
    expired, since = rule.expires if rule.ended is None else None, max(rule.start, rule.created)
    if expired is not None and 0 <= now - expired < ENDED_DAYS * SECONDS["d"]:
        text = f"the rule “{rule.name}” expired {iso(expired)}: what it allowed "
        text += "was learned" if rule.rule.learn else "wasn't learned, and raises alarms"
        yield warning("rules", text, "if it is still needed, add it again under another name")
    elif not rule.ended_at(now) and rule.name not in facts.uses and now - since >= UNUSED_DAYS * SECONDS["d"]:
        text = f"the rule “{rule.name}” hid nothing since {iso(since)}"
        yield warning("rules", text, f"if it isn't needed: ipi-es rule end {rule.name}")


def judge_verdicts(stored: StoredVerdicts, now: int) -> list[Finding]:
    """Warn of documents that are no verdicts, and of times after ``now``, epoch seconds: tools write both."""
    found = [
        warning("verdicts", text, f"correct or delete {id_} in {VERDICTS_INDEX}: it has no effect")
        for id_, text in stored.damaged.items()
    ]
    later = [each for each in stored.verdicts if each.in_force and each.time > now + SECONDS["h"]]
    if later:
        text = f"verdicts of the future have no effect yet: {len(later):,}, the first of {iso(later[0].time)}"
        found.append(warning("verdicts", text, f"look at the clock of the tool that wrote them into {VERDICTS_INDEX}"))
    valid = sum(each.in_force for each in stored.verdicts)
    return found or ([ok("verdicts", f"{valid:,} of {VERDICTS_INDEX} are in force")] if valid else [])


def judge_calendar(job: Job, facts: CalendarFacts, now: int) -> list[Finding]:
    """Say which scheduled events are in force, and what was hidden in those that were over lately.

    Documents that are no events, and a long time without alerts, are warnings. ``now`` is epoch seconds.
    """
    found = [
        warning("calendar", text, f"correct or delete {id_} in {CALENDARS_INDEX}: nothing is planned by it")
        for id_, text in facts.stored.damaged.items()
    ]
    for events in _stretches(facts.stored.events):
        start, end = events[0].start, max(each.end for each in events)
        if end > now and end - start > LONGEST_DAYS * SECONDS["d"]:
            names = ", ".join(f"“{each.name}”" for each in events)
            days = (end - start) / SECONDS["d"]
            text = f"nothing is alerted or learned for {days:.0f} days, until {iso(end)}: {names}"
            found.append(warning("calendar", text, "end what is done: ipi-es calendar end NAME"))
    for event in facts.stored.events:
        found += _of_event(job, event, facts, now)
    return found


def _stretches(events: Sequence[StoredEvent]) -> Iterator[list[StoredEvent]]:
    """Yield the events that follow each other without a gap; ``events`` are in order of their starts."""
    stretch = list[StoredEvent]()
    for event in (each for each in events if each.start < each.end):
        if stretch and event.start > max(each.end for each in stretch):
            yield stretch
            stretch = []
        stretch.append(event)
    if stretch:
        yield stretch


def _of_event(job: Job, event: StoredEvent, facts: CalendarFacts, now: int) -> Iterator[Finding]:
    if event.start <= now < event.end:
        text = f"the scheduled event “{event.name}” is in force until {iso(event.end)}"
        yield ok("calendar", f"{text}: nothing is alerted or learned")
    use = facts.uses.get(event.name)
    if use is not None and 0 <= now - event.end < ENDED_DAYS * SECONDS["d"]:
        text = f"the scheduled event “{event.name}” was over {iso(event.end)}; it hid {use.records:,} records, and "
        text += f"scores up to {use.worst:.0f}"
        hint = f"look at them: ipi-es results records {job.job_id} --all"
        yield warning("calendar", text, hint) if use.worst >= CRITICAL else ok("calendar", text)


def judge_groups(job: Job, facts: GroupFacts) -> list[Finding]:
    """Warn where no event names a group, or none that of a rule; a rule that allows nearly all events is a problem."""
    if not facts.events:
        return []
    name = job.group_field
    if not facts.grouped:
        hint = "name a field that the events have, or a file, in entity_groups"
        return [warning("groups", f"no event has {name}, so no entity is in a group", hint)]
    found = [ok("groups", f"{percent(facts.grouped, facts.events)} of the events name a group in {name}")]
    rules = [rule for rule in facts.rules if rule.cidr is None and not rule.by_context and not rule.force]
    whole = {rule.group for rule in rules}
    for group, events in facts.by_group.items():
        if not events:
            text = f"no event has the group “{group}” in {name}, so its rule allows nothing"
            found.append(warning("groups", text, f"write it as {name} spells it, or take the rule out"))
        elif group in whole and events >= MOST * facts.events:
            text = f"the rule for the group “{group}” allows {percent(events, facts.events)} of the events"
            found.append(problem("groups", DataError(text, hint="give the rule a cidr too, or name a smaller group")))
    return found
