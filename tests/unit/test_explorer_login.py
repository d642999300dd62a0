"""Signing in and out: sessions, throttled guesses, and the tokens of forms."""

from __future__ import annotations

import base64
import html
import re

import pytest
from explorer_parts import JOB, Secured, scored_copy, text_of, token_of
from serve_parts import client_of
from starlette.testclient import TestClient

from ipi_es.errors import RequestInvalid
from ipi_es.serve.callers.csrf import CsrfTokens
from ipi_es.serve.callers.login_throttle import MOST_TRIED
from ipi_es.serve.callers.sessions import IDLE, LONGEST, MOST, Sessions
from ipi_es.serve.callers.wrong_credentials import WITHIN

LIST = f"/jobs/{JOB.job_id}"


@pytest.fixture
def client() -> TestClient:
    return client_of(Secured(scored_copy()).services())


def sign_in(client: TestClient, user: str = "ann", password: str = "secret", **more: str) -> object:
    fields = {"csrf": token_of(client.get("/login").text), "user": user, "password": password, **more}
    return client.post("/login", data=fields, follow_redirects=False)


def test_who_is_not_signed_in_is_led_to_the_login_and_back(client: TestClient) -> None:
    led = client.get(f"{LIST}?severity=major", follow_redirects=False)
    assert (led.status_code, led.headers["location"]) == (303, f"/login?then=%2Fjobs%2F{JOB.job_id}%3Fseverity%3Dmajor")
    page = client.get(led.headers["location"]).text
    done = client.post(
        "/login",
        data={"csrf": token_of(page), "user": "ann", "password": "secret", "then": f"{LIST}?severity=major"},
        follow_redirects=False,
    )
    assert (done.status_code, done.headers["location"]) == (303, f"{LIST}?severity=major")
    cookie = done.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/"))
    page = client.get(LIST).text
    assert "ann" in text_of(page)
    assert "secret" not in page
    left = client.post("/logout", data={"csrf": token_of(page)}, follow_redirects=False)
    assert (left.status_code, left.headers["location"]) == (303, "/login")
    assert client.get(LIST, follow_redirects=False).status_code == 303


def test_the_login_leads_back_to_a_name_that_is_quoted(client: TestClient) -> None:
    place = f"{LIST}/entities/a%3Fb%23%C3%BC%2Fc"
    page = client.get(place).text
    then = html.unescape(re.findall('name="then" value="([^"]*)"', page)[0])
    done = sign_in(client, then=then)
    assert done.headers["location"] == place  # type: ignore[attr-defined]


def test_the_cookie_is_another_one_after_the_login(client: TestClient) -> None:
    client.get("/login")
    before = dict(client.cookies)
    sign_in(client)
    assert dict(client.cookies) != before


def test_over_tls_the_cookie_is_bound_to_the_host(client: TestClient) -> None:
    answer = client.get("https://127.0.0.1:9275/login")
    assert answer.headers["set-cookie"].startswith("__Host-ipi-es-session=")
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("then", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:evil", ""])
def test_the_login_leads_to_no_other_server(client: TestClient, then: str) -> None:
    assert sign_in(client, then=then).headers["location"] == "/"  # type: ignore[attr-defined]
    assert "evil" not in client.get("/login", params={"then": then}).text


def test_a_wrong_password_is_named_and_the_name_kept(client: TestClient) -> None:
    page = sign_in(client, password="wrong")
    assert page.status_code == 401  # type: ignore[attr-defined]
    assert "the cluster refuses these credentials" in page.text  # type: ignore[attr-defined]
    assert 'value="ann"' in page.text  # type: ignore[attr-defined]
    assert "wrong" not in page.text  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "fields", [{"user": ""}, {"password": ""}, {"user": "a:b"}, {"key": "a\nb"}, {"user": "a" * 9_000}]
)
def test_what_can_be_no_credentials_is_refused_unseen(client: TestClient, fields: dict[str, str]) -> None:
    assert sign_in(client, **fields).status_code == 400  # type: ignore[attr-defined]


def test_guesses_are_throttled_before_the_cluster_sees_them(client: TestClient) -> None:
    for number in range(MOST_TRIED):
        sign_in(client, password=f"wrong {number}")
    page = sign_in(client)
    assert page.status_code == 429  # type: ignore[attr-defined]
    assert page.headers["retry-after"] == str(WITHIN)  # type: ignore[attr-defined]
    assert "too many attempts with wrong credentials" in page.text  # type: ignore[attr-defined]
    assert sign_in(client, user="bob").status_code == 303  # type: ignore[attr-defined]


def test_a_session_goes_on_while_its_user_is_guessed_at(client: TestClient) -> None:
    sign_in(client)
    guesser = TestClient(client.app, base_url=str(client.base_url))
    statuses = []
    for number in range(200):
        guess = "Basic " + base64.b64encode(f"ann:{number}".encode()).decode()
        statuses.append(guesser.get("/", headers={"authorization": guess}, follow_redirects=False).status_code)
    assert statuses == [303] * MOST_TRIED + [429] * (200 - MOST_TRIED)
    assert client.get(LIST).status_code == 200


def test_a_login_that_another_page_sends_is_refused(client: TestClient) -> None:
    client.get("/login")
    fields = {"csrf": "0" * 64, "user": "ann", "password": "secret"}
    assert client.post("/login", data=fields).status_code == 403
    assert client.post("/logout", data={"csrf": ""}).status_code == 403


def test_the_header_is_taken_without_a_session(client: TestClient) -> None:
    ann = "Basic " + base64.b64encode(b"ann:secret").decode()
    page = client.get("/", headers={"authorization": ann}, follow_redirects=False)
    assert page.status_code == 200
    assert "Sign out" not in page.text


def test_a_session_ends_when_idle_and_in_any_case_after_a_shift() -> None:
    time = [0]
    sessions = Sessions(lambda: time[0])
    token = sessions.begin("Basic x")
    time[0] = IDLE - 1
    assert sessions.authorization(token) == "Basic x"
    assert sessions.authorization(token, in_use=False) == "Basic x"
    time[0] += IDLE
    assert sessions.authorization(token) is None
    token, begun = sessions.begin("Basic y"), time[0]
    while time[0] - begun < LONGEST - IDLE // 2:
        time[0] += IDLE // 2
        known = sessions.authorization(token)
    assert known == "Basic y"
    time[0] = begun + LONGEST
    assert sessions.authorization("another browser's") is None
    assert len(sessions) == 0, "its credentials are forgotten"
    assert sessions.authorization(token) is None


def test_sessions_have_a_limit_and_the_longest_unused_one_ends_first() -> None:
    sessions = Sessions(lambda: 0)
    first, second = sessions.begin("a"), sessions.begin("b")
    for number in range(MOST - 2):
        sessions.begin(str(number))
    sessions.authorization(first)
    sessions.begin("last")
    assert len(sessions) == MOST
    assert first in sessions
    assert second not in sessions
    assert "Basic" not in repr(sessions)


def test_a_token_is_of_one_cookie_and_one_server() -> None:
    tokens = CsrfTokens()
    tokens.require("a", tokens.token("a"))
    for cookie, given in (
        ("b", tokens.token("a")),
        (None, tokens.token("")),
        ("a", CsrfTokens().token("a")),
        ("a", "ü"),
    ):
        with pytest.raises(RequestInvalid):
            tokens.require(cookie, given)
