"""The store of rules that are documents: what it writes, reads, refuses, and proves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
from rule_parts import NET, stored

from ipi_es.cluster.port import Document
from ipi_es.config.job_config import Job
from ipi_es.errors import AnswerIncomplete, StateDamaged, UsageError
from ipi_es.setup import setup_plan
from ipi_es.setup.checks.check_rules import judge_rules
from ipi_es.setup.facts.facts_rules import rule_facts
from ipi_es.state.rule_store import RULES_INDEX, RuleStore
from ipi_es.testing.memory_cluster import MemoryCluster


@pytest.fixture
def store() -> RuleStore:
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    return RuleStore(cluster)


def test_a_rule_is_read_as_it_was_written(store: RuleStore) -> None:
    conditions = {"entity": "svc-*", "cidr": NET, "operator": "AS64496", "country": "at", "network_type": "vpn"}
    first = stored("a", rule={**conditions, "learn": True}, jobs=("signins",), expires=5_000)
    second = stored("b", rule={"group": "admins", "country": "AT", "force": True}, created=901)
    store.add_rule(second)
    store.add_rule(first)
    assert store.all().rules == (first, second)
    assert store.get("a") == first
    assert [each.rule.name for each in store.all().of_job("signins")] == ["a", "b"]
    assert [each.rule.name for each in store.all().of_job("other")] == ["b"]


def test_a_name_is_given_once_and_an_ended_rule_stays(store: RuleStore) -> None:
    store.add_rule(stored())
    with pytest.raises(UsageError, match=r"there is a rule “office” already\n"):
        store.add_rule(stored(start=2_000))
    ended = store.end_rule("office", 3_000, "bob")
    assert (ended.end, ended.ended_by, store.get("office")) == (3_000, "bob", ended)
    with pytest.raises(UsageError, match="already, which ended 1970-01-01T00:50:00Z"):
        store.add_rule(stored())
    with pytest.raises(UsageError, match="ended 1970-01-01T00:50:00Z already"):
        store.end_rule("office", 4_000, "bob")
    for act in (lambda: store.end_rule("none", 1, "bob"), lambda: store.require("none")):
        with pytest.raises(UsageError, match="there is no rule “none”"):
            act()


def test_rules_are_read_again_only_where_a_document_was_written_or_deleted(store: RuleStore) -> None:
    assert store.all() is store.all()
    store.add_rule(stored())
    found = store.all()
    assert store.all() is found
    store.end_rule("office", 3_000, "bob")
    assert store.all().rules[0].ended == 3_000
    store.cluster.delete(RULES_INDEX, "rule:office")
    store.cluster.refresh(RULES_INDEX)
    assert store.all().rules == ()


def test_rules_of_an_index_that_was_made_anew_are_read(store: RuleStore) -> None:
    store.add_rule(stored("old"))
    assert [each.name for each in store.all().rules] == ["old"]
    store.cluster.delete_index(RULES_INDEX)
    store.add_rule(stored("new", created=950))
    assert [each.name for each in store.all().rules] == ["new"]


class ChangedAnswers(MemoryCluster):
    """A cluster that answers reads of the rules otherwise than it should, as long as a function says how."""

    scanned: Callable[[list[Document]], list[Document]] | None = None
    found: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    def scan(self, *args: Any, **options: Any) -> Iterator[Document]:
        documents = list(super().scan(*args, **options))
        return iter(documents if self.scanned is None else self.scanned(documents))

    def search(self, *args: Any, **options: Any) -> dict[str, Any]:
        answer = super().search(*args, **options)
        return answer if self.found is None else self.found(answer)


@pytest.fixture
def changed() -> ChangedAnswers:
    cluster = ChangedAnswers()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    store = RuleStore(cluster)
    store.add_rule(stored("a"))
    store.add_rule(stored("b"))
    return cluster


def test_rules_from_a_copy_that_lags_behind_are_not_taken(changed: ChangedAnswers) -> None:
    store = RuleStore(changed)
    before = list(changed.scan(RULES_INDEX, {"match_all": {}}))
    store.end_rule("a", 3_000, "bob")
    changed.scanned = lambda _: before
    with pytest.raises(AnswerIncomplete, match="the rules that were read are not all that the index counts"):
        store.all()
    changed.scanned = None
    assert [each.ended for each in store.all().rules] == [3_000, None]


def test_a_copy_that_lags_once_is_asked_again(changed: ChangedAnswers) -> None:
    asked: list[int] = []

    def cut_once(documents: list[Document]) -> list[Document]:
        asked.append(len(documents))
        return documents[:1] if len(asked) == 1 else documents

    changed.scanned = cut_once
    assert len(RuleStore(changed).all().rules) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: {**answer, "aggregations": {}},
        lambda answer: {name: part for name, part in answer.items() if name != "aggregations"},
        lambda answer: {name: part for name, part in answer.items() if name != "hits"},
        lambda answer: {**answer, "hits": {"total": {"value": 1}}},
    ],
)
def test_rules_without_the_proof_that_they_are_whole_are_not_taken(
    changed: ChangedAnswers, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    store = RuleStore(changed)
    assert len(store.all().rules) == 2
    changed.found = change
    with pytest.raises(AnswerIncomplete):
        store.all()
    changed.found, changed.scanned = None, lambda documents: documents[:1]
    with pytest.raises(AnswerIncomplete):
        RuleStore(changed).all()


def test_the_earlier_of_expiry_and_end_counts() -> None:
    assert stored(expires=5_000).end == 5_000
    assert stored(expires=5_000, ended=4_000).end == 4_000
    assert stored().timed.acts_at(1_000)
    assert not stored().timed.acts_at(999)
    assert not stored(expires=5_000).timed.acts_at(5_000)
    assert stored(expires=5_000).timed.acts_at(4_999)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cidr": "198.18.0.1/16"}, "has bits set behind its prefix"),
        ({"cidr": None}, "needs entity, group, cidr, operator"),
        ({"country": 7}, "country"),
        ({"start": None}, "its field “start” is missing"),
        ({"name": "other"}, 'its field “name” is "other", not office, as its id says'),
        ({"format": 99}, "was written by a newer ipi-es"),
        ({"author": None}, "its field “author” is missing"),
        ({"entitty": "ann"}, 'its field “entitty” is "ann", not a field of a rule'),
    ],
)
def test_a_document_that_is_no_rule_allows_nothing_and_is_named(
    store: RuleStore, change: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.add_rule(stored("fine"))
    store.cluster.put(RULES_INDEX, "rule:office", {**stored().source(), **change}, refresh=True)
    found = store.all()
    assert [each.name for each in found.rules] == ["fine"]
    assert said in found.damaged["rule:office"]
    assert "it allows nothing" in caplog.text
    (finding,) = judge_rules(company.make_job(), rule_facts(store.cluster, company.make_job()), 2_000)
    assert (finding.level, finding.message) == ("warning", found.damaged["rule:office"])


def test_a_damaged_rule_is_an_error_where_it_is_asked_for(store: RuleStore) -> None:
    store.cluster.put(RULES_INDEX, "rule:office", {**stored().source(), "cidr": "x"}, refresh=True)
    with pytest.raises(StateDamaged, match="no address or network"):
        store.get("office")


def test_a_rule_is_seen_although_the_groups_could_not_be_read_when_it_came(store: RuleStore, tmp_path: Path) -> None:
    file = tmp_path / "groups.csv"
    file.write_text("ann,admins\n")
    job = Job.model_validate(company.job_data() | {"allow_list": [], "entity_groups": {"file": str(file)}})
    assert store.allow_list(job).rules == ()
    store.add_rule(stored())
    file.write_text("ann\n")
    with pytest.raises(UsageError, match="instead of an entity and a group"):
        store.allow_list(job)
    file.write_text("ann,admins\n")
    assert [each.rule.name for each in store.allow_list(job).rules] == ["office"]
