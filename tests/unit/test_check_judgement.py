"""Facts → findings, without any cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signin_events import END, START, make_job

from ipi_es.cluster.port import ServerInfo
from ipi_es.errors import AuthenticationFailed, BulkFailed, IpiEsError, PermissionDenied, UsageError
from ipi_es.setup.checks.check_events import judge_events
from ipi_es.setup.checks.check_fields import FieldFacts
from ipi_es.setup.checks.check_finding import Finding, percent
from ipi_es.setup.checks.check_outcomes import judge_outcomes
from ipi_es.setup.checks.judge import is_usable, judge
from ipi_es.setup.facts.facts_events import EventFacts, FeedCounts, Teaching
from ipi_es.setup.facts.facts_templates import TemplateFacts
from ipi_es.setup.facts.gather import Facts
from ipi_es.setup.facts.rights import Right

TYPES = {
    "@timestamp": {"date": ["signins"]},
    "user.name": {"keyword": ["signins"]},
    "source.ip": {"ip": ["signins"]},
    "event.outcome": {"keyword": ["signins"]},
}
EVENTS = EventFacts(
    stored=1_000,
    first=START,
    last=END,
    start=START,
    end=END,
    counts=FeedCounts(events=1_000, missing_entity=0, missing_ip=0, entities=50, ips=80),
    outcomes={"success": 990, "failure": 10},
    addresses={f"198.51.100.{number}": 10 for number in range(100)},
    teaching=Teaching(500, 3, enough=True),
)
FACTS = Facts(
    now=END + 60,
    server=ServerInfo("elasticsearch", (9, 5, 3), "prod", "https://es:9200"),
    rights=(Right("read signins"),),
    templates=TemplateFacts((), ()),
    fields=FieldFacts(("signins",), TYPES),
    events=EVENTS,
)


def found(facts: Facts, check: str, **datafeed: Any) -> list[Finding]:
    return [finding for finding in judge(make_job(**datafeed), facts) if finding.check == check]


def on_events(check: str, *, others: tuple[str, ...] = (), **changes: Any) -> Finding:
    findings = judge_events(make_job(), replace(EVENTS, **changes), END + 60, others)
    return next(finding for finding in findings if finding.check == check)


def test_all_well_is_all_ok() -> None:
    findings = judge(make_job(), FACTS)
    assert {finding.level for finding in findings} == {"ok"}
    assert is_usable(findings)


def test_unreachable_cluster_is_the_only_problem() -> None:
    error = AuthenticationFailed("refused the credentials", hint="check the password", status=401)
    findings = judge(make_job(), Facts(now=END, unreachable=error))
    assert [(finding.check, finding.level) for finding in findings] == [("configuration", "ok"), ("cluster", "problem")]
    assert findings[1].hint == "check the password"


@pytest.mark.parametrize(
    ("templates", "level", "said"),
    [
        (TemplateFacts(("ipi-es-state",), ("create …",)), "problem", "missing: ipi-es-state"),
        (TemplateFacts((), ("extend mapping of index a",)), "warning", "extend mapping of index a"),
        (PermissionDenied("denied", status=403), "warning", "can't be looked at"),
        (UsageError("newer than this", hint="upgrade"), "problem", "newer than this"),
    ],
)
def test_templates(templates: TemplateFacts | IpiEsError, level: str, said: str) -> None:
    [finding] = found(replace(FACTS, templates=templates), "templates")
    assert finding.level == level
    assert said in finding.message
    assert finding.hint


def test_each_missing_right_is_a_problem_of_its_own() -> None:
    denied = PermissionDenied("denied", hint="ask", status=403)
    failed = BulkFailed("refused", failures=[("a", 403, "no")], hint="look")
    rights = (Right("read a", error=denied), Right("write b", error=failed), Right("write c"))
    findings = found(replace(FACTS, rights=rights), "rights")
    assert [finding.level for finding in findings] == ["problem", "problem"]
    assert findings[0].message == "can't read a: denied"


def test_indices_without_any_field_are_not_called_none() -> None:
    types = FieldFacts((), {})
    [finding] = found(replace(FACTS, fields=types, events=None), "indices")
    assert finding.level == "warning"
    assert "no field yet" in finding.message
    assert "wait for their first events" in finding.hint


def test_what_could_not_be_tried_is_said_plainly() -> None:
    rights = (Right("read a"), Right("write b", unknown="setup didn't run"))
    known, unknown = found(replace(FACTS, rights=rights), "rights")
    assert "may read a (tried" in known.message
    assert "can't be known yet: setup didn't run" in unknown.message


@pytest.mark.parametrize("kind", ["constant_keyword", "wildcard", "long", "ip"])
def test_entities_may_be_of_any_type_that_can_be_grouped_by(kind: str) -> None:
    types = {**TYPES, "user.name": {kind: ["signins"]}}
    assert found(replace(FACTS, fields=FieldFacts(("signins",), types)), "entity field")[0].level == "ok"


@pytest.mark.parametrize("kind", ["text", "object", "boolean", "date", "long"])
def test_addresses_may_not(kind: str) -> None:
    types = {**TYPES, "source.ip": {kind: ["signins"]}}
    [finding] = found(replace(FACTS, fields=FieldFacts(("signins",), types), events=None), "IP address field")
    assert finding.level == "problem"
    assert finding.error is not None


def test_runtime_fields_are_fields() -> None:
    types = {name: kinds for name, kinds in TYPES.items() if name != "source.ip"}
    fields = FieldFacts(("signins",), types)
    [finding] = found(
        replace(FACTS, fields=fields), "IP address field", runtime_mappings={"source.ip": {"type": "ip", "script": "…"}}
    )
    assert finding.level == "ok"


def test_a_field_in_a_nested_object_is_a_problem_unless_a_runtime_field_stands_before_it() -> None:
    types = {**TYPES, "source": {"nested": ["signins"]}}
    facts = replace(FACTS, fields=FieldFacts(("signins",), types))
    [finding] = found(facts, "IP address field")
    assert finding.level == "problem"
    assert "source.ip (the IP address) lies in source, which is nested" in finding.message
    [finding] = found(facts, "IP address field", runtime_mappings={"source.ip": {"type": "ip", "script": "…"}})
    assert finding.level == "ok"


def test_two_kinds_of_dates_are_one() -> None:
    types = {**TYPES, "@timestamp": {"date": ["a"], "date_nanos": ["b"]}}
    assert found(replace(FACTS, fields=FieldFacts(("a", "b"), types)), "time field")[0].level == "ok"


def test_no_outcome_field_needs_none() -> None:
    types = {name: kinds for name, kinds in TYPES.items() if name != "event.outcome"}
    facts = replace(FACTS, fields=FieldFacts(("signins",), types))
    assert found(facts, "outcome field")[0].level == "problem"
    assert "null" in str(found(facts, "outcome field")[0].hint)
    assert found(facts, "outcome field", outcome_field=None) == []


def test_missing_outcomes_count_as_unknown() -> None:
    [finding] = judge_outcomes(make_job(), {"success": 500}, 500, 1_000)
    assert finding.level == "warning"
    assert "unknown 50 %" in finding.message


@pytest.mark.parametrize(("missing", "level"), [(0, "ok"), (100, "ok"), (101, "warning"), (1_000, "problem")])
def test_events_without_address(missing: int, level: str) -> None:
    counts = replace(EVENTS.counts, missing_ip=missing)
    assert on_events("events with IP address", counts=counts).level == level


def test_mostly_private_addresses_propose_the_fields_that_are_there() -> None:
    finding = on_events("private addresses", addresses={"10.1.2.3": 60, "198.51.100.1": 40}, others=("client.ip",))
    assert finding.level == "warning"
    assert "look whether client.ip holds" in str(finding.hint)
    assert "ignore_private: true" in str(finding.hint)


def test_a_public_proxy_is_suspected_too() -> None:
    finding = on_events("addresses", addresses={"198.51.100.1": 950, "198.51.100.2": 50})
    assert finding.level == "ok"  # about how many there are
    findings = judge_events(
        make_job(), replace(EVENTS, addresses={"198.51.100.1": 950, "198.51.100.2": 50}), END + 60, ()
    )
    [proxy] = [finding for finding in findings if "come from 198.51.100.1" in finding.message]
    assert proxy.level == "warning"


def test_few_days_are_a_warning() -> None:
    assert on_events("history", start=END - 5 * 86_400).level == "warning"


def test_bad_finding_has_a_hint_always() -> None:
    for finding in judge(make_job(scroll_size=10), replace(FACTS, events=EventFacts(0))):
        assert finding.level == "ok" or finding.hint


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_percent_never_rounds_a_part_to_none_or_all(part: int, whole: int) -> None:
    part = min(part, whole)
    text = percent(part, whole)
    assert (text == "0 %") == (part == 0)
    assert (text == "100 %") == (part == whole)


def test_young_history_is_told_with_when_it_will_do() -> None:
    (young,) = found(replace(FACTS, history_days=9), "warm-up")
    assert (young.level, young.message) == ("warning", "the job's history is 9 days long: the job warms up")
    assert "until it has 14" in str(young.hint)
    assert [each.level for each in found(replace(FACTS, history_days=14), "warm-up")] == ["ok"]
    assert found(FACTS, "warm-up") == []
