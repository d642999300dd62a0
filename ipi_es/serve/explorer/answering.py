"""Take answers to an incident: verdicts, rules, and what undoes each. After one the incident's page says what was done.

What it says is read back from what is stored, by the caller's name and the time of the answer, which the address of the
page holds; so is what *Undo* undoes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import RedirectResponse, Response

from ipi_es.config.given_verdict import COMPROMISED, DISMISSED, SAFE, VERDICTS, Verdict
from ipi_es.errors import PermissionDenied, UsageError
from ipi_es.lists import some
from ipi_es.results.documents.visible import visible
from ipi_es.results.reading.incident_grouping import Incident
from ipi_es.results.reading.incidents_there import require_incident
from ipi_es.serve.explorer.stored_incident import stored_incident
from ipi_es.serve.explorer.visit import SHOWN, Visit
from ipi_es.serve.reading_rights import require_reading
from ipi_es.setup.checks.judge import require_templates
from ipi_es.state.rule_store import RULES_INDEX, RuleStore, StoredRule
from ipi_es.state.verdict_store import VERDICTS_INDEX
from ipi_es.times import SECONDS, from_ms, iso
from ipi_es.worker.incidents.incident_rules import conditions_of, named
from ipi_es.worker.rule_making import add_rules, made_rule, without_name
from ipi_es.worker.typed_names import require_name
from ipi_es.worker.verdicts.job_verdicts import JobVerdicts, Statement
from ipi_es.worker.verdicts.known_verdicts import network_of

ALLOWED, REVOKED = "allowed", "revoked"

SAID = {
    SAFE: "it was the account's owner: the network is learned for it from the next day on",
    COMPROMISED: "it was an attacker: what the account does from there is not learned",
    DISMISSED: "it is of no interest: nothing is learned from that",
}
"""Verdict → what it says."""

EXPIRIES: tuple[tuple[str, str, int | None], ...] = (
    ("1d", "in a day", SECONDS["d"]),
    ("7d", "in 7 days", 7 * SECONDS["d"]),
    ("30d", "in 30 days", 30 * SECONDS["d"]),
    ("90d", "in 90 days", 90 * SECONDS["d"]),
    ("never", "never: until somebody ends it", None),
)
"""(value, text, seconds) of the times after which a rule ends by itself."""

UNREADABLE = (
    "You may not read answers: this page can neither show yours nor undo it. An answer that is refused leads to a page "
    "that says so."
)

MOST_REASON = 2_000
"""Characters of a rule's reason."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer did; ``undo`` are the fields of the form that undoes it, None where that was done already."""

    text: str
    undo: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the caller to an incident: what was said, and when, epoch seconds."""

    did: str
    at: int

    @property
    def fields(self) -> dict[str, object]:
        """The fields of a form that undoes it."""
        return {"did": self.did, "at": self.at}


def verdict(visit: Visit) -> Response:
    """Give a verdict on all results of the incident."""
    word = visit.form.get("word", "")
    if word not in VERDICTS:
        raise UsageError(f"“{word}” is no verdict", hint=f"say one of {', '.join(VERDICTS)}")
    comment = visit.form.get("comment", "").strip()
    given, verdicts = Statement(word, visit.caller.name, comment), _verdicts(visit)
    drafts = verdicts.drafts(stored_incident(visit), given)
    if not drafts:
        raise UsageError(
            "the results of this finding name no account and no address to answer", hint="answer one of its records"
        )
    verdicts.give(drafts)
    return _done(visit, word)


def revoke(visit: Visit) -> Response:
    """Revoke all verdicts in force on what the incident is made of."""
    require_reading(visit.cluster, VERDICTS_INDEX)
    verdicts = _verdicts(visit)
    drafts = verdicts.drafts(stored_incident(visit), Statement(SAFE, visit.caller.name, ""))
    verdicts.revoke(sorted({(each.entity, network_of(each.ip)) for each in drafts}), visit.caller.name)
    return _done(visit, REVOKED)


def allow(visit: Visit) -> Response:
    """Add the rules that allow the incident, in its job, from now on."""
    name, reason = (visit.form.get(each, "").strip() for each in ("name", "reason"))
    require_name(name, "rule")
    if not reason or len(reason) > MOST_REASON:
        raise UsageError("a rule needs a reason", hint=f"say why, in at most {MOST_REASON:,} characters")
    expires = {value: seconds for value, _, seconds in EXPIRIES}
    chosen = visit.form.get("expires", "")
    if chosen not in expires:
        raise UsageError(f"“{chosen}” is no time to end", hint=f"choose one of {', '.join(expires)}")
    length, job, learn = expires[chosen], visit.folded_job(), "learn" in visit.form
    found = stored_incident(visit)
    incident = require_incident(visit.cluster, found, job.incident_gap)
    conditions = conditions_of(incident, "this finding", visit.form.get("group", "").strip() or None)
    require_templates(visit.cluster)
    rules = [
        StoredRule(
            without_name(made_rule(each, {**parts, "learn": learn}), [job])[0],
            reason,
            visit.caller.name,
            created=visit.now,
            start=visit.now,
            expires=None if length is None else visit.now + length,
            jobs=(job.job_id,),
        )
        for each, parts in named(name, conditions)
    ]
    add_rules(RuleStore(visit.cluster), rules, [job], visit.now)
    return _done(visit, ALLOWED)


def undo(visit: Visit) -> Response:
    """Undo an answer of the caller: revoke just what was given, give again what was revoked, end the rules."""
    answer = _answer(visit.form)
    if answer is None:
        raise UsageError("nothing was named to undo", hint="go back to the finding")
    by = visit.caller.name
    if answer.did == ALLOWED:
        rules = RuleStore(visit.cluster)
        for each in _rules(visit, answer):
            if not each.ended_at(visit.now):
                rules.end_rule(each.name, visit.now, by, since=each.start)
        return _done(visit, ALLOWED, answer.at)
    verdicts, found = _verdicts(visit), _given(visit, answer)
    if answer.did == REVOKED:
        verdicts.give([replace(each, by=by, time=visit.now, revoked=None, revoked_by=None, id="") for each in found])
        return _done(visit, found[0].verdict if found else REVOKED)
    verdicts.take_back([each for each in found if each.in_force], by)
    return _done(visit, answer.did, answer.at)


def outcome_of(visit: Visit) -> Outcome | None:
    """Return what the answer did that led to this page; None: none did, or it isn't stored any more.

    Who may write answers and not read them gets neither its text nor *Undo*.
    """
    answer = _answer(visit.parameters)
    if answer is None:
        return None
    try:
        if answer.did == ALLOWED:
            rules = _rules(visit, answer)
            return _of_rules(rules, answer, visit.now) if rules else None
        found = _given(visit, answer)
        return _of_verdicts(found, answer) if found else None
    except PermissionDenied:
        return Outcome(UNREADABLE, None)


def _of_rules(rules: Sequence[StoredRule], answer: Answer, now: int) -> Outcome:
    acting = [each for each in rules if not each.ended_at(now)]
    names = some([visible(each.name) for each in acting or rules])
    if not acting:
        return Outcome(f"Undone: {names} ended, and allows nothing.", None)
    until = acting[0].expires
    text = f"Allowed from now on, {'without an end' if until is None else f'until {SHOWN.at(until)}'}: {names}."
    return Outcome(f"{text} What was found stays here until somebody answers it.", answer.fields)


def _of_verdicts(found: Sequence[Verdict], answer: Answer) -> Outcome:
    if answer.did == REVOKED:
        return Outcome(f"Revoked, as if never said: {_places(found)}.", answer.fields)
    standing = [each for each in found if each.in_force]
    if not standing:
        return Outcome(f"Undone: “{answer.did}” doesn't count any more.", None)
    names = _places(standing)
    text = f"You said {answer.did} of {names}: {SAID[standing[0].verdict]}."
    return Outcome(f"{text} Stored results are marked at the job's next run.", answer.fields)


def _places(verdicts: Sequence[Verdict]) -> str:
    """Name the accounts and networks of verdicts."""
    places = sorted({(each.entity, network_of(each.ip)) for each in verdicts})
    return some([visible(f"{entity} from {network}") for entity, network in places])


def rule_name(source: Mapping[str, Any]) -> str:
    """Propose a name for the rules that allow an incident."""
    names = [str(each) for each in (*source["entities"], *source["networks"], "finding")]
    day = iso(from_ms(source["timestamp"]))[:10]
    plain = "".join(char if char.isalnum() or char in "-_." else "-" for char in visible(names[0]))[:60]
    return f"{plain}{'-and-others' if len(source['entities']) > 1 else ''}-{day}"


def _verdicts(visit: Visit) -> JobVerdicts:
    require_templates(visit.cluster)
    return JobVerdicts(visit.cluster, visit.folded_job(), visit.now)


def _answer(given: Mapping[str, str]) -> Answer | None:
    did, at = given.get("did", ""), given.get("at", "")
    known = did in (*VERDICTS, ALLOWED, REVOKED) and at.isascii() and at.isdecimal() and len(at) <= 12
    return Answer(did, int(at)) if known else None


def _given(visit: Visit, answer: Answer) -> list[Verdict]:
    """Return the verdicts that the caller gave, or revoked, with an answer to this incident."""
    require_reading(visit.cluster, VERDICTS_INDEX)  # else nothing might be found, and nothing undone
    everything = JobVerdicts(visit.cluster, visit.job, visit.now).all().verdicts
    by = visit.caller.name
    if answer.did == REVOKED:
        mine = [each for each in everything if (each.revoked, each.revoked_by) == (answer.at, by)]
    else:
        mine = [each for each in everything if (each.time, each.by, each.verdict) == (answer.at, by, answer.did)]
    return _of_incident(visit, mine) if mine else []


def _of_incident(visit: Visit, verdicts: Sequence[Verdict]) -> list[Verdict]:
    incident: Incident = require_incident(visit.cluster, stored_incident(visit), visit.job.incident_gap)
    results, places = {place for place, _ in incident.results}, set(incident.pairs())
    return [each for each in verdicts if each.result in results or (each.entity, network_of(each.ip)) in places]


def _rules(visit: Visit, answer: Answer) -> list[StoredRule]:
    """Return the rules that the caller added at that time for this job alone."""
    require_reading(visit.cluster, RULES_INDEX)
    mine = (visit.caller.name, answer.at, (visit.job.job_id,))
    return [each for each in RuleStore(visit.cluster).all().rules if (each.author, each.created, each.jobs) == mine]


def _done(visit: Visit, did: str, at: int | None = None) -> Response:
    """Lead back to the incident's page, which says what was done."""
    place = visit.links.incident(visit.job.job_id, visit.named("incident"), did=did, at=visit.now if at is None else at)
    return RedirectResponse(place, status_code=303)
