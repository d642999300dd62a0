"""The explanation of a record's score: the ``anomaly_score_explanation`` object, and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ipi_es.config.files.entity_groups import GROUPS_FIELD
from ipi_es.ipinsights.pair_explanation import SHARED_FROM
from ipi_es.results.documents import ids
from ipi_es.results.documents.phrases import (
    begun_with_capital,
    dated_repeat,
    events_text,
    learned_before,
    of_groups,
    of_types,
    one_in,
    plural,
    rule_text,
    scheduled_text,
)
from ipi_es.times import format_span, from_ms, iso, to_ms

_TYPICAL_IN_SENTENCE = 3  # networks; more than three is a table, not a sentence
_USUAL_SHARE = 0.05  # of an entity's history; a network with a smaller share is rare, not usual
_NEAR_BITS = 8  # two addresses that share fewer bits are unrelated, in either family


COLD_START = ("young_job", "unseen_entity", "little_history", "unseen_network")
"""Kinds of cold start: the job's history is shorter than two weeks, the entity was never seen, it has fewer than six
events, no use of the network was learned."""


@dataclass(frozen=True, slots=True)
class EndangeredBy:
    """The compromised account near a pair, which made its probability smaller.

    ``source`` is the address, network or operator that both have in common, ``time`` that of the verdict in epoch
    seconds, ``probability_before`` the pair's probability without it.
    """

    entity: str
    source: str
    time: int
    probability_before: float

    def to_dict(self) -> dict[str, Any]:
        """Return the object that a record stores."""
        return {
            "entity": self.entity,
            "source": self.source,
            "time": to_ms(self.time),
            "probability_before": self.probability_before,
        }


@dataclass(frozen=True, slots=True)
class ScoreExplanation:
    """Why one (entity, IP) is unusual, and how its score was computed.

    ``history_class`` names the calibration class by the entity's ``prior_events`` (``31–200 events``);
    ``calibration_size`` counts the calibration points of its probability. ``c1``, ``c2``, ``c3`` are the caps, from 0
    up, and ``bound`` names the one that applied (``rank``, ``largest``, ``probability``, in that order, or ``none``).
    All facts about the past cover the events learned before the record's UTC day, without events that are held,
    allowed, or of an outcome that isn't learned. ``first_occurrence``: the entity never used the address;
    ``relative_rarity`` is in [0, 1], 1 where it never did. ``typical`` holds (network, weight, share) of the entity,
    heaviest first: the weight in decayed days, and its share of the entity's total weight, 0 to 1.
    ``longest_shared_prefix`` counts bits in the address's own family; None where the entity has no history in it.
    ``network`` is the address's own network; ``network_new_to_everybody``: no entity ever used it;
    ``operator_new_to_everybody``: no entity ever used its operator;
    ``operator_first_occurrence`` and ``country_first_occurrence``: the entity never used the network's operator, its
    country; None where that isn't known.
    ``entities_sharing_ip`` counts this bucket's entities at the address, this one included; ``entities_on_address`` and
    ``entities_on_network`` those that ever used it, and its network: upper bounds. ``cold_start`` names
    the kinds of cold start (:data:`COLD_START`); ``calibrated_probability`` is the probability without the effect of
    warm-up, None where warm-up had none. ``endangered_by``: the compromised account near the pair, None where there is
    none.
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
    typical: tuple[tuple[str, int, float], ...] = ()
    longest_shared_prefix: int | None = None
    network: str | None = None
    network_new_to_everybody: bool = False
    operator_new_to_everybody: bool = False
    operator_first_occurrence: bool | None = None
    country_first_occurrence: bool | None = None
    entities_sharing_ip: int = 1
    entities_on_address: int = 0
    entities_on_network: int = 0
    warming_up: bool = False
    cold_start: tuple[str, ...] = ()
    calibrated_probability: float | None = None
    endangered_by: EndangeredBy | None = None

    @property
    def probability_floor(self) -> float:
        """The smallest probability that the calibration sample alone can give: 1/(n + 1)."""
        return 1.0 / (self.calibration_size + 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the object that a record stores; unknown parts are left out."""
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
            "typical": [{"network": network, "count": count, "share": share} for network, count, share in self.typical],
            "network_new_to_everybody": self.network_new_to_everybody,
            "entities_sharing_ip": self.entities_sharing_ip,
            "entities_on_address": self.entities_on_address,
            "entities_on_network": self.entities_on_network,
        }
        if self.longest_shared_prefix is not None:
            body["longest_shared_prefix"] = self.longest_shared_prefix
        if self.network is not None:
            body["network"] = self.network
        if self.operator_new_to_everybody:
            body["operator_new_to_everybody"] = True
        if self.cold_start:
            body["cold_start"] = list(self.cold_start)
        for name in ("operator_first_occurrence", "country_first_occurrence", "calibrated_probability"):
            if getattr(self, name) is not None:
                body[name] = getattr(self, name)
        if self.endangered_by is not None:
            body["endangered_by"] = self.endangered_by.to_dict()
        return body


def relative_rarity(events_from_ip: int, prior_events: int) -> float:
    """Return the share of the entity's earlier events from other addresses: [0, 1], 1 without earlier events."""
    return 1.0 if prior_events <= 0 else 1.0 - min(events_from_ip, prior_events) / prior_events


def cold_start(history_class: int, *, young: bool, new_network: bool) -> tuple[str, ...]:
    """Return those of :data:`COLD_START` that apply to the job, to an entity of this class, and to a new network."""
    holds = (young, history_class == 0, history_class == 1, new_network)
    return tuple(name for name, held in zip(COLD_START, holds, strict=True) if held)


def sentence(record: Mapping[str, Any]) -> str:
    """Explain in sentences why this record was written; a record without an explanation gets fewer.

    Statements on the past mean what was learned before the record's day. A pair that repeats an earlier finding, or
    that a rule allows, was seen before without being learned, so its sentences omit “never” and “nobody”.
    """
    entity, ip = str(record["partition_field_value"]), str(record["by_field_value"])
    why: Mapping[str, Any] = record.get("anomaly_score_explanation") or {}
    repeated = record.get("repeat_of") and not ids.belongs_to_new_finding(record)
    known = bool(record.get("suppressed_by") or repeated)
    past = [*([] if known else _never(entity, why, record)), *_shared(why, record), *_usually(entity, why)]
    sentences = [
        f"{entity} used {ip} ({events_text(record)})",
        *of_groups(entity, record.get(GROUPS_FIELD) or ()),
        *of_types(ip, record),
        *learned_before(int(record.get("timestamp", 0)), past),
        *_sharing(why, record),
        *_probabilities(entity, float(record["probability"]), why),
        *_repeat(record),
    ]
    if record.get("held_until"):
        sentences.append(f"Not learned until {iso(from_ms(record['held_until']))}")
    if record.get("suppressed_by"):
        sentences.append(rule_text(str(record["suppressed_by"])))
    sentences += scheduled_text(record)
    return ". ".join(sentences) + "."


def _never(entity: str, why: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """Return clauses on what the history lacks: the address, its network, operator and country."""
    claims = []
    seen = bool(why.get("prior_events"))
    if seen and why.get("by_field_first_occurrence"):
        claims.append(f"{entity} never used this address")
    if why.get("network_new_to_everybody"):
        claims.append(f"nobody used {why.get('network') or 'its network'}")
    elif why.get("longest_shared_prefix") is not None and why.get("by_field_first_occurrence"):
        shared = int(why["longest_shared_prefix"])
        near = shared >= _NEAR_BITS
        claims.append(f"a usual address shares its first {shared} bits" if near else "no usual address is near it")
    return [*claims, *(_context(entity, why, record) if seen else [])]


def _shared(why: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """Return a clause on an address or a network that many entities shared: of an office, a VPN, a carrier, a relay."""
    on_address, on_network = (int(why.get(f"entities_on_{place}") or 0) for place in ("address", "network"))
    who = f"{record.get('partition_field_name', 'entity')} values shared"
    if on_address >= SHARED_FROM:
        return [f"up to {on_address:,} {who} this address"]
    return [f"up to {on_network:,} {who} {why.get('network')}"] if on_network >= SHARED_FROM else []


def _context(entity: str, why: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """Return a clause on an operator and a country of the network that are new for the entity."""
    number, name = record.get("source.as.number"), record.get("source.as.organization.name")
    operator = f"AS{number}" + (f" ({name})" if name else "")
    country = record.get("source.geo.country_iso_code")
    new = [f"operator {operator}"] if why.get("operator_first_occurrence") and number else []
    new += [f"country {country}"] if why.get("country_first_occurrence") and country else []
    return [f"{' and '.join(new)} {'are' if len(new) > 1 else 'is'} new for {entity}"] if new else []


def _usually(entity: str, why: Mapping[str, Any]) -> list[str]:
    """Return clauses on the entity's usual networks, and on how little history it has."""
    if not why:
        return []
    if not why.get("prior_events"):
        return [f"there is nothing of {entity}"]
    shares = usual_shares(why, most=_TYPICAL_IN_SENTENCE)
    usual = [f"{network} ({share:.0%})" for network, share in shares if share >= _USUAL_SHARE]
    claims = [f"{entity} usually comes from {', '.join(usual)}"] if usual else []
    if shares and not usual:
        claims = [f"{entity} comes from many networks, each less than {_USUAL_SHARE:.0%}"]
    if "little_history" in (why.get("cold_start") or ()):
        claims.append(f"{entity} has only {plural(int(why['prior_events']), 'event')}")
    return claims


def usual_shares(why: Mapping[str, Any], most: int | None = None) -> list[tuple[str, float]]:
    """Return the first ``most`` pairs of (network, share of the entity's history, 0 to 1), largest share first.

    Networks with a share of 0 are left out.
    """
    typical: Sequence[Mapping[str, Any]] = why.get("typical") or ()
    if typical and "share" not in typical[0]:  # results of older versions hold none
        whole = sum(int(each["count"]) for each in typical) or 1
        typical = [{"network": each["network"], "share": int(each["count"]) / whole} for each in typical]
    return [(each["network"], each["share"]) for each in typical[:most] if each["share"] > 0.0]


def _sharing(why: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    sharing = int(why.get("entities_sharing_ip") or 1)
    if sharing <= 1:
        return []
    span = record.get("bucket_span")
    within = f"the same {format_span(int(span))}" if span else "the same bucket"
    return [f"{sharing:,} different {record.get('partition_field_name', 'entity')} values used the address in {within}"]


def _probabilities(entity: str, probability: float, why: Mapping[str, Any]) -> list[str]:
    """Return sentences on the probability, and on the compromised account that made it smaller."""
    nearby = why.get("endangered_by")
    if nearby is None:
        return [_probability(entity, probability, why)]
    said = iso(from_ms(nearby["time"]))
    near = f"{nearby['entity']} was compromised from {nearby['source']} (verdict of {said})"
    before = _probability(entity, float(nearby["probability_before"]), why)
    return [before, f"{near}, so this counts as {one_in(probability)}"]


def _probability(entity: str, probability: float, why: Mapping[str, Any]) -> str:
    borrowed = why.get("calibrated_probability")
    if borrowed is not None:
        rarity = begun_with_capital(f"{one_in(float(borrowed))} of other entities is as unusual as this")
        return f"{rarity}; counted as {one_in(probability)} while too little is known of {entity} or of the job"
    group = f" of entities with a comparable history ({why['class']})" if why.get("class") else ""
    text = begun_with_capital(f"{one_in(probability)}{group} is as unusual as this")
    return text + " (estimated beyond what was seen)" if why.get("probability_extrapolated") else text


def _repeat(record: Mapping[str, Any]) -> list[str]:
    """Return a sentence on the first finding that the record repeats; it may be of another address of the network."""
    first = record.get("repeat_of")
    if not first:
        return []
    pair = (str(record["partition_field_value"]), str(record["by_field_value"]))
    detector = (int(record.get("bucket_span") or 0), int(record.get("detector_index") or 0))
    now = from_ms(record.get("timestamp", 0))
    return [_dated_repeat(str(first), str(record.get("job_id")), *detector, *pair, now)]


@lru_cache(maxsize=4_096)  # a finding repeats in bucket after bucket
def _dated_repeat(
    first: str, job_id: str, bucket_span: int, detector_index: int, entity: str, ip: str, now: int
) -> str:
    begun = ids.start_of(first)
    own = ids.record_id(job_id, begun or 0, bucket_span, detector_index, entity, ip) == first
    return dated_repeat(begun, "" if own or begun is None else "in the same network", now=now)
