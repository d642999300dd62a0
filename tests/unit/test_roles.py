"""The shipped roles: what is in them, what isn't, and how a refusal finds the role that has the right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from bulk_parts import answer
from stub_server import Reply, StubServer

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Distribution
from ipi_es.config.files.loading import check_job
from ipi_es.errors import PermissionDenied
from ipi_es.setup import roles, setup_plan
from ipi_es.setup.checks.check_rights import judge_rights
from ipi_es.setup.facts.rights import Right, try_rights
from ipi_es.testing.memory_cluster import MemoryCluster

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTIONS: tuple[Distribution, ...] = ("elasticsearch", "opensearch")
NOW = 1_777_593_600  # 2026-05-01T00:00:00Z
TOO_MUCH = {"all", "manage", "*", "cluster:*", "indices:*", "indices:data/*", "cluster_all", "indices_all", "unlimited"}
JOB: dict[str, Any] = {"job_id": "sign-ins", "datafeed_config": {"indices": ["logs-*"]}}


def role(distribution: Distribution, name: str) -> roles.Role:
    return next(each for each in roles.shipped(distribution) if each.name == name)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_there_are_five_roles_each_as_a_person_would_put_it(distribution: Distribution) -> None:
    names = [roles.ANALYST, roles.READER, roles.SETUP, roles.VERDICT_AUTHOR, roles.WRITER]
    assert [each.name for each in roles.shipped(distribution)] == names
    known = {
        "elasticsearch": {"cluster", "indices", "metadata"},
        "opensearch": {"cluster_permissions", "index_permissions", "description"},
    }
    for path in (ROOT / "templates" / "roles" / distribution).iterdir():
        assert set(json.loads(path.read_text(encoding="utf-8"))) == known[distribution]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_no_role_has_more_than_it_needs(distribution: Distribution) -> None:
    for each in roles.shipped(distribution):
        assert not TOO_MUCH & set(each.rights())
        for patterns, rights in each.indices:
            assert len(set(rights)) == len(rights)
            if each.name != roles.READER:
                assert all(pattern.startswith("ipi-es-") for pattern in patterns)
    reader = role(distribution, roles.READER)
    assert not [right for right in reader.rights() if "write" in right or "delete" in right or "admin" in right]
    setup = role(distribution, roles.SETUP)
    assert not [right for right in setup.rights() if "write" in right.replace("policy/write", "") or right == "index"]


@pytest.mark.parametrize(
    ("distribution", "needed"),
    [
        ("opensearch", {"indices:admin/delete", "indices:admin/opensearch/ism/managedindex"}),
        ("elasticsearch", {"delete_index", "indices:monitor/stats"}),
    ],
)
def test_who_puts_the_policy_may_delete_what_the_policy_deletes(distribution: Distribution, needed: set[str]) -> None:
    """Both servers carry a policy out with the rights of who put it; Elasticsearch looks for followers before it."""
    may = [patterns for patterns, rights in role(distribution, roles.SETUP).indices if needed <= set(rights)]
    assert may == [("ipi-es-anomalies-*",)]
    assert "cluster:monitor/xpack/info/ccr" in role("elasticsearch", roles.SETUP).cluster


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_state_and_snapshots_are_never_deleted_as_a_whole(distribution: Distribution) -> None:
    both = (*role(distribution, roles.WRITER).indices, *role(distribution, roles.SETUP).indices)
    for patterns, rights in both:
        if "ipi-es-state" in patterns:
            assert not {"delete_index", "indices:admin/delete"} & set(rights)


@pytest.mark.parametrize(
    ("message", "actions"),
    [
        (
            "https://x denied the request (403): no permissions for [indices:data/write/bulk[s]] and User [name=a]",
            ["indices:data/write/bulk[s]"],
        ),
        (
            "no permissions for [indices:data/write/index, indices:data/write/delete] and User [name=a]",
            ["indices:data/write/index", "indices:data/write/delete"],
        ),
        (
            "action [indices:data/write/index:op_type/index] is unauthorized for user [a] on indices [i]",
            ["indices:data/write/index:op_type/index"],
        ),
        (
            "action [indices:admin/create] is unauthorized for API key id [x], this action is granted by [manage,all]",
            ["indices:admin/create"],
        ),
        ("you shall not pass", []),
    ],
)
def test_refused_actions_are_read_out_of_a_refusal(message: str, actions: list[str]) -> None:
    assert roles.refused_actions(message) == actions


@pytest.mark.parametrize(
    ("action", "name"),
    [
        ("indices:data/read/search", roles.READER),
        ("indices:data/read/field_caps[index]", roles.READER),
        ("indices:data/write/bulk[s]", roles.WRITER),
        ("indices:admin/refresh[s]", roles.WRITER),
        ("indices:admin/index_template/put", roles.SETUP),
        ("cluster:admin/settings/update", None),
    ],
)
def test_a_refused_action_names_the_role_that_has_it(action: str, name: str | None) -> None:
    found = roles.granting("opensearch", action)
    assert (found.name if found else None) == name


def test_each_refused_right_is_a_finding_with_its_role() -> None:
    error = PermissionDenied("no permissions for [indices:data/write/delete] and User [name=a]", hint="?", status=403)
    finding, *_ = judge_rights([Right("write ipi-es-state", error=error)])
    assert finding.level == "problem"
    assert "indices:data/write/delete" in finding.message
    assert finding.hint is not None
    assert "templates/roles/opensearch/ipi-es-writer.json" in finding.hint


def asked(body: dict[str, Any], lacking: set[tuple[str, str]]) -> dict[str, Any]:
    """What Elasticsearch answers to _has_privileges."""
    return {
        "username": "sitter",
        "has_all_requested": not lacking,
        "cluster": {right: ("cluster", right) not in lacking for right in body["cluster"]},
        "index": {
            name: {right: (name, right) not in lacking for right in entry["privileges"]}
            for entry in body["index"]
            for name in entry["names"]
        },
        "application": {},
    }


def found_lacking(lacking: set[tuple[str, str]], job: dict[str, Any] = JOB) -> tuple[list[Right], dict[str, Any]]:
    """What try_rights says before an Elasticsearch that lacks these, and what it asked for."""
    wanted: dict[str, Any] = {}

    def script(method: str, path: str, body: bytes) -> Reply:
        if path == "/":
            return Reply(body={"version": {"number": "9.5.3", "build_flavor": "default"}, "cluster_name": "c"})
        if path == "/_security/user/_has_privileges":
            wanted.update(orjson.loads(body))
            return Reply(body=asked(wanted, lacking))
        if method == "PUT" and "_doc" in path:
            id = unquote(path.partition("?")[0].rpartition("/")[2])  # noqa: A001
            return Reply(body={"_index": "i", "_id": id, "result": "created", "_seq_no": 1, "_primary_term": 1})
        if path.startswith("/_bulk"):
            return Reply(body=answer(body, [{"delete": {"status": 404}}]))
        return Reply(status=404, body={"error": {"type": "index_not_found_exception", "reason": "no such index"}})

    with StubServer(script) as stub:
        cluster = connect(Connection(hosts=(stub.url,), max_retries=0))
        try:
            return try_rights(cluster, check_job(job), NOW), wanted
        finally:
            cluster.close()


def test_elasticsearch_is_asked_for_just_what_the_roles_have() -> None:
    found, wanted = found_lacking(set())
    assert not [right for right in found if right.error]
    by_name = {name: set(entry["privileges"]) for entry in wanted["index"] for name in entry["names"]}
    assert set(by_name) == {
        "logs-*", "ipi-es-state", "ipi-es-snapshots", "ipi-es-rules", "ipi-es-calendars",
        "ipi-es-verdicts", "ipi-es-anomalies",
        "ipi-es-anomalies-shared-*",
    }  # fmt: skip
    assert by_name["logs-*"] == {"read"}
    assert "delete_index" not in by_name["ipi-es-anomalies-shared-*"]  # this job deletes nothing
    assert set(wanted["cluster"]) == {"cluster:monitor/main", "indices:admin/index_template/get"}


def test_a_job_with_retention_needs_the_right_to_delete_indices() -> None:
    _, wanted = found_lacking(set(), {**JOB, "results_retention_days": 90})
    by_name = {name: set(entry["privileges"]) for entry in wanted["index"] for name in entry["names"]}
    assert "delete_index" in by_name["ipi-es-anomalies-shared-*"]


@pytest.mark.parametrize(
    ("where", "right", "name"),
    [
        ("cluster", "indices:admin/index_template/get", roles.WRITER),
        ("logs-*", "read", roles.READER),
        ("ipi-es-state", "index", roles.WRITER),
        ("ipi-es-anomalies-shared-*", "indices:admin/mapping/put", roles.WRITER),
    ],
)
def test_what_elasticsearch_says_lacks_is_named_with_its_role(where: str, right: str, name: str) -> None:
    found, _ = found_lacking({(where, right)})
    [finding] = judge_rights(found, "elasticsearch")
    assert finding.level == "problem"
    assert right in finding.message
    assert where == "cluster" or where in finding.message
    assert f"templates/roles/elasticsearch/{name}.json" in str(finding.hint)


def test_remote_and_excluded_indices_are_not_asked_for() -> None:
    job = {**JOB, "datafeed_config": {"indices": ["logs-*", "-logs-test-*", "siteb:logs-*"]}}
    _, wanted = found_lacking(set(), job)
    names = {name for entry in wanted["index"] for name in entry["names"]}
    assert not {"-logs-test-*", "siteb:logs-*"} & names


def test_trying_makes_and_changes_nothing_but_the_states_probe() -> None:
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    cluster.create_index("ipi-es-anomalies-shared-2026.04", {})
    cluster.put("ipi-es-anomalies-shared-2026.04", "a", {"n": 1}, refresh=True)
    try_rights(cluster, check_job({**JOB, "results_retention_days": 1}), NOW)
    assert cluster.indices("*") == ["ipi-es-anomalies-shared-2026.04", "ipi-es-state"]
    cluster.refresh("*")
    assert cluster.count("ipi-es-*", {"match_all": {}}) == 1
