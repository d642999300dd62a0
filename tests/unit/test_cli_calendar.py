"""`ipi-es calendar`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import worker_company as company
from cli_run import run, work_in
from event_parts import planned

from ipi_es.results.words import ALIAS
from ipi_es.setup import setup_plan
from ipi_es.state.calendar_store import CalendarStore
from ipi_es.testing.memory_cluster import MemoryCluster


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    work_in(monkeypatch, tmp_path, cluster, company.job_data())
    return cluster


ADD = ("calendar", "add", "move", "--description", "the office moves", "--by", "ann")


def test_the_command_adds_lists_shows_and_ends_an_event(here: MemoryCluster) -> None:
    said = run(*ADD, "--start", "now-1h", "--end", "2099-01-01", "--job", "signins", "--calendar", "moves")
    assert said.exit_code == 0, said.output
    assert "In the job signins, nothing is alerted or learned of the buckets that overlap" in said.stdout
    assert "to 2099-01-01T00:00:00Z. Their scores are written." in said.stdout
    assert "Results that are stored already stay as they are, and so does" in said.stdout
    source = {
        "job_id": "signins",
        "result_type": "record",
        "is_interim": False,
        "timestamp": 1_000,
        "record_score": 8.0,
    }
    here.put(f"{ALIAS}-signins-2025.09", "one", {**source, "scheduled_events": ["move", "other"]}, refresh=True)
    (row,) = json.loads(run("calendar", "list", "--job", "signins", "--format", "json").stdout)
    assert (row["name"], row["state"], row["jobs"], row["author"]) == ("move", "in force", "signins", "ann")
    assert (row["hidden_records"], row["worst_score"], row["last"]) == (1, 8.0, "1970-01-01T00:00:01Z")
    assert len(json.loads(run("calendar", "list", "--calendar", "moves", "--format", "json").stdout)) == 1
    assert json.loads(run("calendar", "list", "--calendar", "others", "--format", "json").stdout) == []
    shown = run("calendar", "show", "move").stdout
    assert "the office moves" in shown
    assert "hidden records" in shown
    ended = run("calendar", "end", "move", "--by", "bob")
    assert "Buckets that start later raise alarms and are learned." in ended.stdout
    assert json.loads(run("calendar", "list", "--format", "json").stdout) == []
    (row,) = json.loads(run("calendar", "list", "--all", "--format", "json").stdout)
    assert (row["state"], row["ended_by"], row["planned_end"]) == ("ended", "bob", "2099-01-01T00:00:00Z")
    listed = run("calendar", "list")
    assert "No scheduled event is planned." in listed.stdout + listed.stderr


def test_an_event_that_is_ended_before_it_begins_changes_nothing(here: MemoryCluster) -> None:
    assert run(*ADD, "--start", "now+1d", "--end", "now+2d").exit_code == 0
    assert "before it began: it changes nothing." in run("calendar", "end", "move").stdout
    (event,) = CalendarStore(here).all().events
    assert event.end < event.start


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--end", "2020-01-01"), "the end 2020-01-01T00:00:00Z is not after the start"),
        (("--start", "2020-01-01", "--end", "2020-01-02"), "would be over already, 2020-01-02T00:00:00Z"),
        (("--start", "now+2d", "--end", "now+1d"), "is not after the start"),
        (("--end", "2200-01-01"), "times of the years 1970 to 2099, and 2200-01-01T00:00:00Z"),
        (("--start", "1960-01-01", "--end", "now+1d"), "times of the years 1970 to 2099"),
        (("--end", "soon"), "“soon” is not a time"),
        (("--end", "now+1d", "--job", "none"), "none"),
        (("--end", "now+1d", "--calendar", ""), "can't be a calendar's"),
        ((), "--end"),
    ],
)
def test_a_wrong_event_is_a_clear_error(here: MemoryCluster, options: tuple[str, ...], said: str) -> None:
    result = run(*ADD, *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert CalendarStore(here).all().events == ()


def test_what_to_do_for_the_past_is_said(here: MemoryCluster) -> None:
    result = run(*ADD, "--start", "2020-01-01", "--end", "2020-01-02")
    assert "add a rule with --start and score that time again" in result.stderr


@pytest.mark.parametrize("name", [" move", "a\x1b[31m", "line\nbreak", "x" * 257, ""])
def test_a_name_that_cannot_be_shown_is_refused(here: MemoryCluster, name: str) -> None:
    result = run("calendar", "add", name, "--end", "now+1d", "--description", "why")
    assert "can't be a scheduled event's" in result.stderr
    assert "\x1b" not in result.stderr
    assert CalendarStore(here).all().events == ()


def test_an_event_needs_a_description(here: MemoryCluster) -> None:
    result = run("calendar", "add", "move", "--end", "now+1d", "--description", " ")
    assert "the scheduled event has no description" in result.stderr


def test_a_second_event_of_a_name_is_refused_and_an_unknown_one_not_ended(here: MemoryCluster) -> None:
    assert run(*ADD, "--end", "now+1d").exit_code == 0
    assert "there is a scheduled event “move” already" in run(*ADD, "--end", "now+1d").stderr
    for command in (("end", "none"), ("show", "none")):
        result = run("calendar", *command)
        assert result.exit_code == 2
        assert "there is no scheduled event “none”" in result.stderr


def test_an_event_is_shown_without_control_characters(here: MemoryCluster) -> None:
    CalendarStore(here).add_event(replace(planned(), description="\x1b]0;owned\x07"))
    assert "\ufffd]0;owned\ufffd" in run("calendar", "show", "move").stdout


def test_the_first_list_says_how_to_add_an_event(here: MemoryCluster) -> None:
    listed = run("calendar", "list")
    assert "No scheduled event yet. Add one: ipi-es calendar add NAME" in listed.stdout + listed.stderr
