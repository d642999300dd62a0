"""Which field names an account in a suggested job and in `check`: people, roles, sessions, machines, spellings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from odd_logs import DAY, END, IP, KEYWORD, mapping, sign_ins
from suggestion_parts import PLAIN, findings, job_on, log_of, stored, suggested

from ipi_es.setup.contents.account_fields import AccountFigures, better_fields, usable_fields
from ipi_es.setup.contents.machine_accounts import is_machine, machine_accounts


def test_a_role_of_many_people_is_not_the_account_and_the_note_says_why_in_figures() -> None:
    found = suggested(log_of("roles"))
    assert found.job.entity_field == "session_name"
    notes = "\n".join(found.notes)
    assert "accounts: session_name has 40 values with about 4 addresses each" in notes
    assert "role is shared: each of its 4 values has about 10 session_name, 42 addresses and 6 operators" in notes
    assert "app is shared: each of its 6 values has about 40 session_name" in notes
    assert "session_id" not in notes, "it lives for hours"


def test_check_names_the_field_that_distinguishes_the_people_of_a_role() -> None:
    cluster = log_of("roles")
    outcome = {"outcome_field": "result", "score_outcomes": ["OK"], "learn_outcomes": ["OK"]}
    (found,) = findings(cluster, job_on("roles", "role", "client_ip", "ts", **outcome), "entities")
    assert found.level == "warning"
    assert "role is shared: each of its 4 values has about 10 session_name" in found.message
    assert str(found.hint).startswith("set analysis_config.detectors[0].partition_field_name: session_name, which has")
    assert findings(cluster, job_on("roles", "session_name", "client_ip", "ts", **outcome), "entities") == []


def figures(field: str, values: int, addresses: float, lasting: float = 9 * DAY, **siblings: float) -> AccountFigures:
    return AccountFigures(field, 1_000, values, addresses, None, lasting, siblings)


def test_devices_sessions_and_hosts_are_no_people() -> None:
    person = figures("f1", 100, 5, device=2, session=30, host=10)
    all_ = {
        "f1": person,
        "device": figures("device", 180, 1.5, f1=1, session=15, host=9),
        "session": figures("session", 800, 1, lasting=3_000, f1=1),
        "host": figures("host", 400, 5, f1=5),
        "event": figures("event", 990, 1, f1=1),
        "one": figures("one", 1, 200, f1=100),
    }
    usable = usable_fields(all_, 20 * DAY)
    assert set(usable) == {"f1", "device", "host"}
    assert better_fields(usable) == {}, "a person has several devices and hosts, and shares none of the first"
    assert set(usable_fields(all_, DAY)) >= {"session"}, "a day is too short to see how long a value lives"


def test_a_persons_long_sessions_and_many_devices_are_no_people() -> None:
    person = figures("user", 100, 12, cookie=12, laptop=4)
    person = replace(person, named=True)
    cookie = replace(figures("cookie", 1_000, 2, user=1), ids=1.0, events=9_000)
    laptop = figures("laptop", 400, 8, user=1)
    assert better_fields({"user": person, "cookie": cookie, "laptop": laptop}) == {}
    unnamed = replace(person, name="f1", named=False, siblings={"laptop": 4})
    assert better_fields({"f1": unnamed, "laptop": replace(laptop, siblings={"f1": 1})}) == {}, "they share addresses"


def test_people_with_ids_alone_are_found_behind_a_tenant() -> None:
    tenant, user = figures("tenant", 5, 60, user=20), replace(figures("user", 100, 3, tenant=1), ids=1.0)
    assert better_fields({"tenant": tenant, "user": user}) == {"tenant": ["user"]}
    assert better_fields({"tenant": tenant, "user": replace(user, named=True)}) == {"tenant": ["user"]}


def test_accounts_of_a_fleet_are_not_replaced_by_its_hosts() -> None:
    made = [
        {"ts": at * 1_000, "user": f"admin{n % 3}", "host": {"name": f"h{n}"}, "ip": ip} for at, n, ip, _ in sign_ins()
    ]
    fields = {"ts": {"type": "date"}, "user": KEYWORD, "host": {"properties": {"name": KEYWORD}}, "ip": IP}
    cluster = stored("fleet", mapping(**fields), made)
    assert suggested(cluster).job.entity_field == "user"
    assert findings(cluster, job_on("fleet", "user", "ip", "ts"), "entities") == []


def test_a_name_that_two_addresses_of_mail_share_gives_way_to_the_address() -> None:
    name, mail = figures("name", 95, 3, mail=1), figures("mail", 100, 3, name=1)
    mail = AccountFigures(mail.name, 1_000, mail.values, 3, None, DAY, mail.siblings, mails=1.0)
    assert better_fields({"name": name, "mail": mail}) == {"name": ["mail"]}
    assert better_fields({"name": figures("name", 100, 3, mail=1), "mail": mail}) == {}


def test_a_large_company_has_nearly_as_many_accounts_as_sampled_events() -> None:
    people = ({"ts": (at + n) * 1_000, "who": f"p{n % 800}", "ip": ip} for n, (at, _, ip, _) in enumerate(sign_ins()))
    assert suggested(stored("large", PLAIN, people)).job.entity_field == "who"


@pytest.mark.parametrize(
    "name",
    [
        *("WS01$", "ws01$@corp.example", "SYSTEM", "NT AUTHORITY\\SYSTEM", "LOCAL SERVICE", "NETWORK SERVICE"),
        *("DWM-12", "ANONYMOUS LOGON", "UMFD-0", "system:serviceaccount:kube:x", "-", "", "<none>"),
        "Font Driver Host\\UMFD-1",
    ],
)
def test_machines_are_no_people(name: str) -> None:
    assert is_machine(name)


@pytest.mark.parametrize(
    "name", ["alice", "svc-backup", "systemadmin", "dwm-anna", "CORP\\alice", "a$b", "system:admin"]
)
def test_people_and_services_are_kept(name: str) -> None:
    assert not is_machine(name)


def test_machine_accounts_are_left_out_and_counted_and_services_are_named() -> None:
    found = suggested(log_of("dc-security"))
    feed = found.job.datafeed_config
    assert feed.exclude_entities == ("*$",), "SYSTEM signs in from ::1 alone, which the query leaves out"
    (note,) = [each for each in found.notes if each.startswith("no persons")]
    assert "such as WS" in note
    assert note.endswith("of the events: left out by exclude_entities")
    assert note in " ".join(found.text.replace("\n#  ", "").split("\n# - "))
    assert any(each.startswith("accounts of services: 2, such as svc-backup") for each in found.notes)


def test_exclusions_still_match_after_any_normalization() -> None:
    names = {"NT AUTHORITY\\SYSTEM": 5, "CORP\\ws1$": 4, "ws2$@CORP": 3, "Window Manager\\DWM-1": 2, "alice": 1}
    found = machine_accounts(names)
    assert (found.names, found.events, found.all_events) == (4, 14, 15)
    for steps in (["lowercase"], ["lowercase", "strip_domain"], []):
        feed = {"exclude_entities": list(found.patterns), "entity_normalize": steps}
        made = [{"ts": (END - 9 - n) * 1_000, "who": who, "ip": "192.0.2.1"} for n, who in enumerate(names)]
        cluster = stored("x", PLAIN, made)
        hits = [
            each
            for each in findings(cluster, job_on("x", "who", "ip", "ts", **feed), "entities")
            if "no persons" in each.message
        ]
        assert hits == [] or steps == [], steps


def test_a_log_of_machines_alone_keeps_them() -> None:
    made = ({"ts": at * 1_000, "who": f"ws{n}$", "ip": ip} for at, n, ip, _ in sign_ins())
    found = suggested(stored("machines", PLAIN, made))
    assert found.job.datafeed_config.exclude_entities == ()
    assert any("no person would be left, so they are kept" in each for each in found.notes)


def test_check_proposes_to_leave_out_machines() -> None:
    cluster = log_of("dc-security")
    (found,) = findings(cluster, job_on("dc-security", "TargetUser", "SourceAddress", "TimeCreated"), "entities")
    assert "entities are no persons, such as SYSTEM, WS" in found.message
    assert str(found.hint).startswith("set datafeed_config.exclude_entities: ['*$', 'system']")
    without = job_on("dc-security", "TargetUser", "SourceAddress", "TimeCreated", exclude_entities=["*$", "system"])
    assert findings(cluster, without, "entities") == []


def domains(change: Any) -> tuple[str, ...]:
    made = [{"ts": at * 1_000, "who": change(n, c), "ip": ip} for at, n, ip, c in sign_ins()]
    found = suggested(stored("names", PLAIN, made))
    return found.job.datafeed_config.entity_normalize


def test_domains_are_stripped_only_where_they_distinguish_no_people() -> None:
    assert domains(lambda n, _: f"p{n}@corp.example") == ("lowercase",)
    assert domains(lambda n, c: c.choice([f"p{n}", f"CORP\\p{n}"])) == ("lowercase", "strip_domain")
    assert domains(lambda n, c: c.choice([f"p{n}", f"p{n}@a.example", f"p{n}@b.example"])) == ("lowercase",)
