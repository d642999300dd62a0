"""Stored incidents follow from the stored results, whatever the order of changes, their batches, and kills."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import worker_parts as parts
from hypothesis import given, settings
from hypothesis import strategies as st
from incident_parts import HOUR, JOB, START, change, computed, influencer, ready, record, session_on, stored
from service_parts import a_job

from ipi_es.errors import LostJob
from ipi_es.results.documents.result_documents import ResultDocument
from ipi_es.results.words import ALIAS
from ipi_es.state.details import IncidentsState
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.incidents.incident_updates import IncidentUpdates, called

one = st.one_of(
    st.builds(
        record, st.integers(0, 60), st.sampled_from("abcdef"),
        st.sampled_from(["192.0.2.1", "192.0.3.1", "192.0.4.1", "2001:db8::1"]),
        st.sampled_from([20.0, 30.0, 60.0, 90.0]),
    ),
    st.builds(
        influencer, st.integers(0, 60), st.sampled_from(["192.0.2.9", "192.0.5.9"]), st.sampled_from([30.0, 90.0])
    ),
)  # fmt: skip
batches = st.lists(st.tuples(st.lists(one, min_size=1, max_size=4), st.booleans(), st.integers(1, 9)), max_size=7)


@settings(max_examples=60, deadline=None)
@given(batches, st.data())
def test_they_are_those_of_all_results_whatever_the_order_the_batches_and_the_kills(
    steps: list[tuple[list[ResultDocument], bool, int]], data: st.DataObject
) -> None:
    cluster = parts.FragileCluster()
    ready(cluster)
    there: list[ResultDocument] = []
    for number, (made, updated, dies) in enumerate(steps):
        gone = data.draw(st.lists(st.sampled_from(there), max_size=3, unique_by=lambda each: each.id)) if there else []
        gone = [each for each in gone if each.id not in {other.id for other in made}]
        with session_on(cluster, owner=f"one:{number}:1") as session:
            change(session, made, gone)
        there = [each for each in there if each.id not in {other.id for other in (*made, *gone)}] + made
        if not updated:
            continue
        cluster.dies_at, cluster.share = cluster.writes + dies, 0.5
        with suppress(parts.Killed), session_on(cluster, owner=f"two:{number}:1") as session:
            session.update_incidents()
        cluster.dies_at, cluster.dead = None, False
    with session_on(cluster, owner="last:1:1") as session:
        session.update_incidents()
    assert stored(cluster, JOB) == computed(cluster, JOB)


def test_nothing_is_read_or_written_where_nothing_is_due() -> None:
    cluster = parts.FragileCluster()
    ready(cluster)
    with session_on(cluster) as session:
        session.update_incidents()
        change(session, [record(1, "alice", "192.0.2.1", score=20.0)])
        writes, searches = cluster.writes, []
        cluster.search = lambda *args, **more: searches.append(args)  # type: ignore[assignment,method-assign]
        assert session.update_incidents() == 0
        assert (cluster.writes, searches) == (writes, [])


def test_a_long_time_with_many_results_is_cut_into_parts() -> None:
    cluster = ready(MemoryCluster())
    made = [record(hour, "ab"[hour // 30 % 2], f"192.0.{hour // 9}.1") for hour in range(0, 400, 3)]
    with session_on(cluster) as session:
        session.writer.write(made)
        updates = IncidentUpdates(cluster, JOB, session.resources.stores, page=3)
        assert updates.update(session.writer, lambda: True) < updates.update(session.writer)
    assert len(stored(cluster, JOB)) == 5
    assert stored(cluster, JOB) == computed(cluster, JOB)


def test_another_gap_makes_all_of_them_anew() -> None:
    cluster = ready(MemoryCluster())
    with session_on(cluster) as session:
        change(session, [record(hour, "alice", "192.0.2.1") for hour in (0, 4, 10)])
        session.update_incidents()
    assert len(stored(cluster, JOB)) == 2
    wider = a_job("logins", analysis_config={"bucket_span": "1h"}, incident_gap="6h")
    with session_on(cluster, wider, owner="two:1:1") as session:
        session.update_incidents()
    assert len(stored(cluster, wider)) == 1
    assert stored(cluster, wider) == computed(cluster, wider)


def test_an_incident_that_outlives_its_first_results_is_made_of_the_others() -> None:
    cluster = ready(MemoryCluster())
    begin = START + 6 * HOUR
    with session_on(cluster) as session:
        change(session, [record(hour, "alice", "192.0.2.1") for hour in (0, 4, 8)])
        session.update_incidents()
        session.resources.incidents.mark_begin(session.writer, begin)
        session.writer.delete_before(begin, others_from=0, held_from=None, stopping=lambda: False)
        session.update_incidents()
    (left,) = stored(cluster, JOB).values()
    assert left["record_count"] == 1
    assert stored(cluster, JOB) == computed(cluster, JOB, begin)


def test_a_worker_that_lost_the_job_writes_no_incident() -> None:
    cluster = ready(MemoryCluster())
    with suppress(LostJob), session_on(cluster) as session:
        change(session, [record(0, "alice", "192.0.2.1")])
        with session_on(cluster, owner="two:1:1") as other:
            other.update_incidents()
        with pytest.raises(LostJob):
            session.update_incidents()
    assert stored(cluster, JOB) == computed(cluster, JOB)


def test_the_state_says_what_is_due() -> None:
    cluster = ready(MemoryCluster())
    with session_on(cluster) as session:
        session.update_incidents()
        change(session, [record(3, "alice", "192.0.2.1"), record(9, "bob", "192.0.2.1")])
    state = StateStore(cluster).read("logins")
    assert state is not None
    assert state.details.incidents == IncidentsState(5 * HOUR, 1, 0, START + 3 * HOUR, START + 10 * HOUR)
    cluster.refresh(ALIAS)


def source(score: float, state: str = "open", **more: Any) -> dict[str, Any]:
    return {"incident_id": "i", "incident_score": score, "state": state, "event.ingested": 5, "alert_id": "old", **more}


@pytest.mark.parametrize(
    ("new", "before", "calls"),
    [
        (source(80.0), [], True),
        (source(80.0), [source(76.0)], False),
        (source(80.0), [source(60.0)], True),  # a higher severity
        (source(95.0), [source(80.0)], True),  # the threshold, 90
        (source(80.0), [source(60.0), source(99.0)], False),  # two became one; one had called
        (source(80.0), [source(99.0)], False),
        (source(80.0), [source(80.0, "safe")], True),  # reopened
        (source(80.0, "safe"), [source(80.0)], False),
        (source(80.0, "compromised"), [source(80.0)], False),
    ],
)
def test_an_incident_calls_once_for_each_level(new: dict[str, Any], before: list[dict[str, Any]], calls: bool) -> None:
    made = called(new, before, START, 90.0)
    assert made == (
        {"event.ingested": START * 1_000, "alert_id": "i"} if calls else {"event.ingested": 5, "alert_id": "old"}
    )
