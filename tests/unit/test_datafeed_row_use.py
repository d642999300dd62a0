"""What is learned: one rule, which history, training, late events and `check` share."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.addresses import parse
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.row_use import row_use
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.results.reading.reported import BucketEntity, HeldRecord
from ipi_es.scheduled_events import Calendar, ScheduledEvent
from ipi_es.worker.history.history_keeper import learned_rows
from ipi_es.worker.history.holds import Holds
from ipi_es.worker.scoring.scored_pairs import have_outcome, unique_pairs
from ipi_es.worker.training.training_rows import TrainingRowsCollector

START = 1_777_593_600  # 2026-05-01T00:00:00Z
JOB = Job.model_validate(
    {
        "job_id": "j",
        "analysis_config": {"bucket_span": "1h"},
        "datafeed_config": {
            "indices": ["logs"],
            "score_outcomes": ["success", "failure"],
            "learn_outcomes": ["success", "resumed"],
        },
        "allow_list": [{"cidr": "203.0.113.0/24"}],
    }
)
ALLOWED, HELD, USUAL = "203.0.113.5", "198.51.100.7", "192.0.2.1"
ENTITIES, IPS = ["alice", "bob", "carol"], [ALLOWED, HELD, USUAL]
OUTCOMES = ["failure", "success", "resumed"]
Row = tuple[str, str, str]
ROWS = st.tuples(*(st.sampled_from(each) for each in (ENTITIES, IPS, OUTCOMES)))


def bucket(rows: list[Row]) -> EventBucket:
    entities, ips, outcomes = (list(dict.fromkeys(row[side] for row in rows)) for side in range(3))
    return EventBucket(
        start=START,
        span=3_600,
        entities=entities,
        ips=ips,
        addresses=parse(ips)[0],
        outcomes=outcomes,
        entity=np.array([entities.index(row[0]) for row in rows], dtype=np.int32),
        ip=np.array([ips.index(row[1]) for row in rows], dtype=np.int32),
        outcome=np.array([outcomes.index(row[2]) for row in rows], dtype=np.int8),
        count=np.arange(1, len(rows) + 1, dtype=np.int64),
        event_count=len(rows),
    )


def holds() -> Holds:
    """Alice is held at one address, and nothing of the bucket is learned of Carol."""
    made = Holds.of(JOB)
    made.load([HeldRecord("alice", HELD, START - 3_600, START + 86_400, "r")], [BucketEntity(START, "carol")])
    return made


def test_what_is_learned_succeeded_and_is_neither_allowed_nor_held() -> None:
    rows = [
        ("alice", USUAL, "success"),
        ("alice", USUAL, "failure"),
        ("alice", USUAL, "resumed"),
        ("alice", HELD, "success"),
        ("bob", HELD, "success"),
        ("bob", ALLOWED, "success"),
        ("carol", USUAL, "success"),
    ]
    use = row_use(bucket(rows), JOB, AllowList.of(JOB), holds())
    assert use.succeeded.tolist() == [True, False, True, True, True, True, True]
    assert use.learned.tolist() == [True, False, True, False, True, False, False]
    assert use.calibrates.tolist() == [True, True, False, True, True, False, True]
    without = row_use(bucket(rows), JOB, AllowList.of(JOB))
    assert without.learned.tolist() == [True, False, True, True, True, False, True]


@pytest.mark.parametrize(("start", "end", "inside"), [(START - 60, START + 1, True), (START - 60, START, False)])
def test_in_a_scheduled_event_nothing_is_learned_or_calibrates(start: int, end: int, *, inside: bool) -> None:
    rows, calendar = [("alice", USUAL, "success")], Calendar((ScheduledEvent("move", start, end),))
    use = row_use(bucket(rows), JOB, AllowList.of(JOB, calendar=calendar))
    assert use.succeeded.all()
    assert (use.learned.any(), use.calibrates.any()) == (not inside, not inside)


@given(st.lists(ROWS, unique=True))
def test_history_and_training_learn_the_same(rows: list[Row]) -> None:
    made, allow = bucket(rows), AllowList.of(JOB)
    hashes = entity_hashes(made.entities)
    entity, address, count, _ = learned_rows(made, hashes, JOB, allow, holds())
    of_history: Counter[tuple[int, bytes]] = Counter()
    for who, where, events in zip(entity.tolist(), address, count.tolist(), strict=True):
        of_history[who, where.tobytes()] += events
    collector = TrainingRowsCollector(JOB, allow, holds())
    collector.take(made)
    events = collector.events(START + 86_400)
    hashes = entity_hashes(events.entities)
    of_training = {
        (int(hashes[events.entity[row]]), events.addresses[events.ip[row]].tobytes()): int(events.count[row])
        for row in np.flatnonzero(events.learns)
    }
    assert of_training == of_history


@given(st.lists(ROWS, unique=True))
def test_pairs_are_looked_up_by_their_outcomes(rows: list[Row]) -> None:
    made = bucket(rows)
    entity, ip, count = unique_pairs(made, ("success", "failure"))
    pairs = [(made.entities[who], made.ips[where]) for who, where in zip(entity, ip, strict=True)]
    assert sorted(pairs) == sorted({row[:2] for row in rows if row[2] != "resumed"})
    assert count.sum() == sum(number for number, row in enumerate(rows, 1) if row[2] != "resumed")
    learned = {row[:2] for row in rows if row[2] != "failure"}
    found = have_outcome(made, ("success", "resumed"), entity, ip)
    assert found.tolist() == [pair in learned for pair in pairs]
