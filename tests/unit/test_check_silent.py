"""What `check` used to pass over in silence, on a cluster in memory: each a finding with figures and what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from check_parts import KEYWORD, NOW, Doc, findings, healthy, mapping_of, only
from signin_events import CONTEXT_MAPPING, MAPPING, make_job

from ipi_es.cluster.port import Put
from ipi_es.errors import RequestRejected, UsageError
from ipi_es.setup import setup_plan
from ipi_es.setup.checks.check_context import RECALL_WITH, RECALL_WITHOUT
from ipi_es.setup.checks.check_usable import awaited
from ipi_es.setup.checks.judge import is_usable, judge, require_usable
from ipi_es.setup.facts.gather import gather
from ipi_es.testing.memory_cluster import MemoryCluster


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    return made


# indices


def test_a_named_index_that_is_missing_is_a_problem_beside_one_that_is_there(cluster: MemoryCluster) -> None:
    healthy(cluster)
    job = make_job()
    feed = job.datafeed_config.model_copy(update={"indices": ("signins", "signins-vpn")})
    found = only(cluster, job.model_copy(update={"datafeed_config": feed}))
    assert (found.check, found.level) == ("indices", "problem")
    assert "signins-vpn is missing" in found.message


def test_a_named_index_that_is_closed_is_a_problem(cluster: MemoryCluster) -> None:
    healthy(cluster)
    healthy(cluster, index="signins-vpn")
    cluster.close_index("signins-vpn")
    job = make_job()
    feed = job.datafeed_config.model_copy(update={"indices": ("signins", "signins-vpn")})
    found = only(cluster, job.model_copy(update={"datafeed_config": feed}))
    assert found.level == "problem"
    assert "signins-vpn is closed" in found.message
    assert "POST signins-vpn/_open" in str(found.hint)


def test_a_closed_index_behind_a_pattern_is_a_warning(cluster: MemoryCluster) -> None:
    healthy(cluster, index="signins-05")
    healthy(cluster, index="signins-04")
    cluster.close_index("signins-04")
    cluster.create_index("signins-secret", {"mappings": MAPPING, "settings": {"index.hidden": True}})
    found = only(cluster, make_job("signins-*"))
    assert (found.check, found.level) == ("indices", "warning")
    assert "1 closed index behind datafeed_config.indices can't be read: signins-04" in found.message


def test_an_alias_with_a_closed_index_is_read_without_it_and_that_is_a_warning(cluster: MemoryCluster) -> None:
    for index in ("signins-05", "signins-04"):
        healthy(cluster, index=index)
        cluster.admin.add_alias(index, "signins-all")
    cluster.close_index("signins-04")
    found = only(cluster, make_job("signins-all"))
    assert (found.check, found.level) == ("indices", "warning")
    assert "1 closed index behind datafeed_config.indices can't be read: signins-04" in found.message


def test_a_closed_index_does_not_keep_a_new_job_from_training(cluster: MemoryCluster) -> None:
    for index in ("signins-05", "signins-04"):
        healthy(cluster, index=index)
        cluster.admin.add_alias(index, "signins-all")
    cluster.close_index("signins-04")
    both = make_job().datafeed_config.model_copy(update={"indices": ("signins-05", "signins-04")})
    for job in (make_job("signins-all"), make_job().model_copy(update={"datafeed_config": both})):
        assert awaited(cluster, job) is None
        require_usable(cluster, job)


def test_a_closed_index_that_is_excluded_is_not_mentioned(cluster: MemoryCluster) -> None:
    healthy(cluster, index="signins-05")
    healthy(cluster, index="signins-04")
    cluster.close_index("signins-04")
    job = make_job()
    feed = job.datafeed_config.model_copy(update={"indices": ("signins-*", "-signins-04")})
    assert findings(cluster, job.model_copy(update={"datafeed_config": feed})) == []


def test_documents_without_a_time_are_counted_by_index(cluster: MemoryCluster) -> None:
    healthy(cluster, index="signins-a")

    def half(document: Doc, number: int) -> Doc:
        return document if number % 2 else {key: value for key, value in document.items() if key != "@timestamp"}

    healthy(cluster, half, index="signins-b")
    found = only(cluster, make_job("signins-*"))
    assert (found.check, found.level) == ("time field", "problem")
    assert "25 % of the 1,000 documents that match the query lack @timestamp" in found.message
    assert "(50 % of signins-b)" in found.message


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ({"source": {"properties": {"ip": {"type": "keyword"}}}}, "it is keyword there, and ip here"),
        ({"user": {"type": "keyword"}}, "user is keyword there, and an object here"),
    ],
)
def test_a_result_index_with_another_type_is_found_before_the_training(
    cluster: MemoryCluster, mapping: Doc, reason: str
) -> None:
    healthy(cluster)
    cluster.create_index("ipi-es-anomalies-shared-2026.04", {"mappings": {"properties": mapping}})
    found = only(cluster)
    assert (found.check, found.level) == ("results", "problem")
    assert "ipi-es-anomalies-shared-2026.04" in found.message
    assert reason in found.message
    assert "results_index_name: sign-ins" in str(found.hint)
    with pytest.raises(UsageError, match="don't fit into"):
        require_usable(cluster, make_job())
    own = make_job().model_copy(update={"results_index_name": "sign-ins"})
    assert findings(cluster, own) == []


# the query


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({"range": {"@timestamp": {"gte": "now-1h"}}}, "now-1h at range.@timestamp.gte"),
        (
            {"bool": {"must": [{"match_all": {}}, {"bool": {"must_not": {"range": {"at": {"lt": "now/d"}}}}}]}},
            "now/d at bool.must[1].bool.must_not.range.at.lt",
        ),
        ({"query_string": {"query": "user.name:a AND @timestamp:[now-7d TO now]"}}, "query_string.query"),
        ({"query_string": {"query": "@timestamp:>=now-1d/d"}}, "query_string.query"),
        ({"bool": {"filter": {"term": {"@timestamp": "now-1d/d"}}}}, "bool.filter.term.@timestamp"),
    ],
)
def test_a_relative_time_in_the_query_is_a_problem(cluster: MemoryCluster, query: Doc, place: str) -> None:
    healthy(cluster)
    found = next(each for each in findings(cluster, make_job(query=query)) if each.check == "query")
    assert found.level == "problem"
    assert place in found.message
    assert "backfill" in str(found.hint)


@pytest.mark.parametrize(
    "query",
    [
        {"range": {"@timestamp": {"gte": "2026-01-01||/M"}}},
        {"term": {"event.action": "now"}},
        {"query_string": {"query": "message:now AND user.name:*"}},
        {"term": {"user.name": "now-1h@example.org"}},
    ],
)
def test_other_queries_are_not(query: Doc) -> None:
    found = judge(make_job(query=query), gather(MemoryCluster(), make_job(query=query), NOW))
    assert not [each for each in found if each.check == "query"]


# outcomes


def test_other_spellings_of_the_wanted_outcome_are_a_problem_with_their_shares(cluster: MemoryCluster) -> None:
    spelled = ["Success", "SUCCESS", "succeeded", "0"]

    def third(document: Doc, number: int) -> Doc:
        if number % 3 == 0 and document["event"]["outcome"] == "success":
            document["event"]["outcome"] = spelled[number // 3 % 4]
        return document

    healthy(cluster, third)
    found = only(cluster)
    assert (found.check, found.level) == ("outcomes", "problem")
    assert "30 % of the events" in found.message
    for word in spelled:
        assert f"{word} " in found.message
        assert word in str(found.hint)


def test_failures_in_any_words_are_no_other_spelling(cluster: MemoryCluster) -> None:
    words = ["failure", "FAILURE", "denied", "Login failed"]

    def failed(document: Doc, number: int) -> Doc:
        if document["event"]["outcome"] == "failure":
            document["event"]["outcome"] = words[number // 10 % 4]
        return document

    healthy(cluster, failed)
    assert findings(cluster) == []


def test_words_that_are_neither_scored_nor_learned_are_a_warning(cluster: MemoryCluster) -> None:
    def challenged(document: Doc, number: int) -> Doc:
        if number % 4 == 1:
            document["event"]["outcome"] = "challenge"
        return document

    healthy(cluster, challenged)
    found = only(cluster)
    assert found.level == "warning"
    assert "25 % of the events are neither scored nor learned: challenge 25 %" in found.message


def test_a_field_of_failures_is_proposed_where_the_job_names_none(cluster: MemoryCluster) -> None:
    healthy(cluster)
    found = only(cluster, make_job(outcome_field=None))
    assert (found.check, found.level) == ("outcomes", "problem")
    assert "event.outcome says that 10 % of them failed" in found.message
    assert "outcome_field: event.outcome, and score_outcomes and learn_outcomes to [success]" in str(found.hint)


def test_a_vendors_field_of_failures_is_found_by_what_it_holds(cluster: MemoryCluster) -> None:
    def vendor(document: Doc, number: int) -> Doc:
        failed = document["event"].pop("outcome") == "failure"
        return {**document, "keycloak": {"login": {"type": "LOGIN_ERROR" if failed else "LOGIN"}}}

    healthy(cluster, vendor, mapping=mapping_of(keycloak={"properties": {"login": {"properties": {"type": KEYWORD}}}}))
    found = only(cluster, make_job(outcome_field=None))
    assert "keycloak.login.type says that 10 % of them failed (LOGIN 90 %, LOGIN_ERROR 10 %)" in found.message
    assert "outcome_field: keycloak.login.type" in str(found.hint)


def test_a_log_without_failures_needs_no_outcome(cluster: MemoryCluster) -> None:
    def succeeded(document: Doc, number: int) -> Doc:
        document["event"]["outcome"] = "success"
        return {**document, "log": {"level": "error" if number % 9 == 0 else "info"}, "tags": ["_parse failure"]}

    healthy(cluster, succeeded, mapping=mapping_of(log={"properties": {"level": KEYWORD}}, tags=KEYWORD))
    assert findings(cluster, make_job(outcome_field=None)) == []


def test_whether_a_second_factor_was_asked_for_is_no_outcome(cluster: MemoryCluster) -> None:
    """CloudTrail's sessions have `mfaAuthenticated: false`: a role that a machine assumes has no second factor."""

    def assumed(document: Doc, number: int) -> Doc:
        document["event"]["outcome"] = "success"
        return {**document, "session": {"mfaAuthenticated": "false"}}

    healthy(cluster, assumed, mapping=mapping_of(session={"properties": {"mfaAuthenticated": KEYWORD}}))
    assert findings(cluster, make_job(outcome_field=None)) == []


# all at once


def test_everything_that_is_wrong_is_shown_at_once(cluster: MemoryCluster) -> None:
    """No user.name, no category, no outcome (as in Slack's log): it took three runs to hear of all three."""
    email = {"user": {"properties": {"email": KEYWORD}}}
    mapping = {"properties": {k: v for k, v in CONTEXT_MAPPING["properties"].items() if k not in {"user", "event"}}}
    mapping["properties"] |= {**email, "event": {"properties": {"action": KEYWORD}}}

    def slack(document: Doc, _: int) -> Doc:
        return {**document, "event": {"action": "user_login"}, "user": {"email": f"{document['user']['name']}@x.org"}}

    healthy(cluster, slack, mapping=mapping)
    found = {each.check: each for each in findings(cluster)}
    assert {check for check, each in found.items() if each.level == "problem"} == {
        "entity field",
        "outcome field",
        "query",
    }
    assert "did you mean “user.email”" in str(found["entity field"].hint)
    assert "none of the 500 documents" in found["query"].message


def test_with_a_wrong_time_field_the_rest_is_looked_at(cluster: MemoryCluster) -> None:
    def odd(document: Doc, number: int) -> Doc:
        document["event"]["outcome"] = "Success"
        document["source"]["ip"] = [document["source"]["ip"], "203.0.113.80"]
        return document

    healthy(cluster, odd)
    job = make_job()
    job = job.model_copy(update={"data_description": job.data_description.model_copy(update={"time_field": "when"})})
    checks = {each.check for each in findings(cluster, job) if each.level == "problem"}
    assert {"time field", "outcomes", "IP address field"} <= checks


def test_a_look_that_fails_does_not_hide_the_others(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise RequestRejected("too many buckets", hint="raise search.max_buckets", status=400)

    for name in ("spread_entities", "result_clashes"):
        monkeypatch.setattr(f"ipi_es.setup.facts.gather.{name}", refuse)
    healthy(cluster)
    found = findings(cluster, make_job(outcome_field=None))
    assert [each.check for each in found] == ["results", "outcomes", "entities"]
    assert found[0].message == "couldn't be looked at: too many buckets"
    assert found[0].hint == "raise search.max_buckets"
    assert [each.level for each in found] == ["warning", "problem", "warning"]


# proposals


def dynamic(cluster: MemoryCluster, documents: list[Doc]) -> None:
    """An index whose mapping the server guessed."""
    cluster.create_index("signins", {})
    cluster.bulk([Put("signins", str(number), each) for number, each in enumerate(documents)], refresh=True)


def test_an_address_field_is_proposed_by_what_it_holds_and_not_by_its_name(cluster: MemoryCluster) -> None:
    people = ["ann", "bob", "cy", "dee"]
    documents = [
        {
            "time": f"2026-05-{day:02d}T08:00:00Z",
            "app": "admin_audit",
            "source_ip_note": "office",
            "remoteAddr": f"203.0.113.{day % 7}",
            "user": people[day % 4],
            "userAgent": "Mozilla/5.0",
        }
        for day in range(1, 25)
    ]
    dynamic(cluster, documents)
    found = {each.check: each for each in findings(cluster)}
    assert "did you mean “remoteAddr.keyword”" in str(found["IP address field"].hint)
    assert "did you mean “user.keyword”" in str(found["entity field"].hint)
    assert "did you mean “time”" in str(found["time field"].hint)


def test_where_no_field_holds_addresses_none_is_proposed(cluster: MemoryCluster) -> None:
    dynamic(cluster, [{"@timestamp": "2026-05-01T08:00:00Z", "source": {"name": "a"}, "actor": "x"}] * 3)
    found = {each.check: each for each in findings(cluster)}
    assert "did you mean" not in str(found["IP address field"].hint)


def test_a_healthy_job_stays_healthy(cluster: MemoryCluster) -> None:
    healthy(cluster)
    found = judge(make_job(), gather(cluster, make_job(), NOW))
    assert is_usable(found)
    assert {each.level for each in found} == {"ok"}


def test_the_figures_of_context_are_those_of_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    assert re.search(rf"\*\*mean\*\* \| \*\*\.\d+ / \.{RECALL_WITH}\*\*", text)
    assert re.search(rf"for attacks only, [^|]*\| \.\d+ / \.{RECALL_WITHOUT} ", text)
