"""Names that people write, where the index folds those of the events to lower case: they mean the same entity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_run import run, work_in
from made_results import record
from signin_events import DAY, DAYS, MAPPING, START, fill, job_data
from verdict_parts import said
from worker_parts import TestClock

from ipi_es.config import check_job
from ipi_es.config.rules.allow_rule import AllowRule
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS
from ipi_es.setup import setup_plan
from ipi_es.state.rule_store import RuleStore, StoredRule
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.entity.traces import names_of
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.scoring.describer import context_of


def mapping(**normalizer: str) -> dict[str, Any]:
    keyword = {"type": "keyword", **normalizer}
    return {"properties": {**MAPPING["properties"], "user": {"properties": {"name": keyword, "roles": keyword}}}}


FOLDED, PLAIN = mapping(normalizer="lowercase"), mapping()
RULES: dict[str, dict[str, Any]] = {
    "name": {"entity": "USER1"},
    "pattern": {"entity": "User[2-3]"},
    "group": {"group": "Admins"},
    "file": {"group": "Bots"},
}
TAKEN = {"user1": "name", "user2": "pattern", "user3": "pattern", "user4": "group", "user5": "file"}
END = START + DAYS * DAY


def written(document: dict[str, Any], _number: int) -> dict[str, Any]:
    """As a log writes it: in capitals, one of them with a role."""
    name = document["user"]["name"]
    roles = {"roles": ["Admins"]} if name == "user4" else {}
    return {**document, "user": {"name": name.upper(), **roles}}


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "groups.csv").write_text("User5,Bots\n")
    return job_data("signins") | {"entity_groups": {"file": str(tmp_path / "groups.csv"), "field": "user.roles"}}


def made(data: dict[str, Any], mapping: dict[str, Any] = FOLDED) -> tuple[MemoryCluster, JobResources]:
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    fill(cluster, change=written, mapping=mapping)
    for number, (name, rule) in enumerate(RULES.items()):
        allow = AllowRule.model_validate({"id": name, **rule})
        RuleStore(cluster).add_rule(StoredRule(allow, "why", "ann", created=1 + number, start=1))
    return cluster, JobResources(cluster, check_job(data), clock=TestClock(END))


def allowed(work: JobResources) -> dict[str, str]:
    """The entities that rules allow, with the rule's name."""
    allow, found = work.allow_list(), dict[str, str]()
    for bucket in work.read(START, END):
        rules = allow.match(bucket.matchable, bucket.entity, bucket.ip)
        found |= {bucket.entities[bucket.entity[row]]: allow.name(rules[row]) for row in np.flatnonzero(rules >= 0)}
    return found


def test_rules_match_what_the_index_gives(data: dict[str, Any]) -> None:
    assert allowed(made(data)[1]) == TAKEN
    data["allow_list"] = [{"entity": "USER?", "id": "of the file"}]
    assert set(allowed(made(data)[1]).values()) == {"of the file"}


def test_without_a_normalizer_capitals_are_another_entity(data: dict[str, Any]) -> None:
    assert allowed(made(data, PLAIN)[1]) == {"USER1": "name", "USER4": "group"}


def test_verdicts_and_what_is_searched_for_an_entity_mean_the_same(data: dict[str, Any]) -> None:
    _, work = made(data)
    work.stores.verdicts.add_verdict(said("User1", "192.0.2.1", "compromised", time=END - 5))
    assert list(work.verdicts().compromised) == ["user1"]
    assert names_of(work, "user1").written == {"User1", "user1"}


def test_the_folding_is_asked_for_once_in_an_hour(data: dict[str, Any]) -> None:
    cluster, work = made(data)
    asked: list[str] = []
    cluster.before = lambda operation, index: asked.append(operation) if index == "signins" else None
    allow, verdicts = work.allow_list(), work.verdicts()
    first = len(asked)
    assert first > 0
    assert work.allow_list() is allow
    assert work.verdicts() is verdicts
    assert len(asked) == first


@pytest.mark.parametrize("by_default", [True, False])
def test_commands_spell_names_as_the_index(
    data: dict[str, Any], by_default: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_default:
        del data["datafeed_config"]["entity_normalize"], data["entity_groups"]
    cluster, work = made(data)
    context = context_of(work.job)
    ResultStore(cluster, work.job.job_id, flat_fields=context.flat_fields).write([record(context, entity="user1")], 1)
    cluster.refresh(ALIAS)
    work_in(monkeypatch, tmp_path, cluster, data)
    found = json.loads(run("results", "records", "sign-ins", "--entity", "User1", "--format", "json").stdout)
    assert [each["partition_field_value"] for each in found] == ["user1"]
    exported = json.loads(run("entity", "export", "USER1").stdout)
    assert {each["kind"] for each in exported} == {"record", "rule"}
