"""Moves of a group to another network: when they are recognized, and what they change in a bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
from moving_groups import NEW, OFFICE, OTHER_OFFICE, START, SignIn, at, bucket_of, history, people, reported, scores

from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import NO_RULE
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.results.documents.members import influencer_sentence
from ipi_es.results.reading.incidents_there import require_incident, stored_incidents
from ipi_es.results.reading.reported import ReportedMove
from ipi_es.scoring.probability import LN_TAKES_PART, severity
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.incidents.incident_rules import conditions_of
from ipi_es.worker.repeats.earlier_findings import Repeats
from ipi_es.worker.repeats.egress_moves import Groups, Move, groups_in
from ipi_es.worker.repeats.moved_pairs import MovedPairs, decided
from ipi_es.worker.verdicts.job_verdicts import JobVerdicts, Statement


def found(
    past: Sequence[SignIn],
    succeeded: Sequence[SignIn],
    failed: Sequence[SignIn] = (),
    known: Mapping[str, ReportedMove] | None = None,
    compromised: Sequence[str] = (),
) -> list[Move]:
    bucket, pairs = bucket_of(succeeded, failed)
    return groups_in(bucket, pairs, entity_hashes(bucket.entities), history(past), known or {}, compromised).moves


@pytest.mark.parametrize(("count", "moved"), [(6, 0), (7, 1), (40, 1)])
def test_a_group_is_more_accounts_than_an_attacker_controls(count: int, moved: int) -> None:
    moves = found(at(OFFICE, people(60)), at(NEW, people(count)))
    assert len(moves) == moved
    if moved:
        assert moves[0][:2] == (NEW, (OFFICE,))
        assert (moves[0].accounts, moves[0].left, moves[0].left_behind) == (count, count, 0)
        assert moves[0].rows.tolist() == list(range(count))


@pytest.mark.parametrize(("left_behind", "moved"), [(0, 1), (1, 1), (2, 0), (30, 0)])
def test_nobody_moves_from_a_network_that_others_still_use(left_behind: int, moved: int) -> None:
    """A phisher's proxy has many accounts too; their colleagues stay in the office."""
    past = at(OFFICE, people(60))
    moves = found(past, at(NEW, people(20)) + at(OFFICE, people(left_behind, 20)))
    assert [each.left_behind for each in moves] == [left_behind] * moved


@pytest.mark.parametrize(("failed", "moved"), [(5, 1), (6, 0), (57, 0)])
def test_a_spraying_is_no_move(failed: int, moved: int) -> None:
    past = at(OFFICE, people(99))
    assert len(found(past, at(NEW, people(20)), at(NEW, people(failed, 20)))) == moved


def test_an_account_that_fails_and_succeeds_has_succeeded() -> None:
    assert len(found(at(OFFICE, people(60)), at(NEW, people(20)), at(NEW, people(19)))) == 1


def test_accounts_without_a_common_former_network_are_no_group() -> None:
    homes = [(name, f"10.{place}.0.9") for place, name in enumerate(people(30))]
    assert found(homes, at(NEW, people(30))) == []
    assert found(homes + at(OFFICE, people(23)), at(NEW, people(30))) == []  # 77 %
    moves = found(homes + at(OFFICE, people(24)), at(NEW, people(30)))
    assert [(each.accounts, each.left) for each in moves] == [(30, 24)]  # the others follow, from the same address


def test_several_networks_are_left_at_once() -> None:
    past = at(OFFICE, people(20)) + at(OTHER_OFFICE, people(30, 20))
    (move,) = found(past, at(NEW, people(50)))
    assert move.former == (OTHER_OFFICE, OFFICE)
    assert found(past, at(NEW, people(50)) + at(OTHER_OFFICE, people(4, 60))) == []  # most haven't left theirs
    (move,) = found(past, at(NEW, people(24)) + at(OTHER_OFFICE, people(4, 60)))
    assert (move.former, move.accounts, move.left) == ((OFFICE,), 24, 20)


@pytest.mark.parametrize(("days", "moved"), [(6, 1), (7, 0), (30, 0)])
def test_a_network_that_was_left_earlier_is_not_left_again(days: int, moved: int) -> None:
    """Weeks after a move, a phisher's proxy would otherwise be the next one while everybody works at the first."""
    learned = history(*[at(OFFICE, people(60))] * 20, *[at(OTHER_OFFICE, people(60))] * days)
    bucket, pairs = bucket_of(at(NEW, people(20)) + at(OTHER_OFFICE, people(40, 20)))
    assert len(groups_in(bucket, pairs, entity_hashes(bucket.entities), learned, {}).moves) == moved


def test_who_has_moved_elsewhere_has_not_followed_another_group() -> None:
    past, elsewhere = at(OFFICE, people(60)), "100.64.7.0/24"
    known = {elsewhere: reported()[NEW]._replace(network=elsewhere)}
    now = at(NEW, people(20)) + at(elsewhere, people(20, 20))
    assert [each.network for each in found(past, now)] == [elsewhere, NEW]  # two lines, both new in this bucket
    assert [each.network for each in found(past, now, known=known)] == [elsewhere]
    assert [each.network for each in found(past, now, known=known | reported())] == [elsewhere, NEW]


def test_a_network_of_occasional_use_is_empty_by_chance() -> None:
    """Each account shares a carrier's network with seven others: in most buckets nobody uses it."""
    past = [each for k in range(5) for each in at(f"100.64.{k}.0/24", people(8, 8 * k))]
    assert found(past, at(NEW, people(40))) == []


def test_a_network_is_in_use_whoever_uses_it_and_however() -> None:
    """Also by accounts that a rule allows, that fail, or that use the new network as well."""
    past = at(OFFICE, people(60))
    bucket, pairs = bucket_of(at(NEW, people(20)) + at(OFFICE, people(30, 20)))
    pairs.rule[20:] = 0
    assert not any(groups_in(bucket, pairs, entity_hashes(bucket.entities), history(past), {}))
    assert found(past, at(NEW, people(20)), at(OFFICE, people(30, 20))) == []
    (move,) = found(past, at(NEW, people(20)) + at(OFFICE, people(1)))
    assert move.left_behind == 1


def test_a_network_that_a_group_used_before_is_not_new() -> None:
    past = at(OFFICE, people(60))
    assert len(found(past + at(NEW, people(6, 60)), at(NEW, people(20)))) == 1
    assert found(past + at(NEW, people(7, 60)), at(NEW, people(20))) == []


def test_one_account_follows_a_known_move_only_from_the_network_that_was_left() -> None:
    past = at(OFFICE, people(9)) + at(OTHER_OFFICE, people(9, 20))
    assert [each.accounts for each in found(past, at(NEW, people(1)), known=reported())] == [1]
    assert found(past, at(NEW, people(1, 20)), known=reported()) == []  # not one of them
    assert found(past, at(NEW, people(1)) + at(OFFICE, people(2, 1)), known=reported()) == []  # it is used again
    assert found(past, at(NEW, people(1))) == []


def test_a_stranger_follows_only_among_many_of_the_very_same_address() -> None:
    past = at(OFFICE, people(60)) + at(OTHER_OFFICE, ["stranger"])
    (move,) = found(past, at(NEW, people(8)) + at(NEW, ["stranger"]))
    assert (move.accounts, move.left, move.rows.tolist()) == (9, 8, list(range(9)))
    (move,) = found(past, at(NEW, people(8)) + at(NEW, ["stranger"], host=8))
    assert (move.accounts, move.rows.tolist()) == (8, list(range(8)))
    (move,) = found(past, at(NEW, people(8)) + at(NEW, ["stranger", "new1", "new2"]))
    assert move.accounts == 8  # three of eleven are too many


def test_a_compromised_network_is_moved_to_by_nobody() -> None:
    past = at(OFFICE, people(60))
    assert found(past, at(NEW, people(20)), compromised=[NEW]) == []
    assert found(past, at(NEW, people(1)), known=reported(), compromised=[NEW]) == []


def test_allowed_and_usual_pairs_make_no_move() -> None:
    past = at(OFFICE, people(60))
    bucket, pairs = bucket_of(at(NEW, people(20)))
    hashes = entity_hashes(bucket.entities)
    pairs.rule[:] = 0
    assert not any(groups_in(bucket, pairs, hashes, history(past), {}))
    pairs.rule[:] = NO_RULE
    pairs.ln_p[:] = LN_TAKES_PART + 0.1
    assert not any(groups_in(bucket, pairs, hashes, history(past), {}))


def decide(
    records: Sequence[float],
    ips: Sequence[float],
    known: Mapping[str, ReportedMove] | None = None,
    accounts: Sequence[float] = (),
) -> MovedPairs:
    """Decide on six accounts, three at each of two addresses."""
    succeeded = at(NEW, people(3)) + at(NEW, people(3, 3), host=8)
    _, pairs = bucket_of(succeeded)
    move = Move(NEW, (OFFICE,), np.arange(6), 6, 6, 0)
    entities = [*accounts, *[0.0] * (6 - len(accounts))]
    return decided(Groups([move], {}), pairs, scores(records, ips, entities), known or {}, lambda ip: f"here{ip}")


def test_the_worst_address_reports_the_move_and_all_its_pairs_are_part_of_it() -> None:
    moved = decide([60.0] * 6, [80.0, 99.0])
    assert list(moved.leads) == [1]
    assert moved.by_entity == dict.fromkeys(range(6), "here1")
    assert (moved.by_ip.tolist(), moved.repeat_of, moved.new_rows.tolist()) == ([0, 1, 2], {}, list(range(6)))


def test_a_pair_more_severe_than_the_report_raises_an_alarm() -> None:
    moved = decide([60.0, 80.0, 60.0, 60.0, 60.0, 60.0], [20.0, 70.0])
    assert sorted(moved.by_entity) == [0, 2, 3, 4, 5]


def test_an_account_more_severe_than_the_report_raises_an_alarm() -> None:
    """Several of its addresses in the new network are more unusual together than each is alone."""
    assert sorted(decide([60.0] * 6, [20.0, 70.0], accounts=[0.0, 0.0, 80.0]).by_entity) == [0, 1, 3, 4, 5]


def test_a_known_move_is_repeated_until_it_is_more_severe() -> None:
    moved = decide([60.0] * 6, [80.0, 99.0], reported())
    assert (moved.repeat_of, set(moved.by_entity.values()), len(moved.new_rows)) == ({1: "first"}, {"first"}, 0)
    moved = decide([60.0] * 6, [80.0, 99.0], reported(74.0))
    assert (moved.repeat_of, set(moved.by_entity.values())) == ({}, {"here1"})


def test_a_move_without_a_score_is_not_reported() -> None:
    assert decide([0.0] * 6, [0.0, 0.0]).leads == {}


def test_later_reports_add_former_networks_and_a_more_severe_one_is_repeated_from_then_on() -> None:
    repeats = Repeats(100, 1_000)
    first = ReportedMove(NEW, 0, "first", 60.0, (OFFICE,))
    again = ReportedMove(NEW, 10, "again", 50.0, (OTHER_OFFICE,), repeats=True)
    worse = ReportedMove(NEW, 20, "worse", 80.0, (OFFICE,))
    repeats.load([], [], [worse, again, first])
    assert repeats.moves_at(20) == {}
    assert repeats.moves_at(21)[NEW] == worse  # alone, as a run would read it once the first is too old
    repeats.add_move(again._replace(time=25))
    assert repeats.moves_at(26)[NEW] == worse._replace(former=(OFFICE, OTHER_OFFICE))
    repeats.forget_before(1_020)
    assert repeats.moves == {}
    repeats.add_move(again)  # its first report is forgotten
    assert repeats.moves == {}
    repeats = Repeats(0)
    repeats.add_move(first)
    assert repeats.moves == {}


@pytest.mark.parametrize(
    ("settings", "feed", "recognized"),
    [
        ({}, {}, True),
        ({"repeat_window": "0h"}, {}, False),
        ({"alerts": {"on": ["records"]}}, {}, False),
        ({"alerts": {"on": ["records", "influencers"]}}, {}, True),
        ({}, {"outcome_field": None}, False),
        ({}, {"learn_outcomes": ["success", "failure"]}, False),
        ({}, {"learn_outcomes": ["unknown"]}, False),
        ({}, {"learn_outcomes": ["ALLOW"]}, True),
    ],
)
def test_moves_are_recognized_where_successes_are_known(
    settings: dict[str, Any], feed: dict[str, Any], *, recognized: bool
) -> None:
    """Where failures count as sign-ins, a spraying looks like a group; where only records alert, nobody is told."""
    data = company.job_data(**settings)
    data["datafeed_config"] = data["datafeed_config"] | feed
    assert bool(Repeats.of(check_job(data)).move_window) == recognized


def test_without_influencers_of_addresses_nothing_could_report_a_move() -> None:
    data = company.job_data()
    data["analysis_config"] = data["analysis_config"] | {"influencers": ["user.name"]}
    assert Repeats.of(check_job(data)).move_window == 0


def test_an_office_that_moves_is_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    parts.critical_from(monkeypatch, 15.0)
    job = company.make_job()
    cluster = parts.trained_cluster(job, monkeypatch, company.with_moved_office(company.events()))
    parts.backfill(cluster, job)
    whole = parts.results(cluster, job)
    moves = [each for each in parts.of_kind(whole, "influencer") if "egress_move" in each]
    first, *later = sorted(moves, key=lambda each: int(each["timestamp"]))
    assert "repeat_of" not in first
    assert first["egress_move"]["network"] == NEW
    assert first["egress_move"]["former_networks"] == ["203.0.113.0/24"]
    assert first["reason"] == influencer_sentence(first, job.entity_field)
    count = first["egress_move"]["entity_count"]
    assert first["reason"].startswith(
        f"{count} user.name values moved to {NEW}: all of them used 203.0.113.0/24 before, "
    )
    assert later
    news = [first, *(each for each in later if "repeat_of" not in each)]
    severities = [severity(each["initial_influencer_score"]) for each in news]
    assert severities == sorted(set(severities))  # a later one is news only where it is more severe
    inside = [each for each in parts.of_kind(whole, "record") if each["by_field_value"].startswith("198.51.100.")]
    own = [each for each in inside if each["timestamp"] == first["timestamp"]]
    assert len(own) >= 4
    assert all("Part of the finding of" in each["reason"] for each in own if "repeat_of" in each)
    (bucket,) = [each for each in parts.of_kind(whole, "bucket") if each["timestamp"] == first["timestamp"]]
    assert bucket["new_record_count"] >= len(own)
    check_incident(cluster, job, first)


def check_incident(cluster: MemoryCluster, job: Job, lead: dict[str, Any]) -> None:
    """The incident of a move counts all that moved, is allowed by one rule, and answered for all of them at once."""
    place = next(at[1] for at, each in parts.results(cluster, job).items() if each == lead)
    (found,) = [each for each in stored_incidents(cluster, job.job_id) if place in each.source["results"]]
    assert found.source["entity_count"] >= lead["egress_move"]["entity_count"]
    incident = require_incident(cluster, found, job.incident_gap)
    assert incident.moved_to() == [NEW]
    assert conditions_of(incident, "it") == [{"cidr": NEW}]
    drafts = JobVerdicts(cluster, job, parts.NOW).drafts(found, Statement("safe", "ann", ""))
    records = parts.of_kind(parts.results(cluster, job), "record")
    moved = {each["partition_field_value"] for each in records if each.get("repeat_of") == place}
    assert len(moved) > 4
    assert moved <= {each.entity for each in drafts}


def test_the_influencer_that_reports_a_move_is_written_whatever_the_limit() -> None:
    """Its records raise no alarm themselves: without it nobody would hear of the move."""
    none = np.zeros(3, dtype=np.bool_)
    assert decide([60.0] * 6, [80.0, 99.0]).with_leads(none).tolist() == [False, True, False]
    assert not decide([60.0] * 6, [80.0, 99.0], reported()).with_leads(none).any()  # it repeats one that is there


def test_the_sentence_says_how_many_still_use_a_former_network() -> None:
    move = {"network": NEW, "former_networks": [OFFICE], "entity_count": 30, "left_count": 30, "left_behind_count": 1}
    source = {
        "influencer_field_name": "source.ip", "influencer_field_value": "198.51.100.7", "probability": 0.001,
        "timestamp": START * 1_000, "event_count": 30, "entity_count": 30, "egress_move": move,
    }  # fmt: skip
    assert influencer_sentence(source, "user.name").startswith(
        f"30 user.name values moved to {NEW}: all of them used {OFFICE} before, "
        "which only 1 user.name value used in this bucket. "
    )
