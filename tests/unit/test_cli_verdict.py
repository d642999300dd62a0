"""`ipi-es verdict` on a cluster in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_run import clock_at, connect_to, run
from signin_events import job_data, make_job, write_job
from verdict_parts import said

from ipi_es.config.given_verdict import COMPROMISED
from ipi_es.networks.network_types import TYPES_FIELD
from ipi_es.results.documents.result_documents import Influencer, Record, ResultDocument, Stamp
from ipi_es.results.store import ResultStore
from ipi_es.setup import setup_plan
from ipi_es.state.job_state import StateStore
from ipi_es.state.verdict_store import VERDICTS_INDEX, VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.scoring.describer import context_of
from ipi_es.worker.upkeep.removal import DELETING

NOW = 1_780_000_000
START = NOW // 3_600 * 3_600 - 7_200
JOB = make_job(entity_normalize=["lowercase"])


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    StateStore(made).pause("sign-ins", True, NOW)  # a state, as every job has that ran
    connect_to(monkeypatch, made)
    clock_at(monkeypatch, NOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "jobs").mkdir()
    write_job(tmp_path / "jobs" / "job.json", job_data("signins", entity_normalize=["lowercase"]))
    return made


def given(cluster: MemoryCluster) -> list[tuple[str, str, str]]:
    found = VerdictStore(cluster, "sign-ins").all().verdicts
    return sorted((each.verdict, each.entity, each.ip) for each in found if each.in_force)


def record(entity: str, ip: str, start: int = START, **more: Any) -> Record:
    return Record(
        start=start,
        entity=entity,
        ip=ip,
        probability=1e-6,
        record_score=90.0,
        actual=-3.0,
        typical=4.0,
        event_count=1,
        **more,
    )


def written(cluster: MemoryCluster, *results: Record | Influencer) -> list[ResultDocument]:
    context = context_of(JOB)
    documents = [each.document(context, Stamp("s", "q", NOW)) for each in results]
    ResultStore(cluster, JOB.job_id, flat_fields=context.flat_fields).write(documents, 1)
    return documents


def test_given_listed_and_revoked(cluster: MemoryCluster) -> None:
    answer = run("verdict", "safe", "sign-ins", "Alice", "2001:db8::7", "--by", "ann", "--comment", "her flat")
    assert "alice from 2001:db8::/48 is safe: it is learned from the next day on" in answer.stdout, answer.output
    (row,) = json.loads(run("verdict", "list", "sign-ins", "--format", "json").stdout)
    assert row == {
        "time": "2026-05-28T20:26:40Z",
        "verdict": "safe",
        "entity": "alice",
        "ip": "2001:db8::7",
        "network": "2001:db8::/48",
        "since": "2026-04-28T20:26:40Z",
        "by": "ann",
        "result": None,
        "comment": "her flat",
        "revoked": None,
        "revoked_by": None,
    }
    assert "her flat" in run("verdict", "list", "sign-ins").stdout
    assert (
        "“safe” on alice and 2001:db8::/48 is revoked"
        in run("verdict", "revoke", "sign-ins", "ALICE", "2001:db8::8", "--by", "bob").stdout
    )
    assert given(cluster) == []
    assert "--all shows 1 revoked" in run("verdict", "list", "sign-ins").stdout
    (row,) = json.loads(run("verdict", "list", "sign-ins", "--all", "--format", "json").stdout)
    assert (row["revoked"], row["revoked_by"]) == ("2026-05-28T20:26:40Z", "bob")


def test_confirm_and_remove_are_the_old_names(cluster: MemoryCluster) -> None:
    assert run("verdict", "confirm", "sign-ins", "alice", "192.0.2.3").exit_code == 0
    assert given(cluster) == [("safe", "alice", "192.0.2.3")]
    assert run("verdict", "remove", "sign-ins", "alice", "192.0.2.3").exit_code == 0
    assert given(cluster) == []


def test_results_are_named_by_their_ids(cluster: MemoryCluster) -> None:
    first, second, repeat, entity, ip = written(
        cluster,
        record("alice", "203.0.113.9"),
        record("bob", "203.0.113.9"),
        record("carol", "198.51.100.4", START + 3_600, repeat_of=f"sign-ins_record_{START}000_3600_0_{'0' * 32}"),
        Influencer(start=START, field="user.name", value="alice", probability=1e-6, influencer_score=90.0),
        Influencer(start=START, field="source.ip", value="203.0.113.9", probability=1e-6, influencer_score=90.0),
    )
    assert run("verdict", "dismiss", first.id, repeat.id, "--by", "ann").exit_code == 0
    assert given(cluster) == [("dismissed", "alice", "203.0.113.9"), ("dismissed", "carol", "198.51.100.4")]
    since = {each.entity: each.since for each in VerdictStore(cluster, "sign-ins").all().verdicts}
    assert since == {"alice": START, "carol": START}, "a repeat is about the finding that it repeats"
    assert run("verdict", "safe", entity.id).exit_code == 0
    assert ("safe", "alice", "203.0.113.9") in given(cluster)
    answer = run("verdict", "compromised", ip.id)
    assert answer.stdout.count("is compromised") == 2, answer.output
    assert [each for each in given(cluster) if each[0] == COMPROMISED] == [
        ("compromised", "alice", "203.0.113.9"),
        ("compromised", "bob", "203.0.113.9"),
    ]
    assert run("verdict", "revoke", second.id).stdout.count("revoked") == 1


def test_a_hosting_operator_goes_into_a_verdict_of_compromised_alone(cluster: MemoryCluster) -> None:
    hosted, home = written(
        cluster,
        record("alice", "203.0.113.9", enrichment={"source.as.number": 64_496, TYPES_FIELD: ["hosting"]}),
        record("bob", "198.51.100.9", enrichment={"source.as.number": 64_497, TYPES_FIELD: ["mobile"]}),
    )
    assert run("verdict", "compromised", hosted.id, home.id).exit_code == 0
    found = VerdictStore(cluster, "sign-ins").all().verdicts
    assert {each.entity: each.operator for each in found} == {"alice": 64_496, "bob": None}


def test_what_names_no_finding_is_refused(cluster: MemoryCluster) -> None:
    (found,) = written(cluster, record("alice", "203.0.113.9"))
    unknown = found.id[:-1] + ("0" if found.id[-1] != "0" else "1")
    for arguments, message in (
        (("sign-ins", "alice", "192.0.2.300"), "“192.0.2.300” is no IP address"),
        (("sign-ins", "alice"), "“sign-ins alice” names no finding"),
        ((found.id, "alice", "192.0.2.1"), "names no finding"),
        ((found.id, unknown), f"there is no result {unknown}"),
        (("others", "alice", "192.0.2.1"), "others"),
    ):
        refused = run("verdict", "safe", *arguments)
        assert refused.exit_code == 2, arguments
        assert message in refused.output, refused.output
    gone = run("verdict", "revoke", "sign-ins", "alice", "192.0.2.3")
    assert gone.exit_code == 2
    assert "there is no verdict on alice and 192.0.2.0/24" in gone.stderr
    assert given(cluster) == []


def test_an_influencer_without_records_asks_for_the_pair(cluster: MemoryCluster) -> None:
    (found,) = written(
        cluster, Influencer(start=START, field="user.name", value="al", probability=0.01, influencer_score=9.0)
    )
    refused = run("verdict", "safe", found.id)
    assert refused.exit_code == 2
    assert "has no records" in refused.output


def test_what_was_compromised_is_called_safe_only_once_that_is_revoked(cluster: MemoryCluster) -> None:
    VerdictStore(cluster, "sign-ins").add_verdict(said("alice", "192.0.2.9", COMPROMISED, time=NOW - 60))
    refused = run("verdict", "safe", "sign-ins", "alice", "192.0.2.3")
    assert refused.exit_code == 2
    assert "ann said 2026-05-28T20:25:40Z that alice was compromised from 192.0.2.0/24" in refused.output
    assert run("verdict", "compromised", "sign-ins", "alice", "192.0.2.3").exit_code == 0
    assert run("verdict", "revoke", "sign-ins", "alice", "192.0.2.3").stdout.count("revoked") == 2
    assert run("verdict", "safe", "sign-ins", "alice", "192.0.2.3").exit_code == 0


def test_a_document_that_is_no_verdict_is_listed_as_without_effect(cluster: MemoryCluster) -> None:
    cluster.put(VERDICTS_INDEX, "any", {"job_id": "sign-ins", "verdict": "attack"}, refresh=True)
    listed = run("verdict", "list", "sign-ins")
    assert "Without effect: a verdict on job sign-ins (any) is damaged" in listed.stderr


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_is_listed_by_number(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def nobody() -> str:
        raise error("uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    assert run("verdict", "safe", "sign-ins", "alice", "192.0.2.3").exit_code == 0
    (row,) = json.loads(run("verdict", "list", "sign-ins", "--format", "json").stdout)
    assert row["by"] == "uid 4711"


def test_cluster_that_is_not_set_up_is_refused(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_to(monkeypatch, MemoryCluster())
    result = run("verdict", "safe", "sign-ins", "alice", "192.0.2.3")
    assert result.exit_code != 0
    assert "ipi-es setup" in result.stderr


def test_a_job_that_never_ran_or_was_deleted_takes_no_verdict(cluster: MemoryCluster) -> None:
    StateStore(cluster).delete("sign-ins")
    refused = run("verdict", "safe", "sign-ins", "alice", "192.0.2.3")
    assert refused.exit_code == 2
    assert "job sign-ins has no state: it never ran, or it was deleted" in refused.output
    assert given(cluster) == []


def test_a_verdict_on_a_job_that_is_deleted_at_that_moment_leaves_nothing(cluster: MemoryCluster) -> None:
    states, written_ = StateStore(cluster), list[str]()

    def before(operation: str, index: str) -> None:
        if written_:  # right after the verdict
            cluster.before = lambda _operation, _index: None
            states.acquire_lease("sign-ins", "host:7:1", NOW, 24, alive=lambda _: True, doing=DELETING)
        if (operation, index) == ("put", VERDICTS_INDEX):
            written_.append(index)

    cluster.before = before
    refused = run("verdict", "safe", "sign-ins", "alice", "192.0.2.3")
    assert refused.exit_code == 1
    assert "job sign-ins is held by process 7 on host, deleting it since 2026-05-28T20:26:40Z" in refused.output
    assert given(cluster) == []


EVIL = "eve\x1b[2J\x1b]0;x\x07\nbob said: safe"


def put(cluster: MemoryCluster, **more: object) -> None:
    source = {
        "job_id": "sign-ins",
        "verdict": "safe",
        "entity": "alice",
        "ip": "192.0.2.3",
        "by": "t",
        "time": NOW * 1000,
    }
    cluster.put("ipi-es-verdicts", "d1", {**source, **more}, refresh=True)


@pytest.mark.parametrize("field", ["by", "entity", "comment", "ip", "verdict"])
def test_control_characters_of_a_tool_reach_no_terminal(cluster: MemoryCluster, field: str) -> None:
    put(cluster, **{"verdict": "compromised", field: EVIL})
    for arguments in (
        ("list", "sign-ins"),
        ("safe", "sign-ins", "alice", "192.0.2.3"),
        ("revoke", "sign-ins", "alice", "192.0.2.3"),
    ):
        answer = run("verdict", *arguments)
        assert "\x1b" not in answer.output, (arguments, answer.output)
        assert "\nbob said" not in answer.output, (arguments, answer.output)


def test_verdicts_on_several_jobs_are_given_all_or_none(cluster: MemoryCluster, tmp_path: Path) -> None:
    write_job(tmp_path / "jobs" / "other.json", {**job_data("signins"), "job_id": "others"})
    StateStore(cluster).pause("others", True, NOW)
    (first,) = written(cluster, record("alice", "203.0.113.9"))
    context = replace(context_of(JOB), job_id="others")
    theirs = record("bob", "203.0.113.9").document(context, Stamp("s", "q", NOW))
    ResultStore(cluster, "others", flat_fields=context.flat_fields).write([theirs], 1)
    VerdictStore(cluster, "others").add_verdict(said("bob", "203.0.113.9", COMPROMISED, time=NOW - 60))
    refused = run("verdict", "safe", first.id, theirs.id)
    assert refused.exit_code == 2, refused.output
    assert given(cluster) == [], "what was refused left something"


def test_revoking_an_influencer_revokes_what_there_is(cluster: MemoryCluster) -> None:
    first, _, ip = written(
        cluster,
        record("alice", "203.0.113.9"),
        record("bob", "203.0.113.9"),
        Influencer(start=START, field="source.ip", value="203.0.113.9", probability=1e-6, influencer_score=90.0),
    )
    assert run("verdict", "dismiss", first.id).exit_code == 0
    answer = run("verdict", "revoke", ip.id)
    assert answer.exit_code == 0, answer.output
    assert given(cluster) == []


def test_the_list_shows_the_network_that_counts(cluster: MemoryCluster) -> None:
    put(cluster, ip="::ffff:192.0.2.3", entity="ALICE")
    (row,) = json.loads(run("verdict", "list", "sign-ins", "--format", "json").stdout)
    assert (row["network"], row["entity"]) == ("192.0.2.0/24", "alice")


def test_given_again_in_the_second_that_it_was_revoked_keeps_who_revoked_it(cluster: MemoryCluster) -> None:
    for arguments in (("safe",), ("revoke", "--by", "bob"), ("safe", "--by", "carol")):
        assert run("verdict", *arguments[:1], "sign-ins", "alice", "192.0.2.3", *arguments[1:]).exit_code == 0
    rows = json.loads(run("verdict", "list", "sign-ins", "--all", "--format", "json").stdout)
    assert "bob" in {row["revoked_by"] for row in rows}


def test_two_people_at_the_same_second_are_both_kept(cluster: MemoryCluster) -> None:
    assert run("verdict", "safe", "sign-ins", "alice", "192.0.2.3", "--by", "ann").exit_code == 0
    assert run("verdict", "safe", "sign-ins", "alice", "192.0.2.3", "--by", "bob").exit_code == 0
    rows = json.loads(run("verdict", "list", "sign-ins", "--format", "json").stdout)
    assert {row["by"] for row in rows} == {"ann", "bob"}


@pytest.mark.usefixtures("cluster")
def test_others_are_said_to_be_scored_higher_only_where_they_are(tmp_path: Path) -> None:
    job = {**job_data("signins", entity_normalize=["lowercase"]), "compromised_days": 0}
    write_job(tmp_path / "jobs" / "job.json", job)
    answer = run("verdict", "compromised", "sign-ins", "alice", "192.0.2.3")
    assert answer.exit_code == 0, answer.output
    assert "scored higher" not in answer.stdout


def test_a_verdict_on_a_pair_without_any_result_says_so(cluster: MemoryCluster) -> None:
    written(cluster, record("alice", "203.0.113.9"))
    answer = run("verdict", "compromised", "sign-ins", "alcie", "203.0.113.9")
    assert answer.exit_code == 2 or "no record" in answer.output, answer.output
