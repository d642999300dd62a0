"""Texts about a job that doesn't see its events: for annotations, the log and `/readyz`."""

from __future__ import annotations

from collections.abc import Mapping

from ipi_es.config.job_config import Job
from ipi_es.results.documents.annotations import Annotation
from ipi_es.service.blindness.blind_change import BlindChange, BlindReason
from ipi_es.times import iso

LONGEST_WORD = 40
"""Characters of an outcome that are quoted."""


def of_blindness(job: Job, change: BlindChange, words: Mapping[str, int] | None = None) -> Annotation:
    """Return the annotation of a change; the one of its end has the same type and start and so replaces it.

    ``words``: values of the outcome field in [start, end) with their number of documents, if an outcome is missing.
    """
    field = field_of(job, change)
    fields = {"blind_state": str(change.state), "blind_reason": str(change.reason)} | (
        {} if field is None else {"blind_field": field}
    )
    text = blind_text(job, change, words)
    return Annotation("blind", change.start, change.end, text, fields=tuple(fields.items()))


def field_of(job: Job, change: BlindChange) -> str | None:
    """Return the field of the events that causes the change; None: the events themselves are missing."""
    return {
        BlindReason.ENTITY_MISSING: job.entity_field,
        BlindReason.ADDRESS_MISSING: job.ip_field,
        BlindReason.ADDRESS_MALFORMED: job.ip_field,
        BlindReason.OUTCOME_MISSING: job.datafeed_config.outcome_field,
    }.get(change.reason)


def blind_text(job: Job, change: BlindChange, words: Mapping[str, int] | None = None) -> str:
    """Describe what is missing, since when, how much of it is usual, and what to do."""
    since = (
        f"from {iso(change.start)} on, so far" if change.goes_on else f"from {iso(change.start)} to {iso(change.end)}"
    )
    what = _WHAT[change.reason](job, change, since, words or {})
    if change.accepted:
        return f"{what} It has been so for two weeks, so it counts as usual from now on."
    return what if not change.goes_on else f"{what} {_TO_DO[change.reason].format(job=job.job_id)}"


def _no_events(_: Job, change: BlindChange, since: str, __: Mapping[str, int]) -> str:
    usual = f" (about {change.usual:,} are usual)" if change.usual else ""
    return f"No events {since}, although there usually are some{usual}."


def _few_events(_: Job, change: BlindChange, since: str, __: Mapping[str, int]) -> str:
    return f"Most events are missing {since}: {change.seen:,} came where at least {change.usual:,} are usual."


def _missing(field: str, fault: str, change: BlindChange, since: str) -> str:
    shares = f"{_percent(change.share)} of the events ({_percent(change.usual_share)} are usual)"
    return f"`{field}` {fault} in {shares} {since}: {change.seen:,} of {change.events:,} events can be scored."


def _entity(job: Job, change: BlindChange, since: str, __: Mapping[str, int]) -> str:
    return _missing(job.entity_field, "is missing", change, since)


def _address(job: Job, change: BlindChange, since: str, __: Mapping[str, int]) -> str:
    return _missing(job.ip_field, "is missing", change, since)


def _malformed(job: Job, change: BlindChange, since: str, __: Mapping[str, int]) -> str:
    return _missing(job.ip_field, "holds no address", change, since)


def _outcome(job: Job, change: BlindChange, since: str, words: Mapping[str, int]) -> str:
    feed = job.datafeed_config
    wanted = (change.outcome,) if change.outcome else feed.score_outcomes
    names = " or ".join(f"`{name}`" for name in wanted)
    seen = ", ".join(f"`{_plain(name)}` ({count:,})" for name, count in words.items())
    now = f" Its values now: {seen}." if seen else ""
    where = f"`{feed.outcome_field}` {names}" if feed.outcome_field else "an entity and an address"
    return f"{change.seen:,} of {change.events:,} events have {where} {since}, where {change.usual:,} are usual.{now}"


_WHAT = {
    BlindReason.NO_EVENTS: _no_events,
    BlindReason.FEW_EVENTS: _few_events,
    BlindReason.ENTITY_MISSING: _entity,
    BlindReason.ADDRESS_MISSING: _address,
    BlindReason.ADDRESS_MALFORMED: _malformed,
    BlindReason.OUTCOME_MISSING: _outcome,
}

_SOURCES = "Look whether every source still sends and every index is open; `ipi-es check {job}` counts the events."
_FIELDS = "Look whether the field was renamed at the source; `ipi-es check {job}` shows what the events hold."

_TO_DO = {
    BlindReason.NO_EVENTS: _SOURCES,
    BlindReason.FEW_EVENTS: _SOURCES,
    BlindReason.ENTITY_MISSING: _FIELDS,
    BlindReason.ADDRESS_MISSING: _FIELDS,
    BlindReason.ADDRESS_MALFORMED: _FIELDS,
    BlindReason.OUTCOME_MISSING: "Name the new spelling in `score_outcomes` and `learn_outcomes`, or fix the source.",
}


def _plain(word: str) -> str:
    """Return a value of an event in a form that is safe in a sentence and in the JSON of an alert definition."""
    return "".join(each if each.isprintable() and each not in '"\\`' else "?" for each in word)[:LONGEST_WORD]


def _percent(share: float) -> str:
    return f"{share:.0%}" if share < 0.995 or share >= 1.0 else "over 99%"
