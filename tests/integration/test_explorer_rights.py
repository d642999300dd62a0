"""The explorer on a real OpenSearch with security: the cluster's roles decide who sees findings and who answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import worker_company as company
from explorer_parts import answer, incident_links, text_of, token_of, undo_fields
from secured_company import EVENTS, LAST_DAY, SecuredBench, secured_bench
from serve_parts import client_of, services_of
from servers.secured import SecuredOpenSearch
from starlette.testclient import TestClient

from ipi_es.cluster.connect import CallerConnections
from ipi_es.cluster.connection import Connection
from ipi_es.state.verdict_store import VerdictStore

ANALYST, VIEWER, STRANGER = ("analyst", "Kq-7734-Zxv!"), ("viewer", "Kq-7735-Zxv!"), ("stranger", "Kq-7736-Zxv!")
READ = ["indices:data/read/get", "indices:data/read/point_in_time/*", "indices:data/read/search"]
"""Rights on results alone, as one who looks at dashboards has them."""


@pytest.fixture(scope="module")
def bench(secured_opensearch: SecuredOpenSearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBench]:
    job = company.make_job("secured-explorer", EVENTS, results_retention_days=3_650)
    with secured_bench(secured_opensearch, tmp_path_factory.mktemp("secured-explorer"), job) as made:
        for user in (ANALYST, VIEWER, STRANGER):
            made.put(f"internalusers/{user[0]}", {"password": user[1]})
        patterns = ["ipi-es-anomalies", "ipi-es-anomalies-*"]
        role = {"index_permissions": [{"index_patterns": patterns, "allowed_actions": READ}]}
        made.put("roles/results-only", role)
        made.put("rolesmapping/results-only", {"users": [VIEWER[0]]})
        made.put("rolesmapping/ipi-es-analyst", {"users": [ANALYST[0]]})
        code, said = made.backfill()
        assert code == 0, said
        yield made


@pytest.fixture
def client(bench: SecuredBench) -> TestClient:
    secured = bench.secured
    own = Connection(
        hosts=(secured.url,), username=secured.username, password=secured.password, ca_certs=secured.ca, max_retries=0
    )
    connections = CallerConnections(own)
    return client_of(services_of(connections.bind, [bench.job], now=LAST_DAY + 3_600, local=False))


def signed_in(client: TestClient, user: tuple[str, str]) -> Any:
    fields = {"csrf": token_of(client.get("/login").text), "user": user[0], "password": user[1]}
    return client.post("/login", data=fields)


def test_an_analyst_sees_answers_and_undoes_under_the_name_that_the_cluster_knows(
    client: TestClient, bench: SecuredBench
) -> None:
    page = signed_in(client, ANALYST)
    assert page.status_code == 200, text_of(page.text)
    where = f"/jobs/{bench.job.job_id}"
    before = incident_links(client.get(where).text)
    assert before
    done = answer(client, before[0], "verdict", word="dismissed", comment="a test")
    assert done.status_code == 200, text_of(done.text)
    assert before[0] not in incident_links(client.get(where).text)
    given = VerdictStore(bench.cluster, bench.job.job_id).all().verdicts
    assert {(each.by, each.verdict) for each in given} == {("analyst", "dismissed")}
    assert "Undone" in text_of(answer(client, before[0], "undo", **undo_fields(done.text)).text)
    assert incident_links(client.get(where).text) == before
    source = client.get(before[0]).text
    entity = source.split(f"{where}/entities/", 1)[1].split("?", 1)[0]
    page = client.get(f"{where}/entities/{entity}")
    assert page.status_code == 200
    assert "Where it usually comes from isn't known here" in text_of(page.text), "the role doesn't read snapshots"
    said = text_of(page.text.split('id="used"', 1)[1].split("</section>", 1)[0])
    assert f"Not known here: you may not read the job's events in {EVENTS}" in said, "the role doesn't read events"
    assert "No sign-in" not in said


def test_sign_ins_are_shown_to_who_may_read_events_as_well(client: TestClient, bench: SecuredBench) -> None:
    role = {"index_permissions": [{"index_patterns": [EVENTS], "allowed_actions": ["read"]}]}
    bench.put("roles/events", role)
    bench.put("rolesmapping/events", {"users": [ANALYST[0]]})
    signed_in(client, ANALYST)
    page = client.get(f"/jobs/{bench.job.job_id}/entities/person00").text
    section = page.split('id="used"', 1)[1].split("</section>", 1)[0]
    assert "203.0.113.0/24" in section, text_of(section)


def test_who_may_only_read_results_sees_them_and_cannot_answer(client: TestClient, bench: SecuredBench) -> None:
    page = signed_in(client, VIEWER)
    assert page.status_code == 200, text_of(page.text)
    assert "You may not read the jobs' states" in text_of(page.text)
    where = f"/jobs/{bench.job.job_id}"
    incident = incident_links(client.get(where).text)[0]
    shown = client.get(incident)
    assert shown.status_code == 200, text_of(shown.text)
    assert "Whether findings were answered since they were stored can't be read" in text_of(shown.text)
    before = VerdictStore(bench.cluster, bench.job.job_id).all().verdicts
    for what, fields in (("verdict", {"word": "safe"}), ("revoke", {})):
        refused = answer(client, incident, what, **fields)
        assert refused.status_code == 403, (what, text_of(refused.text))
        assert "You may not do that" in refused.text
    rule = {"name": "n", "reason": "r", "expires": "7d"}
    found = {answer(client, each, "allow", **rule).status_code for each in incident_links(client.get(where).text)}
    assert {403} <= found <= {400, 403}, "400: results that don't name all accounts make no rule"
    assert VerdictStore(bench.cluster, bench.job.job_id).all().verdicts == before


def test_who_has_no_rights_sees_nothing_and_a_wrong_password_no_page(client: TestClient, bench: SecuredBench) -> None:
    assert signed_in(client, (ANALYST[0], "wrong")).status_code == 401
    signed_in(client, STRANGER)
    page = client.get(f"/jobs/{bench.job.job_id}")
    assert page.status_code == 403
    assert not incident_links(page.text)
    assert client.get("/").status_code == 403
