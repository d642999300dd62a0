"""Every number and every “never”, “nobody” and “usually” of the results is true by the events."""

from __future__ import annotations

import json
import re
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import true_sentences as truth
import worker_company as company
import worker_parts as parts
from cli_run import connect_to, run
from late_parts import add_events, live

from ipi_es.cluster.port import Put
from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job
from ipi_es.demo.company import simulate
from ipi_es.demo.demo_run import END
from ipi_es.demo.demo_run import JOB as DEMO
from ipi_es.demo.event_documents import INDEX, documents, index_template
from ipi_es.results.words import ALIAS, RESULT_KINDS
from ipi_es.setup import setup_plan
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import iso
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.late.late_rescoring import rescore_late
from ipi_es.worker.open_session import open_session


def results_of(cluster: MemoryCluster, job: Job) -> dict[str, dict[str, Any]]:
    cluster.refresh(ALIAS)
    found = cluster.scan(ALIAS, {"bool": {"filter": [{"term": {"job_id": job.job_id}}]}})
    return {each.id: each.source for each in found if each.source["result_type"] in RESULT_KINDS}


def past_of(job: Job, events: list[truth.Event], results: dict[str, dict[str, Any]]) -> truth.Past:
    return truth.Past(job, events, [each for each in results.values() if each["result_type"] == "record"])


def company_events() -> list[truth.Event]:
    return [truth.Event(*each) for each in company.events()]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"hold_probability": 0.035, "hold_days": 2},
        {"hold_probability": 0, "repeat_window": "0h"},
        {"max_records_per_bucket": 5},
    ],
    ids=["as shipped", "holds", "no holds, no repeats", "few records"],
)
def test_every_sentence_is_true_of_the_company(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    data = company.job_data(**settings)
    data["datafeed_config"] = data["datafeed_config"] | {"score_outcomes": ["success", "failure"]}
    job = check_job(data)
    cluster = parts.trained_cluster(job, monkeypatch)
    parts.backfill(cluster, job)
    results = results_of(cluster, job)
    kinds = truth.check_all(past_of(job, company_events(), results), results)

    wanted = {"never", "nobody", "usually", "rarity", "sharing", "influencer learned", "influencer value", "bucket"}
    assert {kind for kind in wanted if not kinds[kind]} == set()


PEOPLE, DAYS, SCORED = 110, 14, 4


def test_every_sentence_is_true_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = simulate(3, end=END, people=PEOPLE, days=DAYS)
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    cluster.put_index_template(INDEX, index_template())
    until = simulation.scored_start + SCORED * company.DAY
    found = [each for each in documents(simulation) if each["@timestamp"] < iso(until)]
    cluster.bulk(Put(INDEX, str(place), each) for place, each in enumerate(found))
    cluster.refresh(INDEX)
    data = {**DEMO, "training": {"window": f"{DAYS}d", "min_events": 200}}
    data["allow_list"] = [{"entity": "svc*", "id": "services"}]
    job = check_job(data)
    parts.train_by(monkeypatch)
    with open_session(JobResources(cluster, job, clock=parts.TestClock(simulation.end + 600))) as session:
        session.train(simulation.start, simulation.scored_start)
        session.backfill(session.plan(simulation.scored_start, until), lambda _: None)
    results = results_of(cluster, job)
    events = [event for each in found for event in events_of(each)]
    kinds = truth.check_all(past_of(job, events, results), results)
    wanted = {"never", "nobody", "usually", "new", "nothing", "repeat", "sharing", "influencer places", "bucket"}
    assert {kind for kind in wanted if not kinds[kind]} == set()


def events_of(source: dict[str, Any]) -> list[truth.Event]:
    """A document as the demo's job reads it."""
    user, address = source.get("user", {}).get("name"), source.get("source", {}).get("ip")
    if "authentication" not in source["event"]["category"] or user is None or address is None:
        return []
    spelled = re.fullmatch(r"(?:[^\\]*\\)?([^@]+)(?:@.*)?", user)
    assert spelled
    time = int(datetime.fromisoformat(source["@timestamp"]).timestamp())
    operator = source["source"].get("as", {}).get("number")
    country = source["source"].get("geo", {}).get("country_iso_code")
    addresses = [ip_address(each) for each in ([address] if isinstance(address, str) else address)]
    return [
        truth.Event(
            time,
            spelled[1].lower(),
            str(getattr(each, "ipv4_mapped", None) or each),
            source["event"]["outcome"],
            operator,
            country,
        )
        for each in addresses
    ]


def test_every_sentence_is_true_of_buckets_that_late_events_change(monkeypatch: pytest.MonkeyPatch) -> None:
    job = company.make_job(hold_probability=0, late_window="2d")
    cluster = parts.trained_cluster(job, monkeypatch)
    day = company.SCORED_FROM + company.DAY
    today, yesterday = day + 3 * company.HOUR, day - 6 * company.HOUR
    with live(cluster, job) as session:
        session.catch_up(day + 6 * company.HOUR, lambda _: None)
    late = [(start + n, f"person2{n}", "85.44.3.1") for start in (yesterday, today) for n in range(4)]
    add_events(cluster, late)
    with live(cluster, job, parts.NOW + 7_200) as session:
        assert len(rescore_late(session, parts.NOW + 7_200)) == 2
        session.catch_up(day + 2 * company.DAY, lambda _: None)
    results = results_of(cluster, job)
    assert {each["revision"] for each in results.values()} == {0, 1}
    arrived = day // company.DAY
    events = company_events() + [truth.Event(*each, "success", learned_on=arrived) for each in late]
    kinds = truth.check_all(past_of(job, events, results), results)
    assert kinds["never"] > 0


def test_explain_says_what_the_events_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"hold_probability": 0.035, "hold_days": 7}
    job = company.make_job(**settings)
    cluster = parts.trained_cluster(job, monkeypatch)
    parts.backfill(cluster, job)
    cluster.refresh(ALIAS)
    results = results_of(cluster, job)
    past = past_of(job, company_events(), results)
    connect_to(monkeypatch, cluster)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "signins.json").write_text(json.dumps(company.job_data(**settings)))
    recorded = {(each["partition_field_value"], each["by_field_value"]) for each in past.records}
    used = [(event.entity, event.ip) for event in company_events()[:400:40]]
    checked = set()
    for entity, ip in [
        *sorted(recorded)[::12],
        *used,
        ("person13", "198.18.2.7"),
        ("person01", "192.0.2.77"),
        ("stranger", "85.1.2.3"),
    ]:
        text = run("explain", "signins.json", entity, ip).stdout.partition("Records of this pair")[0]
        checked |= check_explained(past, text, entity, ip, company.SCORED_TO // company.DAY)
    assert checked == {"events", "share", "used", "unused", "network", "unused network", "records", "held", "nothing"}


def check_explained(past: truth.Past, text: str, entity: str, ip: str, day: int) -> set[str]:
    """AssertionError where a line of `ipi-es explain` says what the events don't; what was checked."""
    assert f"learned before {iso(day * company.DAY)[:10]}, " in text
    learned, network, checked = past.of(entity, day), truth.network_of(ip), set()
    users = {event.entity for when, event in past.learned if when < day and truth.network_of(event.ip) == network}
    records = [each for each in past.records if (each["partition_field_value"], each["by_field_value"]) == (entity, ip)]
    shares = past.shares(entity, day) if learned else {}
    assert not re.search(r"never used|nobody|usually", text), text
    for line in map(str.strip, text.splitlines()):
        if found := re.fullmatch(rf"([\d,]+) events? of {entity}, which came from:", line):
            assert truth.number(found[1]) == len(learned)
            checked.add("events")
        elif line == f"no event of {entity}":
            assert not learned
            checked.add("nothing")
        elif found := re.match(r"(\S+/\d+) +([\d.]+)% ", line):
            assert abs(float(found[2]) - 100 * shares[found[1]]) <= 0.051
            checked.add("share")
        elif found := re.fullmatch(rf"no use of this address by {entity}, (?:nor of its network|but of its .+)", line):
            assert not past.used(entity, ip, day)
            assert ("but of" in line) == (entity in users)
            checked.add("unused")
        elif line == f"at least one use of this address by {entity}":
            assert past.used(entity, ip, day)
            checked.add("used")
        elif line == f"the network {network} was not used":
            assert not users
            checked.add("unused network")
        elif found := re.fullmatch(rf"uses of the network {re.escape(network)} by about ([\d,]+) entit(?:y|ies)", line):
            assert truth.number(found[1]) >= len(users) > 0
            checked.add("network")
        elif found := re.match(r"([\d,]+) records? of this pair, the first of ([^;]+)", line):
            assert truth.number(found[1]) == len(records)
            assert truth.seconds(found[2]) * 1_000 == min(each["timestamp"] for each in records)
            checked.add("records")
            if until := re.search(r"not learned until (\S+)", line):
                assert truth.seconds(until[1]) * 1_000 in {each.get("held_until") for each in records}
                checked.add("held")
    assert ("records" in checked) == bool(records)
    return checked
