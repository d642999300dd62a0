"""Make rules of what people type, refuse those that would allow nearly everything, and add them: all, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ipi_es.config.files.loading import check_rule
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_rule import CONDITIONS, AllowRule, check_rules, check_together
from ipi_es.config.types import Inconsistent
from ipi_es.errors import ConfigError, UsageError
from ipi_es.results.documents.visible import visible
from ipi_es.state.rule_store import RuleStore, StoredRule
from ipi_es.worker.typed_names import named_entity


def made_rule(name: str, given: Mapping[str, Any]) -> AllowRule:
    """Make the rule of its conditions and flags. Raises UsageError with all mistakes."""
    # an empty text, of an unset variable in a script, must not widen the rule: it is refused
    chosen = {each: given[each] for each in (*CONDITIONS, "learn", "force") if given.get(each) is not None}
    try:
        return check_rule({**chosen, "id": name})
    except ConfigError as error:
        text = str(error).replace("network_type", "network-type")
        raise UsageError(text, hint="`ipi-es rule add --help` shows its parts; --force takes a wide one") from None


def without_name(new: AllowRule, jobs: Sequence[Job]) -> tuple[AllowRule, str | None]:
    """Return the rule with its entity's pseudonym, where all jobs have the same; and a note where a name was given."""
    entity = new.entity
    if entity is None or all(job.pseudonyms is None for job in jobs):
        return new, None
    spelled = set() if new.is_pattern else {named_entity(job, entity) for job in jobs}
    if len(spelled) != 1:
        return new, f"the rule's document has “{entity}” as you wrote it, though results have pseudonyms"
    (stored,) = spelled
    note = f"the rule's document has {stored} in place of the name: jobs with another key, or none, don't know it"
    return new.model_copy(update={"entity": stored}), None if stored == entity else note


def add_rules(store: RuleStore, rules: Sequence[StoredRule], jobs: Sequence[Job], now: int) -> None:
    """Add new rules, which act in ``jobs``. ``now``: epoch seconds.

    Raises UsageError where one would allow nearly everything or fits no job, or where a name is taken: then none is
    added.
    """
    # most rules are narrow: they need no look at the others, of which there may be a hundred thousand
    wide = any(each.rule.is_wide for each in rules)
    others = [each for each in store.all().rules if not each.ended_at(now)] if wide else []
    for each in rules:
        _refuse(each.rule, jobs, others)
        if len(rules) > 1 and store.get(each.name) is not None:  # none is added, rather than some
            raise UsageError(f"there is a rule “{visible(each.name)}” already", hint="take another name")
    for each in rules:
        store.add_rule(each)


def _refuse(new: AllowRule, jobs: Sequence[Job], others: Sequence[StoredRule]) -> None:
    """Raise UsageError where the rule and those that act in a job allow nearly everything, or where it fits no job."""
    for job in jobs:
        groups = job.read_entity_groups()
        wide = [each.rule for each in others if each.acts_in(job.job_id) and each.rule.is_wide]
        try:
            check_rules([*job.allow_list, new], job.entity_steps, job.datafeed_config.translators, groups)
            if wide:
                check_together([*job.allow_list, *wide, new], job.entity_steps, groups, new.name)
        except Inconsistent as error:
            raise UsageError(f"in job {job.job_id}: {error}", hint="name other jobs with --job, or narrow it") from None
