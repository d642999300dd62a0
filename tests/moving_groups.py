"""Buckets in which accounts sign in from another network, and what was learned of them before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ipi_es.addresses import parse
from ipi_es.config.rules.allow_list import NO_RULE
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.ipinsights.history.history import History
from ipi_es.results.reading.reported import ReportedMove
from ipi_es.scoring.normalizer import Normalized
from ipi_es.worker.scoring.outcome_views import ViewScores
from ipi_es.worker.scoring.scored_pairs import ScoredPairs

DAY = 20_000
START = DAY * 86_400 + 36_000
OFFICE, OTHER_OFFICE, NEW = "192.0.2.0/24", "203.0.113.0/24", "198.51.100.0/24"
SignIn = tuple[str, str]


def people(count: int, first: int = 0) -> list[str]:
    return [f"person{place:02d}" for place in range(first, first + count)]


def at(network: str, who: Sequence[str], host: int = 7) -> list[SignIn]:
    prefix = network.rpartition(".")[0]
    return [(name, f"{prefix}.{host}") for name in who]


def history(*past: Sequence[SignIn]) -> History:
    """What was learned of the last days, one list for each."""
    made = History.empty(DAY - len(past), pair_keys=1 << 16, network_keys=1 << 16)
    for day, rows in enumerate(past, DAY - len(past)):
        names, ips = zip(*rows, strict=True)
        made.apply(DayDelta.of(day, entity_hashes(names), parse(ips)[0], np.ones(len(rows), dtype=np.int64)))
    return made


def bucket_of(succeeded: Sequence[SignIn], failed: Sequence[SignIn] = ()) -> tuple[EventBucket, ScoredPairs]:
    rows = [*succeeded, *failed]
    entities, ips = (list(dict.fromkeys(values)) for values in zip(*rows, strict=True))
    entity = np.array([entities.index(name) for name, _ in rows], dtype=np.int32)
    ip = np.array([ips.index(address) for _, address in rows], dtype=np.int32)
    n, ones = len(rows), np.ones(len(rows), dtype=np.int64)
    failures = np.arange(n) >= len(succeeded)
    bucket = EventBucket(
        START, 3_600, entities, ips, parse(ips)[0], ["failure", "success"], entity, ip,
        (~failures).astype(np.int8), ones, n,
    )  # fmt: skip
    ln_p = np.full(n, -12.0)
    pairs = ScoredPairs(
        entity, ip, ones, np.zeros(n), np.zeros(n, dtype=np.int8), np.full(n, 50.0), ln_p, ln_p, ln_p,
        np.zeros(n, dtype=np.bool_), np.full(n, NO_RULE, dtype=np.int32), failures,
    )  # fmt: skip
    return bucket, pairs


def reported(score: float = 99.0, former: tuple[str, ...] = (OFFICE,)) -> dict[str, ReportedMove]:
    return {NEW: ReportedMove(NEW, START - 3_600, "first", score, former)}


def scores(records: Sequence[float], ips: Sequence[float], entities: Sequence[float]) -> ViewScores:
    def made(values: Sequence[float]) -> Normalized:
        score, n = np.array(values, dtype=np.float64), len(values)
        return Normalized(score, score, score, score, np.zeros(n, dtype=np.dtype("U16")))

    return ViewScores(made(records), made(entities), made(ips), {})
