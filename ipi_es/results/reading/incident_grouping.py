"""Group records and influencers into incidents: what happened to the same accounts or from the same networks. Pure.

Two results belong to one incident if they have an entity or a network (/24 or /48) in common, or an operator that was
new to everybody, and their buckets begin at most ``gap`` seconds apart; so do results that are joined by others. The
scores are the initial ones, and an incident's id is made of its earliest result: neither a renormalization nor the
order of the results changes anything.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, TypeAlias

from ipi_es.addresses import packed
from ipi_es.config.given_verdict import CLOSING, COMPROMISED, DISMISSED, SAFE
from ipi_es.ipinsights.prefixes import site_text
from ipi_es.results.documents import ids
from ipi_es.results.reading.reported import EGRESS_MOVE
from ipi_es.results.words import INCIDENT, SCORE_FIELDS, VERDICT, ResultKind, raises_alarm
from ipi_es.scoring.probability import severity
from ipi_es.times import from_ms, to_ms

METHOD = 1
"""Version of how incidents are made of results; with a higher one, all incidents are made anew."""

KINDS: tuple[ResultKind, ...] = ("record", "influencer")
"""Types of the results that incidents are made of."""

LEAST_SCORE = 25.0
"""The lowest initial score of a result that belongs to an incident: “minor”. Milder ones would join strangers."""

OPEN = "open"
"""State of an incident that is neither closed nor compromised."""

LISTED = 1_000
"""Entities, networks, addresses, reasons and ids of results that an incident lists at most; all are counted."""

FIELDS = (
    "result_type", "timestamp", "bucket_span", "partition_field_value", "by_field_value", "influencer_field_value",
    "reason", "top_entities", "top_ips", "entity_count", "unlearned_entity_count", "unlearned_ip_count",
    "source.as.number", EGRESS_MOVE, "anomaly_score_explanation.operator_new_to_everybody", VERDICT,
    *(f"initial_{SCORE_FIELDS[kind]}" for kind in KINDS),
)  # fmt: skip
"""Fields of results that incidents are made of."""

Source: TypeAlias = Mapping[str, Any]
Key: TypeAlias = tuple[str, str]
"""(“entity”, “network” or “operator”, its name)."""


@dataclass(frozen=True, slots=True)
class Incident:
    """The results of one story, in order of time (and of their ids)."""

    results: tuple[tuple[str, Source], ...]
    """(id, source) of each record and influencer."""

    @property
    def start(self) -> int:
        """The start of its first bucket, epoch seconds."""
        return from_ms(self.results[0][1]["timestamp"])

    @property
    def end(self) -> int:
        """The end of its last bucket, epoch seconds."""
        return max(from_ms(each["timestamp"]) + int(each["bucket_span"]) for _, each in self.results)

    @property
    def score(self) -> float:
        """The highest initial score, 0–100."""
        return max(initial_score(each) for _, each in self.results)

    @property
    def state(self) -> str:
        """See :func:`state_of`."""
        return state_of(each.get(VERDICT) for _, each in self.results)

    def names(self, kind: str) -> list[str]:
        """Return its entities (“entity”) or networks (“network”): those of the highest scores first, then by name.

        The accounts that an address tried, and the networks of an account's new addresses, come after those.
        """
        worst: Counter[str] = Counter()
        members: set[str] = set()
        for _, each in self.results:
            for key, name in keys_of(each):
                if key == kind:
                    worst[name] = max(worst[name], round(initial_score(each) * 1_000))
            found = _members(each, "entity" if kind == "entity" else "ip")
            members.update(found if kind == "entity" else map(network_of_address, found))
        return [*sorted(worst, key=lambda name: (-worst[name], name)), *sorted(members - worst.keys())]

    def pairs(self) -> list[tuple[str, str]]:
        """Return its pairs of entity and network, as far as its results name them, sorted."""
        found = set[tuple[str, str]]()
        for _, each in self.results:
            entities = {name for kind, name in keys_of(each) if kind == "entity"} or set(_members(each, "entity"))
            found.update(product(entities, _networks(each)))
        return sorted(found)

    def moved_to(self) -> list[str]:
        """Return the networks that a whole group moved to, sorted."""
        return sorted({each[EGRESS_MOVE]["network"] for _, each in self.results if EGRESS_MOVE in each})

    def addresses(self) -> list[str]:
        """Return its addresses, as far as its results name them, sorted as text."""
        found = set[str]()
        for _, each in self.results:
            if each["result_type"] == "record":
                found.add(each["by_field_value"])
            elif each.get("partition_field_value") is None:
                found.add(str(each["influencer_field_value"]))
            found.update(_members(each, "ip"))
        return sorted(found)

    def operators(self) -> list[int]:
        """Return the numbers of its operators that were new to everybody, sorted."""
        return sorted({int(name) for _, each in self.results for kind, name in keys_of(each) if kind == "operator"})

    def id(self, job_id: str) -> str:
        """Return its id, made of its earliest result."""
        return ids.incident_id(job_id, self.start, self.results[0][0])

    def to_dict(self, job_id: str) -> dict[str, Any]:
        """Return the incident in the form of a result; times in epoch milliseconds."""
        entities, networks, addresses = self.names("entity"), self.names("network"), self.addresses()
        kinds = Counter(each["result_type"] for _, each in self.results)
        score = self.score
        return {
            "result_type": INCIDENT,
            "incident_id": self.id(job_id),
            "job_id": job_id,
            "timestamp": to_ms(self.start),
            "end_timestamp": to_ms(self.end),
            "is_interim": False,
            "incident_score": score,
            "severity": str(severity(score)),
            "state": self.state,
            "entities": entities[:LISTED],
            "entity_count": max(len(entities), *(_accounts(each) for _, each in self.results)),
            "networks": networks[:LISTED],
            "network_count": len(networks),
            "addresses": addresses[:LISTED],
            "address_count": len(addresses),
            "operators": self.operators(),
            "record_count": kinds["record"],
            "influencer_count": kinds["influencer"],
            "results": [place for place, _ in self.results[:LISTED]],
            "reasons": list(islice(self.reasons(), LISTED)),
        }

    def reasons(self) -> Iterator[str]:
        """Yield what happened, in order of time: reasons of the worst results that together name everything.

        A result is left out where a worse one has said it: of the same account from the same network, or of an address
        with all its accounts.
        """
        covered: set[Key] = set()
        whole: set[str] = set()  # networks of addresses whose reasons count their accounts
        chosen = []
        for place, each in sorted(self.results, key=lambda each: (-initial_score(each[1]), each[0])):
            keys = keys_of(each)
            where = _networks(each)
            if keys <= covered or (where and where <= whole) or not each.get("reason"):
                continue
            covered |= keys
            if keys == {("network", name) for name in where}:
                whole |= where
            chosen.append((each["timestamp"], place, str(each["reason"])))
        yield from (text for _, _, text in sorted(chosen))


def state_of(verdicts: Iterable[str | None]) -> str:
    """Return the state of an incident whose results have these verdicts.

    It is ``compromised`` if one of them is, ``safe`` or ``dismissed`` if all are closed, else ``open``.
    """
    words = set(verdicts)
    if COMPROMISED in words:
        return COMPROMISED
    if words <= set(CLOSING):
        return DISMISSED if DISMISSED in words else SAFE
    return OPEN


def group_incidents(results: Iterable[tuple[str, Source]], gap: int) -> list[Incident]:
    """Return the incidents of results, given as (id, source) in any order; the earliest first. ``gap``: seconds."""
    found = sorted(results, key=lambda each: (each[1]["timestamp"], each[0]))
    root = list(range(len(found)))

    def top(place: int) -> int:
        while root[place] != place:
            root[place] = root[root[place]]
            place = root[place]
        return place

    last: dict[Key, int] = {}
    for place, (_, source) in enumerate(found):
        for key in keys_of(source):
            before = last.get(key)
            if before is not None and source["timestamp"] - found[before][1]["timestamp"] <= to_ms(gap):
                one, other = sorted((top(before), top(place)))
                root[other] = one
            last[key] = place
    members: dict[int, list[tuple[str, Source]]] = defaultdict(list)
    for place, each in enumerate(found):
        members[top(place)].append(each)
    return [Incident(tuple(each)) for _, each in sorted(members.items())]


def takes_part(source: Source) -> bool:
    """Return whether a result belongs to an incident: a final one that isn't mild, and may alert, or did."""
    final = source["result_type"] in KINDS and not source["is_interim"]
    return final and raises_alarm(source) and initial_score(source) >= LEAST_SCORE


def keys_of(source: Source) -> set[Key]:
    """Return what a record or an influencer is about: entity, network, and the operator that is new to everybody."""
    if source["result_type"] == "record":
        keys = {
            ("entity", str(source["partition_field_value"])),
            ("network", network_of_address(source["by_field_value"])),
        }
        if (source.get("anomaly_score_explanation") or {}).get("operator_new_to_everybody"):
            keys.add(("operator", str(source["source.as.number"])))
        return keys
    name = str(source["influencer_field_value"])
    if source.get("partition_field_value") is not None:  # of an entity
        return {("entity", name)}
    return {("network", network_of_address(name))}


def initial_score(source: Source) -> float:
    """Return the score of a record or an influencer as it was first written."""
    return float(source[f"initial_{SCORE_FIELDS[source['result_type']]}"])


def overlapping(incidents: Sequence[Incident], start: int | None, end: int | None) -> list[Incident]:
    """Return the incidents with a moment in [start, end), epoch seconds; None: no limit."""
    return [each for each in incidents if (start is None or each.end > start) and (end is None or each.start < end)]


def _accounts(source: Source) -> int:
    """Return how many accounts a result counts: those of an address, or of the move of a group."""
    return max(int((each or {}).get("entity_count") or 0) for each in (source, source.get(EGRESS_MOVE)))


def _networks(source: Source) -> set[str]:
    """Return the networks of a result: its own, or those of an entity's new addresses."""
    own = {name for kind, name in keys_of(source) if kind == "network"}
    return own or set(map(network_of_address, _members(source, "ip")))


def _members(source: Source, kind: str) -> Sequence[str]:
    """Return the entities (“entity”) or addresses (“ip”) of an influencer that are new to it, as far as it names them.

    It names the least probable ones first.
    """
    named = source.get("top_entities" if kind == "entity" else "top_ips") or ()
    new = source.get(f"unlearned_{kind}_count")
    return named if new is None else named[: int(new)]


def network_of_address(ip: str) -> str:
    """Return the network (/24 or /48) of an address, as text."""
    address = packed(ip)
    return ip if address is None else site_text(address)
