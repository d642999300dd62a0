"""What repeats only what was reported is muted; more accounts of an address are news, and remembered as such."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from worker_company import HOUR, PEOPLE, SCORED_FROM

from ipi_es.cluster.port import Put
from ipi_es.testing.memory_cluster import MemoryCluster

SPAN = 3 * HOUR
ATTACKER = "198.51.100.99"
NAMES = [f"person{i:02d}" for i in range(PEOPLE)]
BOTH = {"indices": [company.EVENTS], "score_outcomes": ["success", "failure"]}
AT = SCORED_FROM + 5 * SPAN
CRITICAL = 15.0
"""In place of 75, which so small a company's history doesn't allow."""
Attempt = tuple[int, str, str]


def scored(
    monkeypatch: pytest.MonkeyPatch, attempts: Iterable[Attempt], **settings: Any
) -> dict[int, list[dict[str, Any]]]:
    """The results of the first day, by bucket, with an attacker's (time, account, outcome) among its events."""
    parts.critical_from(monkeypatch, CRITICAL)
    job = company.make_job(datafeed_config=BOTH, repeat_window="2d", **settings)
    cluster: MemoryCluster = parts.trained_cluster(job, monkeypatch)
    events = [(time, who, ATTACKER, outcome) for time, who, outcome in attempts]
    cluster.bulk(Put(company.EVENTS, f"attempt-{n}", company.document(each)) for n, each in enumerate(events))
    cluster.refresh(company.EVENTS)
    parts.backfill(cluster, job, end=SCORED_FROM + company.DAY)
    found: dict[int, list[dict[str, Any]]] = {}
    for each in parts.results(cluster, job).values():
        found.setdefault(each["timestamp"] // 1_000, []).append(each)
    return found


def tried(start: int, names: Iterable[str], outcome: str = "failure") -> list[Attempt]:
    return [(start + 60 * n, name, outcome) for n, name in enumerate(names)]


def of_address(results: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = (each for each in results if each.get("influencer_field_value") == ATTACKER)
    return found


def records(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in results if each["result_type"] == "record" and each["by_field_value"] == ATTACKER]


def new_records(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of unusual pairs; a usual one may stand as the child of an influencer, with a score of 0."""
    return [each for each in records(results) if "repeat_of" not in each and each["record_score"] > 0.0]


def bucket(results: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = (each for each in results if each["result_type"] == "bucket")
    return found


@pytest.mark.parametrize("outcome", ["failure", "success"])
def test_address_that_tried_its_accounts_one_by_one_is_news_when_it_tries_all(
    monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    piecemeal = [each for n in range(5) for each in tried(SCORED_FROM + n * SPAN, NAMES[n * 12 : n * 12 + 12], outcome)]
    found = scored(
        monkeypatch, [*piecemeal, *tried(AT, NAMES, outcome), *tried(AT + SPAN, NAMES, outcome)], hold_probability=0
    )
    now = found[AT]
    assert "repeat_of" not in of_address(now)
    assert of_address(now)["initial_influencer_score"] >= CRITICAL
    number = len(records(now))
    assert number > 40
    assert len(new_records(now)) == number
    # what alerts on buckets ask for
    assert bucket(now)["new_record_count"] >= number
    assert bucket(now)["unusual_pair_count"] >= number
    assert {each["reported_extent"]["accounts"] for each in records(now)} == {number}
    again = found[AT + SPAN]
    assert not new_records(again)
    assert not any(each.get("influencer_field_value") == ATTACKER and "repeat_of" not in each for each in again)


def test_a_success_among_them_does_not_make_the_same_failures_news(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = [*tried(AT, NAMES), *tried(AT + SPAN, NAMES[:-1]), *tried(AT + SPAN, NAMES[-1:], "success")]
    found = scored(monkeypatch, attempts, max_records_per_bucket=20)
    first, again = of_address(found[AT]), of_address(found[AT + SPAN])
    assert first["initial_influencer_score"] >= CRITICAL
    assert first["failures_only"]
    assert not any(name in again for name in ("failures_only", "repeat_of"))  # the success is news, and stands for it
    assert again["initial_influencer_score"] < first["initial_influencer_score"]
    reported = {each["partition_field_value"] for each in records(found[AT])}
    new = {each["partition_field_value"] for each in new_records(found[AT + SPAN]) if "failures_only" in each}
    assert not new & reported  # others were beyond the limit and are written now
