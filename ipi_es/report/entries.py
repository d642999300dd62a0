"""The report's lists: who and where stands out most, and a card for each unusual pair. Plain values for the page."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ipi_es.report.lanes import Axis, Lane, lane_of
from ipi_es.report.text import TimeShown, counted, one_in, score_text, severity_name, visible
from ipi_es.results.explanation import sentence

MAX_CARDS = 25
"""Cards on a page: about eight sheets of paper; the others are counted, with the command that lists them."""

MAX_TOP = 10
"""Entities and addresses in the lanes and the lists."""

MAX_USUAL = 8
"""Usual networks of an entity that a record keeps."""

_HELD_BY = {
    "rank": "how it ranks among all that this job scored",
    "largest": "the largest of the last days to weeks, or what chance alone gives among so many results",
    "probability": "its probability",
}
"""`bound` of an explanation: which of the three caps made the score what it is."""

_LITTLE_KNOWN = {
    "young_job": "the job's history is shorter than two weeks",
    "unseen_entity": "this name was never seen before",
    "little_history": "fewer than six events of this name are known",
    "unseen_network": "nobody was ever seen in this network",
}
"""`cold_start` of an explanation."""


@dataclass(frozen=True, slots=True)
class Named:
    """An entity or an address over the whole time."""

    lane: Lane
    unusual: int
    """Buckets in which it was an influencer of a score of at least 1."""
    card: str | None
    """Id of its worst card on the page."""


@dataclass(frozen=True, slots=True)
class UsualNetwork:
    """A network that an entity uses: ``share`` in percent of its days there, rounded."""

    network: str
    count: int
    share: int


@dataclass(frozen=True, slots=True)
class Card:
    """All that is told of an unusual (entity, address)."""

    id: str
    entity: str
    ip: str
    score: str
    severity: str
    time: str
    machine_time: str
    why: str
    """The sentence."""
    usual: tuple[UsualNetwork, ...]
    facts: tuple[tuple[str, str], ...]
    """(what, text), in the order of reading."""
    command: str
    """What to type to ask further."""


@dataclass(slots=True)
class _Pair:
    worst: Mapping[str, Any]
    times: list[int] = field(default_factory=list)


def cards_of(records: Sequence[Mapping[str, Any]], job: str, shown: TimeShown) -> tuple[list[Card], int]:
    """Cards of the worst pairs, and how many pairs were left out; what an allow-list rule allows has none."""
    pairs: dict[tuple[str, str], _Pair] = {}
    for record in records:  # the worst first
        if record.get("suppressed_by"):
            continue
        key = str(record["partition_field_value"]), str(record["by_field_value"])
        pair = pairs.setdefault(key, _Pair(record))
        if "repeat_of" in pair.worst and "repeat_of" not in record:
            pair.worst = record  # the first one says why; what repeats it can score higher after a renormalization
        pair.times.append(int(record["timestamp"]) // 1_000)
    ordered = sorted(pairs.values(), key=lambda pair: -float(pair.worst["record_score"]))
    cards = [_card(pair, number, job, shown) for number, pair in enumerate(ordered[:MAX_CARDS], 1)]
    return cards, max(len(ordered) - MAX_CARDS, 0)


def _card(pair: _Pair, number: int, job: str, shown: TimeShown) -> Card:
    record = pair.worst
    why: Mapping[str, Any] = record.get("anomaly_score_explanation") or {}
    entity, ip = str(record["partition_field_value"]), str(record["by_field_value"])
    time = int(record["timestamp"]) // 1_000
    score = float(record["record_score"])
    return Card(
        id=f"card-{number}",
        entity=visible(entity),
        ip=visible(ip),
        score=score_text(score),
        severity=severity_name(score),
        time=shown.at(time),
        machine_time=shown.iso(time),
        why=visible(sentence(record)),
        usual=_usual(why),
        facts=tuple((what, visible(text)) for what, text in _facts(record, why, pair, shown)),
        command=visible(f"ipi-es explain {shlex.quote(job)} {shlex.quote(entity)} {shlex.quote(ip)}"),
    )


def _usual(why: Mapping[str, Any]) -> tuple[UsualNetwork, ...]:
    typical: Sequence[Mapping[str, Any]] = (why.get("typical") or ())[:MAX_USUAL]
    whole = sum(int(each["count"]) for each in typical) or 1
    return tuple(
        UsualNetwork(visible(each["network"]), int(each["count"]), round(100 * int(each["count"]) / whole))
        for each in typical
    )


def _facts(
    record: Mapping[str, Any], why: Mapping[str, Any], pair: _Pair, shown: TimeShown
) -> Iterable[tuple[str, str]]:
    score, initial = float(record["record_score"]), float(record["initial_record_score"])
    yield "Probability", _probability(record, why)
    if why.get("bound") in _HELD_BY:
        yield "Score held by", _HELD_BY[why["bound"]]
    if int(score) != int(initial):
        yield "When written", f"{score_text(initial)} {severity_name(initial)}; renormalized since"
    actual, typical = record.get("actual") or [], record.get("typical") or []
    if actual and typical:
        yield "Compatibility", f"{actual[0]:.1f} here, {typical[0]:.1f} usually (log-odds, high = usual)"
    place = _place(record, why)
    if place:
        yield "Network", place
    if why.get("prior_events") is not None:
        yield "History", f"{counted(int(why['prior_events']), 'event')} before this one"
    if len(pair.times) > 1:
        first, last = min(pair.times), max(pair.times)
        yield "Seen", f"in {counted(len(pair.times), 'bucket')}, {shown.at(first)} to {shown.at(last)}"
    little = [_LITTLE_KNOWN[each] for each in why.get("cold_start") or () if each in _LITTLE_KNOWN]
    if little:
        yield "Little known", "; ".join(little)


def _probability(record: Mapping[str, Any], why: Mapping[str, Any]) -> str:
    text = f"{one_in(float(record['probability']))} events"
    if why.get("class"):
        text += f" of names with {why['class']}"
    if why.get("calibration_size"):
        text += f", counted among {counted(int(why['calibration_size']), 'normal event')}"
    return text + (" and extrapolated" if why.get("probability_extrapolated") else "")


def _place(record: Mapping[str, Any], why: Mapping[str, Any]) -> str:
    number, name = record.get("source.as.number"), record.get("source.as.organization.name")
    parts = [why.get("network"), f"AS{number}" if number else None, name, record.get("source.geo.country_iso_code")]
    return ", ".join(str(part) for part in parts if part)


def top_of(
    influencers: Sequence[Mapping[str, Any]],
    field_name: str,
    cards: Sequence[Card],
    axis: Axis,
    shown: TimeShown,
) -> list[Named]:
    """The ten worst values of a field by their highest influencer score, then by the sum; the worst first.

    What an allow-list rule allows takes no part.
    """
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for each in influencers:
        if each["influencer_field_name"] == field_name and not each.get("suppressed_by"):
            time = int(each["timestamp"]) // 1_000
            points[str(each["influencer_field_value"])].append((time, float(each["influencer_score"])))
    order = sorted(points, key=lambda name: (-max(score for _, score in points[name]), -_total(points[name]), name))
    by_name: dict[str, str] = {}
    for card in cards:
        by_name.setdefault(card.entity, card.id)
        by_name.setdefault(card.ip, card.id)
    return [
        Named(lane_of(name, points[name], axis, shown), len(points[name]), by_name.get(visible(name)))
        for name in order[:MAX_TOP]
    ]


def _total(points: Sequence[tuple[int, float]]) -> float:
    return sum(score for _, score in points)
