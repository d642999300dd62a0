"""The explorer's pages by network: sign-ins by day, and the search for networks and operators."""

from __future__ import annotations

import re
from typing import Any

import pytest
import worker_company as company
from explorer_parts import JOB, all_links, explorer_on, incident_links, scored_copy, text_of
from starlette.testclient import TestClient

LIST = f"/jobs/{JOB.job_id}"


@pytest.fixture(scope="module")
def client() -> TestClient:
    return explorer_on(scored_copy())


def test_sign_ins_are_shown_by_day_with_the_usual_ones(client: TestClient) -> None:
    page = client.get(f"{LIST}/entities/person00").text
    said = text_of(page)
    assert "Networks that it signed in from, by day" in said
    section = page.split('id="used"', 1)[1].split("</section>", 1)[0]
    assert "203.0.113.0/24" in section
    sentence = re.search(r'aria-label="203\.0\.113\.0/24: (\d+) sign-ins on (\d+) days, the first ([\d-]+)', section)
    assert sentence is not None
    cells = re.findall(r'<a href="([^"]+)" tabindex="-1" aria-label="[^"]*; 203\.0\.113\.', section)
    assert len(cells) == int(sentence[2]) > 10
    assert client.get(cells[0].replace("&amp;", "&")).status_code == 200
    assert re.search(rf"203\.0\.113\.0/24\s*</bdi></a></th>.*?>{sentence[2]}<.*?>{sentence[1]}<", section, re.DOTALL)


def test_sign_ins_of_an_address_are_those_of_its_accounts(client: TestClient) -> None:
    page = client.get(f"{LIST}/addresses/{company.VPN}").text
    section = page.split('id="used"', 1)[1].split("</section>", 1)[0]
    assert len(set(re.findall(r"/entities/(person\d+)", section))) > 10


def test_who_may_not_read_events_is_told_so_and_sees_the_rest() -> None:
    cluster = scored_copy()

    def lacking(_: Any, on_indices: Any) -> Any:
        return [("read", company.EVENTS)] if company.EVENTS in on_indices else []

    cluster.lacking = lacking  # type: ignore[method-assign]
    said = text_of(explorer_on(cluster).get(f"{LIST}/addresses/{company.SPRAYER}").text)
    assert f"Not known here: you may not read the job's events in {company.EVENTS}" in said
    assert "No sign-in of it" not in said
    assert "Its records 1–" in said


def test_a_page_says_where_an_address_is_found_in_one_spelling_alone() -> None:
    cluster = scored_copy()
    types = {"source.ip": {"ip": [company.EVENTS], "keyword": ["older"]}}
    cluster.field_types = lambda *_: types  # type: ignore[method-assign]
    said = text_of(explorer_on(cluster).get(f"{LIST}/addresses/{company.SPRAYER}").text)
    assert f"source.ip has several types (ip, keyword): of its texts, only {company.SPRAYER} itself is found." in said
    assert "person" in said


def test_a_search_for_a_network_leads_to_its_page(client: TestClient) -> None:
    network = f"{company.SPRAYER.rpartition('.')[0]}.0/24"
    page = client.get(f"{LIST}?search={network}&start=2000-01-01").text
    assert f"Only what names {network}" in text_of(page)
    (own,) = {each for each in all_links(page) if each.startswith(f"{LIST}/networks/")}
    shown = client.get(own)
    assert shown.status_code == 200
    assert f"network {network}" in text_of(shown.text)
    assert set(incident_links(shown.text)) == set(incident_links(page))
    assert len({each for each in all_links(shown.text) if f"{LIST}/entities/" in each}) > 5


def test_an_entity_and_a_network_are_searched_together(client: TestClient) -> None:
    def total(query: str) -> int:
        page = client.get(f"{LIST}/results?start=2000-01-01&severity=any&with=repeats&{query}").text
        found = re.search(r"of ([\d,]+) records?", page)
        return 0 if found is None else int(found[1])

    both = total(f"search=person0*&network={company.SPRAYER}/32")
    assert 0 < both < total(f"network={company.SPRAYER}/32")
    assert both < total("search=person0*")
    listed = text_of(client.get(f"{LIST}?start=2000-01-01&search=person0*&network={company.SPRAYER}/32").text)
    assert f"Only what names person0* from {company.SPRAYER}/32" in listed
