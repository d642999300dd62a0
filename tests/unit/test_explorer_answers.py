"""Answers in the explorer: they are those of `ipi-es verdict` and `ipi-es rule`, act at once, and can be undone."""

from __future__ import annotations

from typing import Any

import pytest
import worker_parts as parts
from explorer_parts import (
    JOB,
    Secured,
    answer,
    explorer_on,
    incident_links,
    scored_copy,
    text_of,
    token_of,
    undo_fields,
)
from serve_parts import client_of
from starlette.testclient import TestClient
from verdict_parts import said

from ipi_es.results.reading.incidents_there import stored_incidents
from ipi_es.results.words import ALIAS
from ipi_es.state.rule_store import RuleStore
from ipi_es.state.verdict_store import MOST_COMMENT, VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.verdicts.result_marks import mark_results

ANSWERS = {
    "verdict": {"word": "safe", "comment": "asked by phone"},
    "allow": {"name": "ours", "reason": "our provider", "expires": "7d"},
}
"""Action → fields of its form."""

LIST = f"/jobs/{JOB.job_id}"


@pytest.fixture
def cluster() -> MemoryCluster:
    return scored_copy()


@pytest.fixture
def client(cluster: MemoryCluster) -> TestClient:
    return explorer_on(cluster)


def first_of(client: TestClient) -> str:
    return incident_links(client.get(LIST).text)[0]


def states(cluster: MemoryCluster) -> dict[str, str]:
    cluster.refresh(ALIAS)
    return {each.id: each.source["state"] for each in stored_incidents(cluster, JOB.job_id)}


@pytest.mark.parametrize("word", ["safe", "dismissed"])
def test_what_was_answered_is_gone_from_the_open_ones_at_once_and_is_back_after_undo(
    client: TestClient, cluster: MemoryCluster, word: str
) -> None:
    incident = first_of(client)
    done = answer(client, incident, "verdict", word=word, comment="asked by phone")
    assert done.status_code == 200
    assert f"You said {word} of" in text_of(done.text)
    assert incident not in incident_links(client.get(LIST).text)
    assert incident in incident_links(client.get(f"{LIST}?answered=closed").text)
    given = VerdictStore(cluster, JOB.job_id).all().verdicts
    assert {(each.verdict, each.by, each.comment) for each in given} == {(word, "anonymous", "asked by phone")}
    undone = answer(client, incident, "undo", **undo_fields(done.text))
    assert "Undone" in text_of(undone.text)
    assert incident in incident_links(client.get(LIST).text)
    assert not any(each.in_force for each in VerdictStore(cluster, JOB.job_id).all().verdicts)


def test_the_states_shown_before_a_worker_marked_results_are_those_that_it_then_stores(
    client: TestClient, cluster: MemoryCluster
) -> None:
    incidents = incident_links(client.get(f"{LIST}?answered=all").text)
    for place, word in zip(incidents, ("dismissed", "safe", "compromised"), strict=False):
        assert answer(client, place, "verdict", word=word).status_code == 200

    def listed(which: str) -> list[str]:
        return sorted(incident_links(client.get(f"{LIST}?answered={which}").text))

    before = listed("open"), listed("closed")
    with open_session(JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW + 60))) as session:
        mark_results(session)
        session.update_incidents()
    assert set(states(cluster).values()) >= {"dismissed", "compromised"}
    assert (listed("open"), listed("closed")) == before


def test_a_compromised_one_stays_open_comes_first_and_is_revoked_and_said_again(
    client: TestClient, cluster: MemoryCluster
) -> None:
    incident = first_of(client)
    done = answer(client, incident, "verdict", word="compromised", comment="ticket 4711")
    assert "compromised" in text_of(done.text)
    assert incident in incident_links(client.get(LIST).text)
    assert "counts more than" in text_of(answer(client, incident, "verdict", word="safe").text)
    revoked = answer(client, incident, "revoke")
    assert "Revoked, as if never said" in text_of(revoked.text)
    again = answer(client, incident, "undo", **undo_fields(revoked.text))
    assert "You said compromised of" in text_of(again.text)
    in_force = [each for each in VerdictStore(cluster, JOB.job_id).all().verdicts if each.in_force]
    assert {(each.verdict, each.comment) for each in in_force} == {("compromised", "ticket 4711")}


@pytest.mark.parametrize("action", ["verdict", "allow"])
def test_who_may_write_answers_and_not_read_them_is_told_so_and_offered_no_undo(
    client: TestClient, cluster: MemoryCluster, action: str
) -> None:
    """As on Elasticsearch, which leaves out what may not be read, so that nothing would seem to be stored."""
    for incident in incident_links(client.get(f"{LIST}?answered=all").text):
        done = answer(client, incident, action, **ANSWERS[action])
        if done.status_code == 200:  # one whose results name all accounts
            break
    fields = undo_fields(done.text)

    def lacking(_: Any, on_indices: Any) -> Any:
        return [("read", index) for index in ("ipi-es-verdicts", "ipi-es-rules") if index in on_indices]

    cluster.lacking = lacking  # type: ignore[method-assign]
    page = client.get(incident, params={name: value for name, value in fields.items() if name != "csrf"})
    assert "this page can neither show yours nor undo it" in text_of(page.text)
    assert ">Undo</button>" not in page.text
    for refused, given in (("undo", fields), ("revoke", {})):
        assert answer(client, incident, refused, **given).status_code == 403, "nothing was found, so nothing undone"
    assert "nor undo it" not in text_of(client.get(incident).text), "no answer led here"


def test_undo_takes_back_only_what_it_names(client: TestClient, cluster: MemoryCluster) -> None:
    incident = first_of(client)
    store = VerdictStore(cluster, JOB.job_id)
    done = answer(client, incident, "verdict", word="dismissed")
    place = store.all().verdicts[0]
    store.add_verdict(said(place.entity, place.ip, "dismissed", time=parts.NOW - 5, since=place.since))
    answer(client, incident, "undo", **undo_fields(done.text))
    assert [each.by for each in store.all().verdicts if each.in_force] == ["ann"]


def test_a_finding_is_allowed_by_rules_with_reason_and_end_and_these_end_by_undo(
    client: TestClient, cluster: MemoryCluster
) -> None:
    # one whose results name all accounts
    for incident in incident_links(client.get(f"{LIST}?answered=all").text):
        done = answer(client, incident, "allow", name="office", reason="moved <b>", expires="7d", learn="1")
        if done.status_code == 200:
            break
    assert "Allowed from now on, until" in text_of(done.text)
    rules = RuleStore(cluster).all().rules
    assert {(each.reason, each.author, each.jobs, each.rule.learn) for each in rules} == {
        ("moved <b>", "anonymous", (JOB.job_id,), True)
    }
    assert {(each.start, each.expires) for each in rules} == {(parts.NOW, parts.NOW + 7 * 86_400)}
    undone = answer(client, incident, "undo", **undo_fields(done.text))
    assert "ended, and allows nothing" in text_of(undone.text)
    assert all(each.ended_at(each.start) for each in RuleStore(cluster).all().rules)


@pytest.mark.parametrize(
    ("what", "fields", "said"),
    [
        ("verdict", {"word": "guilty"}, "is no verdict"),
        ("verdict", {"word": "safe", "comment": "a" * (MOST_COMMENT + 1)}, "the comment has 4,097 characters"),
        ("allow", {"name": " ", "reason": "why", "expires": "7d"}, "can't be a rule's"),
        ("allow", {"name": "office\x1b", "reason": "why", "expires": "7d"}, "can't be a rule's"),
        ("allow", {"name": "office", "reason": " ", "expires": "7d"}, "needs a reason"),
        ("allow", {"name": "office", "reason": "why", "expires": "soon"}, "is no time to end"),
        ("allow", {"name": "office", "reason": "why", "expires": "7d", "group": "admins"}, "needs entity_groups"),
        ("revoke", {}, "there is no verdict"),
        ("undo", {"did": "safe"}, "nothing was named to undo"),
        ("undo", {"did": "safe", "at": "-1"}, "nothing was named to undo"),
    ],
)
def test_a_wrong_answer_is_a_clear_error_and_stores_nothing(
    client: TestClient, cluster: MemoryCluster, what: str, fields: dict[str, str], said: str
) -> None:
    done = answer(client, first_of(client), what, **fields)
    assert done.status_code == 400
    assert said in text_of(done.text)
    assert RuleStore(cluster).all().rules == ()
    assert VerdictStore(cluster, JOB.job_id).all().verdicts == ()


def test_a_form_of_another_page_or_site_does_nothing(client: TestClient, cluster: MemoryCluster) -> None:
    incident = first_of(client)
    own, other = token_of(client.get(incident).text), token_of(explorer_on(cluster).get(incident).text)
    asked = f"{incident}/verdict"
    for given in ("", "x", other):
        assert client.post(asked, data={"word": "safe", "csrf": given}).status_code == 403
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert client.post(asked, data={"word": "safe", "csrf": own}, headers=elsewhere).status_code == 403
    assert client.get(asked).status_code == 405
    client.cookies.clear()
    assert client.post(asked, data={"word": "safe", "csrf": own}).status_code == 403
    assert VerdictStore(cluster, JOB.job_id).all().verdicts == ()


def test_the_name_on_an_answer_is_that_of_the_cluster(cluster: MemoryCluster) -> None:
    client = client_of(Secured(cluster).services())
    client.post("/login", data={"csrf": token_of(client.get("/login").text), "user": "bob", "password": "secret"})
    assert answer(client, first_of(client), "verdict", word="dismissed").status_code == 200
    assert {each.by for each in VerdictStore(cluster, JOB.job_id).all().verdicts} == {"bob"}


def test_after_an_answer_the_next_finding_is_the_worst_that_has_no_answer(client: TestClient) -> None:
    place = first_of(client)
    for word in ("compromised", "dismissed"):
        page = answer(client, place, "verdict", word=word).text
        following = page.split('class="outcome"', 1)[1].split('data-key="n"', 1)[0].rsplit('href="', 1)[1].rstrip('" ')
        unanswered = incident_links(client.get(f"{LIST}?start=2000-01-01&answered=unanswered").text)
        assert following == unanswered[0]
        assert place not in unanswered
        place = following


def test_a_finding_whose_results_are_partly_gone_is_shown_with_what_is_there(
    client: TestClient, cluster: MemoryCluster
) -> None:
    incident = first_of(client)
    source = next(
        each.source
        for each in stored_incidents(cluster, JOB.job_id)
        if incident.endswith(str(each.source["incident_id"]))
    )
    gone = next(each for each in cluster.scan(ALIAS, {"ids": {"values": source["results"][:1]}}))
    cluster.delete(gone.index, gone.id)
    cluster.refresh(ALIAS)
    page = client.get(incident)
    assert page.status_code == 200
    assert "have changed since it was made" in text_of(page.text)
    assert "1 further result of it not listed here" in text_of(page.text)
