"""The report's lists: the worst entities and addresses, and a card for each unusual pair, as plain values."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ipi_es.config.files.entity_groups import GROUPS_FIELD
from ipi_es.lists import some
from ipi_es.networks.network_types import TYPES_FIELD
from ipi_es.pages.lanes import Axis, Lane, lane_of
from ipi_es.pages.text import TimeShown, counted, one_in, score_text, severity_name
from ipi_es.report.report_findings import SHOWN_FROM, leaders
from ipi_es.results.documents.explanation import sentence, usual_shares
from ipi_es.results.documents.phrases import TYPE_LABELS
from ipi_es.results.documents.visible import visible
from ipi_es.results.words import is_settled
from ipi_es.times import from_ms

MAX_INCIDENTS = 10
"""Incidents on a page, the worst first."""

NAMED = 4
"""Accounts, and networks, that an incident's card names."""

MAX_REASONS = 4
"""Reasons on an incident's card."""

MAX_CARDS = 25
"""Cards on a page: about eight sheets of paper; the others are counted, with the command that lists them."""

MAX_ALSO = 5
"""Other names that a card lists; the rest are only counted."""

MAX_USUAL = 8
"""Usual networks of an entity that a card shows at most."""

_HELD_BY = {
    "rank": "how it ranks among all that this job scored",
    "largest": "the largest of the last days to weeks, or what chance alone gives among so many results",
    "probability": "its probability",
}
"""`bound` of an explanation → text: the cap, of three, that determined the score."""

_LITTLE_KNOWN = {
    "young_job": "the job's history is shorter than two weeks",
    "unseen_entity": "no event of this name was learned",
    "little_history": "fewer than six events of this name were learned",
    "unseen_network": "no use of this network was learned",
}
"""`cold_start` of an explanation → text."""


@dataclass(frozen=True, slots=True)
class Named:
    """An entity or an address over the report's time range."""

    value: str
    """As stored; the lane has the form for display."""
    lane: Lane
    unusual: int
    """Buckets in which it was an influencer with a score of at least 1."""


@dataclass(frozen=True, slots=True)
class NetworkShare:
    """A network that an entity uses: ``share`` in percent of its learned history, rounded."""

    network: str
    share: int


@dataclass(frozen=True, slots=True)
class Card:
    """The texts of a card for an unusual (entity, address)."""

    id: str
    entity: str
    ip: str
    score: str
    severity: str
    time: str
    machine_time: str
    why: str
    """The explanation, a sentence."""
    usual: tuple[NetworkShare, ...]
    facts: tuple[tuple[str, str], ...]
    """(label, text), in display order."""
    command: str
    """The command that explains the pair."""


@dataclass(slots=True)
class _Pair:
    worst: Mapping[str, Any]
    rank: float
    """The record's score, 0–100; for the pair that represents an entity or address, at least that one's score."""
    times: list[int] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, str]:
        """(entity, address), as stored."""
        return str(self.worst["partition_field_value"]), str(self.worst["by_field_value"])


def cards_of(
    records: Sequence[Mapping[str, Any]], leading: Sequence[Named], job: str, shown: TimeShown
) -> tuple[list[Card], int]:
    """Return the cards of the worst pairs, and how many pairs were left out. Allowed and closed ones have no card.

    ``records``: the worst first. Each of the ``leading`` entities and addresses with records is represented by its
    worst pair, which ranks at least as high as the entity or address itself: when sixty accounts are tried from one
    address, each account alone is hardly unusual.
    """
    pairs: dict[tuple[str, str], _Pair] = {}
    for record in records:
        if is_settled(record):
            continue
        names = str(record["partition_field_value"]), str(record["by_field_value"])
        pair = pairs.setdefault(names, _Pair(record, float(record["record_score"])))
        if "repeat_of" in pair.worst and "repeat_of" not in record:
            pair.worst = record  # the first one has the reasons; a repeat can score higher after a renormalization
        pair.times.append(from_ms(record["timestamp"]))
    others = _others(pairs)
    for each in leading:
        theirs = [
            pairs[each.value, other] if (each.value, other) in pairs else pairs[other, each.value]
            for other in others.get(each.value, ())
        ]
        if theirs:
            stands = max(theirs, key=lambda pair: (each.lane.worst_at in pair.times, pair.rank))
            stands.rank = max(stands.rank, each.lane.worst)
    ordered = sorted((pair for pair in pairs.values() if pair.rank >= SHOWN_FROM), key=lambda pair: -pair.rank)
    cards = [_card(pair, number, others, job, shown) for number, pair in enumerate(ordered[:MAX_CARDS], 1)]
    return cards, max(len(ordered) - MAX_CARDS, 0)


def _others(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Map each entity to the addresses in its records, and each address to its entities; the worst first."""
    found: dict[str, list[str]] = defaultdict(list)
    for entity, ip in pairs:
        found[entity].append(ip)
        found[ip].append(entity)
    return found


def _card(pair: _Pair, number: int, others: Mapping[str, Sequence[str]], job: str, shown: TimeShown) -> Card:
    record = pair.worst
    why: Mapping[str, Any] = record.get("anomaly_score_explanation") or {}
    entity, ip = pair.names
    time = from_ms(record["timestamp"])
    return Card(
        id=f"card-{number}",
        entity=visible(entity),
        ip=visible(ip),
        score=score_text(pair.rank),
        severity=severity_name(pair.rank),
        time=shown.at(time),
        machine_time=shown.iso(time),
        why=visible(sentence(record)),
        usual=_usual(why),
        facts=tuple((what, visible(text)) for what, text in _facts(pair, why, others, shown)),
        command=visible(f"ipi-es explain {shlex.quote(job)} {shlex.quote(entity)} {shlex.quote(ip)}"),
    )


def _usual(why: Mapping[str, Any]) -> tuple[NetworkShare, ...]:
    shares = [(network, round(100 * share)) for network, share in usual_shares(why)[:MAX_USUAL]]
    return tuple(NetworkShare(visible(network), share) for network, share in shares if share)


def _facts(
    pair: _Pair, why: Mapping[str, Any], others: Mapping[str, Sequence[str]], shown: TimeShown
) -> Iterable[tuple[str, str]]:
    record, (entity, ip) = pair.worst, pair.names
    score, initial = float(record["record_score"]), float(record["initial_record_score"])
    if score_text(pair.rank) != score_text(score):
        yield "This pair alone", f"{score_text(score)} {severity_name(score)}; unusual together with those below"
    for what, name, own in (("Also used by", ip, entity), ("Also seen at", entity, ip)):
        also = [other for other in others.get(name, ()) if other != own]
        if also:
            yield what, some(also, MAX_ALSO)
    yield "Probability", _probability(record, why)
    if why.get("bound") in _HELD_BY:
        yield "Score held by", _HELD_BY[why["bound"]]
    if int(score) != int(initial):
        yield "When written", f"{score_text(initial)} {severity_name(initial)}; renormalized since"
    actual, typical = record.get("actual") or [], record.get("typical") or []
    if actual and typical:
        yield "Compatibility", f"{actual[0]:.1f} here, {typical[0]:.1f} usually (log-odds, high = usual)"
    if record.get(GROUPS_FIELD):
        yield "Groups", some(record[GROUPS_FIELD], MAX_ALSO)
    place = _place(record, why)
    if place:
        yield "Network", place
    if why.get("prior_events") is not None:
        yield "History", f"{counted(int(why['prior_events']), 'event')} learned before that day"
    if len(pair.times) > 1:
        first, last = min(pair.times), max(pair.times)
        yield "Seen", f"in {counted(len(pair.times), 'bucket')}, {shown.at(first)} to {shown.at(last)}"
    little = [_LITTLE_KNOWN[each] for each in why.get("cold_start") or () if each in _LITTLE_KNOWN]
    if little:
        yield "Little known", "; ".join(little)


def _probability(record: Mapping[str, Any], why: Mapping[str, Any]) -> str:
    text = f"{one_in(float(record['probability']))} events"
    if why.get("class"):
        text += f" of names with a comparable history ({why['class']})"
    if why.get("calibration_size"):
        text += f", counted among {counted(int(why['calibration_size']), 'normal event')}"
    return text + (" and extrapolated" if why.get("probability_extrapolated") else "")


def _place(record: Mapping[str, Any], why: Mapping[str, Any]) -> str:
    number, name = record.get("source.as.number"), record.get("source.as.organization.name")
    parts = [why.get("network"), f"AS{number}" if number else None, name, record.get("source.geo.country_iso_code")]
    parts += [TYPE_LABELS.get(each, each) for each in record.get(TYPES_FIELD) or ()]
    return ", ".join(str(part) for part in parts if part)


@dataclass(frozen=True, slots=True)
class IncidentCard:
    """One incident, as the page shows it."""

    severity: str
    score: str
    who: str
    where: str
    begin: str
    end: str
    machine_time: str
    state: str
    results: int
    reasons: tuple[str, ...]
    """What happened, in order of time; at most :data:`MAX_REASONS`."""


def incident_cards(incidents: Sequence[Mapping[str, Any]], shown: TimeShown) -> list[IncidentCard]:
    """Return cards of the first :data:`MAX_INCIDENTS` incidents."""
    return [_incident_card(each, shown) for each in incidents[:MAX_INCIDENTS]]


def _incident_card(row: Mapping[str, Any], shown: TimeShown) -> IncidentCard:
    score, begin = float(row["incident_score"]), from_ms(row["timestamp"])
    return IncidentCard(
        severity=severity_name(score),
        score=score_text(score),
        who=visible(some(row["entities"], NAMED, total=row["entity_count"])),
        where=visible(some(row["networks"], NAMED, total=row["network_count"])),
        begin=shown.at(begin),
        end=shown.at(from_ms(row["end_timestamp"])),
        machine_time=shown.iso(begin),
        state=str(row["state"]),
        results=int(row["record_count"]) + int(row["influencer_count"]),
        reasons=tuple(visible(each) for each in row["reasons"][:MAX_REASONS]),
    )


def leading_of(influencers: Sequence[Mapping[str, Any]], field_name: str, axis: Axis, shown: TimeShown) -> list[Named]:
    """Return the ten worst values of a field with their lanes, the worst first."""
    points: dict[str, list[tuple[int, float]]] = {name: [] for name in leaders(influencers, field_name)}
    for each in influencers:
        value = str(each["influencer_field_value"])
        if each["influencer_field_name"] == field_name and value in points and not is_settled(each):
            points[value].append((from_ms(each["timestamp"]), float(each["influencer_score"])))
    return [Named(name, lane_of(name, found, axis, shown), len(found)) for name, found in points.items()]
