"""Rules that allow pairs, as documents: they act beside those of a job's file, in every worker.

A rule is never changed, and deleted only to erase its entity: it ends. So an event bucket that is scored again, months
later, finds the rules that it was scored with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ipi_es.cluster.port import Cluster, Document, Drop
from ipi_es.config.files.loading import check_rule
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList, TimedRule
from ipi_es.config.rules.allow_rule import CONDITIONS, AllowRule
from ipi_es.errors import ConfigError, StateDamaged
from ipi_es.scheduled_events import NO_EVENTS, Calendar
from ipi_es.state.fields import Fields
from ipi_es.state.proven_documents import NamedDocuments, ProvenDocuments, parsed
from ipi_es.times import to_ms

RULES_INDEX = RULES_TEMPLATE = "ipi-es-rules"
FORMAT = 1
"""Format of a rule's document; a newer one is refused."""
_FLAGS = ("learn", "force")
_HISTORY = ("format", "name", "jobs", "reason", "author", "created", "start", "expires", "ended", "ended_by")
_HINT = f"correct that document of {RULES_INDEX}, or delete it and add the rule again"


@dataclass(frozen=True, slots=True)
class StoredRule:
    """One rule with its history; times in epoch seconds. ``rule.id`` is its name."""

    rule: AllowRule
    reason: str
    author: str
    created: int
    start: int
    """It acts in event buckets that start from here on."""
    expires: int | None = None
    ended: int | None = None
    ended_by: str | None = None
    jobs: tuple[str, ...] = ()
    """The jobs that it acts in; empty: all."""

    @property
    def name(self) -> str:
        """The name, which results have as ``suppressed_by``."""
        return self.rule.name

    @property
    def end(self) -> int | None:
        """The time from which it doesn't act any more; None: it has no end."""
        return min((each for each in (self.expires, self.ended) if each is not None), default=None)

    @property
    def timed(self) -> TimedRule:
        """The rule as an allow list takes it."""
        return TimedRule(self.rule, self.start, self.end)

    def acts_in(self, job_id: str) -> bool:
        """Return whether it acts in a job."""
        return not self.jobs or job_id in self.jobs

    def ended_at(self, time: int) -> bool:
        """Return whether it doesn't act any more at ``time``."""
        return self.end is not None and self.end <= time

    def ended_by_person(self, time: int, by: str) -> StoredRule:
        """Return it as a person ends it."""
        return replace(self, ended=time, ended_by=by)

    def source(self) -> dict[str, Any]:
        """Return the document; what isn't set is absent."""
        found: dict[str, Any] = {
            "format": FORMAT,
            "name": self.name,
            "jobs": list(self.jobs),
            **{name: getattr(self.rule, name) for name in (*CONDITIONS, *_FLAGS)},
            "reason": self.reason,
            "author": self.author,
            "created": to_ms(self.created),
            "start": to_ms(self.start),
            "expires": None if self.expires is None else to_ms(self.expires),
            "ended": None if self.ended is None else to_ms(self.ended),
            "ended_by": self.ended_by,
        }
        return {name: value for name, value in found.items() if value not in (None, [], False)}


@dataclass(frozen=True, slots=True)
class StoredRules:
    """All rules, the oldest first, and what is wrong with documents that are no rules, by id."""

    rules: tuple[StoredRule, ...] = ()
    damaged: dict[str, str] = field(default_factory=dict)

    def acting_in(self, job_id: str) -> tuple[StoredRule, ...]:
        """Return the rules that act, acted or will act in a job."""
        return tuple(each for each in self.rules if each.acts_in(job_id))

    def of_job(self, job_id: str) -> tuple[TimedRule, ...]:
        """Return these rules as an allow list takes them."""
        return tuple(each.timed for each in self.acting_in(job_id))


class RuleStore:
    """The rules of all jobs."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._named = NamedDocuments(cluster, RULES_INDEX, "rule", "ipi-es rule", _rule)
        self._proven = ProvenDocuments(cluster, RULES_INDEX, "rules", _sorted)
        self._allow: tuple[Job, StoredRules, AllowList] | None = None  # what was made of rules, for a job

    def add_rule(self, rule: StoredRule) -> None:
        """Store a new rule; workers read it with their next buckets. Raises UsageError where its name is taken."""
        self._named.insert_named(rule)

    def end_rule(self, name: str, now: int, by: str, *, since: int | None = None) -> StoredRule:
        """End a rule now, or ``since`` a time in the past; return it.

        Raises UsageError where there is none, or where it has ended by then.
        """
        at = now if since is None else max(since, self.require(name).start)
        return self._named.finish_named(name, at, by)

    def get(self, name: str) -> StoredRule | None:
        """Return one rule. Raises StateDamaged or SnapshotForeign where its document is no rule."""
        return self._named.get(name)

    def require(self, name: str) -> StoredRule:
        """Return one rule. Raises UsageError where there is none."""
        return self._named.require(name)

    def all(self) -> StoredRules:
        """Return all rules. Documents that are no rules act nowhere; a warning names them.

        They are read again only where a document of the index was written or deleted since. Raises AnswerIncomplete
        where the documents that were read are not those that the index counts.
        """
        return self._proven.read()

    def documents(self) -> list[Document]:
        """Return the documents of all rules, damaged ones too. Raises AnswerIncomplete as :meth:`all` does."""
        self.cluster.refresh(RULES_INDEX)
        return ProvenDocuments(self.cluster, RULES_INDEX, "rules", list[Document]).read()

    def delete_documents(self, documents: Sequence[Document]) -> int:
        """Delete some of :meth:`documents` for good, only to erase an entity; return the number."""
        drops = [Drop(RULES_INDEX, each.id) for each in documents]
        return self.cluster.bulk(drops, refresh=True).deleted if drops else 0

    def allow_list(self, job: Job, calendar: Calendar = NO_EVENTS) -> AllowList:
        """Return the rules of a job's file and, as they are stored now, those of documents; and the job's calendar."""
        stored, groups = self.all(), job.read_entity_groups()
        kept = self._allow
        if kept is None or kept[:2] != (job, stored) or (kept[2].groups, kept[2].calendar) != (groups, calendar):
            self._allow = kept = job, stored, AllowList.of(job, stored.of_job(job.job_id), calendar)
        return kept[2]


def _sorted(documents: Sequence[Document]) -> StoredRules:
    """Read the documents' rules; warn of those that are none."""
    rules, damaged = parsed(documents, _rule, "it allows nothing")
    return StoredRules(tuple(sorted(rules, key=lambda rule: (rule.created, rule.name))), damaged)


def _rule(document: Document) -> StoredRule:
    """Read a rule. Raises StateDamaged where a value can't be one, SnapshotForeign where it is of a newer ipi-es."""
    source = document.source
    fields = Fields(source, f"a rule ({document.id}) is damaged", _HINT)
    fields.refuse_newer(f"a rule ({document.id})", FORMAT, otherwise=f"delete that document of {RULES_INDEX}")
    for unknown in fields.without((*CONDITIONS, *_FLAGS, *_HISTORY)):  # a misspelled condition would allow more
        fields.wrong(unknown, source[unknown], "a field of a rule")
    given = {name: source[name] for name in (*CONDITIONS, *_FLAGS) if source.get(name) is not None}
    name = fields.text("name")
    if document.id != f"rule:{name}":
        fields.wrong("name", name, f"{document.id.removeprefix('rule:')}, as its id says")
    try:
        rule = check_rule({**given, "id": name}, name=document.id)
    except ConfigError as error:
        raise StateDamaged(f"a rule is damaged: {error}", hint=_HINT) from error
    return StoredRule(
        rule=rule,
        reason=fields.text_or_none("reason") or "",
        author=fields.text("author"),
        created=fields.time("created"),
        start=fields.time("start"),
        expires=fields.time_or_none("expires"),
        ended=fields.time_or_none("ended"),
        ended_by=fields.text_or_none("ended_by"),
        jobs=tuple(fields.texts("jobs")),
    )
