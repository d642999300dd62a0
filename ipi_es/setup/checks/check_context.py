"""Judge whether operators and countries of the addresses are known and readable, and what they would add. Pure."""

from __future__ import annotations

from ipi_es.config.datafeed_config import AUTO
from ipi_es.config.job_config import Job
from ipi_es.setup.checks.check_finding import Finding, ok, percent, warning
from ipi_es.setup.checks.proposals import ContextPart, parsed
from ipi_es.setup.facts.facts_context import ContextFacts, FileFacts, PartFacts

RECALL_WITH, RECALL_WITHOUT = 84, 75
"""Percent of the attacks found at 1 % false positives with and without both, on real events (means of
docs/evaluation.md)."""

KNOWN = 0.5
"""Share of the events from public addresses that must have an operator, or country, for it to count as known."""

READABLE = 0.5
"""Share of the events with a field's most frequent values that must hold a valid operator or country."""

_FORMS: dict[ContextPart, str] = {
    "operator": "the number of an autonomous system (64496 or AS64496)",
    "country": "the two letters of a country (DE)",
}
_FILLING = (
    "let a GeoIP processor in the events' ingest pipeline write them beside the address, or name local files that know "
    "them in datafeed_config.networks_files (docs/network.md)"
)


def judge_context(job: Job, facts: ContextFacts) -> list[Finding]:
    """Judge operator and country: one finding for each with a fault in its field, else at most one line on both."""
    if facts.public <= facts.private:
        return []  # private addresses have neither
    found, known = [], []
    for part, one in facts.parts.items():
        bad = _part(job, part, one, facts.public)
        found += bad
        if not bad and _is_known(part, one, facts.public):
            known.append(part)
    lacking = [part for part in facts.parts if part not in known]
    if not lacking or found or _declined(job):
        return found
    gain = (
        f"on real events {RECALL_WITH} % of the attacks were found with both, {RECALL_WITHOUT} % without, at 1 % false "
        "positives (docs/evaluation.md)"
    )
    if known:
        return [ok("context", f"of the addresses {known[0]} is known, and no {lacking[0]}: {gain}")]
    text = f"neither operator nor country of the addresses is known: {gain}"
    return [warning("context", text, _FILLING)]


def judge_networks(facts: ContextFacts) -> list[Finding]:
    """Say of each file of networks what it holds, and how many of the job's addresses it knows."""
    return [ok("networks", _in_words(file)) for file in facts.files]


def _in_words(file: FileFacts) -> str:
    about = file.summary
    text = f"{about.path}: {about.format}"
    if about.networks is not None:
        types = ", ".join(f"{count:,} {name}" for name, count in (about.types or {}).items())
        text += f", {about.networks:,} {'network' if about.networks == 1 else 'networks'} ({types or 'without types'})"
    if not file.addresses:
        return f"{text}; there is no event from a public address to look up"
    types = "".join(f", {percent(count, file.addresses)} {name}" for name, count in file.types.items())
    return f"{text}; it knows {percent(file.known, file.addresses)} of the most frequent public addresses{types}"


def _part(job: Job, part: ContextPart, one: PartFacts, public: int) -> list[Finding]:
    """Warn if the field that is named or found can't be read or is mostly empty, or if another field has the values."""
    setting = f"datafeed_config.{part}_field"
    feed = job.datafeed_config
    given = feed.operator_field if part == "operator" else feed.country_field
    if given is None or _is_known(part, one, public):
        return []
    move = f"set {setting}: {one.other}" if one.other else None
    if one.used is not None and one.values and not _readable(part, one):
        example = ", ".join(f"“{value[:50]}”" for value in list(one.values)[:3])
        text = f"{one.used} can't be read as {part}s: it holds {example}, and {_FORMS[part]} is needed"
        return [warning(f"{part} field", text, move or f"name a field that holds it in {setting}, or null; {_FILLING}")]
    if one.other is not None:
        wanted = feed.operator_of(job.ip_field) if part == "operator" else feed.country_of(job.ip_field)
        lack = (
            f"{percent(public - one.filled, public)} of the events lack {wanted}"
            if one.used
            else (f"no event has {wanted}" if given == AUTO else f"{wanted} isn't read")
        )
        text = f"{lack}, but {one.other} holds the {part} of {job.ip_field} on most of them"
        return [warning(f"{part} field", text, f"{move}")]
    if one.used is not None and given != AUTO:
        text = f"{percent(public - one.filled, public)} of the events from public addresses lack {one.used}"
        return [
            warning(f"{part} field", text, f"name a field that more of them have in {setting}, or null; {_FILLING}")
        ]
    return []


def _is_known(part: ContextPart, one: PartFacts, public: int) -> bool:
    own = one.used is not None and _readable(part, one) and one.filled >= KNOWN * public
    return own or one.from_files >= KNOWN * public


def _readable(part: ContextPart, one: PartFacts) -> bool:
    total = sum(one.values.values())
    return sum(count for value, count in one.values.items() if parsed(part, value)) >= READABLE * total


def _declined(job: Job) -> bool:
    """Return whether both fields are set to null and no network files are named: then nothing is missing."""
    feed = job.datafeed_config
    return feed.operator_field is None and feed.country_field is None and not feed.networks_files
