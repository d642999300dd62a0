"""Incidents: which results are one story, whatever their order."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.results.reading.incident_grouping import OPEN, Incident, group_incidents, keys_of, overlapping

GAP, SPAN, START = 86_400, 3_600, 1_780_000_000 // 3_600 * 3_600


def record(entity: str, ip: str, hour: int = 0, score: float = 80.0, **more: Any) -> tuple[str, dict[str, Any]]:
    source = {
        "result_type": "record", "timestamp": (START + hour * SPAN) * 1_000, "bucket_span": SPAN,
        "partition_field_value": entity, "by_field_value": ip, "initial_record_score": score,
        "reason": f"{entity} used {ip}.", **more,
    }  # fmt: skip
    return f"record {hour:03d} {entity} {ip}", source


def influencer(value: str, hour: int = 0, score: float = 90.0, *, entity: bool = False) -> tuple[str, dict[str, Any]]:
    source = {
        "result_type": "influencer", "timestamp": (START + hour * SPAN) * 1_000, "bucket_span": SPAN,
        "influencer_field_value": value, "initial_influencer_score": score,
    }  # fmt: skip
    if entity:
        source["partition_field_value"] = value
    return f"influencer {hour:03d} {value}", source


def ids_of(found: list[Incident]) -> list[list[str]]:
    return [[place for place, _ in each.results] for each in found]


def test_an_account_and_a_network_join_results_and_strangers_stay_apart() -> None:
    results = [
        record("alice", "203.0.113.9"),
        record("alice", "198.51.100.1", 3),
        record("bob", "203.0.113.77", 5),
        influencer("203.0.113.200", 6),
        influencer("carol", 6, entity=True),
    ]
    assert [len(each.results) for each in group_incidents(results, GAP)] == [4, 1]


def test_an_operator_joins_results_only_where_it_was_new_to_everybody() -> None:
    def of_operator(name: str, ip: str, *, new: bool) -> tuple[str, dict[str, Any]]:
        why = {"operator_new_to_everybody": True} if new else {}
        return record(name, ip, **{"source.as.number": 64_500, "anomaly_score_explanation": why})

    strange = [of_operator("alice", "203.0.113.9", new=True), of_operator("bob", "198.51.100.1", new=True)]
    (found,) = group_incidents([*strange], GAP)
    assert found.to_dict("logins")["operators"] == [64_500]
    usual = of_operator("carol", "192.0.2.1", new=False)
    assert [len(each.results) for each in group_incidents([*strange, usual], GAP)] == [2, 1]


def test_two_results_are_joined_up_to_the_gap_and_by_what_lies_between() -> None:
    day = GAP // SPAN
    assert len(group_incidents([record("alice", "203.0.113.9"), record("alice", "192.0.2.1", day)], GAP)) == 1
    assert len(group_incidents([record("alice", "203.0.113.9"), record("alice", "192.0.2.1", day + 1)], GAP)) == 2
    between = record("alice", "192.0.2.1", 1)
    assert (
        len(group_incidents([record("alice", "203.0.113.9"), between, record("alice", "192.0.2.1", day + 1)], GAP)) == 1
    )


def test_an_incident_says_who_where_when_and_what() -> None:
    results = [
        record("bob", "203.0.113.77", 2, 99.0, verdict="safe"),
        record("alice", "203.0.113.9", 0, 60.0),
        influencer("203.0.113.9", 2, 70.0),
    ]
    (found,) = group_incidents(results, GAP)
    shown = found.to_dict("logins")
    assert (shown["timestamp"], shown["end_timestamp"]) == (START * 1_000, (START + 3 * SPAN) * 1_000)
    assert (shown["incident_score"], shown["state"]) == (99.0, OPEN)
    assert (shown["entities"], shown["networks"]) == (["bob", "alice"], ["203.0.113.0/24"])
    assert shown["addresses"] == ["203.0.113.77", "203.0.113.9"]
    assert (shown["record_count"], shown["influencer_count"]) == (2, 1)
    assert shown["reasons"] == ["alice used 203.0.113.9.", "bob used 203.0.113.77."]
    assert shown["incident_id"].startswith(f"logins_incident_{START * 1_000}_")


def test_its_state_follows_from_the_verdicts_on_its_results() -> None:
    def state(*words: str | None) -> str:
        given = [
            record(f"user{i}", "192.0.2.1", **({} if word is None else {"verdict": word}))
            for i, word in enumerate(words)
        ]
        return group_incidents(given, GAP)[0].state

    assert [state("safe"), state("safe", "dismissed"), state("safe", None), state("safe", "compromised", None)] == [
        "safe",
        "dismissed",
        "open",
        "compromised",
    ]


def test_incidents_of_a_time_are_those_with_a_moment_in_it() -> None:
    found = group_incidents([record("alice", "203.0.113.9"), record("bob", "192.0.2.1", 5)], GAP)
    assert [len(overlapping(found, *each)) for each in ((None, None), (START + SPAN, None), (None, START + SPAN))] == [
        2,
        1,
        1,
    ]


RESULTS = st.lists(
    st.one_of(
        st.builds(
            record, st.sampled_from("abcdef"), st.sampled_from(["192.0.2.1", "192.0.3.1", "192.0.4.1", "2001:db8::1"]),
            st.integers(0, 200), st.floats(25, 100),
        ),
        st.builds(influencer, st.sampled_from(["192.0.2.9", "192.0.5.9"]), st.integers(0, 200), st.floats(25, 100)),
    ),
    max_size=25,
    unique_by=lambda each: each[0],
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(RESULTS, st.integers(0, 1_000), st.integers(0, 60))
def test_each_result_is_in_one_incident_whatever_the_order_and_the_gap(
    results: list[tuple[str, dict[str, Any]]], seed: int, hours: int
) -> None:
    found = group_incidents(results, hours * SPAN)
    assert sorted(place for each in ids_of(found) for place in each) == sorted(place for place, _ in results)
    other = list(results)
    random.Random(seed).shuffle(other)
    assert ids_of(group_incidents(other, hours * SPAN)) == ids_of(found)
    assert len(group_incidents(results, (hours + 1) * SPAN)) <= len(found), "a longer gap only joins"


@settings(max_examples=200, deadline=None)
@given(RESULTS)
def test_two_results_with_a_common_name_within_the_gap_are_in_one_incident_and_no_others(
    results: list[tuple[str, dict[str, Any]]],
) -> None:
    found = group_incidents(results, GAP)
    where = {place: i for i, each in enumerate(found) for place, _ in each.results}
    for one, first in results:
        for two, second in results:
            near = abs(first["timestamp"] - second["timestamp"]) <= GAP * 1_000
            if keys_of(first) & keys_of(second) and near:
                assert where[one] == where[two]
    for each in found:  # each is connected: what is removed from it leaves no two strangers joined
        assert len(group_incidents(each.results, GAP)) == 1


def test_a_reason_is_left_out_where_a_worse_one_has_said_it() -> None:
    sprayer = influencer("203.0.113.9", 1)
    sprayer[1].update(reason="203.0.113.9 was used by 50 accounts.", entity_count=50, top_entities=["user0"])
    tried = [influencer(f"user{i}", 1, 60.0, entity=True) for i in range(3)]
    for _, each in tried:
        each.update(reason="one of them", top_ips=["203.0.113.9"])
    elsewhere = record("user0", "198.51.100.1", 3, 50.0)
    (found,) = group_incidents([*tried, sprayer, record("user0", "203.0.113.9", 1, 40.0), elsewhere, *_linked()], GAP)
    assert list(found.reasons()) == ["203.0.113.9 was used by 50 accounts.", "user0 used 198.51.100.1."]
    assert found.names("entity")[0].startswith("user")
    assert found.to_dict("logins")["entity_count"] == 50


def _linked() -> list[tuple[str, dict[str, Any]]]:
    """Records that join the accounts to the address."""
    return [record(f"user{i}", "203.0.113.9", 1, 30.0) for i in (1, 2)]


def test_an_accounts_usual_networks_are_no_part_of_its_incident() -> None:
    taken = influencer("alice", 1, entity=True)
    taken[1].update(top_ips=["203.0.113.9", "198.51.100.1", "192.0.2.1"], unlearned_ip_count=2)
    assert group_incidents([taken], GAP)[0].names("network") == ["198.51.100.0/24", "203.0.113.0/24"]
