"""The explorer's pages on a scored company: what they show, how they are reached, and what stays text."""

from __future__ import annotations

import re
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from explorer_parts import JOB, all_links, explorer_on, incident_links, scored_copy, text_of
from incident_parts import JOB as PLAIN_JOB
from incident_parts import START, change, ready, record, session_on
from report_parts import HOSTILE
from serve_parts import client_of, services_of
from starlette.testclient import TestClient

from ipi_es.cluster.port import Cluster
from ipi_es.errors import ClusterUnreachable, PermissionDenied
from ipi_es.results.reading.incidents_there import incident_rows, stored_incidents
from ipi_es.results.words import ALIAS
from ipi_es.serve.explorer.links import Links, fits
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import iso

LIST = f"/jobs/{JOB.job_id}"


@pytest.fixture(scope="module")
def cluster() -> MemoryCluster:
    return scored_copy()


@pytest.fixture(scope="module")
def client(cluster: MemoryCluster) -> TestClient:
    return explorer_on(cluster)


def test_jobs_are_listed_with_their_state_and_open_findings(client: TestClient, cluster: MemoryCluster) -> None:
    page = client.get("/")
    open_ones = incident_rows((each.source for each in stored_incidents(cluster, JOB.job_id)), closed=False)
    assert f"{len(open_ones)} open finding" in text_of(page.text)
    assert f"Scored up to {iso(company.SCORED_TO)[:10]} 00:00 UTC" in text_of(page.text)
    assert LIST in all_links(page.text)


def test_the_findings_are_the_stored_incidents_in_their_order(client: TestClient, cluster: MemoryCluster) -> None:
    rows = incident_rows((each.source for each in stored_incidents(cluster, JOB.job_id)), closed=False)
    page = client.get(f"{LIST}?start=2000-01-01").text
    wanted = [f"{LIST}/incidents/{each['incident_id']}" for each in rows]
    assert incident_links(page) == wanted[:20]
    assert rows[0]["reasons"][0] in text_of(page)


@pytest.mark.parametrize(
    ("query", "keeps"),
    [
        ("severity=critical", lambda row: row["incident_score"] >= 75),
        ("severity=major", lambda row: row["incident_score"] >= 50),
        (f"search={company.SPRAYER}", lambda row: company.SPRAYER in row["addresses"]),
        ("search=192.0.2.0/24", lambda row: "192.0.2.0/24" in row["networks"]),
        ("search=user-00*", lambda row: any(name.startswith("user-00") for name in row["entities"])),
        ("answered=closed", lambda _: False),
    ],
)
def test_filters_are_in_the_address(client: TestClient, cluster: MemoryCluster, query: str, keeps: Any) -> None:
    rows = incident_rows((each.source for each in stored_incidents(cluster, JOB.job_id)), closed=False)
    page = client.get(f"{LIST}?start=2000-01-01&{query}")
    assert page.status_code == 200
    wanted = [f"{LIST}/incidents/{each['incident_id']}" for each in rows if keeps(each)]
    assert incident_links(page.text) == wanted[:20]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/jobs/none", 404, "has no such job"),
        (f"{LIST}?start=yesterday", 400, "is not a time"),
        (f"{LIST}?start=2026-01-02&end=2026-01-01", 400, "the end is not after the start"),
        (f"{LIST}?page=0", 400, "is no number of a page"),
        (f"{LIST}?page=501", 400, "is no number of a page"),
        (f"{LIST}?entities=2001", 400, "is no number of a page"),
        (f"{LIST}?start=0001-01-01", 400, "the years 1970 to 2099"),
        (f"{LIST}?end=9999-12-31", 400, "the years 1970 to 2099"),
        (f"{LIST}?page=500&start=2000-01-01", 200, "this page is beyond the last one"),
        (f"{LIST}/results?page=200", 200, "this page is beyond the last one"),
        (f"{LIST}/addresses/{company.SPRAYER}?page=200", 200, "this page is beyond the last one"),
        (f"{LIST}?start=1970-01-01&end=2099-12-31", 200, "Findings"),
        (f"{LIST}?page=²", 400, "is no number of a page"),
        (f"{LIST}?severity=loud", 400, "is no severity"),
        (f"{LIST}?answered=no", 400, "chooses no incidents"),
        (f"{LIST}/incidents/x", 404, "has no such finding"),
        (f"{LIST}/incidents/{JOB.job_id}_incident_1_{'0' * 32}", 404, "has no such finding"),
        (f"{LIST}/addresses/office", 400, "is no IP address"),
        (f"{LIST}/results?with=nothing", 400, "chooses no results"),
        (f"{LIST}/results?severity=loud", 400, "say one of any, warning, minor, major, critical"),
        (f"{LIST}/results?search=192.0.2.0/33", 400, "is no network"),
        (f"{LIST}/results?network=AS1&search=192.0.2.0/24", 400, "both name a network"),
        (f"{LIST}?network=AS4294967296", 400, "is no operator"),
        (f"{LIST}/networks/192.0.2.0/x", 400, "is no network"),
        (f"{LIST}?search={'a' * 2_001}", 400, "at most 2,000 characters"),
        (f"{LIST}?page=000000001{'1' * 5_000}", 400, "is no number of a page"),
        (f"{LIST}/live?after=x", 400, "is no time in milliseconds"),
    ],
)
def test_a_wrong_address_is_a_clear_page(client: TestClient, path: str, status: int, said: str) -> None:
    page = client.get(path)
    assert page.status_code == status
    assert said in text_of(page.text)
    assert "<h1" in page.text


def test_links_keep_known_parameters_alone(client: TestClient) -> None:
    page = client.get(f"{LIST}?self=1&job_id=2&foreign={'x' * 10_000}&answered=all")
    assert page.status_code == 200
    assert "foreign" not in page.text
    assert "answered=all" in page.text


def test_a_name_that_is_nearly_known_is_proposed(client: TestClient, cluster: MemoryCluster) -> None:
    name = stored_incidents(cluster, JOB.job_id)[0].source["entities"][0]
    said = text_of(client.get(f"{LIST}?search={name}x").text)
    assert f"Did you mean {name}" in said


def test_an_incident_has_its_story_its_results_and_links_to_who_and_where(
    client: TestClient, cluster: MemoryCluster
) -> None:
    source = next(
        each.source for each in stored_incidents(cluster, JOB.job_id) if company.SPRAYER in each.source["addresses"]
    )
    page = client.get(f"{LIST}/incidents/{source['incident_id']}").text
    said = text_of(page)
    assert all(" ".join(reason.split()) in said for reason in source["reasons"])
    assert page.count('class="result') - page.count('class="results"') == len(source["results"])
    links = all_links(page)
    assert any(each.startswith(f"{LIST}/addresses/{company.SPRAYER}") for each in links)
    assert any(each.startswith(f"{LIST}/entities/{source['entities'][0]}") for each in links)


def test_an_entitys_page_says_where_it_usually_comes_from_and_what_was_found(
    client: TestClient, cluster: MemoryCluster
) -> None:
    source = stored_incidents(cluster, JOB.job_id)[0].source
    name = source["entities"][0]
    page = client.get(f"{LIST}/entities/{name}")
    assert page.status_code == 200
    assert "Where it usually comes from" in page.text
    assert re.search(r"\d+% last 20\d\d-", text_of(page.text))
    assert f"{LIST}/incidents/{source['incident_id']}" in incident_links(page.text)


def test_an_address_page_says_who_used_it(client: TestClient) -> None:
    page = client.get(f"{LIST}/addresses/{company.SPRAYER}")
    assert page.status_code == 200
    assert "Who signed in from it, by day" in page.text
    assert len({each for each in all_links(page.text) if f"{LIST}/entities/" in each}) > 5
    assert client.get(f"{LIST}/addresses/::ffff:{company.SPRAYER}").text.count(company.SPRAYER) > 5


def test_an_unknown_entity_has_an_empty_page_that_says_so(client: TestClient) -> None:
    said = text_of(client.get(f"{LIST}/entities/nobody-here").text)
    assert "Nothing of this name was learned up to" in said
    assert "No stored finding names it" in said
    assert "No record of it from" in said


def test_cells_of_the_lanes_lead_to_their_time_and_names_to_their_pages(client: TestClient) -> None:
    page = client.get(LIST).text
    cells = re.findall(r'<a href="([^"]+)" tabindex="-1"', page)
    assert cells
    for cell in cells[:3]:
        shown = client.get(cell.replace("&amp;", "&"))
        assert shown.status_code == 200
        assert incident_links(shown.text) or "No open finding" in text_of(shown.text)


def test_rows_of_the_lanes_come_by_pages_each_name_once(client: TestClient) -> None:
    seen: list[str] = []
    for number in range(1, 20):
        page = client.get(f"{LIST}?entities={number}").text
        group = page.split(f">{JOB.entity_field}", 1)[1].split(f">{JOB.ip_field}", 1)[0]
        names = re.findall(r"/entities/([^?\"]+)", group)
        seen += names
        if "Further ones" not in group:
            break
    assert len(seen) == len(set(seen)) > 5


def test_results_show_what_raises_no_alarm_only_if_asked(client: TestClient) -> None:
    def total(query: str) -> int:
        found = re.search(r"of ([\d,]+) records?", client.get(f"{LIST}/results?start=2000-01-01&{query}").text)
        return 0 if found is None else int(found[1].replace(",", ""))

    new, with_repeats = total("severity=any"), total("severity=any&with=repeats")
    assert 0 < new < with_repeats
    assert total("severity=critical") < new


def test_live_counts_what_came_since(cluster: MemoryCluster) -> None:
    client = explorer_on(cluster, now=parts.NOW + 60)
    page = client.get(LIST).text
    live = re.search(r'data-live="([^"]+)"', page)
    assert live is not None
    path = live[1].replace("&amp;", "&")
    assert client.get(path).json() == {"count": 0, "text": ""}
    earlier = client.get(re.sub(r"after=\d+", "after=0", path)).json()
    assert earlier["count"] == len(incident_links(page))
    assert earlier["text"].endswith("since this page was made")


def test_every_link_of_every_page_leads_to_a_page_of_this_server(client: TestClient) -> None:
    seen, todo = set[str](), ["/"]
    while todo and len(seen) < 150:
        path = todo.pop(0)
        if path in seen or path.startswith("#"):
            continue
        seen.add(path)
        assert path.startswith(("/", "?")), path
        answer = client.get(path if path.startswith("/") else f"{LIST}{path}")
        assert answer.status_code == 200, path
        if "text/html" in answer.headers["content-type"]:
            assert not re.search(r"\son\w+=|<style|\sstyle=|javascript:|<script(?! src)", answer.text), path
            todo += sorted(all_links(answer.text) - seen)


def test_pages_have_a_strict_policy_and_are_not_kept(client: TestClient) -> None:
    headers = client.get(LIST).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert "immutable" in client.get("/static/explorer.js").headers["cache-control"]


@pytest.mark.parametrize("name", [*HOSTILE, "a" * 30_000, "../../etc", ".", "a/b?c#d", "x\r\nset-cookie: a=b"])
def test_a_hostile_name_is_text_everywhere(name: str) -> None:
    cluster = ready(MemoryCluster())
    with session_on(cluster) as session:
        change(session, [record(1, name, "192.0.2.1"), record(2, name, "192.0.9.1")])
        session.update_incidents()
    cluster.refresh(ALIAS)
    client = client_of(services_of(lambda _: cluster, [PLAIN_JOB], now=START + 86_400))
    base = f"/jobs/{PLAIN_JOB.job_id}"
    page = client.get(f"{base}?start=now-1d&end=now")
    (incident,) = incident_links(page.text)
    pages = [
        page,
        client.get(incident),
        client.get(f"{base}/results?start=now-2d"),
        client.get(f"{base}/addresses/192.0.2.1"),
    ]
    links = Links()
    network = links.network(PLAIN_JOB.job_id, name)
    if network is not None:
        pages.append(client.get(network))
        assert "No stored finding names it" in text_of(pages[-1].text)
    link = links.entity(PLAIN_JOB.job_id, name)
    if link is not None:
        pages.append(client.get(link))
        assert "1 record" in text_of(pages[-1].text) or "2 records" in text_of(pages[-1].text)
    for each in pages:
        assert each.status_code == 200
        for forbidden in ("<script>alert", "<img", "</style>", "\u202e", "\x1b", "\x00"):
            assert forbidden not in each.text.replace("\r", "")
        assert "49" not in re.findall(r"\{\{[^}]*\}\}|\b49\b", each.text)
        assert "set-cookie: a=b" not in str(each.headers)


def test_names_that_no_path_can_hold_have_no_link() -> None:
    assert [fits(name) for name in ("alice", "a/b", ".", "a/../b", "a\\..\\b", "", "a" * 3_000)] == [
        True, True, False, False, False, False, False,
    ]  # fmt: skip


def test_a_cluster_that_does_not_answer_is_a_page_that_tries_again() -> None:
    def away(_: str | None) -> Cluster:
        raise ClusterUnreachable("nothing listens at http://es:9200", hint="start it")

    page = client_of(services_of(away, [JOB])).get(LIST)
    assert page.status_code == 503
    assert page.headers["retry-after"] == "10"
    assert 'http-equiv="refresh"' in page.text
    assert "the cluster can't be reached" in text_of(page.text)
    assert "es:9200" not in page.text


def test_who_may_not_read_states_sees_findings_and_a_note() -> None:
    cluster = scored_copy()
    inner = cluster.scan

    def scan(index: Any, *args: Any, **more: Any) -> Any:
        if "state" in str(index):
            raise PermissionDenied("no right to read the states", status=403)
        return inner(index, *args, **more)

    cluster.scan = scan  # type: ignore[method-assign]
    page = explorer_on(cluster).get("/")
    assert page.status_code == 200
    assert "You may not read the jobs' states" in text_of(page.text)


def test_nothing_is_said_of_what_elasticsearch_leaves_out_for_who_may_not_read_it() -> None:
    cluster, locked = scored_copy(), ALIAS

    def lacking(_: Any, on_indices: Any) -> Any:
        return [("read", locked)] if locked in on_indices else []

    incident = incident_links(explorer_on(cluster).get(LIST).text)[0]
    cluster.lacking = lacking  # type: ignore[method-assign]
    client = explorer_on(cluster)
    for path in ("/", LIST, f"{LIST}/results", f"{LIST}/live?after=0", f"{LIST}/entities/alice", incident):
        refused = client.get(path)
        assert refused.status_code == 403
        assert f"may not read {ALIAS}" in text_of(refused.text)
        assert JOB.job_id not in refused.text
    locked = "ipi-es-state"
    assert "You may not read the jobs' states" in text_of(client.get("/").text)
    locked = "ipi-es-verdicts"
    assert "Whether findings were answered since they were stored can't be read" in text_of(client.get(incident).text)


def test_a_link_from_another_site_is_followed_with_the_session(client: TestClient) -> None:
    fresh = explorer_on(scored_copy())
    page = fresh.get(LIST, headers={"sec-fetch-site": "cross-site"})
    assert 'content="0"' in page.text
    assert "set-cookie" not in page.headers


def test_the_time_of_the_request_is_the_end_where_nothing_was_scored() -> None:
    page = client_of(services_of(lambda _: ready(MemoryCluster()), [JOB], now=parts.NOW)).get(LIST)
    assert page.status_code == 200
    assert "Nothing was scored yet" in text_of(page.text)


def test_a_history_that_is_in_memory_is_not_shown_to_who_may_not_read_it(client: TestClient) -> None:
    cluster, locked = scored_copy(), [False]
    inner = cluster.search

    def search(index: Any, *args: Any, **more: Any) -> Any:
        if locked[0] and "snapshots" in str(index):
            raise PermissionDenied("no right to read the snapshots", status=403)
        return inner(index, *args, **more)

    cluster.search = search  # type: ignore[method-assign]
    get = cluster.get

    def read(index: str, place: str) -> Any:
        if locked[0] and "snapshots" in index:
            raise PermissionDenied("no right to read the snapshots", status=403)
        return get(index, place)

    cluster.get = read  # type: ignore[method-assign,assignment]
    ours = explorer_on(cluster)
    path = f"{LIST}/entities/{stored_incidents(cluster, JOB.job_id)[0].source['entities'][0]}"
    assert "As learned up to" in text_of(ours.get(path).text)
    locked[0] = True
    said = text_of(ours.get(path).text)
    assert "isn't known here: no right to read the snapshots" in said
    assert "As learned up to" not in said


def test_an_address_without_a_page_is_said_in_the_form_that_the_caller_reads(client: TestClient) -> None:
    page = client.get("/nowhere", headers={"accept": "text/html,*/*"})
    assert (page.status_code, "there is nothing at this address" in text_of(page.text)) == (404, True)
    assert '<a href="/"' in page.text
    assert client.get("/nowhere").json()["status"] == 404
