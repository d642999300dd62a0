"""Every number and every “never”, “nobody” and “usually” of the results is true by the events."""

from __future__ import annotations

import re
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import pytest
import true_sentences as truth
import worker_company as company
import worker_parts as parts

from ipi_es.cluster.memory import MemoryCluster
from ipi_es.cluster.port import Put
from ipi_es.config.job import Job
from ipi_es.demo.company import simulate
from ipi_es.demo.documents import INDEX, documents, index_template
from ipi_es.demo.run import END
from ipi_es.demo.run import JOB as DEMO
from ipi_es.results.words import ALIAS
from ipi_es.setup import plan
from ipi_es.times import iso
from ipi_es.worker.job_work import JobWork


def results_of(cluster: MemoryCluster, job: Job) -> dict[str, dict[str, Any]]:
    cluster.refresh(ALIAS)
    found = cluster.scan(ALIAS, {"bool": {"filter": [{"term": {"job_id": job.job_id}}]}})
    return {each.id: each.source for each in found if each.source["result_type"] != "annotation"}


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
    job = company.check_job(data)
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
    plan.apply(cluster, plan.plan(cluster))
    cluster.put_index_template(INDEX, index_template())
    until = simulation.scored_start + SCORED * company.DAY
    found = [each for each in documents(simulation) if each["@timestamp"] < iso(until)]
    cluster.bulk(Put(INDEX, str(place), each) for place, each in enumerate(found))
    cluster.refresh(INDEX)
    data = {**DEMO, "training": {"window": f"{DAYS}d", "min_events": 200}}
    data["allow_list"] = [{"entity": "svc*", "id": "services"}]
    job = company.check_job(data)
    monkeypatch.setattr("ipi_es.worker.training.train", parts.made_training)
    with JobWork(cluster, job, clock=parts.TestClock(simulation.end + 600)).claimed() as claim:
        claim.train(simulation.start, simulation.scored_start)
        claim.backfill(claim.plan(simulation.scored_start, until), lambda _: None)
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
