"""A small company for the worker's tests: seeded ECS events of 60 people, with planted oddities, and its job.

Ten days to learn from, then five to score: day 0 as usual, on day 1 spraying (one address over 40 people, and 12 more
in the next bucket) and a takeover (one account from 6 addresses), day 2 without any event, then days with new homes
that stay.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipi_es.cluster.port import Cluster, Put
from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job

DAY, HOUR = 86_400, 3_600
LEARN_DAYS, SCORE_DAYS = 10, 5
SCORED_FROM = 1_756_512_000
"""2025-08-30T00:00:00Z: the scored days cross a month, and so two result indices."""
LEARN_FROM = SCORED_FROM - LEARN_DAYS * DAY
SCORED_TO = SCORED_FROM + SCORE_DAYS * DAY
PEOPLE = 60
EVENTS = "test-signins"
SPRAYER, VPN = "192.0.2.66", "192.0.2.130"
VICTIM, NOMADS = "person07", ("person11", "person12", "person13")

MAPPINGS: dict[str, Any] = {
    "properties": {
        "@timestamp": {"type": "date"},
        "event": {"properties": {"category": {"type": "keyword"}, "outcome": {"type": "keyword"}}},
        "user": {"properties": {"name": {"type": "keyword"}}},
        "source": {"properties": {"ip": {"type": "ip"}}},
    }
}

Event = tuple[int, str, str, str]
"""Time (epoch s), entity, IP, outcome."""


def events(seed: int = 1, score_days: int = SCORE_DAYS) -> Iterator[Event]:
    """All events, not in order of time."""
    rng = np.random.default_rng(seed)
    homes = [f"{rng.integers(11, 99)}.{rng.integers(1, 250)}.{rng.integers(1, 250)}.{i + 1}" for i in range(PEOPLE)]
    for day in range(-LEARN_DAYS, score_days):
        if day != 2:
            yield from _usual_day(rng, SCORED_FROM + day * DAY, homes)
    targets = rng.permutation(PEOPLE)[:52]
    yield from _spraying(targets[:40], SCORED_FROM + DAY + 10 * HOUR)
    yield from _spraying(targets[40:], SCORED_FROM + DAY + 13 * HOUR)
    for hour in (9, 10, 13):
        for last in range(6):
            yield SCORED_FROM + DAY + hour * HOUR + last, VICTIM, f"{101 + last}.7.{last}.9", "success"
    for place, who in enumerate(NOMADS):
        for step in range(8):  # every 6 hours over two days: a repeat, until its window ends
            yield SCORED_FROM + 3 * DAY + (6 * step + place) * HOUR, who, f"198.18.{place}.7", "success"


def with_moved_office(found: Iterable[Event]) -> list[Event]:
    """The events with another network for the office from the fourth scored day on."""
    begin = SCORED_FROM + 3 * DAY + 9 * HOUR
    return [
        (time, who, f"198.51.100.{ip[-1]}" if ip.startswith("203.0.113.") and time >= begin else ip, outcome)
        for time, who, ip, outcome in found
    ]


def _usual_day(rng: np.random.Generator, start: int, homes: list[str]) -> Iterator[Event]:
    for i in range(PEOPLE):
        who = f"person{i:02d}"
        for _ in range(int(rng.integers(2, 7))):
            time = start + int(rng.integers(6 * HOUR, 22 * HOUR))
            choice = rng.random()
            ip = homes[i]
            if choice < 0.5:
                ip = f"203.0.113.{i % 3 + 1}"
            elif choice < 0.54:
                ip = f"{rng.integers(120, 180)}.{rng.integers(1, 250)}.3.{rng.integers(1, 250)}"
            elif choice < 0.56:
                ip = VPN
            yield time, who, ip, "failure" if rng.random() < 0.03 else "success"


def _spraying(targets: NDArray[np.int64], start: int) -> Iterator[Event]:
    for place, i in enumerate(targets.tolist()):
        yield start + 60 * place, f"person{i:02d}", SPRAYER, "success"


def document(event: Event) -> dict[str, Any]:
    """The event as an ECS document."""
    time, who, ip, outcome = event
    return {
        "@timestamp": dt.datetime.fromtimestamp(time, dt.UTC).isoformat(),
        "event": {"category": ["authentication"], "outcome": outcome},
        "user": {"name": who},
        "source": {"ip": ip},
    }


def fill(cluster: Cluster, index: str = EVENTS, found: Iterable[Event] | None = None, **how: int) -> int:
    """Create the index of events, the company's or those ``found`` elsewhere; how many it has."""
    cluster.create_index(index, {"mappings": MAPPINGS})
    found = events(**how) if found is None else found
    outcome = cluster.bulk(Put(index, str(number), document(each)) for number, each in enumerate(found))
    cluster.refresh(index)
    return outcome.written


def job_data(job_id: str = "signins", index: str = EVENTS, **more: Any) -> dict[str, Any]:
    """The job as plain values: 3-hourly buckets, a short training, results in an index of its own."""
    return {
        "job_id": job_id,
        "analysis_config": {"bucket_span": "3h"},
        "datafeed_config": {"indices": [index]},
        "results_index_name": job_id,
        "training": {"window": f"{LEARN_DAYS}d", "min_events": 200},
        "ip_insights": {"epochs": 2, "combiner_epochs": 2, "combiner_members": 1, "vector_dim": 8},
        "allow_list": [{"cidr": "192.0.2.128/25", "id": "vpn"}],
        **more,
    }


def make_job(job_id: str = "signins", index: str = EVENTS, **more: Any) -> Job:
    """The job, checked."""
    return check_job(job_data(job_id, index, **more))
