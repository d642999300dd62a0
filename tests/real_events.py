"""The real events beside the repository as ECS documents, and attacks that are planted among them.

The events lie in ``../shared/data`` of the repository, or nowhere: then what needs them is skipped. They are personal
data: nothing of them is copied, cached or printed.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ipi_es.addresses import canonical, packed

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"
EVENTS, ATTACKERS = FOLDER / "events_a.csv.gz", FOLDER / "attacker_ips.txt"
MISSING = f"the real events aren't there ({EVENTS})"

DAY = 86_400
KINDS = ("attacker", "organisation", "colleague")
"""Whose address a takeover comes from: a known attacker's, one of other organisations', one of the own organisation."""
TAKEOVERS = 30  # a kind; together one a day, among about 22 normal pairs
SPRAYS, SPRAYED = 4, 60  # bursts, and the entities that each tries
MANY, ADDRESSES = 4, 4  # accounts used from many places in a day, and from how many (attackers' and others' in turn)
KNOWN_ROWS = 5  # unique (day, entity, address) before: an entity “with history”, as in the evaluation's protocol


class Event(NamedTuple):
    """One sign-in; ``time`` in epoch seconds, ``ip`` in canonical form."""

    time: int
    entity: str
    ip: str
    group: str
    outcome: str = "success"


Pair = tuple[int, str, str]
"""(start of the UTC day, entity, IP)."""


def pair_of(event: Event) -> Pair:
    """The (bucket, entity, IP) that an event is counted in."""
    return event.time // DAY * DAY, event.entity, event.ip


def load() -> list[Event]:
    """All real events in the order of time."""
    with gzip.open(EVENTS, "rt", newline="") as file:
        return [
            Event(
                int(datetime.fromisoformat(row["timestamp"]).timestamp()), row["entity"], _ip(row["ip"]), row["group"]
            )
            for row in csv.DictReader(file)
        ]


def attackers() -> list[str]:
    """Addresses that were seen attacking public decoys."""
    return [_ip(line) for line in ATTACKERS.read_text().split()]


@dataclass
class Planted:
    """What was planted, by what it is; every pair is in one list only."""

    events: list[Event] = field(default_factory=list)
    takeovers: dict[str, list[Pair]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    sprays: list[tuple[int, str]] = field(default_factory=list)  # (start of the day, IP)
    many: list[tuple[int, str]] = field(default_factory=list)  # (start of the day, entity)

    @property
    def pairs(self) -> set[Pair]:
        """All (bucket, entity, IP) that are no normal ones."""
        return {pair_of(event) for event in self.events}


def known_entities(events: list[Event], start: int, end: int) -> set[str]:
    """Entities with history in [start, end)."""
    rows: dict[str, set[Pair]] = defaultdict(set)
    for event in events:
        if start <= event.time < end:
            rows[event.entity].add(pair_of(event))
    return {entity for entity, pairs in rows.items() if len(pairs) >= KNOWN_ROWS}


def plant(events: list[Event], train: tuple[int, int], test: tuple[int, int], seed: int) -> Planted:
    """Attacks in [start, end) ``test`` on entities with history in ``train``, at the times of real events of theirs.

    An address is never one that its victim uses anywhere in the data. Nobody is attacked twice, no address attacks
    twice, and sprays have days of their own.
    """
    return _Planting(events, train, test, np.random.default_rng(seed)).plant()


class _Planting:
    def __init__(
        self, events: list[Event], train: tuple[int, int], test: tuple[int, int], rng: np.random.Generator
    ) -> None:
        self.rng, self.test, self.planted = rng, test, Planted()
        self.group = {event.entity: event.group for event in events}
        self.used = {(event.entity, event.ip) for event in events}
        self.known = sorted(known_entities(events, *train))
        known = set(self.known)
        seen = [event for event in events if train[0] <= event.time < train[1]]
        # rows and not addresses, as in the evaluation's protocol: an office's address counts as often as it is used
        self.rows = sorted({pair_of(event) for event in seen})
        self.colleagues: dict[str, list[tuple[str, str]]] = defaultdict(list)  # group → (entity, IP)
        for _, entity, ip in self.rows:
            self.colleagues[self.group[entity]].append((entity, ip))
        targets = [event for event in events if test[0] <= event.time < test[1] and event.entity in known]
        self.targets: list[Event] = [targets[i] for i in rng.permutation(len(targets)).tolist()]
        known_attackers = attackers()
        self.attackers: list[str] = [known_attackers[i] for i in rng.permutation(len(known_attackers)).tolist()]
        self.attacked: set[str] = set()

    def plant(self) -> Planted:
        days = self.rng.choice((self.test[1] - self.test[0]) // DAY, SPRAYS, replace=False)
        for i, day in enumerate(sorted(days.tolist())):
            self._spray(self.test[0] + day * DAY, KINDS[i % 2])
        for _ in range(MANY):
            target = self._target()
            addresses = [self._address(("attacker", "organisation")[i % 2], target) for i in range(ADDRESSES)]
            self._add(target, [each for each in addresses if each is not None])
            self.planted.many.append((pair_of(target)[0], target.entity))
        for kind in ("colleague", "organisation", "attacker"):  # those with few possible victims choose first
            while len(self.planted.takeovers[kind]) < TAKEOVERS:
                target = self._target(has_colleagues=kind == "colleague")
                address = self._address(kind, target)
                if address is not None:
                    self.planted.takeovers[kind] += self._add(target, [address])
        return self.planted

    def _spray(self, day: int, kind: str) -> None:
        address = self.attackers.pop() if kind == "attacker" else self.rows[int(self.rng.integers(len(self.rows)))][2]
        at = day + int(self.rng.integers(6 * 3_600, 18 * 3_600))
        strangers = [entity for entity in self.known if (entity, address) not in self.used]
        victims = self.rng.choice(len(strangers), SPRAYED, replace=False).tolist()
        for i, victim in enumerate(victims):
            entity, outcome = strangers[victim], "success" if i == 0 else "failure"
            for _ in range(3):  # passwords tried
                self.planted.events.append(Event(at, entity, address, self.group[entity], outcome))
                at += 20
        self.planted.sprays.append((day, address))

    def _target(self, *, has_colleagues: bool = False) -> Event:
        sprayed = {day for day, _ in self.planted.sprays}
        for place, event in enumerate(self.targets):
            alone = has_colleagues and len({who for who, _ in self.colleagues[event.group]}) < 2
            if event.entity not in self.attacked and pair_of(event)[0] not in sprayed and not alone:
                self.attacked.add(event.entity)
                return self.targets.pop(place)
        raise AssertionError("too few entities to attack in this range")

    def _address(self, kind: str, target: Event) -> str | None:
        """An address of this kind that the target never used; None if there is none."""
        if kind == "attacker":
            return self.attackers.pop()
        own = {ip for _, ip in self.colleagues[target.group]}
        if kind == "organisation":
            choice = [ip for _, who, ip in self.rows if self.group[who] != target.group and ip not in own]
        else:
            choice = [ip for who, ip in self.colleagues[target.group] if who != target.entity]
        choice = [ip for ip in choice if (target.entity, ip) not in self.used]
        return choice[int(self.rng.integers(len(choice)))] if choice else None

    def _add(self, target: Event, addresses: list[str]) -> list[Pair]:
        events = [target._replace(ip=address) for address in addresses]
        self.planted.events += events
        return [pair_of(event) for event in events]


def index_body() -> dict[str, Any]:
    """Mapping (ECS types) and settings of the index of the events."""
    keyword = {"type": "keyword"}
    return {
        "settings": {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "-1"},
        "mappings": {
            "dynamic": False,
            "properties": {
                "@timestamp": {"type": "date"},
                "event": {"properties": {"category": keyword, "outcome": keyword}},
                "user": {"properties": {"name": keyword}},
                "source": {"properties": {"ip": {"type": "ip"}}},
                "organization": {"properties": {"name": keyword}},
            },
        },
    }


def documents(events: list[Event]) -> Iterator[dict[str, Any]]:
    """ECS authentication events."""
    for event in events:
        yield {
            "@timestamp": event.time * 1_000,
            "event": {"category": ["authentication"], "outcome": event.outcome},
            "user": {"name": event.entity},
            "source": {"ip": event.ip},
            "organization": {"name": event.group},
        }


def _ip(text: str) -> str:
    blob = packed(text)
    assert blob is not None, "an address of the data is malformed"
    return canonical(blob)
