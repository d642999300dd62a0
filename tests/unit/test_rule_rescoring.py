"""Rules that act, or end, in the past: stored buckets are scored again with them, and undone."""

from __future__ import annotations

from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from cli_run import clock_at, connect_to, run
from live_parts import Worker, live_job
from rule_parts import stored as any_stored
from signin_events import write_job
from worker_company import DAY, HOUR

from ipi_es.results.store import ResultStore
from ipi_es.results.words import RESULT_KINDS
from ipi_es.state.rule_store import RuleStore, StoredRule
from ipi_es.testing.memory_cluster import MemoryCluster

JOB = live_job(hold_probability=0.0, renormalization_window_days=30)
NET, FROM = "192.0.2.64/26", company.SCORED_FROM + DAY
"""The sprayer's network, and the day of the spraying, at 10 and 13 h."""
NOW = FROM + DAY
VOLATILE = ("revision", "rescored_at", "quantiles_id", "event", "processing_time_ms", "renormalized_at")
"""What says when and how often a result was scored."""
SCORES = ("score", "initial", "max_record", "anomaly_score_explanation", "bucket_influencers", "reported_extent")
"""What the quantiles of the time of scoring are part of."""


@pytest.fixture(scope="module")
def scored() -> MemoryCluster:
    """The company, scored up to the end of the day of the spraying."""
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
    Worker(cluster, JOB).tick(NOW)
    return cluster


@pytest.fixture
def cluster(scored: MemoryCluster) -> MemoryCluster:
    return parts.copy_of(scored, own_events=True)


def stored(name: str = "office", **more: Any) -> StoredRule:
    return any_stored(name, **{"rule": {"cidr": NET}, "created": NOW, **more})


def tick(cluster: MemoryCluster, at: int = NOW) -> None:
    Worker(cluster, JOB, owner="two:1:1", dead={"one:1:1", "two:1:1"}).tick(at + 3 * HOUR)


def of_sprayer(cluster: MemoryCluster) -> list[dict[str, Any]]:
    records = parts.of_kind(parts.results(cluster, JOB), "record")
    return [each for each in records if each["by_field_value"] == company.SPRAYER and each["timestamp"] < NOW * 1_000]


def plain(cluster: MemoryCluster) -> dict[Any, dict[str, Any]]:
    """Results before NOW without what depends on the time of scoring."""
    return {
        place: {
            name: value
            for name, value in each.items()
            if name not in VOLATILE and not any(part in name for part in SCORES)
        }
        for place, each in parts.results(cluster, JOB).items()
        if each["result_type"] in RESULT_KINDS and each["timestamp"] < NOW * 1_000
    }


def annotations(cluster: MemoryCluster) -> list[str]:
    store = ResultStore(cluster, JOB.job_id)
    store.show()
    return [each.source["annotation"] for each in store.annotations(types=["rules"])]


def test_a_rule_with_a_past_start_suppresses_stored_records_and_is_undone_by_its_end(cluster: MemoryCluster) -> None:
    before, rules = plain(cluster), RuleStore(cluster)
    assert len(of_sprayer(cluster)) > 2
    assert not any("suppressed_by" in each for each in of_sprayer(cluster))
    rules.add_rule(stored(start=FROM))
    tick(cluster)
    assert {each["suppressed_by"] for each in of_sprayer(cluster)} == {"office"}
    starts = {each["timestamp"] for each in of_sprayer(cluster)}
    assert len(annotations(cluster)) == len(starts)
    assert annotations(cluster)[0].startswith("Rules changed: scored again (revision 1)")
    influencers = parts.of_kind(parts.results(cluster, JOB), "influencer")
    names = {each["influencer_field_value"] for each in influencers if each["timestamp"] in starts}
    assert company.SPRAYER not in names
    rules.end_rule("office", NOW + 3 * HOUR, "ann", since=0)
    tick(cluster, NOW + 3 * HOUR)
    assert plain(cluster) == before
    assert {each["revision"] for each in of_sprayer(cluster)} == {2}


def test_it_ends_in_the_past_from_a_time_on(cluster: MemoryCluster) -> None:
    rules, middle = RuleStore(cluster), FROM + 11 * HOUR
    rules.add_rule(stored(start=FROM))
    tick(cluster)
    rules.end_rule("office", NOW + 3 * HOUR, "ann", since=middle)
    tick(cluster, NOW + 3 * HOUR)
    early = {each["timestamp"] < middle * 1_000 for each in of_sprayer(cluster) if "suppressed_by" in each}
    late = {each["timestamp"] < middle * 1_000 for each in of_sprayer(cluster) if "suppressed_by" not in each}
    assert (early, late) == ({True}, {False})


def test_nothing_is_scored_again_for_a_rule_that_acts_from_now_on_nor_twice(cluster: MemoryCluster) -> None:
    RuleStore(cluster).add_rule(stored(start=NOW))
    tick(cluster)
    assert annotations(cluster) == []
    RuleStore(cluster).add_rule(stored("past", start=FROM))
    tick(cluster, NOW + 3 * HOUR)
    said = annotations(cluster)
    assert said
    tick(cluster, NOW + 6 * HOUR)
    assert annotations(cluster) == said
    assert {each["revision"] for each in of_sprayer(cluster)} == {1}


def test_a_rule_of_the_file_does_not_change_stored_results(cluster: MemoryCluster) -> None:
    job = live_job(hold_probability=0.0, renormalization_window_days=30, allow_list=[{"cidr": NET}])
    RuleStore(cluster).add_rule(stored("other", rule={"cidr": "192.0.2.0/24"}, start=0))
    Worker(cluster, job, owner="two:1:1", dead={"one:1:1"}).tick(NOW + 3 * HOUR)
    assert not any("suppressed_by" in each for each in of_sprayer(cluster))


def test_buckets_before_the_renormalization_window_stay(scored: MemoryCluster) -> None:
    cluster, job = parts.copy_of(scored, own_events=True), live_job(hold_probability=0.0, renormalization_window_days=0)
    RuleStore(cluster).add_rule(stored(start=FROM))
    Worker(cluster, job, owner="two:1:1", dead={"one:1:1"}).tick(NOW + 3 * HOUR)
    assert not any("suppressed_by" in each for each in of_sprayer(cluster))


def test_a_bucket_whose_events_are_gone_keeps_its_results_and_it_is_said(cluster: MemoryCluster) -> None:
    RuleStore(cluster).add_rule(stored(start=FROM))
    cluster.delete_index(company.EVENTS)
    company.fill(cluster, found=[event for event in company.events() if event[0] < FROM or event[0] >= NOW])
    tick(cluster)
    assert not any("suppressed_by" in each for each in of_sprayer(cluster))
    assert {text.rpartition(": ")[2] for text in annotations(cluster)} == {"its events are no longer all there"}


def test_the_commands_say_what_is_scored_again(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    connect_to(monkeypatch, cluster)
    clock_at(monkeypatch, NOW)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").mkdir()
    write_job(tmp_path / "jobs" / "job.json", company.job_data())
    add = ("rule", "add", "office", "--cidr", NET, "--reason", "ours")
    assert "leave one out" in run(*add, "--start", "now-1d", "--retroactive").stderr
    done = run(*add, "--retroactive")
    assert "Workers score results since then again" in done.stdout, done.output
    assert RuleStore(cluster).require("office").start == NOW - 30 * DAY
    assert "is in the future" in run("rule", "end", "office", "--from", "now+1d").stderr
    assert run("rule", "end", "office", "--from", "now-1d").exit_code == 0
    assert RuleStore(cluster).require("office").end == NOW - DAY
    assert "again" not in run(*add[:2], "later", *add[3:]).stdout
