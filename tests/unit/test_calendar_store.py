"""The store of scheduled events: what it writes, reads, refuses, and proves."""

from __future__ import annotations

from typing import Any

import pytest
import worker_company as company
from event_parts import planned

from ipi_es.cluster.port import Document
from ipi_es.errors import AnswerIncomplete, StateDamaged, UsageError
from ipi_es.scheduled_events import ScheduledEvent
from ipi_es.setup import setup_plan
from ipi_es.setup.checks.check_rules import judge_calendar
from ipi_es.setup.facts.facts_rules import calendar_facts
from ipi_es.state.calendar_store import CALENDARS_INDEX, CalendarStore
from ipi_es.testing.memory_cluster import MemoryCluster


@pytest.fixture
def store() -> CalendarStore:
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    return CalendarStore(cluster)


def test_an_event_is_read_as_it_was_written(store: CalendarStore) -> None:
    first, second = planned("a", start=5, jobs=("signins",), calendar_id="moves"), planned("b", start=6)
    store.add_event(second)
    store.add_event(first)
    assert store.all().events == (first, second)
    assert store.get("a") == first
    assert store.require("b") == second
    assert [each.name for each in store.of_job("signins").events] == ["a", "b"]
    assert store.of_job("other").events == (ScheduledEvent("b", 6, 20_000),)
    assert store.all() is store.all()


def test_a_name_is_given_once_and_an_ended_event_stays(store: CalendarStore) -> None:
    store.add_event(planned())
    with pytest.raises(UsageError, match=r"there is a scheduled event “move” already\n"):
        store.add_event(planned(start=15_000))
    ended = store.end_event("move", 12_000, "bob")
    assert (ended.end, ended.planned_end, ended.ended_by, store.get("move")) == (12_000, 20_000, "bob", ended)
    assert store.of_job("signins").of_bucket(11_000, 12_000) == ("move",)
    assert store.of_job("signins").of_bucket(12_000, 13_000) == ()
    with pytest.raises(UsageError, match="already, which ended 1970-01-01T03:20:00Z"):
        store.add_event(planned())
    with pytest.raises(UsageError, match="ended 1970-01-01T03:20:00Z already"):
        store.end_event("move", 13_000, "bob")
    for act in (lambda: store.end_event("none", 1, "bob"), lambda: store.require("none")):
        with pytest.raises(UsageError, match="there is no scheduled event “none”") as raised:
            act()
        assert "ipi-es calendar list --all" in str(raised.value.hint)


def test_an_event_that_is_ended_before_it_begins_concerns_no_bucket(store: CalendarStore) -> None:
    store.add_event(planned())
    store.end_event("move", 9_000, "bob")
    assert store.of_job("signins").of_bucket(0, 30_000) == ()


def test_an_event_that_is_over_is_not_ended(store: CalendarStore) -> None:
    store.add_event(planned())
    with pytest.raises(UsageError, match="the scheduled event “move” ended 1970-01-01T05:33:20Z already"):
        store.end_event("move", 20_000, "bob")


def test_events_from_a_copy_that_lags_behind_are_not_taken() -> None:
    class Lagging(MemoryCluster):
        behind = False

        def scan(self, *args: Any, **options: Any) -> Any:
            found: list[Document] = list(super().scan(*args, **options))
            return iter(found[:-1] if self.behind else found)

    cluster = Lagging()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    store = CalendarStore(cluster)
    store.add_event(planned())
    cluster.behind = True
    with pytest.raises(AnswerIncomplete, match="the scheduled events that were read are not all that the index counts"):
        store.all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"start_time": None}, "its field “start_time” is missing"),
        ({"end_time": "2026-01-01"}, "its field “end_time” is"),
        ({"end_time": 10_000_000}, "its field “end_time” is 10000000, not a time after its start_time"),
        ({"name": "other"}, 'its field “name” is "other", not move, as its id says'),
        ({"format": 99}, "was written by a newer ipi-es"),
        ({"author": None}, "its field “author” is missing"),
        ({"job_ids": "signins"}, "its field “job_ids” is"),
        ({"jobs": ["signins"]}, "its field “jobs” is"),
    ],
)
def test_a_document_that_is_no_event_plans_nothing_and_is_named(
    store: CalendarStore, change: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.add_event(planned("fine"))
    store.cluster.put(CALENDARS_INDEX, "calendar:move", {**planned().source(), **change}, refresh=True)
    found = store.all()
    assert [each.name for each in found.events] == ["fine"]
    assert said in found.damaged["calendar:move"]
    assert "nothing is planned by it" in caplog.text
    with pytest.raises(Exception, match="scheduled event") as raised:
        store.get("move")
    assert isinstance(raised.value, StateDamaged) or "newer" in said
    (finding,) = judge_calendar(company.make_job(), calendar_facts(store.cluster, company.make_job()), 2_000)
    assert (finding.level, finding.message) == ("warning", found.damaged["calendar:move"])
