"""What `check` says of rules, and the counts of what they hid."""

from __future__ import annotations

from dataclasses import replace

import pytest
import worker_company as company
import worker_parts as parts
from rule_parts import JOB, NOMADS_FROM, score, stored, trained_copy

from ipi_es.results.reading.rule_uses import HiddenResults, rule_uses
from ipi_es.results.words import ALIAS
from ipi_es.setup.checks.check_finding import Finding
from ipi_es.setup.checks.check_rules import judge_rules
from ipi_es.setup.facts.facts_rules import RuleFacts, rule_facts
from ipi_es.state.rule_store import RuleStore, StoredRules
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources


@pytest.fixture
def cluster() -> MemoryCluster:
    return trained_copy()


def rule_findings(cluster: MemoryCluster, now: int) -> list[Finding]:
    return judge_rules(JOB, rule_facts(cluster, JOB), now)


def test_uses_are_counted_page_by_page(cluster: MemoryCluster) -> None:
    for begin in range(NOMADS_FROM, company.SCORED_TO, 6 * company.HOUR):
        RuleStore(cluster).add_rule(stored(f"from-{begin}", start=begin, ended=begin + 6 * company.HOUR))
    score(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW)), company.SCORED_FROM, company.SCORED_TO)
    cluster.refresh(ALIAS)
    whole = rule_uses(cluster)
    assert len(whole) >= 2
    for size in (1, 2, len(whole)):
        assert rule_uses(cluster, page_size=size) == whole


def test_check_names_rules_that_hid_nothing_and_that_expired(
    cluster: MemoryCluster,
) -> None:
    rules = RuleStore(cluster)
    rules.add_rule(stored("victims", rule={"entity": company.VICTIM}, start=company.SCORED_FROM))
    rules.add_rule(stored("unused", rule={"entity": "nobody"}, start=company.SCORED_FROM))
    rules.add_rule(stored("past", rule={"entity": "nobody"}, start=1_000, expires=company.SCORED_TO))
    rules.add_rule(stored("young", rule={"entity": "nobody"}, start=company.SCORED_TO))
    rules.add_rule(stored("others", rule={"entity": "nobody"}, start=1_000, jobs=("other",)))
    score(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW)), company.SCORED_FROM, company.SCORED_TO)
    cluster.refresh(ALIAS)
    found = {each.message: each for each in rule_findings(cluster, company.SCORED_TO + 2 * company.DAY)}
    texts = sorted(found)
    assert [text.split("”")[0] for text in texts] == ["the rule “past"]
    assert "expired 2025-09-04T00:00:00Z: what it allowed wasn't learned, and raises alarms" in texts[0]
    later = [each.message for each in rule_findings(cluster, company.SCORED_FROM + 40 * company.DAY)]
    assert any("the rule “unused” hid nothing since" in text for text in later)
    assert not any("past" in text for text in later)


def test_check_finds_rules_that_together_allow_nearly_everything() -> None:
    low, high = (stored(name, rule={"cidr": cidr}) for name, cidr in (("low", "0.0.0.0/1"), ("high", "128.0.0.0/1")))
    (found,) = judge_rules(JOB, RuleFacts(StoredRules((low, high)), {}), 2_000)
    assert (found.level, found.check) == ("problem", "rules")
    assert "“low”, “high” would allow 100 % of the sign-ins" in found.message
    for rules in (
        (low, replace(high, ended=1_500)),
        (low, stored("high", rule={"cidr": high.rule.cidr, "force": True})),
    ):
        assert [each.level for each in judge_rules(JOB, RuleFacts(StoredRules(rules), {}), 2_000)] == ["ok"]


def test_check_waits_with_a_new_rule_that_begins_in_the_past() -> None:
    facts = RuleFacts(StoredRules((stored(start=1_000, created=40 * company.DAY),)), {})
    assert [each.level for each in judge_rules(JOB, facts, 41 * company.DAY)] == ["ok"]
    (found,) = judge_rules(JOB, facts, 70 * company.DAY)
    assert found.message == "the rule “office” hid nothing since 1970-02-10T00:00:00Z"


def test_check_names_a_rule_that_hid_something_critical() -> None:
    uses = {"bad": HiddenResults(3, company.SCORED_TO, 87.04), "fine": HiddenResults(9, company.SCORED_TO, 74.9)}
    (found,) = judge_rules(JOB, RuleFacts(StoredRules(), uses), company.SCORED_TO)
    assert found.message == "the rule “bad” hid 3 records, the last 2025-09-04T00:00:00Z, up to 87"
    assert "ipi-es results records signins --all" in str(found.hint)


def test_check_says_how_many_rules_act(cluster: MemoryCluster) -> None:
    assert rule_findings(cluster, 2_000) == []
    RuleStore(cluster).add_rule(stored())
    (found,) = rule_findings(cluster, 2_000)
    assert (found.level, found.message) == ("ok", "1 of ipi-es-rules act or will act")
