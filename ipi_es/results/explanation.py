"""Why a record has its score: the ``anomaly_score_explanation`` object, and one plain sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ipi_es.times import format_span, iso

_TYPICAL_IN_SENTENCE = 3  # networks; more than three is a table, not a sentence
_NEAR_BITS = 8  # two addresses that share less have nothing to do with each other, in either family
_RAREST_IN_WORDS = 1e-12  # probabilities below are “less than 1 in a trillion”: nobody reads more digits


COLD_START = ("young_job", "unseen_entity", "little_history", "unseen_network")
"""What little is known of: the job's history is shorter than two weeks, the entity was never seen, it has fewer than
six events, nobody ever used the network."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What made one (entity, IP) unusual, and how the number came about.

    ``history_class`` names the calibration class by the entity's ``prior_events`` (``31–200 events``);
    ``calibration_size`` counts the points that its probability rests on. ``c1``, ``c2``, ``c3`` are the caps, from 0
    up, and ``bound`` names the one that held (``rank``, ``largest``, ``probability``, in that order, or ``none``).
    ``relative_rarity`` is in [0, 1], 1 = never used by this entity. ``typical`` holds (network, events) of the entity,
    most used first.
    ``longest_shared_prefix`` counts bits in the address's own family; None where the entity has no history in it.
    ``network`` is the address's own network, ``network_new_to_everybody`` whether no entity had ever used it;
    ``operator_first_occurrence`` and ``country_first_occurrence``: whether the entity had never used the network's
    operator, had never come from its country; None where that isn't known.
    ``entities_sharing_ip`` counts this bucket's entities at the address, this one included. ``cold_start`` names what
    little is known of (:data:`COLD_START`); ``calibrated_probability`` is what the probability would be, had warm-up
    not held it back.
    """

    history_class: str
    prior_events: int
    calibration_size: int
    probability_extrapolated: bool
    c1: float
    c2: float
    c3: float
    bound: str
    first_occurrence: bool
    relative_rarity: float
    typical: tuple[tuple[str, int], ...] = ()
    longest_shared_prefix: int | None = None
    network: str | None = None
    network_new_to_everybody: bool = False
    operator_first_occurrence: bool | None = None
    country_first_occurrence: bool | None = None
    entities_sharing_ip: int = 1
    warming_up: bool = False
    cold_start: tuple[str, ...] = ()
    calibrated_probability: float | None = None

    @property
    def probability_floor(self) -> float:
        """The smallest probability that the calibration sample alone can give: 1/(n + 1)."""
        return 1.0 / (self.calibration_size + 1)

    def to_dict(self) -> dict[str, Any]:
        """The object as it is stored; parts that are unknown are left out."""
        body: dict[str, Any] = {
            "class": self.history_class,
            "prior_events": self.prior_events,
            "calibration_size": self.calibration_size,
            "probability_floor": self.probability_floor,
            "probability_extrapolated": self.probability_extrapolated,
            "c1": self.c1,
            "c2": self.c2,
            "c3": self.c3,
            "bound": self.bound,
            "warming_up": self.warming_up,
            "by_field_first_occurrence": self.first_occurrence,
            "by_field_relative_rarity": self.relative_rarity,
            "typical": [{"network": network, "count": count} for network, count in self.typical],
            "network_new_to_everybody": self.network_new_to_everybody,
            "entities_sharing_ip": self.entities_sharing_ip,
        }
        if self.longest_shared_prefix is not None:
            body["longest_shared_prefix"] = self.longest_shared_prefix
        if self.network is not None:
            body["network"] = self.network
        if self.cold_start:
            body["cold_start"] = list(self.cold_start)
        for name in ("operator_first_occurrence", "country_first_occurrence", "calibrated_probability"):
            if getattr(self, name) is not None:
                body[name] = getattr(self, name)
        return body


def relative_rarity(events_from_ip: int, prior_events: int) -> float:
    """The share of the entity's earlier events that came from elsewhere: [0, 1], 1 where there are none."""
    return 1.0 if prior_events <= 0 else 1.0 - min(events_from_ip, prior_events) / prior_events


def cold_start(history_class: int, *, young: bool, new_network: bool) -> tuple[str, ...]:
    """Which of :data:`COLD_START` hold: of the job, of an entity of this class, of a network new to everybody."""
    holds = (young, history_class == 0, history_class == 1, new_network)
    return tuple(name for name, held in zip(COLD_START, holds, strict=True) if held)


def sentence(record: Mapping[str, Any]) -> str:
    """One plain sentence why this record is there; a record without an explanation gets a shorter one."""
    entity, ip = str(record["partition_field_value"]), str(record["by_field_value"])
    why: Mapping[str, Any] = record.get("anomaly_score_explanation") or {}
    # what is allowed never teaches, so nobody knows whether it is the first time
    allowed = bool(record.get("suppressed_by"))
    first = " for the first time" if why.get("by_field_first_occurrence") and not allowed else ""
    reasons = [
        *_network_reason(why, allowed=allowed),
        *_context_reason(entity, why, record),
        *_typical_reason(entity, why),
        *_warm_up_reason(entity, why),
        *_sharing_reason(why, record),
        _probability_reason(float(record["probability"]), why),
    ]
    text = f"{entity} used {ip}{first} ({_plural(int(record.get('event_count', 1)), 'event')}): {'; '.join(reasons)}"
    if record.get("repeat_of"):
        text += "; already reported, so it raises nothing again"
    if record.get("held_until"):
        text += f"; teaches nothing before {iso(int(record['held_until']) // 1_000)}"
    if record.get("suppressed_by"):
        text += f"; allowed by {record['suppressed_by']}"
    return text + "."


def _network_reason(why: Mapping[str, Any], *, allowed: bool) -> list[str]:
    network = why.get("network") or "that network"
    if why.get("network_new_to_everybody"):
        return [f"no use of {network} was learned" if allowed else f"nobody had used {network} before"]
    shared = why.get("longest_shared_prefix")
    if shared is not None and why.get("by_field_first_occurrence"):
        near = shared >= _NEAR_BITS
        return [f"the address shares its first {shared} bits with a usual one" if near else "nothing near it is usual"]
    return []


def _context_reason(entity: str, why: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """What is new of the network's operator and country; an entity without history has never used any."""
    if not why.get("prior_events"):
        return []
    number, name = record.get("source.as.number"), record.get("source.as.organization.name")
    operator = f"AS{number}" + (f" ({name})" if name else "")
    country = record.get("source.geo.country_iso_code")
    new = [f"operator {operator}"] if why.get("operator_first_occurrence") and number else []
    new += [f"country {country}"] if why.get("country_first_occurrence") and country else []
    return [f"{' and '.join(new)} {'are' if len(new) > 1 else 'is'} new for {entity}"] if new else []


def _typical_reason(entity: str, why: Mapping[str, Any]) -> list[str]:
    typical: Sequence[Mapping[str, Any]] = why.get("typical") or ()
    if typical:
        networks = ", ".join(f"{entry['network']} ({entry['count']:,})" for entry in typical[:_TYPICAL_IN_SENTENCE])
        return [f"{entity} usually comes from {networks}"]
    return [f"{entity} has no history yet"] if why and not why.get("prior_events") else []


def _warm_up_reason(entity: str, why: Mapping[str, Any]) -> list[str]:
    """How little is known, and what that held back."""
    reasons = []
    if "little_history" in (why.get("cold_start") or ()):
        reasons.append(f"{entity} has only {_plural(int(why['prior_events']), 'event')} of history")
    borrowed = why.get("calibrated_probability")
    if borrowed is not None:
        reasons.append(f"held back while it warms up ({_one_in(float(borrowed))} by what is known of other entities)")
    return reasons


def _sharing_reason(why: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    sharing = int(why.get("entities_sharing_ip") or 1)
    if sharing <= 1:
        return []
    span = record.get("bucket_span")
    within = f"the same {format_span(int(span))}" if span else "the same bucket"
    return [f"{sharing:,} different {record.get('partition_field_name', 'entity')} values used the address in {within}"]


def _probability_reason(probability: float, why: Mapping[str, Any]) -> str:
    group = f" of entities with {why['class']} before" if why.get("class") else ""
    text = f"{_one_in(probability)}{group} is as unusual as this"
    return text + " (estimated beyond what was seen)" if why.get("probability_extrapolated") else text


def _one_in(probability: float) -> str:
    if probability < _RAREST_IN_WORDS:
        return "less than 1 event in a trillion"
    rarity = 1.0 / probability
    if rarity < 100:
        return f"1 event in {rarity:.0f}"
    magnitude = 10 ** (len(str(int(rarity))) - 2)  # two digits say enough
    return f"1 event in {round(rarity / magnitude) * magnitude:,}"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
