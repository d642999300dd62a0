"""The verdicts of a job: their documents, those of tools, and those of an earlier version."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from verdict_parts import said

from ipi_es.config.given_verdict import COMPROMISED, REACH, SAFE
from ipi_es.setup import setup_plan
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.state.verdict_store import VERDICTS_INDEX, VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster

NOW = 1_777_593_600
WRITTEN = {
    "job_id": "logins",
    "verdict": "compromised",
    "entity": "alice",
    "ip": "203.0.113.9",
    "by": "playbook 7",
    "time": "2026-05-01T00:00:00Z",
}
"""What a tool writes."""


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    return made


def write(cluster: MemoryCluster, **changes: Any) -> None:
    source = {name: value for name, value in {**WRITTEN, **changes}.items() if value is not None}
    cluster.put(VERDICTS_INDEX, "any", source, refresh=True)


def test_a_verdict_is_kept_and_revoked_and_never_replaced(cluster: MemoryCluster) -> None:
    store = VerdictStore(cluster, "logins")
    first = store.add_verdict(said("alice", "2001:db8::1", time=NOW, since=NOW - 60, comment="her flat", result="r1"))
    second = store.add_verdict(said("alice", "2001:db8::1", COMPROMISED, time=NOW + 1, since=NOW, operator=64_496))
    assert store.all().verdicts == (first, second)
    assert store.revoke_verdict(first, NOW + 9, "bob")
    assert store.all().verdicts == (replace(first, revoked=NOW + 9, revoked_by="bob"), second)
    assert VerdictStore(cluster, "others").all().verdicts == ()
    assert store.delete_verdicts() == 2
    assert store.all().verdicts == ()


def test_the_same_verdict_is_stored_once_and_two_pairs_that_are_equal_when_joined_are_two(
    cluster: MemoryCluster,
) -> None:
    store = VerdictStore(cluster, "logins")
    for entity, ip in (("alice", "11.0.0.1"), ("alice1", "1.0.0.1"), ("alice", "11.0.0.1")):
        store.add_verdict(said(entity, ip, time=NOW))
    assert [each.entity for each in store.all().verdicts] in (["alice", "alice1"], ["alice1", "alice"])


def test_all_are_read_again_only_where_one_was_written(cluster: MemoryCluster) -> None:
    store = VerdictStore(cluster, "logins")
    store.add_verdict(said("alice", "192.0.2.1"))
    before = store.all()
    VerdictStore(cluster, "others").add_verdict(said("bob", "192.0.2.1"))
    assert store.all() is before
    VerdictStore(cluster, "logins").add_verdict(said("bob", "192.0.2.1"))
    assert len(store.all().verdicts) == 2


@pytest.mark.parametrize("time", ["2026-05-01T00:00:00Z", "2026-05-01T02:00:00+02:00", "2026-05-01", NOW * 1_000])
def test_a_tool_writes_a_few_fields_and_any_form_of_time(cluster: MemoryCluster, time: Any) -> None:
    write(cluster, time=time)
    (found,) = VerdictStore(cluster, "logins").all().verdicts
    assert (found.verdict, found.time, found.since, found.in_force) == ("compromised", NOW, NOW - REACH, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verdict": "attack"}, 'its field “verdict” is "attack", not one of compromised, safe, dismissed'),
        ({"verdict": None}, "its field “verdict” is missing"),
        ({"entity": None}, "its field “entity” is missing"),
        ({"ip": "203.0.113.300"}, 'its field “ip” is "203.0.113.300", not an IP address'),
        ({"by": None}, "its field “by” is missing"),
        ({"time": None}, "its field “time” is missing"),
        ({"time": -1}, "its field “time” is -1, not a time before the year 2100"),
        ({"sinse": 1}, "its field “sinse” is 1, not a field of a verdict"),
        ({"operator": 0}, "its field “operator” is 0, not a whole number"),
        ({"format": 2}, "was written by a newer ipi-es (format 2)"),
    ],
)
def test_what_is_no_verdict_has_no_effect_and_is_named(
    cluster: MemoryCluster, change: dict[str, Any], message: str
) -> None:
    write(cluster, **change)
    found = VerdictStore(cluster, "logins").all()
    assert found.verdicts == ()
    assert message in found.damaged["any"]


def test_a_verdict_of_an_earlier_version_is_safe_until_it_is_revoked(cluster: MemoryCluster) -> None:
    source = {"type": "verdict", "format": 1, "job_id": "logins", "verdict": "confirmed", "entity": "alice"}
    source |= {"ip": "192.0.2.1", "network": "192.0.2.0/24", "by": "ann", "time": NOW * 1_000, "comment": ""}
    cluster.put(STATE_INDEX, "verdict:logins:1", source, refresh=True)
    store = VerdictStore(cluster, "logins")
    (found,) = store.all().verdicts
    assert (found.verdict, found.entity, found.ip, found.time) == (SAFE, "alice", "192.0.2.1", NOW)
    assert store.all() == VerdictStore(cluster, "logins").all()
    assert store.revoke_verdict(found, NOW, "bob")
    (revoked,) = store.all().verdicts
    assert (revoked.in_force, revoked.revoked, revoked.revoked_by) == (False, NOW, "bob")
    assert cluster.get(STATE_INDEX, "verdict:logins:1") is None
