"""Small simulated companies for the soak test: a day's sign-ins depend only on the company's number and the day.

People sign in from home, with another address every few weeks, and from the office; sometimes from an address that is
used once. Every few days one address signs in to all accounts. Most events arrive at once, some up to an hour or half a
day late.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from streams import DAY, MAPPINGS, address_text

from ipi_es.cluster.port import Cluster, Put

PATTERN = "soak-signins-*"
"""The events' indices, one per UTC day; companies in one cluster share them."""

EVENTS_A_DAY = 8
"""Mean number of a person's events."""

OPENS, CLOSES = 6 * 3_600, 22 * 3_600
"""Seconds of the day between which people sign in; nights have no events."""

OFFICES = 3
FROM_OFFICE, ONE_OFF = 0.45, 0.03
"""Shares of the sign-ins; the others are from home."""

MOVES = (20, 60)
"""Days after which a home gets another address, [least, most)."""

SPRAYED_EVERY = 5
"""Interval, in days, of the days on which one address signs in to all accounts."""

RETENTION_DAYS = 10
"""Days for which every other job's results are kept; the other jobs keep all results, which is the default."""

AT_ONCE = 20
"""Seconds within which an event reaches the cluster, unless it is late; less than the smallest query_delay."""
LATE = ((0.02, 3_600), (0.003, 12 * 3_600))
"""(share of the events, their maximum delay in seconds)"""


class Arrival(NamedTuple):
    """An event and its time of arrival in the cluster; times in epoch seconds."""

    arrives: int
    time: int
    company: int
    id: str
    name: str
    ip: str

    def document(self) -> dict[str, Any]:
        """Return the event as an ECS document."""
        return {
            "@timestamp": self.time * 1_000,
            "event": {"category": ["authentication"], "outcome": "success"},
            "organization": {"id": company_id(self.company)},
            "user": {"name": self.name},
            "source": {"ip": self.ip},
        }


def company_id(number: int) -> str:
    """Return the value of `organization.id`."""
    return f"company-{number:03d}"


def index_of(time: int) -> str:
    """Return the index of an event by its time in epoch seconds."""
    return PATTERN.replace("*", f"{dt.datetime.fromtimestamp(time, dt.UTC):%Y.%m.%d}")


def day_of_company(number: int, people: int, day: int) -> list[Arrival]:
    """Draw all sign-ins of a UTC day (days since the epoch), unsorted."""
    rng = np.random.default_rng((number, day))
    start, made = day * DAY, []
    who = np.repeat(np.arange(people), rng.poisson(EVENTS_A_DAY, people))
    times = start + rng.integers(OPENS, CLOSES, len(who))
    places, late = rng.random(len(who)), rng.random(len(who))
    for at, person in enumerate(who.tolist()):
        if places[at] < FROM_OFFICE:
            place = 10_000_000 + number * OFFICES + person % OFFICES
        elif places[at] < FROM_OFFICE + ONE_OFF:
            place = 12_000_000 + int(rng.integers(2_000_000))
        else:
            place = _home(number, people, person, day)
        made.append((int(times[at]), _delay(rng, float(late[at])), person, place))
    if (day + number) % SPRAYED_EVERY == 0:
        sprayer, first = 15_000_000 + number * 1_000 + day % 1_000, start + 13 * 3_600
        made += [(first + 20 * person, 1, person, sprayer) for person in range(people)]
    return [
        Arrival(time + delay, time, number, f"{number}-{day}-{at}", f"person{person:03d}", address_text(place))
        for at, (time, delay, person, place) in enumerate(made)
    ]


def _home(number: int, people: int, person: int, day: int) -> int:
    least, most = MOVES
    lasts = least + (person * 7 + number) % (most - least)
    return (number * people + person) * 100 + (day + person * 13) // lasts % 100


def _delay(rng: np.random.Generator, chance: float) -> int:
    for share, longest in LATE:
        if chance < share:
            return int(rng.integers(AT_ONCE, longest))
        chance -= share
    return int(rng.integers(AT_ONCE))


@dataclass
class Feeder:
    """Writes the events of all companies to their clusters as simulated time passes."""

    clusters: Sequence[Cluster]
    """The cluster of each company, by its number; one for all, or one each."""
    people: int
    day: int
    """The next day to be drawn, days since the epoch."""
    kept: int
    """Days for which events are kept."""
    waiting: list[Arrival] = field(default_factory=list)
    fed: int = 0

    def feed(self, until: int) -> None:
        """Write all events that arrive by ``until``, epoch seconds; delete the indices of days that aren't kept."""
        while self.day * DAY < until:
            for number in range(len(self.clusters)):
                self.waiting += day_of_company(number, self.people, self.day)
            self._turn_day()
            self.day += 1
        self.waiting.sort()
        arrived = bisect_right(self.waiting, until, key=lambda each: each.arrives)
        by_cluster: dict[int, list[Put]] = {}
        for each in self.waiting[:arrived]:
            put = Put(index_of(each.time), each.id, each.document())
            by_cluster.setdefault(id(self.clusters[each.company]), []).append(put)
        for cluster in {id(each): each for each in self.clusters}.values():
            puts = by_cluster.get(id(cluster))
            if puts:
                cluster.bulk(puts, refresh=True)
        self.fed += arrived
        del self.waiting[:arrived]

    def _turn_day(self) -> None:
        properties = {**MAPPINGS["properties"], "organization": {"properties": {"id": {"type": "keyword"}}}}
        settings = {"number_of_shards": 1, "number_of_replicas": 0}
        for cluster in {id(each): each for each in self.clusters}.values():
            cluster.create_index(
                index_of(self.day * DAY),
                {"settings": settings, "mappings": {"dynamic": False, "properties": properties}},
            )
            cluster.delete_index(index_of((self.day - self.kept) * DAY))


def job_data(number: int, span: int, training_days: int, every: str) -> dict[str, Any]:
    """Return a company's job; ``span`` in seconds. It ticks twice per bucket, so that there are interim results.

    ``every``: the interval of its trainings, in the setting's format.
    """
    filters = [{"term": {"event.category": "authentication"}}, {"term": {"organization.id": company_id(number)}}]
    return {
        "job_id": f"soak-{number:03d}",
        "results_index_name": "soak",
        **({"results_retention_days": RETENTION_DAYS} if number % 2 else {}),
        "analysis_config": {"bucket_span": f"{span}s"},
        "datafeed_config": {
            "indices": [PATTERN],
            "query": {"bool": {"filter": filters}},
            "frequency": f"{span // 2}s",
        },
        "training": {"window": f"{training_days}d", "min_events": 100, "every": every},
        "ip_insights": {"epochs": 2, "combiner_epochs": 2, "combiner_members": 1, "vector_dim": 8},
    }
