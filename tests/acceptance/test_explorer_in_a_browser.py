"""An analyst's night in the explorer, in headless Chromium: by keyboard and mouse, on a phone, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import worker_company as company
import worker_parts as parts
from browser_parts import PHONE, SCREEN, WIDE, browser, needs_chromium, violations
from explorer_parts import JOB, Secured, scored_copy
from incident_parts import HOUR, START, change, ready, record, session_on
from incident_parts import JOB as PLAIN_JOB
from report_parts import HOSTILE
from serve_parts import services_of

from ipi_es.alerts.found_alerts import find
from ipi_es.config.files.loading import check_job
from ipi_es.errors import ClusterUnreachable
from ipi_es.http.listener import HttpListener
from ipi_es.results.words import ALIAS
from ipi_es.serve.application import application
from ipi_es.serve.server import LIMITS
from ipi_es.serve.services import Services
from ipi_es.state.verdict_store import VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import parse_time

__all__ = ["browser"]

pytestmark = needs_chromium

LIST = f"/jobs/{JOB.job_id}"


def served(services: Services) -> HttpListener:
    return HttpListener("127.0.0.1:0", application(services), LIMITS, setting="listen", paths="")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def cluster() -> MemoryCluster:
    return scored_copy()


@pytest.fixture(scope="module")
def url(cluster: MemoryCluster) -> Iterator[str]:
    with served(services_of(lambda _: cluster, [JOB], now=parts.NOW)) as listener:
        yield listener.url


@pytest.fixture(scope="module")
def hostile() -> Iterator[str]:
    cluster = ready(MemoryCluster())
    names = [*HOSTILE, "x\r\nset-cookie: a=b", "a/b?c#d%2e"]
    made = [record(5 * place, name, f"192.0.{place}.1") for place, name in enumerate(names)]
    with session_on(cluster) as session:
        change(session, made)
        session.update_incidents()
    cluster.refresh(ALIAS)
    with served(services_of(lambda _: cluster, [PLAIN_JOB], now=START + 3 * 86_400)) as listener:
        yield f"{listener.url}/jobs/{PLAIN_JOB.job_id}?start=now-5d&end=now"


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """Opens an address; at the end no console line, dialog or request to elsewhere may have been seen."""
    said: list[str] = []
    contexts = []

    def open_page(address: str, scheme: str = "light", width: int = SCREEN, *, axe: bool = False) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=axe)
        contexts.append(context)
        tab = context.new_page()
        host = urlsplit(address).netloc
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: said.append(dialog.message))
        tab.on("request", lambda sent: None if urlsplit(sent.url).netloc == host else said.append(sent.url))
        tab.goto(address)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def paths(tab: Any, url: str) -> dict[str, str]:
    """An address of each kind of page."""
    tab.goto(f"{url}{LIST}")
    incident = tab.locator("[data-item] a[data-open]").first.get_attribute("href")
    entity = tab.locator("a[href*='/entities/']").first.get_attribute("href")
    address = tab.locator("a[href*='/addresses/']").first.get_attribute("href")
    return {
        "jobs": "/",
        "job": LIST,
        "incident": incident,
        "entity": entity,
        "address": address,
        "network": f"{LIST}/networks/{company.SPRAYER}%2F24",
        "narrowed": f"{LIST}?search=person*&network=AS1&answered=all",
        "results": f"{LIST}/results?with=repeats",
        "login": "/login",
        "nothing": f"{LIST}?severity=critical&search=nobody",
    }


@pytest.mark.parametrize("width", [SCREEN, PHONE, WIDE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page_and_nothing_runs_over_the_edge(
    opened: Any, url: str, scheme: str, width: int
) -> None:
    tab = opened(f"{url}/", scheme, width, axe=True)
    for name, path in paths(tab, url).items():
        tab.goto(f"{url}{path}")
        assert (name, violations(tab)) == (name, [])
        assert (name, tab.evaluate("document.documentElement.scrollWidth") <= width) == (name, True)


@pytest.mark.parametrize("width", [320, 768])
def test_other_widths_hold_too(opened: Any, url: str, width: int) -> None:
    tab = opened(f"{url}/", width=width)
    for name, path in paths(tab, url).items():
        tab.goto(f"{url}{path}")
        assert (name, tab.evaluate("document.documentElement.scrollWidth") <= width) == (name, True)


def test_hostile_names_are_text_and_their_pages_open(opened: Any, hostile: str) -> None:
    tab = opened(hostile, "dark", PHONE, axe=True)
    assert violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE
    links = [each.get_attribute("href") for each in tab.locator("[data-item] a[data-open]").all()]
    assert len(links) == len(HOSTILE) + 2
    for link in links:
        tab.goto(f"{hostile.split('/jobs', 1)[0]}{link}")
        assert violations(tab) == []
        entity = tab.locator("dd a[href*='/entities/']")
        if entity.count():
            name = entity.first.inner_text()
            entity.first.click()
            tab.get_by_text("of 1 record of this time").wait_for()
            assert tab.locator("h1 bdi").inner_text() == name


def test_an_alarm_leads_to_its_finding_and_on_to_the_account(opened: Any, url: str, cluster: MemoryCluster) -> None:
    job = check_job(company.job_data(alerts={"explorer": url, "on": ["incidents"], "threshold": 1, "max_age": "365d"}))
    alarm = find(cluster, job, 0, company.SCORED_TO)[0].message
    tab = opened(alarm.link)
    assert alarm.entities[0] in tab.locator("h1").inner_text()
    tab.locator(f"dd a[href*='/entities/{alarm.entities[0]}']").first.click()
    tab.wait_for_url("**/entities/**")
    assert tab.locator("h1 bdi").inner_text() == alarm.entities[0]


def test_one_analysts_night_by_keyboard_alone(opened: Any, url: str, cluster: MemoryCluster) -> None:
    tab = opened(f"{url}/")
    tab.keyboard.press("j")
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    assert urlsplit(tab.url).path == LIST
    before = tab.locator("[data-item] h3").all_inner_texts()
    tab.keyboard.press("j")
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    title = tab.locator("h1").inner_text()
    assert title == before[0]
    tab.keyboard.press("w")
    tab.keyboard.type("asked by phone")
    tab.keyboard.press("Escape")
    tab.keyboard.press("d")
    assert tab.evaluate("document.activeElement.value") == "dismissed"
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    assert "You said dismissed of" in tab.get_by_role("status").inner_text()
    given = [each for each in VerdictStore(cluster, JOB.job_id).all().verdicts if each.in_force]
    assert {(each.verdict, each.comment) for each in given} == {("dismissed", "asked by phone")}
    answered = tab.url
    with tab.expect_navigation():
        tab.keyboard.press("u")
    assert title not in tab.locator("[data-item] h3").all_inner_texts()
    tab.goto(answered)
    tab.keyboard.press("z")
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    assert "Undone" in tab.get_by_role("status").inner_text()
    tab.goto(f"{url}{LIST}")
    assert tab.locator("[data-item] h3").all_inner_texts() == before
    tab.keyboard.press("/")
    tab.keyboard.type("nobody")
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    assert parse_qs(urlsplit(tab.url).query)["search"] == ["nobody"]


def test_a_time_is_chosen_by_dragging_and_by_a_cell_and_rows_come_without_a_new_page(opened: Any, url: str) -> None:
    tab = opened(f"{url}{LIST}")
    box = tab.locator("td.picture svg.events").bounding_box()
    tab.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 10)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 10, steps=5)
    with tab.expect_navigation():
        tab.mouse.up()
    query = parse_qs(urlsplit(tab.url).query)
    start, end = (parse_time(query[name][0], now=0) for name in ("start", "end"))
    assert 0 < end - start <= 3 * 86_400
    tab.goto(f"{url}{LIST}")
    cells = tab.locator("svg[data-cells]").nth(1)
    cells.focus()
    tab.keyboard.press("ArrowRight")
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    assert {"start", "end", "search"} <= parse_qs(urlsplit(tab.url).query).keys()
    tab.goto(f"{url}{LIST}")
    first = tab.locator("tr th a[href*='/entities/']").all_inner_texts()
    tab.get_by_role("link", name="Further ones").first.click()
    tab.get_by_role("link", name="Worse ones").first.wait_for()
    assert not set(first) & set(tab.locator("tr th a[href*='/entities/']").all_inner_texts())
    assert "entities=2" in tab.url


def test_new_findings_are_announced_without_moving_what_is_read(browser: Any) -> None:
    cluster = ready(MemoryCluster())
    with session_on(cluster, time=START + 2 * HOUR) as session:
        change(session, [record(1, "alice", "192.0.2.1")])
        session.update_incidents()
    cluster.refresh(ALIAS)
    with served(services_of(lambda _: cluster, [PLAIN_JOB], now=START + 6 * HOUR)) as listener:
        tab = browser.new_context().new_page()
        tab.clock.install()
        tab.goto(f"{listener.url}/jobs/{PLAIN_JOB.job_id}?start=now-1d")
        where = tab.locator("[data-item]").first.bounding_box()
        assert tab.get_by_role("status").inner_text() == ""
        with session_on(cluster, time=START + 7 * HOUR) as session:
            change(session, [record(5, "bob", "192.0.9.1")])
            session.update_incidents()
        cluster.refresh(ALIAS)
        tab.clock.fast_forward(25_000)
        tab.get_by_text("1 new finding since this page was made").wait_for()
        assert tab.locator("[data-item]").first.bounding_box() == where
        assert tab.title().startswith("(1) ")
        tab.get_by_role("status").get_by_role("link").click()
        tab.get_by_role("heading", name="bob").wait_for()
        tab.context.close()


def test_signing_in_leads_to_where_one_wanted_to_go(opened: Any, cluster: MemoryCluster) -> None:
    with served(Secured(cluster).services()) as listener:
        tab = opened(f"{listener.url}{LIST}?severity=major")
        assert urlsplit(tab.url).path == "/login"
        tab.get_by_label("User name").fill("bob")
        tab.get_by_label("Password").fill("secret")
        tab.keyboard.press("Enter")
        tab.wait_for_url(f"**{LIST}?severity=major")
        assert "bob" in tab.locator(".caller").inner_text()
        assert tab.context.cookies()[0]["httpOnly"]
        tab.get_by_role("button", name="Sign out").click()
        tab.wait_for_url("**/login")


def test_a_page_of_a_cluster_that_went_away_comes_back_by_itself(browser: Any) -> None:
    cluster, away = scored_copy(), [False]

    def bind(_: str | None) -> MemoryCluster:
        return cluster

    inner = cluster.search

    def search(*args: Any, **more: Any) -> Any:
        if away[0]:
            raise ClusterUnreachable("nothing listens at http://es:9200", hint="start it")
        return inner(*args, **more)

    cluster.search = search  # type: ignore[method-assign]
    with served(services_of(bind, [JOB], now=parts.NOW)) as listener:
        tab = browser.new_context().new_page()
        tab.goto(f"{listener.url}{LIST}")
        away[0] = True
        tab.reload()
        assert tab.locator("h1").inner_text() == "The cluster doesn't answer"
        assert "nothing listens" in tab.locator("main").inner_text()
        away[0] = False
        tab.get_by_role("heading", name="Findings, the worst first").wait_for(timeout=20_000)
        tab.context.close()


def test_two_analysts_at_once_see_each_others_answers_and_none_is_lost(opened: Any, browser: Any, url: str) -> None:
    one, other = opened(f"{url}{LIST}"), browser.new_context().new_page()  # the browser logs a refused answer
    link = one.locator("[data-item] a[data-open]").first.get_attribute("href")
    for tab in (one, other):
        tab.goto(f"{url}{link}")
    with one.expect_navigation():
        one.get_by_role("button", name="Compromised").click()
    with other.expect_navigation():
        other.get_by_role("button", name="Dismiss").click()
    assert "counts more than" in other.locator("main").inner_text()
    other.goto(f"{url}{link}")
    assert "compromised" in other.locator(".headline").inner_text()
    with one.expect_navigation():
        one.get_by_role("button", name="Undo").click()
    other.reload()
    assert "compromised" not in other.locator(".headline").inner_text()
    other.context.close()
