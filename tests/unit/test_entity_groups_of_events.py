"""Groups of entities that events name: rules, results, `check`, and the proof that they were read whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
from check_parts import KEYWORD, Doc, findings, healthy, mapping_of, only
from cli_run import connect_to, run
from feed_cluster import FeedCluster, ServedDatafeed
from group_parts import require_groups
from signin_events import make_job

from ipi_es.addresses import parse
from ipi_es.cluster.port import Put
from ipi_es.config import NO_RULE, AllowList, check_job
from ipi_es.config.files.entity_groups import GROUPS_FIELD
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import Matchable
from ipi_es.config.rules.allow_rule import AllowRule
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import AnswerIncomplete, ConfigError
from ipi_es.results.words import ALIAS
from ipi_es.setup import setup_plan
from ipi_es.state.rule_store import RuleStore, StoredRule
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session

FIELD = "user.roles"
ROLES = {company.VICTIM: ["staff", "admins"], **dict.fromkeys(company.NOMADS, "nomads")}


def test_a_rule_allows_a_group_that_events_name_and_one_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("carol,admins\n")
    groups = {"file": str(tmp_path / "groups.csv"), "field": FIELD}
    rules = [{"group": "admins", "cidr": "10.0.0.0/8"}, {"group": "bots"}]
    feed = {"indices": "a"}
    made = check_job({"job_id": "x", "datafeed_config": feed, "entity_groups": groups, "allow_list": rules})
    addresses, _ = parse(["10.1.2.3", "192.0.2.1"])
    entity, ip = (np.array(each, dtype=np.int32) for each in ([0, 0, 1, 2], [0, 1, 0, 1]))
    names, allowed = ["alice", "carol", "bot"], AllowList.of(made)
    named = {"alice": ("admins",), "bot": ("bots", "x")}
    assert allowed.match(Matchable(names, addresses, named), entity, ip).tolist() == [0, NO_RULE, 0, 1]
    assert allowed.match(Matchable(names, addresses), entity, ip).tolist() == [NO_RULE, NO_RULE, 0, NO_RULE]


def test_groups_need_a_file_or_a_field() -> None:
    with pytest.raises(ConfigError, match="needs file or field"):
        check_job({"job_id": "x", "datafeed_config": {"indices": "a"}, "entity_groups": {}})


def _fill(cluster: MemoryCluster) -> None:
    user = {"properties": {"name": KEYWORD, "roles": KEYWORD}}
    cluster.create_index(company.EVENTS, {"mappings": {"properties": {**company.MAPPINGS["properties"], "user": user}}})
    for number, each in enumerate(company.events()):
        document = company.document(each)
        document["user"]["roles"] = ROLES.get(each[1])
        cluster.bulk([Put(company.EVENTS, str(number), document)])
    cluster.refresh(company.EVENTS)


@pytest.fixture(scope="module")
def scored() -> Iterator[tuple[MemoryCluster, dict[str, Any]]]:
    """A scored company whose events name roles, and the job's file; a rule allows the nomads."""
    data = company.job_data() | {"entity_groups": {"field": FIELD}, "allow_list": [{"group": "nomads"}]}
    made = Job.model_validate(data)
    with pytest.MonkeyPatch.context() as patch:
        cluster = MemoryCluster()
        setup_plan.apply(cluster, setup_plan.plan(cluster))
        _fill(cluster)
        parts.train_by(patch)
        with open_session(JobResources(cluster, made, clock=parts.TestClock(parts.NOW - 3_600))) as session:
            session.train(company.LEARN_FROM, company.SCORED_FROM)
        with open_session(JobResources(cluster, made, clock=parts.TestClock(parts.NOW))) as session:
            session.backfill(session.plan(company.SCORED_FROM, company.SCORED_TO), lambda _: None)
        cluster.refresh(ALIAS)
        yield cluster, data


def test_results_have_the_groups_that_the_events_of_their_bucket_name(
    scored: tuple[MemoryCluster, dict[str, Any]],
) -> None:
    require_groups(parts.results(scored[0], Job.model_validate(scored[1])), "admins", "staff")


def test_explain_knows_the_groups_of_the_latest_record(
    scored: tuple[MemoryCluster, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_to(monkeypatch, scored[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "signins.json").write_text(json.dumps(scored[1]))
    (found,) = json.loads(run("explain", "signins.json", company.VICTIM, "192.0.2.1", "--format", "json").stdout)
    assert found[GROUPS_FIELD] == ["admins", "staff"]
    nomad = company.NOMADS[0]
    (found,) = json.loads(run("explain", "signins.json", nomad, "192.0.2.1", "--format", "json").stdout)
    assert (found[GROUPS_FIELD], found["suppressed_by"]) == (["nomads"], "group:nomads")


def test_groups_that_came_only_in_part_are_an_error() -> None:
    span, start = 3_600, 1_772_323_200
    common = {"@timestamp": start * 1_000, "event.outcome": "success", "source.ip": "192.0.2.1"}
    cluster = FeedCluster([{**common, "user.name": f"u{n}", FIELD: f"g{n}"} for n in range(5)])
    spec = FeedSpec(("logs",), group_field=FIELD)
    (whole,) = ServedDatafeed(cluster, spec).read(start, start + span, span)
    assert whole.entity_groups == {f"u{n}": (f"g{n}",) for n in range(5)}

    def halved(body: Any, answer: dict[str, Any]) -> dict[str, Any]:
        if {"terms": {"field": FIELD}} in [each.get("i") for each in _sources(body)]:
            pairs = answer["aggregations"]["pairs"]
            pairs["buckets"] = pairs["buckets"][:2]
            pairs["after_key"] = pairs["buckets"][-1]["key"]
        return answer

    cluster.altered = halved
    with pytest.raises(AnswerIncomplete, match="rows of 2 documents were read, but 5 were counted"):
        list(ServedDatafeed(cluster, spec).read(start, start + span, span))
    without = ServedDatafeed(cluster, replace(spec, group_field=None)).read(start, start + span, span)
    assert [bucket.entity_groups for bucket in without] == [{}]


def _sources(body: Any) -> list[dict[str, Any]]:
    composite = body["aggs"].get("pairs", {}).get("composite", {})
    return list(composite.get("sources", ()))


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    return made


def grouped_job(*groups: str, **more: Any) -> Job:
    rules = [{"group": each, **more} for each in groups]
    data = make_job().model_dump(mode="json", exclude_unset=True)
    return check_job({**data, "entity_groups": {"field": FIELD}, "allow_list": rules})


def with_roles(document: Doc, number: int) -> Doc:
    roles = ["staff"] if number % 10 else ["staff", "admins"]
    return {**document, "user": {**document["user"], "roles": roles}}


MAPPED = mapping_of(user={"properties": {"name": KEYWORD, "roles": KEYWORD}})


def test_check_has_nothing_against_a_field_that_events_fill(cluster: MemoryCluster) -> None:
    healthy(cluster, with_roles, mapping=MAPPED)
    assert findings(cluster, grouped_job("admins")) == []
    for more in ({"cidr": "10.0.0.0/8"}, {"network_type": "vpn"}, {"operator": 64496}):
        assert findings(cluster, grouped_job("staff", **more)) == []


@pytest.mark.parametrize(
    ("rules", "level", "said", "hint"),
    [
        (("staff",), "problem", "the rule for the group “staff” allows 100 % of the events", "give the rule a cidr"),
        (("admin",), "warning", "no event has the group “admin” in user.roles", "write it as user.roles spells it"),
    ],
)
def test_check_says_which_rule_for_a_group_allows_too_much_or_nothing(
    cluster: MemoryCluster, rules: tuple[str, ...], level: str, said: str, hint: str
) -> None:
    healthy(cluster, with_roles, mapping=MAPPED)
    (found,) = [each for each in findings(cluster, grouped_job(*rules)) if each.check == "groups"]
    assert found.level == level
    assert said in found.message
    assert hint in str(found.hint)


def test_check_names_a_group_of_no_event_in_a_rule_that_has_a_network_too(cluster: MemoryCluster) -> None:
    healthy(cluster, with_roles, mapping=MAPPED)
    (found,) = [each for each in findings(cluster, grouped_job("admin", cidr="10.0.0.0/8")) if each.check == "groups"]
    assert "no event has the group “admin” in user.roles" in found.message


def test_check_says_where_the_field_of_groups_is_missing_empty_or_a_text(cluster: MemoryCluster) -> None:
    healthy(cluster, mapping=MAPPED)
    found = only(cluster, grouped_job())
    assert (found.level, found.message) == ("warning", "no event has user.roles, so no entity is in a group")


def test_check_says_that_no_mapping_has_the_field_of_groups(cluster: MemoryCluster) -> None:
    healthy(cluster)
    (found,) = [each for each in findings(cluster, grouped_job()) if each.level == "problem"]
    assert (found.check, found.hint) == ("group field", "Set entity_groups.field to the field that holds the group")
    assert "user.roles (the group) is in no mapping" in found.message


def test_check_names_the_sub_field_where_groups_are_a_text(cluster: MemoryCluster) -> None:
    text = {"type": "text", "fields": {"keyword": KEYWORD}}
    healthy(cluster, with_roles, mapping=mapping_of(user={"properties": {"name": KEYWORD, "roles": text}}))
    (found,) = [each for each in findings(cluster, grouped_job()) if each.level == "problem"]
    assert "user.roles (the group) is text; it must be keyword" in found.message
    assert "user.roles.keyword" in str(found.hint)


@pytest.mark.parametrize(("group", "level"), [("staff", "problem"), ("admin", "warning")])
def test_check_says_it_of_rules_that_are_documents_too(cluster: MemoryCluster, group: str, level: str) -> None:
    healthy(cluster, with_roles, mapping=MAPPED)
    rule = AllowRule.model_validate({"id": "document", "group": group})
    RuleStore(cluster).add_rule(StoredRule(rule, "ours", "ann", 1, 1))
    found = [each.level for each in findings(cluster, grouped_job()) if each.check == "groups"]
    assert found == [level]
