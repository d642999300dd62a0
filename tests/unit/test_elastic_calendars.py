"""The scheduled events of Elastic's calendars: which concern an imported job, which are taken, and what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_run import run, work_in
from elastic_parts import FEED, elastic_job

from ipi_es.config.elastic.elastic_calendars import ElasticEvent, events_of
from ipi_es.errors import ConfigError
from ipi_es.setup import setup_plan
from ipi_es.state.calendar_store import CalendarStore
from ipi_es.testing.memory_cluster import MemoryCluster

NOW = 1_000_000
FUTURE = 4_070_908_800_000
"""2099-01-01, epoch milliseconds."""
CALENDARS = [
    {"calendar_id": "patching", "job_ids": ["rare-ips", "other"], "description": "patch days"},
    {"calendar_id": "people", "job_ids": ["sign-ins"]},
    {"calendar_id": "all", "job_ids": ["_all"]},
    {"calendar_id": "others", "job_ids": "other"},
    {"calendar_id": "empty", "job_ids": []},
]


def event(calendar_id: str, description: str = "patches", start: int = NOW, end: int = NOW + 60, **more: Any) -> Any:
    times = {"start_time": start * 1_000, "end_time": end * 1_000}
    return {"calendar_id": calendar_id, "description": description, "event_id": "x", **times, **more}


def found(*events: Any, names: tuple[str, ...] = ("rare-ips", "sign-ins")) -> tuple[list[ElasticEvent], list[str]]:
    done = events_of({"count": len(CALENDARS), "calendars": CALENDARS}, {"events": list(events)}, names, NOW)
    return done.taken, done.notes


def test_events_of_the_job_and_its_groups_are_taken_in_order_of_time() -> None:
    taken, notes = found(event("people", start=NOW + 5), event("patching", skip_result=True, skip_model_update=True))
    assert taken == [
        ElasticEvent("patching", "patches", NOW, NOW + 60),
        ElasticEvent("people", "patches", NOW + 5, NOW + 60),
    ]
    assert notes == []


def test_an_event_of_all_jobs_is_taken_for_this_one_and_said() -> None:
    taken, notes = found(event("all"))
    assert [each.calendar_id for each in taken] == ["all"]
    assert notes == [
        "the event “patches” of the calendar all concerns all jobs of Elastic; it is taken for this job alone"
    ]


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (event("patching", start=NOW - 60, end=NOW), "was over 1970-01-12T13:46:40Z"),
        (event("patching", start=NOW + 60), "ends before it begins"),
        (event("patching", skip_result=False), "skip_result is false, so its results would raise alarms"),
        (event("patching", skip_model_update=False), "skip_model_update is false, so it would be learned"),
        (event("patching", force_time_shift=3600), "no force_time_shift"),
        (event("others"), "1 events are not taken: their calendars are of other jobs"),
        (event("empty"), "other jobs"),
    ],
)
def test_other_events_are_named_with_the_reason(refused: Any, said: str) -> None:
    taken, notes = found(refused, event("people"))
    assert [each.calendar_id for each in taken] == ["people"]
    (note,) = notes
    assert said in note


@pytest.mark.parametrize(
    ("calendars", "events", "said"),
    [
        (3, [], "holds no calendars"),
        ({"calendars": {}}, [], "holds no calendars"),
        (CALENDARS, {"error": "x"}, "holds no events"),
        (CALENDARS, ["x"], "holds no events"),
        ({"count": 300, "calendars": CALENDARS}, [], "holds 5 of 300 calendars"),
        (CALENDARS, {"count": 250, "events": [event("people")]}, "holds 1 of 250 events"),
        (CALENDARS[:1], [event("people")], "“people”, which is not among the calendars"),
        (CALENDARS, [event("people", start_time="soon")], "start_time is 'soon', which is no time"),
        (CALENDARS, [event("people", end_time=None)], "end_time is None"),
        (CALENDARS, [event("people", end_time=True)], "end_time is True"),
        (CALENDARS, [{"description": "x"}], "one of the events has no calendar_id"),
        ([{}], [], "one of the calendars has no calendar_id"),
        ([{"calendar_id": "x", "job_ids": 3}], [], "job_ids is 3"),
    ],
)
def test_an_answer_that_is_not_whole_is_an_error(calendars: Any, events: Any, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        events_of(calendars, events, ["sign-ins"], NOW)
    assert said in str(raised.value)
    assert raised.value.hint


def test_times_may_be_text() -> None:
    (taken,), _ = found(event("people", start_time="1970-02-01T00:00:00Z", end_time="1970-02-02T00:00:00Z"))
    assert taken.end - taken.start == 86_400


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    work_in(monkeypatch, tmp_path, cluster)
    (tmp_path / "calendars.json").write_text(json.dumps({"count": 5, "calendars": CALENDARS}))
    soon = {"start_time": FUTURE, "end_time": FUTURE + 3_600_000}
    events = [event("people", "move \x1b[31m", **soon), event("others", **soon), event("people", "past")]
    (tmp_path / "events.json").write_text(json.dumps({"count": 3, "events": events}))
    return cluster


OPTIONS = ("--calendars", "calendars.json", "--calendar-events", "events.json")


def test_a_job_is_imported_with_its_events_and_a_second_import_adds_none(here: MemoryCluster, tmp_path: Path) -> None:
    job = json.dumps(elastic_job(datafeed_config=FEED, groups=["sign-ins"]))
    first = run("job", "import", "-", "-o", "job.yml", *OPTIONS, stdin=job)
    assert first.exit_code == 0, first.output
    (stored,) = CalendarStore(here).all().events
    job_id = json.loads(job)["job_id"]
    assert (stored.calendar_id, stored.jobs, stored.end - stored.start) == ("people", (job_id,), 3_600)
    assert stored.name == f"{job_id} 2099-01-01T00:00:00Z move \ufffd[31m"
    for said in (f"Scheduled event “{stored.name}” is taken, until 2099-01-01T01:00:00Z.", "past", "other jobs"):
        assert said in first.stderr
    again = run("job", "import", "-", *OPTIONS, stdin=job)
    assert "is there already" in again.stderr
    assert CalendarStore(here).all().events == (stored,)


def test_the_two_answers_belong_together(here: MemoryCluster) -> None:
    job = json.dumps(elastic_job(datafeed_config=FEED))
    for options in (OPTIONS[:2], OPTIONS[2:]):
        result = run("job", "import", "-", *options, stdin=job)
        assert result.exit_code == 2
        assert "--calendars and --calendar-events belong together" in result.stderr


def test_the_cluster_is_asked_for_its_calendars(here: MemoryCluster, tmp_path: Path) -> None:
    calendars, events = (json.loads((tmp_path / name).read_text()) for name in ("calendars.json", "events.json"))
    here.admin.calendars = (calendars, events)
    job = json.dumps(elastic_job(datafeed_config=FEED, groups=["sign-ins"]))
    result = run("job", "import", "-", "--cluster-calendars", stdin=job)
    assert result.exit_code == 0, result.output
    (stored,) = CalendarStore(here).all().events
    assert stored.calendar_id == "people"


def test_a_cluster_without_calendars_is_an_error_and_nothing_is_written(here: MemoryCluster, tmp_path: Path) -> None:
    job = json.dumps(elastic_job(datafeed_config=FEED))
    result = run("job", "import", "-", "-o", "job.yml", "--cluster-calendars", stdin=job)
    assert result.exit_code == 1
    assert "has no calendars of Elastic ML" in result.stderr
    assert not (tmp_path / "job.yml").exists()
    both = run("job", "import", "-", "--cluster-calendars", *OPTIONS, stdin=job)
    assert both.exit_code == 2
    assert "contradict each other" in both.stderr


def test_a_job_of_no_calendar_is_imported_without_a_cluster(here: MemoryCluster) -> None:
    here.before = lambda *_: pytest.fail("the cluster was asked")
    result = run("job", "import", "-", *OPTIONS, stdin=json.dumps(elastic_job(datafeed_config=FEED)))
    assert result.exit_code == 0, result.output
    assert "No scheduled event is taken for job" in result.stderr
