"""Which addresses, actions, delays and result indices a suggested job has, and what `check` says of the same logs."""

from __future__ import annotations

from typing import Any

import odd_logs
import pytest
from odd_logs import DAY, END, IP, KEYWORD, Doc, mapping, sign_ins
from suggestion_parts import NOW, PLAIN, findings, job_on, log_of, stored, suggested

from ipi_es.cluster.port import Put
from ipi_es.results.words import SHARED
from ipi_es.setup.contents.action_words import action
from ipi_es.setup.contents.arrivals import MOST_DELAY, MOST_LATE, Arrivals
from ipi_es.setup.suggestions.suggestion import Suggestion
from ipi_es.setup.suggestions.survey import MOST_REQUESTS, suggest_jobs
from ipi_es.testing.memory_cluster import MemoryCluster

HOUR = 3_600


# addresses


def test_the_client_behind_a_proxy_is_the_address_and_lists_are_picked_from() -> None:
    found = suggested(log_of("portal"))
    assert (found.job.ip_field, found.job.datafeed_config.ip_pick) == ("forwarded_for", "public")
    assert any(each.startswith("remote is a proxy's: 2 addresses where forwarded_for has ") for each in found.notes)
    assert "100 % of the addresses are lists: ip_pick takes the last public one of each" in found.notes


def test_arrays_with_proxies_leave_these_out() -> None:
    found = suggested(log_of("portal-chain"))
    assert (found.job.ip_field, found.job.datafeed_config.ignore_private) == ("chain", True)
    assert any("at most one of them public: ignore_private" in each for each in found.notes)


def test_addresses_that_are_no_place_are_left_out_by_the_query() -> None:
    found = suggested(log_of("dc-security"))
    without = found.job.datafeed_config.query["bool"]["must_not"]
    assert {"terms": {"SourceAddress": ["::1"]}} in without
    assert any("of the addresses are no place (::1): left out by the query" in each for each in found.notes)
    assert any(each.startswith("all sampled addresses are private") for each in found.notes)


def test_a_few_private_addresses_are_kept_and_counted() -> None:
    made = [{"ts": at * 1_000, "who": f"p{n}", "ip": "10.1.2.3" if n % 10 == 0 else ip} for at, n, ip, _ in sign_ins()]
    found = suggested(stored("mixed", PLAIN, made))
    assert not found.job.datafeed_config.ignore_private
    assert any("of the addresses are private: they count; ignore_private: true would leave" in e for e in found.notes)


TWO = mapping(ts={"type": "date"}, who=KEYWORD, seen=IP, real=IP)


def two(seen: Any) -> list[Doc]:
    return [{"ts": at * 1_000, "who": f"p{n}", "seen": seen(n, c), "real": ip} for at, n, ip, c in sign_ins()]


@pytest.mark.parametrize(
    "seen",
    [
        lambda n, c: c.choice(["0.0.0.0", f"192.168.1.{n}"]),
        lambda _, c: f"192.0.2.{c.randrange(4)}",
    ],
)
def test_an_address_that_hides_the_clients_gives_way_and_check_says_so(seen: Any) -> None:
    cluster = stored("two", TWO, two(seen))
    assert suggested(cluster).job.ip_field == "real"
    job = job_on("two", "who", "seen", "ts")
    hints = [str(each.hint) for what in ("addresses", "private addresses") for each in findings(cluster, job, what)]
    assert any("set analysis_config.detectors[0].by_field_name: real, which has" in hint for hint in hints)
    right = job_on("two", "who", "real", "ts")
    assert findings(cluster, right, "addresses") == []


def test_check_says_which_setting_a_list_needs() -> None:
    (found,) = findings(log_of("portal"), job_on("portal", "member", "remote", "when"), "private addresses")
    assert "by_field_name: forwarded_for" in str(found.hint)
    assert "datafeed_config.ip_pick: public" in str(found.hint)
    cluster = log_of("portal-chain")
    (found,) = findings(cluster, job_on("portal-chain", "member", "remote", "when"), "private addresses")
    assert "datafeed_config.ignore_private: true" in str(found.hint)


# actions


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("event.action", "user.session.end", "log-off"),
        ("event.action", "user.session.start", "sign-in"),
        ("event.action", "user.authentication.sso", "sign-in"),
        ("event.action", "user.authentication.auth_via_mfa", None),
        ("event.action", "logged-off", "log-off"),
        ("event.action", "logged-in", "sign-in"),
        ("kind", "Log On", "sign-in"),
        ("kind", "SignOut", "log-off"),
        ("kind", "LOGIN_ERROR", "sign-in"),
        ("kind", "REFRESH_TOKEN", "token refresh"),
        ("kind", "CODE_TO_TOKEN", "token refresh"),
        ("kind", "MfaChallenge", "challenge"),
        ("kind", "login_challenge", None),
        ("kind", "PasswordReset", "password change"),
        ("kind", "Updated password", "password change"),
        ("event.code", "4634", "log-off"),
        ("event.code", "4769", None),
        ("port", "4634", None),
        ("kind", "portal-auth", None),
    ],
)
def test_words_of_actions(field: str, value: str, kind: str | None) -> None:
    assert action(field, value) == kind


def test_log_offs_refreshes_and_challenges_are_left_out_and_what_is_unclear_is_kept() -> None:
    found = suggested(log_of("sso-audit"))
    (without,) = found.job.datafeed_config.query["bool"]["must_not"]
    assert sorted(without["terms"]["kind"]) == ["LOGOUT", "MFA_CHALLENGE", "REFRESH_TOKEN"]
    notes = "\n".join(found.notes)
    assert "no sign-ins: kind REFRESH_TOKEN 29 %, LOGOUT 21 %, MFA_CHALLENGE 5 %: left out by the query" in notes
    assert "kept as sign-ins: LOGIN 41 % (97 % SUCCEEDED)" in notes
    assert "kept, since its words don't say what it is: CODE_VIEWED" in notes
    assert found.facts.counts.events < 1_200 / 2


def with_kinds(*kinds: str) -> MemoryCluster:
    made = [{**each, "kind": kinds[n % len(kinds)]} for n, each in enumerate(odd_logs.actions())]
    return stored("sso", odd_logs.ACTIONS, made)


def test_nothing_is_left_out_where_no_word_says_sign_in() -> None:
    found = suggested(with_kinds("LOGOUT", "REFRESH_TOKEN", "VISIT"))
    assert found.job.datafeed_config.query == {"match_all": {}}


def test_an_action_that_is_the_outcome_chooses_the_sign_ins_by_itself() -> None:
    made = [{**each, "kind": ("LOGIN", "LOGIN_ERROR", "LOGOUT")[n % 3]} for n, each in enumerate(odd_logs.actions())]
    for each in made:
        del each["outcome"]
    found = suggested(stored("sso", odd_logs.ACTIONS, made))
    feed = found.job.datafeed_config
    assert (feed.outcome_field, feed.score_outcomes, feed.query) == ("kind", ("LOGIN",), {"match_all": {}})
    assert any(each.endswith("; a success is LOGIN") for each in found.notes)


def test_check_finds_what_is_no_sign_in_among_the_learned_events() -> None:
    cluster = log_of("sso-audit")
    outcome = {"outcome_field": "outcome", "score_outcomes": ["SUCCEEDED"], "learn_outcomes": ["SUCCEEDED"]}
    (found,) = findings(cluster, job_on("sso-audit", "login", "address", "at", **outcome), "query")
    assert "of the learned events are no sign-ins by kind: REFRESH_TOKEN" in found.message
    assert '{terms: {kind: ["REFRESH_TOKEN", "LOGOUT", "MFA_CHALLENGE"]}}' in str(found.hint)
    query = {"term": {"kind": "LOGIN"}}
    assert findings(cluster, job_on("sso-audit", "login", "address", "at", **outcome, query=query), "query") == []


# delays


def test_late_events_get_a_delay_and_a_late_window_in_figures() -> None:
    found = suggested(log_of("batches"))
    assert (found.job.datafeed_config.query_delay, found.job.late_window) == (HOUR, 14 * HOUR)
    assert any("half arrived within 4m, 99 % within 15h, the last after 15h: query_delay 1h" in n for n in found.notes)


def test_delays_have_limits() -> None:
    usual = 8 * HOUR
    early = Arrivals([5] * 100)
    assert (early.query_delay, early.late_window(usual)) == (None, None)
    assert Arrivals([5] * 98 + [601] * 2).query_delay == 660
    one = Arrivals([5] * 99 + [10 * HOUR])
    assert (one.query_delay, one.late_window(usual)) == (None, 10 * HOUR)
    far = Arrivals([5] * 90 + [9 * DAY] * 10)
    assert (far.query_delay, far.late_window(usual)) == (MOST_DELAY, MOST_LATE)
    assert far.later_than(MOST_DELAY + MOST_LATE) == 0.1
    assert Arrivals([200 * DAY] * 9).were_loaded_later


def test_an_import_of_old_events_says_nothing_about_delays() -> None:
    made = [{**each, "event": {"ingested": (END + 90 * DAY) * 1_000}} for each in odd_logs.late()]
    found = suggested(stored("old", odd_logs.LATE, made))
    assert (found.job.datafeed_config.query_delay, found.job.late_window) == (None, None)
    assert any("they were loaded later" in each for each in found.notes)


# result indices


def test_a_conflict_in_the_shared_result_index_gives_an_index_of_its_own() -> None:
    cluster = log_of("batches")
    taken = {"properties": {"actor": {"properties": {"name": KEYWORD}}}}
    cluster.create_index("ipi-es-anomalies-shared-2026.05", {"mappings": taken})
    found = suggested(cluster)
    assert found.job.results_index_name == found.job.job_id
    assert any("actor doesn't fit into ipi-es-anomalies-shared-2026.05: it is object there" in n for n in found.notes)


def test_two_suggested_jobs_that_conflict_get_two_indices() -> None:
    cluster = stored("a-known", mapping_of_ecs(), ecs())
    cluster.create_index("b-odd", {"mappings": mapping(ts={"type": "date"}, user=KEYWORD, ip=IP)})
    odd = [{"ts": at * 1_000, "user": f"p{n}", "ip": ip} for at, n, ip, _ in sign_ins()]
    cluster.bulk([Put("b-odd", str(n), each) for n, each in enumerate(odd)], refresh=True)
    first, second = suggest_jobs(cluster, NOW)
    assert isinstance(first, Suggestion)
    assert isinstance(second, Suggestion)
    assert (first.job.results_index_name, second.job.results_index_name) == (SHARED, "b-odd")
    again = list(suggest_jobs(cluster, NOW, ("b-odd", "a-known")))
    assert [each.job.results_index_name for each in again if isinstance(each, Suggestion)] == [SHARED, "b-odd"]


def test_a_known_source_too_gets_an_index_of_its_own() -> None:
    cluster = stored("known", mapping_of_ecs(), ecs())
    cluster.create_index("ipi-es-anomalies-shared-2026.05", {"mappings": {"properties": {"user": KEYWORD}}})
    found = suggested(cluster)
    assert found.job.results_index_name == found.job.job_id == "known-ecs"
    assert "results_index_name: " in found.text


def mapping_of_ecs() -> Doc:
    return mapping(
        **{
            "@timestamp": {"type": "date"},
            "event": {"properties": {"category": KEYWORD, "outcome": KEYWORD}},
            "user": {"properties": {"name": KEYWORD}},
            "source": {"properties": {"ip": IP}},
        }
    )


def ecs() -> list[Doc]:
    event = {"category": "authentication", "outcome": "success"}
    return [
        {"@timestamp": at * 1_000, "event": event, "user": {"name": f"p{n}"}, "source": {"ip": ip}}
        for at, n, ip, _ in sign_ins()
    ]


# load


class CountingCluster(MemoryCluster):
    """Counts the requests that read."""

    requests = 0

    def __getattribute__(self, name: str) -> Any:
        if name in {"search", "count", "field_types", "get_mapping", "indices"}:
            self.requests += 1
        return super().__getattribute__(name)


@pytest.mark.parametrize("name", ["dc-security", "portal-chain"])
def test_a_place_needs_no_more_requests_than_stated(name: str) -> None:
    of, made = odd_logs.LOGS[name]
    cluster = CountingCluster()
    cluster.create_index(name, {"mappings": of})
    cluster.bulk([Put(name, str(number), each) for number, each in enumerate(made())], refresh=True)
    cluster.requests = 0
    list(suggest_jobs(cluster, NOW))
    assert 10 < cluster.requests <= MOST_REQUESTS
