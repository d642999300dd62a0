"""What `check` used to pass over in silence, on a cluster in memory: each a finding with figures and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from signin_events import CONTEXT_MAPPING, END, MAPPING, fill, make_job, with_context

from ipi_es.cluster.memory import MemoryCluster
from ipi_es.cluster.port import Put
from ipi_es.config.entity_names import STEPS
from ipi_es.config.job import Job
from ipi_es.errors import RequestRejected, UsageError
from ipi_es.setup import plan
from ipi_es.setup.check import is_usable, judge, require_usable
from ipi_es.setup.check_context import RECALL_WITH, RECALL_WITHOUT
from ipi_es.setup.check_finding import Finding
from ipi_es.setup.facts import gather
from ipi_es.setup.spellings import folding

NOW = END + 600
Doc = dict[str, Any]


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    plan.apply(made, plan.plan(made))
    return made


def healthy(cluster: MemoryCluster, change: Callable[[Doc, int], Doc | None] = lambda doc, _: doc, **how: Any) -> None:
    """Sign-ins with operators and countries, changed."""

    def both(document: Doc, number: int) -> Doc | None:
        return change(with_context(document), number)

    fill(cluster, **{"change": both, "mapping": CONTEXT_MAPPING, **how})


def findings(cluster: MemoryCluster, job: Job | None = None) -> list[Finding]:
    return [each for each in judge(job or make_job(), gather(cluster, job or make_job(), NOW)) if each.level != "ok"]


def only(cluster: MemoryCluster, job: Job | None = None) -> Finding:
    """The one finding that isn't ok."""
    [found] = findings(cluster, job)
    assert found.hint
    return found


def mapping_of(**fields: Any) -> Doc:
    """The usual mapping with other fields at the top."""
    return {"properties": {**CONTEXT_MAPPING["properties"], **fields}}


KEYWORD = {"type": "keyword"}


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
    assert "1 closed index that datafeed_config.indices matches can't be read: signins-04" in found.message


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


# operators and countries


def test_a_country_that_can_never_be_parsed_names_the_field_that_can(cluster: MemoryCluster) -> None:
    def named(document: Doc, _: int) -> Doc:
        document["source"]["geo"]["country_name"] = "United States"
        return document

    geo = {"properties": {"country_iso_code": KEYWORD, "country_name": KEYWORD}}
    source = {"properties": {**CONTEXT_MAPPING["properties"]["source"]["properties"], "geo": geo}}
    healthy(cluster, named, mapping=mapping_of(source=source))
    found = only(cluster, make_job(country_field="source.geo.country_name"))
    assert (found.check, found.level) == ("country field", "warning")
    assert "“United States”, and the two letters of a country (DE) is needed" in found.message
    assert found.hint == "set datafeed_config.country_field: source.geo.country_iso_code"


def test_an_operator_that_can_never_be_parsed_likewise(cluster: MemoryCluster) -> None:
    def named(document: Doc, _: int) -> Doc:
        return {**document, "isp": "Example ISP"}

    healthy(cluster, named, mapping=mapping_of(isp=KEYWORD))
    found = only(cluster, make_job(operator_field="isp"))
    assert "isp can't be read as operators: it holds “Example ISP”" in found.message
    assert found.hint == "set datafeed_config.operator_field: source.as.number"


def test_operator_and_country_are_found_elsewhere_than_beside_a_sub_field(cluster: MemoryCluster) -> None:
    source = dict(CONTEXT_MAPPING["properties"]["source"]["properties"])
    source["ip"] = {"type": "text", "fields": {"keyword": KEYWORD}}
    healthy(cluster, mapping=mapping_of(source={"properties": source}))
    job = make_job()
    detector = {"by_field_name": "source.ip.keyword"}
    job = job.model_copy(update={"analysis_config": job.analysis_config.model_validate({"detectors": [detector]})})
    hints = {each.check: each.hint for each in findings(cluster, job)}
    assert hints["operator field"] == "set datafeed_config.operator_field: source.as.number"
    assert hints["country field"] == "set datafeed_config.country_field: source.geo.country_iso_code"


def test_operator_of_a_translated_address_is_found_and_another_addresses_is_not(cluster: MemoryCluster) -> None:
    def translated(document: Doc, number: int) -> Doc:
        source = {**document["source"], "nat": {"ip": document["source"]["ip"]}, "ip": f"10.0.0.{number % 9}"}
        target = {"ip": f"203.0.113.{number % 3}", "as": {"number": 64_999}}
        return {**document, "source": source, "destination": target, "client": target}

    end = {"properties": {"ip": {"type": "ip"}, "as": {"properties": {"number": {"type": "long"}}}}}
    source = {**CONTEXT_MAPPING["properties"]["source"]["properties"], "nat": {"properties": {"ip": {"type": "ip"}}}}
    mapping = mapping_of(source={"properties": source}, destination=end, client=end)
    healthy(cluster, translated, mapping=mapping)
    job = make_job()
    detector = {"by_field_name": "source.nat.ip"}
    job = job.model_copy(update={"analysis_config": job.analysis_config.model_validate({"detectors": [detector]})})
    hints = {each.check: each.hint for each in findings(cluster, job)}
    assert hints == {
        "operator field": "set datafeed_config.operator_field: source.as.number",
        "country field": "set datafeed_config.country_field: source.geo.country_iso_code",
    }


def test_without_operator_and_country_it_is_said_what_they_would_add(cluster: MemoryCluster) -> None:
    fill(cluster)
    found = only(cluster)
    assert (found.check, found.level) == ("context", "warning")
    assert "84 % of the attacks were found with both, 75 % without, at 1 % false positives" in found.message
    assert "GeoIP" in str(found.hint)
    assert "networks_files" in str(found.hint)
    assert findings(cluster, make_job(operator_field=None, country_field=None)) == []


def test_fields_that_are_mapped_and_empty_count_as_missing(cluster: MemoryCluster) -> None:
    fill(cluster, mapping=CONTEXT_MAPPING)
    assert only(cluster).check == "context"


def test_private_addresses_have_neither(cluster: MemoryCluster) -> None:
    fill(cluster, change=lambda document, number: {**document, "source": {"ip": f"10.0.{number % 40}.7"}})
    assert only(cluster).check == "private addresses"


# several values


def test_several_addresses_in_a_document_are_a_problem_with_an_example(cluster: MemoryCluster) -> None:
    def proxied(document: Doc, number: int) -> Doc:
        if number % 5 == 0:
            document["source"]["ip"] = [document["source"]["ip"], "203.0.113.80"]
        return document

    healthy(cluster, proxied)
    found = only(cluster)
    assert (found.check, found.level) == ("IP address field", "problem")
    assert "20 % of the events have several values in source.ip, such as 192.0.2." in found.message
    assert "203.0.113.80" in found.message


def test_proxies_that_ignore_private_leaves_out_are_none(cluster: MemoryCluster) -> None:
    def proxied(document: Doc, _: int) -> Doc:
        document["source"]["ip"] = [document["source"]["ip"], "10.0.0.8"]
        return document

    healthy(cluster, proxied)
    found = next(each for each in findings(cluster) if each.check == "IP address field")
    assert "100 % of the events" in found.message
    assert "ignore_private: true" in str(found.hint)
    assert not [e for e in findings(cluster, make_job(ignore_private=True)) if e.check == "IP address field"]


def test_several_entities_in_a_document_are_a_problem(cluster: MemoryCluster) -> None:
    def groups(document: Doc, number: int) -> Doc:
        return {**document, "user": {"name": [document["user"]["name"], "staff", "vpn"]}}

    healthy(cluster, groups)
    found = next(each for each in findings(cluster) if each.check == "entity field")
    assert found.level == "problem"
    assert "100 % of the events have several values in user.name" in found.message


# entities


def test_an_entity_of_many_operators_a_day_is_a_role(cluster: MemoryCluster) -> None:
    def role(document: Doc, number: int) -> Doc:
        if number % 20 < 15:  # 15 of the day's 20 events
            document["user"]["name"] = "AdminRole"
            document["source"] = {"ip": f"198.{number % 20}.100.7", "as": {"number": 65_000 + number % 20}}
            document["event"]["outcome"] = "success"
        return document

    healthy(cluster, role)
    found = next(each for each in findings(cluster) if each.check == "entities")
    assert found.level == "warning"
    assert "AdminRole from 15 operators (15 addresses) in a day" in found.message
    assert "partition_field_name" in str(found.hint)


def test_without_operators_networks_are_counted(cluster: MemoryCluster) -> None:
    def role(document: Doc, number: int) -> Doc:
        if number % 20 < 16:
            document["user"]["name"] = "AdminRole"
            document["source"] = {"ip": f"198.{number % 20}.100.7"}
            document["event"]["outcome"] = "success"
        return document

    fill(cluster, change=role)
    found = next(each for each in findings(cluster) if each.check == "entities")
    assert "AdminRole from 16 /16 networks (16 addresses) in a day" in found.message


def test_what_only_failed_and_a_single_day_are_no_role(cluster: MemoryCluster) -> None:
    def attacked(document: Doc, number: int) -> Doc:
        if number % 20 < 15:
            document["user"]["name"] = "root"
            document["source"] = {"ip": f"198.{number % 20}.100.7", "as": {"number": 65_000 + number % 20}}
            document["event"]["outcome"] = "success" if number // 20 == 22 else "failure"  # of 25 days
        return document

    healthy(cluster, attacked)
    job = make_job(score_outcomes=["success", "failure"])
    assert not [each for each in findings(cluster, job) if each.check == "entities"]


@pytest.mark.parametrize(
    ("spelled", "step", "folded"),
    [
        (lambda name: name.upper(), "lowercase", 10),
        (lambda name: f" {name} ", "trim", 10),
        (lambda name: f"u\u0308{name}", "nfc", 10),
        (lambda name: f"CORP\\{name}", "strip_domain", 10),
        (lambda name: f"{name}@corp.example", "strip_domain", 10),
        (lambda name: f"corp/{name}", "strip_slash_domain", 10),
    ],
)
def test_entities_that_differ_by_spelling_alone_are_counted(
    cluster: MemoryCluster, spelled: Callable[[str], str], step: str, folded: int
) -> None:
    def twice(document: Doc, number: int) -> Doc:
        name = document["user"]["name"]
        plain = f"\u00fc{name}" if step == "nfc" else name
        document["user"]["name"] = spelled(name) if number % 2 else plain
        return document

    healthy(cluster, twice)
    found = only(cluster)
    assert (found.check, found.level) == ("spellings", "warning")
    assert f"{folded} of 20 entities differ from others by spelling alone ({step} {folded})" in found.message
    assert f"entity_normalize: [{step}]" in str(found.hint)


def test_each_step_that_would_fold_is_counted_by_itself() -> None:
    names = ["alice", "Alice", "ALICE ", "alice ", "corp/bob", "bob", "CORP\\bob", "Jose\u0301", "José", "HOST/bob"]
    found = folding(names, ["lowercase"])
    assert dict(found.steps) == {"trim": 1, "nfc": 1, "strip_domain": 1, "strip_slash_domain": 1}
    assert (found.entities, found.folded) == (8, 4)
    assert folding(names, STEPS).folded == 0
    assert folding([]).folded == 0


def test_domains_that_are_joined_besides_are_counted() -> None:
    found = folding(["alice", "alice@a.example", "alice@b.example"])
    assert (dict(found.steps), found.folded, found.other_domains) == ({"strip_domain": 2}, 1, 1)


def test_two_domains_of_one_form_are_two_people(cluster: MemoryCluster) -> None:
    def tenants(document: Doc, number: int) -> Doc:
        document["user"]["name"] += "@a.example" if number % 2 else "@b.example"
        return document

    healthy(cluster, tenants)
    assert findings(cluster) == []


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

    monkeypatch.setattr("ipi_es.setup.facts.spread_entities", refuse)
    monkeypatch.setattr("ipi_es.setup.facts.result_clashes", refuse)
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
