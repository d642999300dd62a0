"""The shipped roles on a real OpenSearch with security: each suffices, and whatever is taken from it is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import worker_company as company
from secured_company import (
    BUILDER,
    EVENTS,
    FIRST_DAY,
    READER,
    WORKER,
    SecuredBench,
    rights_of,
    secured_bench,
    shipped_roles,
    without,
)
from servers.secured import SecuredOpenSearch

from ipi_es.setup import templates
from ipi_es.times import iso

ROLES = shipped_roles()
TOGETHER = ("cluster", "indices:data/read/msearch")
"""What only searches over long lists of indices need, and dashboards."""
RIGHTS = [each for each in rights_of(ROLES, "ipi-es-reader", "ipi-es-writer") if each != TOGETHER]
LIFECYCLE = "ipi-es-state ipi-es-anomalies ipi-es-anomalies-*"
"""What setup looks at for the lifecycle policy only: this server has no lifecycle policies, so it isn't needed here."""
OF_THE_POLICY = "indices:admin/delete"
"""What the policy does later, with the rights of who put it."""
SIMULATION = "indices:admin/index_template/simulate_index"
"""Without it setup compares the priorities of index templates."""
SETUP_RIGHTS = [
    (where, right)
    for where, right in rights_of(ROLES, "ipi-es-setup")
    if "/ism/" not in right and right not in (OF_THE_POLICY, SIMULATION) and where != LIFECYCLE
]
OWN = "ipi-es-state ipi-es-snapshots ipi-es-rules ipi-es-calendars ipi-es-verdicts"
RESULTS = "ipi-es-anomalies ipi-es-anomalies-*"
NOT_FOR_BACKFILL = {
    (OWN, "indices:admin/create"),  # the first training makes them
    (OWN, "indices:admin/mappings/get"),  # what `check` looks at
    (OWN, "indices:data/write/delete"),  # old quantiles and snapshots, `verdict remove`, `job delete`
    (RESULTS, "indices:admin/delete"),  # retention
    (RESULTS, "indices:monitor/settings/get"),  # retention
    (RESULTS, "indices:data/write/delete"),  # what a bucket scored again no longer has
    (RESULTS, "indices:admin/mapping/put"),  # a second job's fields in a shared index
}
"""What the backfill of the test does without; everything else must stop it."""


@pytest.fixture(scope="module")
def bench(secured_opensearch: SecuredOpenSearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBench]:
    job = company.make_job("secured", EVENTS, results_retention_days=3_650)
    with secured_bench(secured_opensearch, tmp_path_factory.mktemp("secured"), job) as made:
        yield made


@pytest.fixture(scope="module")
def quiet(bench: SecuredBench) -> dict[str, Any]:
    """What an undisturbed backfill leaves."""
    bench.fresh()
    code, said = bench.backfill()
    assert code == 0, said
    return bench.everything()


@pytest.fixture
def all_roles(bench: SecuredBench) -> Iterator[None]:
    bench.grant(ROLES)
    yield
    bench.grant(ROLES)


def checked(bench: SecuredBench) -> tuple[int, list[dict[str, Any]]]:
    code, said = bench.run(WORKER, "check", bench.job_file(), "--format", "json")
    rows: list[dict[str, Any]] = json.loads(said)
    return code, rows


def test_reader_and_writer_suffice_for_all_commands_of_a_job(bench: SecuredBench, quiet: dict[str, Any]) -> None:
    code, rows = checked(bench)
    assert code == 0, rows
    assert [row["status"] for row in rows if row["check"] in {"rights", "templates"}] == ["ok", "ok"]
    job, start = bench.job_file(), iso(company.SCORED_FROM)
    assert len(quiet["results"]) > 24  # a bucket each, and records
    for command in (
        ["results", "records", job, "--start", start],
        ["results", "buckets", job, "--start", start],
        ["advise", job],
        ["snapshots", "list", job],
        ["renormalize", job],
        ["verdict", "safe", job, "person07", "198.51.100.9"],
        ["verdict", "list", job],
        ["verdict", "revoke", job, "person07", "198.51.100.9"],
        ["rule", "add", "office", "--cidr", "198.51.100.0/24", "--reason", "ours"],
        ["rule", "list"],
        ["rule", "show", "office"],
        ["backfill", job, "--start", start, "--end", iso(FIRST_DAY), "--again"],
        ["train", job, "--end", start],
        ["rule", "end", "office"],
    ):
        code, said = bench.run(WORKER, *command)
        assert code == 0, (command, said)


def test_setup_role_suffices_and_may_neither_read_events_nor_write(bench: SecuredBench) -> None:
    assert bench.run(BUILDER, "setup", "--force")[0] == 0
    assert "Nothing to do" in bench.run(BUILDER, "setup")[1]
    for method, path in (
        ("POST", f"/{EVENTS}/_search"),
        ("GET", "/ipi-es-state/_doc/1"),
        ("DELETE", "/ipi-es-state/_doc/1"),
        ("POST", "/ipi-es-snapshots/_search"),
        ("DELETE", "/ipi-es-snapshots"),
        ("DELETE", "/_index_template/ipi-es-state"),
    ):
        assert bench.secured.call(method, path, auth=BUILDER)[0] == 403, path


@pytest.mark.parametrize(
    ("user", "method", "path", "body"),
    [
        (READER, "PUT", f"/{EVENTS}/_doc/1", {"a": 1}),
        (READER, "POST", "/ipi-es-anomalies/_search", None),
        (READER, "GET", "/ipi-es-state/_doc/1", None),
        (WORKER, "PUT", f"/{EVENTS}/_doc/1", {"a": 1}),
        (WORKER, "DELETE", f"/{EVENTS}/_doc/1", None),
        (WORKER, "DELETE", f"/{EVENTS}", None),
        (WORKER, "PUT", f"/{EVENTS}/_mapping", {"properties": {}}),
        (WORKER, "DELETE", "/ipi-es-state", None),
        (WORKER, "DELETE", "/ipi-es-snapshots", None),
        (WORKER, "PUT", "/ipi-es-other", None),
        (WORKER, "PUT", "/_index_template/ipi-es-state", {"index_patterns": ["x"]}),
        (WORKER, "PUT", "/_cluster/settings", {"transient": {"cluster.max_shards_per_node": 9}}),
        (WORKER, "GET", "/_cat/indices", None),
        (WORKER, "GET", "/_plugins/_security/api/internalusers", None),
    ],
)
def test_what_no_role_needs_is_refused(
    bench: SecuredBench, user: tuple[str, str], method: str, path: str, body: Any
) -> None:
    assert bench.secured.call(method, path, body, auth=user)[0] == 403


@pytest.mark.parametrize(("where", "right"), RIGHTS)
def test_a_worker_without_one_right_is_told_which_and_loses_nothing(
    bench: SecuredBench, quiet: dict[str, Any], all_roles: None, where: str, right: str
) -> None:
    bench.fresh()
    assert bench.backfill(FIRST_DAY)[0] == 0
    bench.grant(without(ROLES, where, right))

    code, rows = checked(bench)
    named = [row for row in rows if right.rstrip("*") in row["message"]]
    assert code == 1
    assert named, rows
    assert {row["status"] for row in named} == {"problem"}
    if right != "cluster:monitor/main":  # without it, not even the distribution is known
        assert any("templates/roles/opensearch/ipi-es-" in row["hint"] for row in named), named

    code, said = bench.backfill()
    if (where, right) in NOT_FOR_BACKFILL:
        assert code == 0, said
    else:
        assert code == 1, said
        assert right.rstrip("*") in said
        assert "Traceback" not in said

    bench.grant(ROLES)
    if code:
        code, said = bench.backfill()
        assert code == 0, said
    found = bench.everything()
    assert found["state"] == quiet["state"]
    assert found["blobs"] == quiet["blobs"]
    assert found["results"] == quiet["results"]


@pytest.mark.parametrize(("where", "right"), SETUP_RIGHTS)
def test_setup_without_one_right_says_which(bench: SecuredBench, all_roles: None, where: str, right: str) -> None:
    for template in templates.load():  # something to do, both for templates and for an index
        bench.secured.call("DELETE", f"/_index_template/{template.name}")
    bench.secured.call("DELETE", "/ipi-es-anomalies-old-2020.01")
    assert bench.secured.call("PUT", "/ipi-es-anomalies-old-2020.01", {"mappings": {"dynamic": False}})[0] == 200
    bench.grant(without(ROLES, where, right))
    code, said = bench.run(BUILDER, "setup")
    assert code == 1, said
    assert right in said
    bench.grant(ROLES)
    code, said = bench.run(BUILDER, "setup")
    assert code == 0, said
    assert "Nothing to do" in bench.run(BUILDER, "setup")[1]
    bench.cluster.delete_index("ipi-es-anomalies-old-2020.01")


def test_a_long_list_of_indices_needs_the_right_to_search_several_at_once(bench: SecuredBench, all_roles: None) -> None:
    names = [f"{EVENTS}-{'x' * 90}-{number:03d}" for number in range(40)]
    job = bench.folder / "long.json"
    feed = {
        **company.job_data("secured", EVENTS)["datafeed_config"],
        "indices": [EVENTS, *(f"{each}*" for each in names)],
    }
    job.write_text(json.dumps({**company.job_data("secured", EVENTS), "datafeed_config": feed}))
    roles = shipped_roles()
    for bad, code in ((without(roles, *TOGETHER), 1), (roles, 0)):
        roles_now = json.loads(json.dumps(bad))
        roles_now["ipi-es-reader"]["index_permissions"][0]["index_patterns"] = [f"{EVENTS}*"]
        bench.grant(roles_now)
        found, said = bench.run(WORKER, "check", job, "--format", "json")
        rows = json.loads(said)
        named = [row for row in rows if TOGETHER[1] in row["message"]]
        assert bool(named) == bool(code), rows
        assert found == code, rows
        if code:
            assert any("ipi-es-reader.json" in row["hint"] for row in named), named


ANALYST = ("analyst", "Kq-7734-Zxv!")


@pytest.mark.parametrize("with_the_right", [False, True])
def test_people_who_look_at_dashboards_need_read_and_the_right_to_search_several_at_once(
    bench: SecuredBench, quiet: dict[str, Any], with_the_right: bool
) -> None:
    rights = {"index_patterns": ["ipi-es-anomalies*"], "allowed_actions": ["read"]}
    role = {"cluster_permissions": [TOGETHER[1]] * with_the_right, "index_permissions": [rights]}
    for path, body in (
        (f"internalusers/{ANALYST[0]}", {"password": ANALYST[1]}),
        (f"roles/{ANALYST[0]}", role),
        (f"rolesmapping/{ANALYST[0]}", {"users": [ANALYST[0]]}),
    ):
        assert bench.secured.call("PUT", f"/_plugins/_security/api/{path}", body)[0] in (200, 201)
    lines = '{"index": "ipi-es-anomalies"}\n{"size": 0, "track_total_hits": true}\n'
    status, answer = bench.secured.call("POST", "/_msearch", lines, auth=ANALYST)
    assert (status == 200) == with_the_right, answer
    if with_the_right:
        assert answer["responses"][0]["hits"]["total"]["value"] > 24
    assert bench.secured.call("POST", "/ipi-es-anomalies/_search", auth=ANALYST)[0] == 200


SOAR = ("playbook", "Kq-7735-Zxv!")
PERSON = ("investigator", "Kq-7736-Zxv!")


@pytest.fixture
def users_of_verdicts(bench: SecuredBench) -> None:
    for user, role in ((SOAR, "ipi-es-verdict-author"), (PERSON, "ipi-es-analyst")):
        bench.put(f"internalusers/{user[0]}", {"password": user[1]})
        bench.put(f"rolesmapping/{role}", {"users": [user[0]]})


def test_a_tool_writes_verdicts_with_a_key_for_nothing_else(
    bench: SecuredBench, quiet: dict[str, Any], users_of_verdicts: None
) -> None:
    del quiet
    forged = {"job_id": bench.job.job_id, "verdict": "safe", "entity": "person07", "ip": "198.51.100.9", "by": "tool"}
    forged["time"] = iso(FIRST_DAY)
    status, answer = bench.secured.call("POST", "/ipi-es-verdicts/_doc?refresh=true", forged, auth=SOAR)
    assert status == 201, answer
    listed = bench.run(WORKER, "verdict", "list", bench.job_file(), "--format", "json")[1]
    assert [each["by"] for each in json.loads(listed) if each["entity"] == "person07"] == ["tool"]
    for user in (READER, BUILDER):
        assert bench.secured.call("POST", "/ipi-es-verdicts/_doc", forged, auth=user)[0] == 403
    for method, path in (
        ("POST", "/ipi-es-verdicts/_search"),
        ("DELETE", "/ipi-es-verdicts"),
        ("POST", "/ipi-es-rules/_doc"),
        ("POST", "/ipi-es-state/_doc"),
        ("POST", "/ipi-es-anomalies/_doc"),
        ("POST", f"/{EVENTS}/_search"),
    ):
        assert bench.secured.call(method, path, {} if method == "POST" else None, auth=SOAR)[0] == 403, path


def test_an_analyst_answers_findings_and_changes_nothing_else(
    bench: SecuredBench, quiet: dict[str, Any], users_of_verdicts: None
) -> None:
    assert quiet["results"]
    job, start = bench.job_file(), iso(company.SCORED_FROM)
    for command in (
        ["results", "records", job, "--start", start],
        ["verdict", "compromised", job, "person09", "198.51.100.9"],
        ["verdict", "list", job],
        ["verdict", "revoke", job, "person09", "198.51.100.9"],
        ["rule", "add", "branch", "--cidr", "198.51.100.0/24", "--reason", "ours"],
        ["rule", "list"],
        ["rule", "end", "branch"],
    ):
        code, said = bench.run(PERSON, *command)
        assert code == 0, (command, said)
    for method, path in (
        ("POST", f"/{EVENTS}/_search"),
        ("POST", "/ipi-es-anomalies/_doc"),
        ("POST", "/ipi-es-state/_doc"),
        ("DELETE", "/ipi-es-verdicts/_doc/1"),
        ("DELETE", "/ipi-es-rules"),
    ):
        assert bench.secured.call(method, path, {} if method == "POST" else None, auth=PERSON)[0] == 403, path
