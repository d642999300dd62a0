"""Faults of `ipi-es verdict` and of commands that show verdicts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cli_run import clock_at, connect_to, run
from signin_events import job_data, write_job
from test_cli_verdict import JOB, NOW, START, given, record, written
from verdict_parts import said

from ipi_es.config.verdict import COMPROMISED
from ipi_es.results.documents.result_documents import Influencer, Stamp
from ipi_es.results.store import ResultStore
from ipi_es.setup import setup_plan
from ipi_es.state.job_state import StateStore
from ipi_es.state.verdict_store import VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.scoring.describer import context_of

EVIL = "eve\x1b[2J\x1b]0;x\x07\nbob said: safe"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    StateStore(made).pause("sign-ins", True, NOW)
    StateStore(made).pause("others", True, NOW)
    connect_to(monkeypatch, made)
    clock_at(monkeypatch, NOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "jobs").mkdir()
    write_job(tmp_path / "jobs" / "job.json", job_data("signins", entity_normalize=["lowercase"]))
    other = {**job_data("signins"), "job_id": "others"}
    write_job(tmp_path / "jobs" / "other.json", other)
    return made


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


def test_verdicts_on_several_jobs_are_given_all_or_none(cluster: MemoryCluster) -> None:
    first, second = written(cluster, record("alice", "203.0.113.9"), record("bob", "203.0.113.9"))
    context = replace(context_of(JOB), job_id="others")
    theirs = record("bob", "203.0.113.9").document(context, Stamp("s", "q", NOW))
    ResultStore(cluster, "others", flat_fields=context.flat_fields).write([theirs], 1)
    VerdictStore(cluster, "others").add_verdict(said("bob", "203.0.113.9", COMPROMISED, time=NOW - 60))
    refused = run("verdict", "safe", first.id, theirs.id)
    assert refused.exit_code == 2, refused.output
    assert given(cluster) == [], "what was refused left something"


@pytest.mark.xfail(reason="a fault that is not mended yet", strict=True)
def test_revoking_an_influencer_revokes_what_there_is(cluster: MemoryCluster) -> None:
    first, second, ip = written(
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
