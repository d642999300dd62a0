"""The first users of a network to which a group may move: one finding of their bucket, and nothing after it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
from moving_groups import NEW, OFFICE, OTHER_OFFICE, SignIn, at, bucket_of, history, people, reported, scores

from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.results.words import raises_alarm
from ipi_es.worker.repeats.egress_moves import Groups, groups_in
from ipi_es.worker.repeats.moved_pairs import MovedPairs, decided
from ipi_es.worker.scoring.outcome_views import Participation

PAST = at(OFFICE, people(60))


def found(
    succeeded: Sequence[SignIn],
    failed: Sequence[SignIn] = (),
    past: Sequence[SignIn] = PAST,
    compromised: Sequence[str] = (),
) -> dict[int, list[int]]:
    bucket, pairs = bucket_of(succeeded, failed)
    groups = groups_in(bucket, pairs, entity_hashes(bucket.entities), history(past), {}, compromised)
    assert groups.moves == []
    return {ip: rows.tolist() for ip, rows in groups.first_users.items()}


def test_few_accounts_that_left_a_common_network_are_one_finding_of_each_address() -> None:
    assert found(at(NEW, people(1))) == {}
    assert found(at(NEW, people(2))) == {0: [0, 1]}
    assert found(at(NEW, people(3)) + at(NEW, people(2, 3), host=8)) == {0: [0, 1, 2], 1: [3, 4]}
    assert found(at(NEW, people(3)) + at(NEW, people(1, 3), host=8)) == {0: [0, 1, 2]}


@pytest.mark.parametrize(
    ("succeeded", "failed"),
    [
        (at(NEW, people(3)) + at(OFFICE, people(1, 9)), ()),
        (at(NEW, people(3)), at(OFFICE, people(1, 9))),
        (at(NEW, people(3)), at(NEW, people(2, 9))),
        (at(NEW, ["new1", "new2", "new3"]), ()),
        (at(NEW, [*people(2), *(f"guest{place}" for place in range(2))]), ()),
    ],
    ids=["the office is used", "used without success", "a spraying", "no history", "half left nothing"],
)
def test_other_accounts_are_findings_of_their_own(succeeded: Sequence[SignIn], failed: Sequence[SignIn]) -> None:
    past = PAST + at(OTHER_OFFICE, ["guest0"]) + at("100.64.9.0/24", ["guest1"])
    assert found(succeeded, failed, past) == {}


def test_accounts_in_a_network_that_a_group_uses_or_that_was_an_attackers_are_findings_of_their_own() -> None:
    assert found(at(NEW, people(3)), past=PAST + at(NEW, people(7, 40))) == {}
    assert found(at(NEW, people(3)), compromised=[NEW]) == {}


def test_nothing_of_it_concerns_a_network_of_a_known_move() -> None:
    bucket, pairs = bucket_of(at(NEW, people(3)) + at(OFFICE, people(3, 9)))
    groups = groups_in(bucket, pairs, entity_hashes(bucket.entities), history(PAST), reported())
    assert groups == ([], {})


def decide(records: Sequence[float], address: float, accounts: Sequence[float] = (0.0,) * 3) -> MovedPairs:
    _, pairs = bucket_of(at(NEW, people(3)))
    groups = Groups([], {0: np.arange(3)})
    return decided(groups, pairs, scores(records, [address], accounts), {}, lambda ip: f"here{ip}")


def takes_part(by_entity: Sequence[bool] = (True,) * 3, *, by_ip: bool = True, ip: bool = True) -> Participation:
    ips = np.array([ip])
    return Participation(np.array(by_entity), np.array([by_ip] * 3), (ips, np.ones(1, dtype=np.bool_)))


def test_the_address_is_the_finding_and_its_accounts_are_parts_of_it() -> None:
    moved = decide([60.0, 80.0, 95.0], 90.0).with_first_users(takes_part())
    assert moved.by_entity == dict.fromkeys(range(3), "here0")
    assert moved.new_rows.tolist() == [0, 1, 2]
    part = moved.part_without(takes_part())
    assert not part.by_entity.any()
    assert part.by_ip.all()
    assert part.ips[0].all()
    assert moved.with_leads(np.zeros(1, dtype=np.bool_)).all()  # it is written whatever the limit
    assert moved.leads == {}


def test_what_is_more_severe_than_the_address_is_a_finding_of_its_own() -> None:
    assert set(decide([60.0, 80.0, 60.0], 75.0).with_first_users(takes_part()).by_entity) == {0, 1, 2}
    assert decide([60.0, 80.0, 60.0], 74.0).with_first_users(takes_part()).by_entity == {}
    assert set(decide([60.0] * 3, 80.0, [0.0, 99.0, 0.0]).with_first_users(takes_part()).by_entity) == {0, 1, 2}


@pytest.mark.parametrize("part", [takes_part(ip=False), takes_part(by_ip=False)])
def test_who_joins_a_reported_address_is_a_finding_of_its_own(part: Participation) -> None:
    """Else an attacker's second account would be muted by the first."""
    moved = decide([90.0] * 3, 99.0).with_first_users(part)
    assert moved.by_entity == {}
    assert moved.first_users == {}
    assert moved.part_without(part) is part


def test_a_pair_that_repeats_its_own_record_names_that_one() -> None:
    moved = decide([90.0] * 3, 99.0).with_first_users(takes_part([False, True, True]))
    assert set(moved.by_entity) == {1, 2}


def test_the_first_users_of_a_new_line_are_one_alarm_and_who_joins_them_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts.critical_from(monkeypatch, 0.1)
    job, midnight = company.make_job(), company.SCORED_FROM + 3 * company.DAY
    came = [(0, "person04"), (0, "person05"), (3, "person05"), (3, "person06")]
    events = [(midnight + hour * company.HOUR, who, "198.51.100.1", "success") for hour, who in came]
    cluster = parts.trained_cluster(job, monkeypatch, [*company.events(), *events])
    parts.backfill(cluster, job)
    found = {place: each for (_, place), each in parts.results(cluster, job).items()}

    def alarms(hour: int) -> list[tuple[str, str]]:
        start = (midnight + hour * company.HOUR) * 1_000
        return [
            (place, each.get("partition_field_value") or each["influencer_field_value"])
            for place, each in found.items()
            if each["timestamp"] == start and each["result_type"] in ("record", "influencer") and raises_alarm(each)
        ]

    ((lead, name),) = alarms(0)
    assert name == "198.51.100.1"
    members = [each for each in found.values() if each.get("repeat_of") == lead and each["result_type"] == "record"]
    assert sorted(each["partition_field_value"] for each in members) == ["person04", "person05"]
    assert all("Part of the finding of" in each["reason"] for each in members)
    assert "person06" in {name for _, name in alarms(3)}
