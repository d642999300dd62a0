"""What rules that are documents do in a job: when they act, and what is learned."""

from __future__ import annotations

from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from late_parts import add_events, live
from rule_parts import JOB, NET, NOMADS_FROM, score, stored, suppressed, trained_copy

from ipi_es.addresses import parse, within
from ipi_es.results.words import SCORE_FIELDS
from ipi_es.state.rule_store import RuleStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.late.late_rescoring import rescore_late


@pytest.fixture
def cluster() -> MemoryCluster:
    return trained_copy()


def test_a_rule_acts_from_its_start_to_its_end_in_a_worker_that_goes_on(cluster: MemoryCluster) -> None:
    resources = JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))
    begin, middle, last = (NOMADS_FROM + hours * company.HOUR for hours in (6, 12, 24))
    score(resources, company.SCORED_FROM, NOMADS_FROM)
    RuleStore(cluster).add_rule(stored(start=begin))
    score(resources, NOMADS_FROM, middle)
    RuleStore(cluster).end_rule("office", last, "ann")
    score(resources, middle, company.SCORED_TO)
    found = suppressed(cluster)
    assert set(found) == {"", "office"}
    assert all(begin <= time < last for time in found["office"])
    assert all(time < begin for time in found[""])


def test_rules_of_other_jobs_dont_act(cluster: MemoryCluster) -> None:
    RuleStore(cluster).add_rule(stored(jobs=("other",)))
    score(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW)), company.SCORED_FROM, company.SCORED_TO)
    assert set(suppressed(cluster)) == {""}


@pytest.mark.parametrize("learn", [False, True])
def test_what_a_rule_allowed_is_learned_only_where_it_says_so(cluster: MemoryCluster, *, learn: bool) -> None:
    rule = {"cidr": NET, "learn": learn}
    RuleStore(cluster).add_rule(stored(rule=rule, start=NOMADS_FROM, ended=NOMADS_FROM + company.DAY))
    resources = JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))
    score(resources, company.SCORED_FROM, company.SCORED_TO)
    found = suppressed(cluster)
    assert found["office"]
    after = {time for time in found.get("", set()) if time >= NOMADS_FROM + company.DAY}
    assert bool(after) is not learn  # the next day's sign-ins from there are usual where they were learned


def test_a_bucket_that_is_scored_again_finds_the_rules_of_its_time(cluster: MemoryCluster) -> None:
    """A rule that begins later doesn't hide what was there before, even where the earlier bucket is scored again."""
    checkpoint = NOMADS_FROM + 6 * company.HOUR
    score(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW)), company.SCORED_FROM, checkpoint)
    before = suppressed(cluster)
    RuleStore(cluster).add_rule(stored(start=checkpoint))
    add_events(cluster, [(NOMADS_FROM + 60, company.NOMADS[0], "198.18.0.7")])
    with live(cluster, JOB, parts.NOW + 7_200) as session:
        assert [each.start for each in rescore_late(session, parts.NOW + 7_200)] == [NOMADS_FROM]
    assert suppressed(cluster) == before
    assert set(before) == {""}


def test_a_training_after_a_rules_end_learns_nothing_that_it_allowed(cluster: MemoryCluster) -> None:
    end = NOMADS_FROM + company.DAY
    RuleStore(cluster).add_rule(stored(start=NOMADS_FROM, ended=end))
    resources = JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW))
    collector = resources.collector(NOMADS_FROM, company.SCORED_TO)
    for bucket in resources.read(NOMADS_FROM, company.SCORED_TO):
        collector.take(bucket)
    events = collector.events(company.SCORED_TO)
    from_there = within(events.addresses, NET)[events.ip]
    assert from_there[events.time < end].any()
    assert not events.learns[from_there & (events.time < end)].any()
    assert events.learns[from_there & (events.time >= end)].any()


def scores(cluster: MemoryCluster) -> dict[tuple[Any, ...], float]:
    """The scores of all results that no rule hides, by what they are about."""
    found = {}
    for each in parts.results(cluster, JOB).values():
        kind = each["result_type"]
        if kind not in SCORE_FIELDS or "suppressed_by" in each:
            continue
        names = [each.get(name) for name in ("partition_field_value", "by_field_value", "influencer_field_value")]
        found[kind, each["timestamp"], *names] = each[SCORE_FIELDS[kind]]
    return found


@pytest.mark.parametrize("cidr", [NET, f"{company.SPRAYER}/32", "101.7.0.0/24"])
def test_all_other_scores_are_those_of_a_job_in_which_the_allowed_sign_ins_did_not_happen(
    cluster: MemoryCluster, cidr: str
) -> None:
    """A rule raises no other entity's score beyond that: what it hides takes part in nothing."""
    without = trained_copy()
    found = [each for each in company.events() if not within(parse([each[2]])[0], cidr).any()]
    without.delete_index(company.EVENTS)
    company.fill(without, found=found)
    RuleStore(cluster).add_rule(stored(rule={"cidr": cidr}, start=company.SCORED_FROM))
    for each in (cluster, without):
        resources = JobResources(each, JOB, clock=parts.TestClock(parts.NOW))
        score(resources, company.SCORED_FROM, company.SCORED_TO)
    assert scores(cluster) == pytest.approx(scores(without))
