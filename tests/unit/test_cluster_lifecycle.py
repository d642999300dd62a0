"""Lifecycle policies over HTTP, as the two servers' references describe them; and on servers that have none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from stub_server import Reply, StubServer

from ipi_es.cluster.connection import Connection
from ipi_es.cluster.elasticsearch import ElasticsearchCluster
from ipi_es.cluster.opensearch import OpenSearchCluster
from ipi_es.cluster.port import Lifecycles, ServerInfo
from ipi_es.cluster.transport.retry import Retry
from ipi_es.errors import Conflict, PermissionDenied, RequestRejected
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.testing.memory_parts import MemoryLifecycles

INDEX = "ipi-es-anomalies-shared-2026.05"
Answers = dict[tuple[str, str], Reply]
"""What is answered to (method, path with its query)."""


class Asked:
    """A server with these answers, and what it was sent."""

    def __init__(self, answers: Answers) -> None:
        self.answers, self.sent = answers, list[tuple[str, str, Any]]()

    def __call__(self, method: str, path: str, body: bytes) -> Reply:
        self.sent.append((method, path, json.loads(body) if body else None))
        missing = Reply(404, {"error": {"type": "resource_not_found_exception", "reason": f"not found: {path}"}})
        return self.answers.get((method, path), missing)


def asked(kind: str, answers: Answers, use: Callable[[Lifecycles], Any]) -> tuple[Any, list[tuple[str, str, Any]]]:
    """(what ``use`` gave, what was sent)."""
    script = Asked(answers)
    with StubServer(script) as stub:
        connection = Connection(hosts=(stub.url,))
        made = ElasticsearchCluster if kind == "elasticsearch" else OpenSearchCluster
        info = ServerInfo("elasticsearch" if kind == "elasticsearch" else "opensearch", (9, 0, 0), "c", stub.url)
        cluster = made(info, connection, Retry(0))
        try:
            return use(cluster.lifecycles), script.sent
        finally:
            cluster.close()


PROBES = {"elasticsearch": "/_ilm/status", "opensearch": "/_plugins/_ism/policies?size=1"}


@pytest.mark.parametrize("kind", PROBES)
@pytest.mark.parametrize(("status", "there"), [(200, True), (400, False), (404, False), (405, False), (410, False)])
def test_server_says_whether_it_has_policies(kind: str, status: int, there: bool) -> None:
    reply = Reply(status, {"error": "no handler found for uri"} if status != 200 else {"operation_mode": "RUNNING"})
    found, sent = asked(kind, {("GET", PROBES[kind]): reply}, lambda each: each.available())
    assert found is there
    assert [path for _, path, _ in sent] == [PROBES[kind]]


@pytest.mark.parametrize("kind", PROBES)
def test_missing_right_is_no_missing_policy(kind: str) -> None:
    reply = Reply(403, {"error": {"type": "security_exception", "reason": "no permissions for [x]"}})
    with pytest.raises(PermissionDenied):
        asked(kind, {("GET", PROBES[kind]): reply}, lambda each: each.available())


def test_ilm_policy_is_read_and_written() -> None:
    body = {"phases": {"hot": {"actions": {}}}}
    answer = {"p": {"version": 3, "modified_date": 1, "policy": body, "in_use_by": {"indices": []}}}
    there = {("GET", "/_ilm/policy/p"): Reply(200, answer)}
    assert asked("elasticsearch", there, lambda each: each.read("p"))[0] == body
    assert asked("elasticsearch", {}, lambda each: each.read("p"))[0] is None
    put = {("PUT", "/_ilm/policy/p"): Reply(200, {"acknowledged": True})}
    _, sent = asked("elasticsearch", put, lambda each: each.write("p", body))
    assert sent == [("PUT", "/_ilm/policy/p", {"policy": body})]


def test_ilm_indices_name_their_policy_in_their_settings() -> None:
    def script(method: str, path: str, _body: bytes) -> Reply:
        if method == "GET" and path.startswith("/ipi-es-anomalies-*/_settings"):
            under = {"settings": {"index": {"uuid": "u", "lifecycle": {"name": "p"}}}}
            return Reply(200, {"a": under, "b": {"settings": {"index": {"uuid": "v"}}}})
        return Reply(200, {"acknowledged": True})

    with StubServer(script) as stub:
        cluster = ElasticsearchCluster(
            ServerInfo("elasticsearch", (9, 0, 0), "c", stub.url), Connection(hosts=(stub.url,)), Retry(0)
        )
        assert cluster.lifecycles.of_indices("ipi-es-anomalies-*") == {"a": "p", "b": None}
        cluster.lifecycles.attach("p", "b")
        cluster.lifecycles.renew("p", "a")
        cluster.close()
    assert stub.requests[1:] == [("PUT", "/b/_settings")]


ISM = {"description": "x", "states": []}


def test_ism_policy_is_read_and_written_by_compare_and_set() -> None:
    place = "/_plugins/_ism/policies/p"
    there = {
        ("GET", place): Reply(200, {"_id": "p", "_version": 2, "_seq_no": 10, "_primary_term": 1, "policy": ISM}),
        ("PUT", f"{place}?if_seq_no=10&if_primary_term=1"): Reply(200, {"_id": "p", "policy": {"policy": ISM}}),
    }
    assert asked("opensearch", there, lambda each: each.read("p"))[0] == ISM
    _, sent = asked("opensearch", there, lambda each: each.write("p", ISM))
    assert [method for method, _, _ in sent] == ["GET", "PUT"]
    assert sent[1][2] == {"policy": ISM}
    new = {("PUT", place): Reply(201, {"_id": "p", "policy": {"policy": ISM}})}
    asked("opensearch", new, lambda each: each.write("p", ISM))
    reply = Reply(409, {"error": {"type": "version_conflict_engine_exception", "reason": "required seqNo"}})
    with pytest.raises(Conflict):
        asked("opensearch", {**there, ("PUT", f"{place}?if_seq_no=10&if_primary_term=1"): reply}, write)


def write(lifecycles: Lifecycles) -> None:
    lifecycles.write("p", ISM)


def test_ism_indices_are_explained() -> None:
    key = "index.plugins.index_state_management.policy_id"
    answer = {INDEX: {key: "p", "enabled": True}, "z": {key: None, "enabled": None}, "total_managed_indices": 1}
    there = {("GET", "/_plugins/_ism/explain/ipi-es-anomalies-*"): Reply(200, answer)}
    found, _ = asked("opensearch", there, lambda each: each.of_indices("ipi-es-anomalies-*"))
    assert found == {INDEX: "p", "z": None}


@pytest.mark.parametrize(("what", "path"), [("attach", "add"), ("renew", "change_policy")])
def test_ism_failure_that_is_said_with_status_200_is_one(what: str, path: str) -> None:
    place = ("POST", f"/_plugins/_ism/{path}/{INDEX}")
    done = {"updated_indices": 1, "failures": False, "failed_indices": []}
    _, sent = asked("opensearch", {place: Reply(200, done)}, lambda each: getattr(each, what)("p", INDEX))
    assert sent == [(*place, {"policy_id": "p"})]
    reason = {"index_name": INDEX, "index_uuid": "u", "reason": "This index already has a policy"}
    failed = Reply(200, {"updated_indices": 0, "failures": True, "failed_indices": [reason]})
    with pytest.raises(RequestRejected, match="already has a policy"):
        asked("opensearch", {place: failed}, lambda each: getattr(each, what)("p", INDEX))


def test_policies_in_memory() -> None:
    cluster = MemoryCluster()
    lifecycles: MemoryLifecycles = cluster.lifecycles
    assert not lifecycles.available()
    lifecycles.write("p", ISM)
    assert lifecycles.read("p") == ISM
    assert lifecycles.read("q") is None
    cluster.create_index("a", {})
    assert lifecycles.of_indices("a*") == {"a": None}
    lifecycles.attach("p", "a")
    assert lifecycles.of_indices("a*") == {"a": "p"}
    with pytest.raises(RequestRejected):
        lifecycles.write("p*", ISM)


def test_indices_on_which_a_policy_fails_are_told_with_the_reason() -> None:
    denied = f"action [indices:admin/delete] is unauthorized for API key id [x] on indices [{INDEX}]"
    path = "/ipi-es-anomalies-*/_ilm/explain?only_managed=true&only_errors=true"
    body = {"indices": {INDEX: {"step": "ERROR", "step_info": {"type": "security_exception", "reason": denied}}}}
    found, _ = asked("elasticsearch", {("GET", path): Reply(200, body)}, lambda each: each.stuck("ipi-es-anomalies-*"))
    assert found == {INDEX: denied}

    refused = "no permissions for [indices:admin/delete] and User [name=builder]"
    states = {
        INDEX: {
            "action": {"name": "delete", "failed": True},
            "info": {"message": "Failed to delete", "cause": refused},
        },
        "ipi-es-anomalies-b-2026.05": {"action": {"name": "transition", "failed": False}, "info": {"message": "…"}},
        "ipi-es-anomalies-c-2026.05": {"index.plugins.index_state_management.policy_id": None},
        "total_managed_indices": 2,
    }
    path = "/_plugins/_ism/explain/ipi-es-anomalies-*"
    found, _ = asked("opensearch", {("GET", path): Reply(200, states)}, lambda each: each.stuck("ipi-es-anomalies-*"))
    assert found == {INDEX: refused}


@pytest.mark.parametrize("kind", PROBES)
def test_server_without_policies_has_none_that_fail(kind: str) -> None:
    assert asked(kind, {}, lambda each: each.stuck("ipi-es-anomalies-*"))[0] == {}
