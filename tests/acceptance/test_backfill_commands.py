"""`ipi-es train` and `ipi-es backfill` as a person meets them: wrong ranges, a second one, Ctrl-C, a full disk."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
from backfill_process import Bench, same
from servers.pool import Server

from ipi_es.cluster.port import Cluster, Put
from ipi_es.results.words import ALIAS
from ipi_es.state.job_state import StateStore
from ipi_es.times import iso

START, END = iso(company.SCORED_FROM), iso(company.SCORED_TO)


@pytest.fixture(scope="module")
def quiet(trained_bench: Bench) -> dict[str, Any]:
    """What an undisturbed backfill leaves."""
    trained_bench.fresh()
    code, said = trained_bench.run(*trained_bench.backfill())
    assert code == 0, said
    assert "Scored " in said
    assert "Next: ipi-es results records" in said
    return trained_bench.everything()


def contents(cluster: Cluster, bench: Bench) -> dict[str, Any]:
    """All documents of ours on the server, and which indices there are."""
    mine = {"term": {"job_id": bench.job.job_id}}
    found: dict[str, Any] = {"indices": [name for name in cluster.indices("ipi-es-*") if bench.job.job_id in name]}
    for index in (ALIAS, "ipi-es-state", "ipi-es-snapshots"):
        cluster.refresh(index)
        found[index] = {
            each.id: (each.source, each.seq_no) for each in cluster.scan(index, {"bool": {"filter": [mine]}})
        }
    return found


@pytest.mark.parametrize("command", ["train", "backfill"])
def test_end_before_start_is_refused(bench: Bench, command: str) -> None:
    code, said = bench.run(command, bench.job_file(), "--start", END, "--end", START)
    assert code == 2
    assert f"the start {END} is not before the end {START}" in said


def test_start_in_what_was_trained_on_is_refused(bench: Bench) -> None:
    before = iso(company.SCORED_FROM - company.DAY)
    code, said = bench.run("backfill", bench.job_file(), "--start", before, "--end", END)
    assert code == 2
    assert f"was trained on events up to {START}" in said
    assert f"ipi-es train {bench.job.job_id} --end {before}" in said


def test_second_run_has_nothing_left_to_do(quiet: dict[str, Any], trained_bench: Bench) -> None:
    code, said = trained_bench.run(*trained_bench.backfill())
    assert code == 2
    assert f"is scored up to {END} already" in said
    assert "--again" in said
    same(trained_bench.everything(), quiet)


def test_again_gives_the_same_and_removes_what_is_no_longer_found(quiet: dict[str, Any], bench: Bench) -> None:
    # every bucket has fewer records with the limit of one, so the second run must leave less behind than the first
    assert bench.run(*bench.backfill())[0] == 0
    command = bench.backfill("--again")
    command[1] = bench.job_file("few.json", max_records_per_bucket=1)
    assert bench.run(*command)[0] == 0
    few = bench.everything()["results"]
    assert sum(each["result_type"] == "record" for each in few.values()) < sum(
        each["result_type"] == "record" for each in quiet["results"].values()
    )
    assert bench.run(*bench.backfill("--again"))[0] == 0
    same(bench.everything(), quiet)


def test_dry_run_writes_nothing(bench: Bench) -> None:
    before = contents(bench.cluster, bench)
    code, said = bench.run(*bench.backfill("--dry-run"))
    assert code == 0, said
    assert "Nothing was written." in said
    assert "≥ 75" in said
    assert contents(bench.cluster, bench) == before


def test_ctrl_c_leaves_a_state_that_the_next_run_goes_on_from(quiet: dict[str, Any], bench: Bench) -> None:
    run = bench.start(*bench.backfill())
    assert run.wait_for(f"bucket {iso(company.SCORED_FROM + company.DAY)}")
    run.process.send_signal(signal.SIGINT)
    assert run.ended() == 130, run.said
    assert "run the same command again to go on" in run.said
    assert "Traceback" not in run.said
    state = StateStore(bench.cluster).read(bench.job.job_id)
    assert state is not None
    assert state.lease_owner is None, "the lease wasn't given back"
    assert company.SCORED_FROM < (state.checkpoint or 0) < company.SCORED_TO
    code, said = bench.run(*bench.backfill())
    assert code == 0, said
    assert f"Going on from {iso(state.checkpoint or 0)}, where an earlier run stopped." in said
    same(bench.everything(), quiet)


def test_second_backfill_at_the_same_time_waits_and_is_told_who_holds_the_job(
    quiet: dict[str, Any], bench: Bench
) -> None:
    first = bench.start(*bench.backfill())
    assert first.wait_for("bucket 2")
    first.process.send_signal(signal.SIGSTOP)  # so that it is still there when the second one asks
    second = bench.start(*bench.backfill())
    try:
        assert second.wait_for("waiting for it, up to 90 s"), second.said
    finally:
        first.process.send_signal(signal.SIGCONT)
    assert f"job {bench.job.job_id} is held by process {first.process.pid} on " in second.said
    assert first.ended() == 0, first.said
    assert second.ended() == 2, second.said
    assert "is scored up to" in second.said, "nothing was left for it to do"
    same(bench.everything(), quiet)


def test_read_only_results_are_said_and_nothing_is_lost(quiet: dict[str, Any], bench: Bench) -> None:
    results = f"{ALIAS}-{bench.job.results_index_name}-2025.08"
    end = iso(company.SCORED_FROM + company.DAY)
    assert bench.run("backfill", bench.job_file(), "--start", START, "--end", end)[0] == 0
    block(bench, results, "true")
    try:
        code, said = bench.run(*bench.backfill())
    finally:
        block(bench, results, "null")
    assert code == 1
    assert "blocks writing" in said
    assert "disk" in said  # what to do
    assert "Traceback" not in said
    code, said = bench.run(*bench.backfill())
    assert code == 0, said
    assert f"Going on from {end}" in said
    same(bench.everything(), quiet)


def block(bench: Bench, index: str, value: str) -> None:
    """Set what a server sets itself when its disk is full."""
    from servers.plain_http import call

    wanted = {"true": True, "null": None}[value]
    status, answer = call(bench.url, "PUT", f"/{index}/_settings", {"index.blocks.read_only_allow_delete": wanted})
    assert status == 200, answer


class Other:
    """A job over events of its own, for what can't be trained on."""

    def __init__(self, server: Server, directory: Path) -> None:
        name = f"other-{uuid.uuid4().hex[:8]}"
        self.bench = Bench(server.url, directory, company.make_job(name, f"test-{name}"))
        self.index = f"test-{name}"

    def fill(self, found: list[company.Event]) -> None:
        cluster = self.bench.cluster
        cluster.create_index(self.index, {"mappings": company.MAPPINGS})
        cluster.bulk(Put(self.index, str(number), company.document(each)) for number, each in enumerate(found))
        cluster.refresh(self.index)

    def train(self) -> tuple[int, str]:
        return self.bench.run("train", self.bench.job_file(), "--end", START)


@pytest.fixture
def other(opensearch: Server, tmp_path: Path) -> Iterator[Other]:
    made = Other(opensearch, tmp_path)
    yield made
    made.bench.remove()


def test_too_few_events_to_train_on_are_counted(other: Other) -> None:
    day = company.SCORED_FROM - 2 * company.DAY
    other.fill([(day + 3_600 * i, f"person{i % 5}", f"198.51.100.{i}", "success") for i in range(40)])
    code, said = other.train()
    assert code == 1
    assert "40 unique (bucket, entity, IP)" in said
    assert "training.min_events is 200" in said
    assert "--start" in said


def test_no_event_in_the_training_range_is_said(other: Other) -> None:
    other.fill([(company.SCORED_TO, "person1", "198.51.100.1", "success")])
    code, said = other.train()
    assert code == 1
    assert f"no event of job {other.bench.job.job_id} between" in said
    assert "ipi-es check" in said


def test_backfill_without_history_says_so_and_begins_nothing(other: Other) -> None:
    other.fill([(company.SCORED_FROM + 60, "person1", "198.51.100.1", "success")])
    code, said = other.bench.run(*other.bench.backfill())
    assert code == 1
    assert "no event of job" in said
    state = StateStore(other.bench.cluster).read(other.bench.job.job_id)
    assert state is not None
    assert (state.snapshot_id, state.checkpoint, state.lease_owner) == (None, None, None)


def test_one_entity_only_is_refused(other: Other) -> None:
    first = company.LEARN_FROM
    other.fill([(first + 1_800 * i, "everybody", f"198.51.{i % 90}.{i % 200}", "success") for i in range(470)])
    code, said = other.train()
    assert code == 1
    assert "all events are of one entity" in said
    assert "user.name" in said
