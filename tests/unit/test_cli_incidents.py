"""`ipi-es results incidents` on a scored job in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from cli_run import clock_at, run, work_in
from explorer_parts import explorer_on
from verdict_parts import said

from ipi_es.results.reading.incidents_there import stored_incidents
from ipi_es.state.rule_store import RuleStore, StoredRule
from ipi_es.state.verdict_store import VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import iso
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.verdicts.result_marks import mark_results

JOB = company.make_job()
TAKEN_OVER = company.SCORED_FROM + company.DAY


@pytest.fixture(scope="module")
def scored() -> MemoryCluster:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
    parts.backfill(cluster, JOB)
    return cluster


@pytest.fixture
def cluster(scored: MemoryCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    made = parts.copy_of(scored)
    work_in(monkeypatch, tmp_path, made, company.job_data())
    return made


def incidents(*options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        run("results", "incidents", "signins", "--format", "json", *options).stdout
    )
    return found


@pytest.mark.usefixtures("cluster")
def test_the_spraying_is_one_incident_with_what_it_is_made_of() -> None:
    found = incidents("--ip", company.SPRAYER)
    assert found
    worst = found[0]
    assert "192.0.2.0/24" in worst["networks"]
    assert worst["incident_score"] == max(each["incident_score"] for each in found)
    assert len(worst["results"]) == worst["record_count"] + worst["influencer_count"] > 0
    assert worst["entity_count"] >= 12
    assert worst["entities"], "the accounts that it tried"
    assert worst["timestamp"] < worst["end_timestamp"]
    assert worst["reasons"]
    places = [place for each in incidents() for place in each["results"]]
    assert len(places) == len(set(places)), "each result is in one incident"


@pytest.mark.usefixtures("cluster")
def test_a_time_and_names_narrow_them_without_cutting_one() -> None:
    everything = {each["incident_id"]: each for each in incidents()}
    for each in incidents("--start", iso(TAKEN_OVER), "--end", iso(TAKEN_OVER + company.DAY)):
        assert each == everything[each["incident_id"]]
    name = next(iter(everything.values()))["entities"][:1]
    for entity in name:
        assert all(entity in each["entities"] for each in incidents("--entity", entity))
    assert incidents("--min-score", "100") == []


def test_closed_incidents_are_left_out_of_a_table_and_counted(cluster: MemoryCluster) -> None:
    worst = incidents()[0]
    store = VerdictStore(cluster, JOB.job_id)
    for each in parts.of_kind(parts.results(cluster, JOB), "record"):
        store.add_verdict(
            said(each["partition_field_value"], each["by_field_value"], "dismissed", time=parts.NOW, since=0)
        )
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))) as session:
        mark_results(session)
        session.update_incidents()
    states = {each["state"] for each in incidents()}
    assert "dismissed" in states
    closed = sum(each["state"] == "dismissed" for each in incidents())
    table = run("results", "incidents", "signins")
    assert f"left out: {closed} incident" in table.stderr
    assert worst["incident_id"] in {each["incident_id"] for each in incidents()}


@pytest.mark.usefixtures("cluster")
def test_what_incidents_do_not_know_is_refused() -> None:
    for options in (("--sort", "timestamp"), ("--asc",), ("--new",)):
        refused = run("results", "incidents", "signins", *options)
        assert refused.exit_code == 2
        assert "sorted by their score" in refused.stderr


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("form", ["table", "ndjson", "csv"])
def test_every_form_is_printed(form: str) -> None:
    shown = run("results", "incidents", "signins", "--format", form)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.strip()


def without_call(incident: dict[str, Any]) -> dict[str, Any]:
    """An incident without what alerts go by: one that is reopened may call again."""
    return {name: value for name, value in incident.items() if name not in ("event.ingested", "alert_id")}


def brought_up_to_date(cluster: MemoryCluster) -> None:
    """What a worker does at its next run."""
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))) as session:
        mark_results(session)
        session.update_incidents()


@pytest.mark.parametrize("word", ["safe", "dismissed", "compromised"])
def test_a_verdict_on_an_incident_answers_all_its_results_until_it_is_revoked(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    clock_at(monkeypatch, parts.NOW + 10)
    before = incidents()
    for each in (before[0], before[-1]):
        place, command = each["incident_id"], "dismiss" if word == "dismissed" else word
        given = run("verdict", command, place, "--by", "ann")
        assert given.exit_code == 0, given.stderr
        brought_up_to_date(cluster)
        found = incidents()
        marked = {one["incident_id"]: one["state"] for one in found}
        assert marked[place] == word
        assert word != "compromised" or found[0]["state"] == word, "it is listed first"
        assert run("verdict", "revoke", place, "--by", "ann").exit_code == 0
        brought_up_to_date(cluster)
        assert [without_call(one) for one in incidents()] == [without_call(one) for one in before]


@pytest.mark.usefixtures("cluster")
def test_an_incident_that_is_not_there_is_a_clear_error() -> None:
    refused = run("verdict", "safe", f"signins_incident_1_{'0' * 32}")
    assert refused.exit_code == 2
    assert "there is no result" in refused.stderr


def rules(cluster: MemoryCluster) -> list[StoredRule]:
    return list(RuleStore(cluster).all().rules)


def test_a_rule_is_made_of_an_incident(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    clock_at(monkeypatch, parts.NOW + 10)
    single = next(each for each in incidents() if len(each["entities"]) == each["entity_count"] == 1)
    said = run("rule", "add", "known", "--from", single["incident_id"], "--by", "ann", "--expires", "now+30d")
    assert said.exit_code == 0, said.stderr
    made = rules(cluster)
    assert {(each.rule.entity, each.rule.cidr) for each in made} == {
        (single["entities"][0], network) for network in single["networks"]
    }
    assert {(each.reason, each.author, each.jobs) for each in made} == {(single["reasons"][0], "ann", (JOB.job_id,))}
    assert "raises no alarm" in said.stdout
    again = run("rule", "add", "known", "--from", single["incident_id"])
    assert again.exit_code == 2
    assert "already" in again.stderr
    assert len(rules(cluster)) == len(made)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--cidr", "192.0.2.0/24"), "without --cidr"),
        (("--force",), "without --force"),
        (("--group", "staff"), "needs entity_groups"),
    ],
)
def test_what_does_not_go_with_an_incident_is_refused(
    cluster: MemoryCluster, options: tuple[str, ...], said: str
) -> None:
    refused = run("rule", "add", "known", "--from", incidents()[-1]["incident_id"], *options)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert not rules(cluster)


@pytest.mark.parametrize("place", ["nothing", f"signins_incident_1_{'0' * 32}"])
def test_a_rule_of_no_incident_is_refused(cluster: MemoryCluster, place: str) -> None:
    refused = run("rule", "add", "known", "--from", place)
    assert refused.exit_code == 2
    assert "there is no result" in refused.stderr
    record = parts.of_kind(parts.results(cluster, JOB), "record")
    assert record
    assert not rules(cluster)


def test_a_search_says_that_a_long_incident_lists_some_of_its_names(cluster: MemoryCluster) -> None:
    asked = ["results", "incidents", "signins", "--entity", "person00"]
    assert "only the worst" not in run(*asked).stderr
    stored = stored_incidents(cluster, JOB.job_id)[0]
    cluster.put(stored.index, stored.id, {**stored.source, "entity_count": 1_001})
    cluster.refresh(stored.index)
    note = "1 finding with more than 1,000 accounts or networks: only the worst 1,000 of each are searched"
    assert note in run(*asked).stderr
    assert note not in run("results", "incidents", "signins").stderr
    page = explorer_on(cluster).get("/jobs/signins?search=person00&start=2000-01-01").text
    assert note in page
    assert note in explorer_on(cluster).get("/jobs/signins/entities/person00").text
