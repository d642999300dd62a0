"""`ipi-es check` and `ipi-es setup` on real servers, and rights proven on a secured one."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from cli_run import run
from servers.pool import Server
from servers.secured import SecuredOpenSearch
from signin_events import CONTEXT_MAPPING, MAPPING, fill, job_data, make_job, with_context, write_job

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.errors import FieldTypeWrong
from ipi_es.setup import setup_plan
from ipi_es.setup.checks.judge import require_usable

SECURITY = "/_plugins/_security/api"
READER = ("check-reader", "Read-only-9182!")
WORKER = ("check-worker", "Work-only-9182!")


@pytest.fixture
def config(server: Server, tmp_path: Path) -> Path:
    file = tmp_path / "ipi-es.yml"
    file.write_text(f"elasticsearch:\n  hosts: [{server.url}]\n")
    return file


def checked(config: Path, job: Path) -> list[dict[str, Any]]:
    """All findings of a check."""
    rows: list[dict[str, Any]] = json.loads(run("--config", config, "check", job, "--format", "json").stdout)
    return rows


def check(config: Path, job: Path) -> dict[str, dict[str, Any]]:
    return {row["check"]: row for row in checked(config, job)}


def test_healthy_job_has_no_problem(config: Path, cluster: Cluster, index: str, server: Server, tmp_path: Path) -> None:
    fill(cluster, index, with_context, mapping=CONTEXT_MAPPING)
    result = run("--config", config, "check", write_job(tmp_path / "job.json", job_data(index)), "--format", "json")
    found = {row["check"]: row for row in json.loads(result.stdout)}
    assert result.exit_code == 0, result.output
    # the events are months old, and that is all there is to say
    assert {row["check"] for row in found.values() if row["status"] != "ok"} == {"clock"}
    assert ".".join(server.kind.split("-")[-1].split(".")) in found["cluster"]["message"]
    assert "500 events" in found["query"]["message"]
    assert found["indices"]["message"] == "1 index matches"
    assert "ipi-es-anomalies-shared" in found["rights"]["message"]


def test_check_leaves_nothing_behind(config: Path, cluster: Cluster, index: str, tmp_path: Path) -> None:
    fill(cluster, index)
    job = write_job(tmp_path / "job.json", job_data(index))
    check(config, job)  # may make the state's index from its template
    cluster.refresh("ipi-es-*")  # the server may have refreshed between the probe's coming and going
    names = cluster.indices("*")
    counts = {name: cluster.count(name, {"match_all": {}}) for name in names}
    check(config, job)
    cluster.refresh("ipi-es-*")
    assert cluster.indices("*") == names
    assert {name: cluster.count(name, {"match_all": {}}) for name in names} == counts


def test_mixed_types_are_a_problem_on_the_servers_too(cluster: Cluster, index: str) -> None:
    fill(cluster, f"{index}-a")
    mapping = {"properties": {**MAPPING["properties"], "source": {"properties": {"ip": {"type": "keyword"}}}}}
    fill(cluster, f"{index}-b", mapping=mapping)
    with pytest.raises(FieldTypeWrong, match="several types"):
        require_usable(cluster, make_job(f"{index}-*"))


def test_keyword_addresses_are_read(config: Path, cluster: Cluster, index: str, tmp_path: Path) -> None:
    mapping = {"properties": {**MAPPING["properties"], "source": {"properties": {"ip": {"type": "keyword"}}}}}
    fill(cluster, index, mapping=mapping)
    found = check(config, write_job(tmp_path / "job.json", job_data(index)))
    assert found["IP address field"]["status"] == "warning"
    assert found["history"]["status"] == "ok"


def test_hidden_indices_and_unavailable_ones(config: Path, cluster: Cluster, index: str, tmp_path: Path) -> None:
    cluster.create_index(f"{index}-hidden", {"mappings": MAPPING, "settings": {"index.hidden": True}})
    options = {"expand_wildcards": ["open", "hidden"]}
    job = job_data(f"{index}-h*", indices_options=options)
    assert check(config, write_job(tmp_path / "job.json", job))["indices"]["status"] == "ok"
    job = job_data(f"{index}-h*")
    assert check(config, write_job(tmp_path / "job.json", job))["indices"]["status"] == "problem"


def test_what_nobody_reads_is_found_on_the_servers_too(
    config: Path, cluster: Cluster, index: str, server: Server, tmp_path: Path
) -> None:
    """A named index that is missing, closed ones, documents without a time: by shares of each index."""

    def half(document: dict[str, Any], number: int) -> dict[str, Any]:
        document = with_context(document)
        return document if number % 2 else {key: each for key, each in document.items() if key != "@timestamp"}

    fill(cluster, f"{index}-a", with_context, mapping=CONTEXT_MAPPING)
    fill(cluster, f"{index}-b", half, mapping=CONTEXT_MAPPING)
    for closed in ("c", "d"):
        fill(cluster, f"{index}-{closed}", mapping=MAPPING)
        urllib.request.urlopen(urllib.request.Request(f"{server.url}/{index}-{closed}/_close", method="POST")).close()
    job = job_data(f"{index}-*")
    job["datafeed_config"]["indices"] += [f"{index}-c", f"{index}-missing"]
    rows = checked(config, write_job(tmp_path / "job.json", job))
    messages = [(row["status"], row["message"]) for row in rows if row["check"] in {"indices", "time field"}]
    assert any(s == "problem" and f"{index}-missing is missing" in m for s, m in messages), messages
    assert any(s == "problem" and f"{index}-c is closed" in m for s, m in messages), messages
    assert any(s == "warning" and m.endswith(f"can't be read: {index}-d") for s, m in messages), messages
    timeless = (
        f"25 % of the 1,000 documents that match the query lack @timestamp and can never be read (50 % of {index}-b)"
    )
    assert ("problem", timeless) in messages


def test_values_are_judged_on_the_servers_too(config: Path, cluster: Cluster, index: str, tmp_path: Path) -> None:
    """Several addresses, another spelling of outcomes and entities, a role, a country's name: all in one run."""

    def odd(document: dict[str, Any], number: int) -> dict[str, Any]:
        document = with_context(document)
        document["source"]["geo"]["country_iso_code"] = "United States"
        if number % 4 == 0:
            document["event"]["outcome"] = "Success"
        if number % 20 < 12:
            document["user"]["name"] = "AdminRole" if number % 2 else "adminrole"
            document["source"]["as"] = {"number": 65_000 + number % 20}
        if number % 10 == 1:
            document["source"]["ip"] = [document["source"]["ip"], "203.0.113.80"]
        return document

    fill(cluster, index, odd, mapping=CONTEXT_MAPPING)
    rows = checked(config, write_job(tmp_path / "job.json", job_data(index)))
    said = {row["check"]: row["message"] for row in rows if row["status"] != "ok"}
    assert "25 % of the events have an outcome that looks like success" in said["outcomes"]
    assert "10 % of the events have several values in source.ip" in said["IP address field"]
    assert "differ from others by spelling alone (lowercase 1): “AdminRole” = “adminrole”" in said["spellings"]
    assert "“United States”" in said["country field"]
    assert not any("couldn't be looked at" in message for message in said.values()), said


def test_roles_and_failures_are_found_on_the_servers_too(
    config: Path, cluster: Cluster, index: str, tmp_path: Path
) -> None:
    def role(document: dict[str, Any], number: int) -> dict[str, Any]:
        document = with_context(document)
        if number % 20 < 15:
            document["user"]["name"] = "AdminRole"
            document["source"] = {"ip": f"198.{number % 20}.100.7", "as": {"number": 65_000 + number % 20}}
        return document

    fill(cluster, index, role, mapping=CONTEXT_MAPPING)
    rows = checked(config, write_job(tmp_path / "job.json", job_data(index, outcome_field=None)))
    said = {row["check"]: row["message"] for row in rows if row["status"] != "ok"}
    assert "AdminRole from 15 operators (15 addresses) in a day" in said["entities"]
    assert "event.outcome says that 10 % of them failed (success 90 %, failure 10 %)" in said["outcomes"]


def test_a_clash_in_the_result_index_is_found_on_the_servers_too(
    config: Path, cluster: Cluster, index: str, tmp_path: Path
) -> None:
    fill(cluster, index, with_context, mapping=CONTEXT_MAPPING)
    name = f"ipi-es-anomalies-{index}-2026.05"
    mapping = {"properties": {"user": {"properties": {"name": {"type": "long"}}}}}
    cluster.create_index(name, {"mappings": mapping})
    try:
        rows = checked(config, write_job(tmp_path / "job.json", {**job_data(index), "results_index_name": index}))
    finally:
        cluster.delete_index(name)
    [found] = [row for row in rows if row["check"] == "results"]
    assert found["status"] == "problem"
    assert "user.name: it is long there, and keyword here" in found["message"]


def test_setup_twice_has_nothing_to_do(config: Path, cluster: Cluster) -> None:
    assert run("--config", config, "setup").exit_code == 0
    result = run("--config", config, "setup")
    assert result.exit_code == 0
    assert "Nothing to do" in result.stdout


def _user(secured: SecuredOpenSearch, user: tuple[str, str], rights: list[dict[str, Any]], cluster: list[str]) -> None:
    name, password = user
    things = {
        f"roles/{name}": {"index_permissions": rights, "cluster_permissions": cluster},
        f"internalusers/{name}": {"password": password},
        f"rolesmapping/{name}": {"users": [name]},
    }
    for path, body in things.items():
        status, answer = secured.call("PUT", f"{SECURITY}/{path}", body)
        assert status in {200, 201}, answer


@pytest.fixture(scope="module")
def secured(secured_opensearch: SecuredOpenSearch) -> SecuredOpenSearch:
    """Events, templates, and two users: one who reads only, one with the rights that a worker needs."""
    reads = {"index_patterns": ["check-signins"], "allowed_actions": ["read", "indices:admin/mappings/fields/get*"]}
    reads["allowed_actions"].append("indices:data/read/field_caps*")
    basic = ["cluster_composite_ops", "cluster_monitor"]
    _user(secured_opensearch, READER, [reads], basic)
    works = {"index_patterns": ["ipi-es-*"], "allowed_actions": ["crud", "create_index", "manage"]}
    _user(secured_opensearch, WORKER, [reads, works], [*basic, "indices:admin/index_template/get"])
    admin = connect(_connection(secured_opensearch, (secured_opensearch.username, secured_opensearch.password)))
    try:
        setup_plan.apply(admin, setup_plan.plan(admin), force=True)
        fill(admin, "check-signins")
    finally:
        admin.close()
    return secured_opensearch


def _connection(secured: SecuredOpenSearch, user: tuple[str, str]) -> Connection:
    return Connection(hosts=(secured.url,), username=user[0], password=user[1], ca_certs=secured.ca)


def _config(secured: SecuredOpenSearch, user: tuple[str, str], folder: Path) -> Path:
    file = folder / "ipi-es.yml"
    section = {"hosts": [secured.url], "username": user[0], "password": user[1], "ca_certs": str(secured.ca)}
    file.write_text(json.dumps({"elasticsearch": section}))
    return file


def test_a_workers_rights_are_proven_one_by_one(secured: SecuredOpenSearch, tmp_path: Path) -> None:
    job = write_job(tmp_path / "job.json", job_data("check-signins"))
    found = check(_config(secured, WORKER, tmp_path), job)
    assert {row["status"] for row in found.values()} <= {"ok", "warning"}, found
    assert found["rights"]["status"] == "ok"


def test_a_readers_missing_rights_are_named(secured: SecuredOpenSearch, tmp_path: Path) -> None:
    job = write_job(tmp_path / "job.json", job_data("check-signins"))
    result = run("--config", _config(secured, READER, tmp_path), "check", job, "--format", "json")
    assert result.exit_code == 1
    rows = json.loads(result.stdout)
    refused = [row["message"] for row in rows if row["check"] == "rights" and row["status"] == "problem"]
    for what in (
        "can't read and write ipi-es-state",
        "can't write ipi-es-anomalies-",
        "can't read and write ipi-es-snapshots",
        "can't read and write ipi-es-rules",
        "can't read and write ipi-es-verdicts",
        "can't read and write ipi-es-calendars",
    ):
        assert any(message.startswith(what) for message in refused), refused
    assert not any("check-signins" in message.partition(":")[0] for message in refused)
    assert next(row for row in rows if row["check"] == "query")["status"] == "ok"
