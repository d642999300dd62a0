"""A trained job whose settings changed: every way to open it refuses, accepts or trains by one rule."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import live_parts as live
import pytest
import worker_company as company
import worker_parts as parts
from cli_run import clock_at, connect_to, run
from worker_company import DAY, HOUR, SCORED_FROM, SCORED_TO

from ipi_es.config.job_config import Job
from ipi_es.errors import JobChanged
from ipi_es.service.tick_outcome import TickResult
from ipi_es.state.job_state import JobState, StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.changed_settings import OnChange
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.training.revert import plan_revert, revert

JOB = company.make_job()
FINER: dict[str, Any] = {"analysis_config": {**company.job_data()["analysis_config"], "bucket_span": "1h"}}
WIDER: dict[str, Any] = {"query": {"match_all": {}}}


def changed_job(**feed: Any) -> Job:
    return company.make_job(datafeed_config={**company.job_data()["datafeed_config"], **feed})


@pytest.fixture(scope="module")
def made() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
        parts.backfill(cluster, JOB, end=SCORED_FROM + DAY)
        yield cluster


@pytest.fixture
def cluster(made: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    parts.train_by(monkeypatch)
    return parts.copy_of(made)


def state_of(cluster: MemoryCluster) -> JobState:
    state = StateStore(cluster).read("signins")
    assert state is not None
    return state


def made_with(state: JobState) -> Mapping[str, Any]:
    assert state.details.made_with is not None
    return state.details.made_with


def opened(cluster: MemoryCluster, job: Job, on_change: OnChange = OnChange.REFUSE) -> JobState:
    with open_session(JobResources(cluster, job, clock=parts.TestClock()), on_change=on_change) as session:
        return session.state


def test_a_training_keeps_what_it_was_made_with(cluster: MemoryCluster) -> None:
    known = made_with(state_of(cluster))
    assert known["analysis_config.bucket_span"] == "3h"
    work = JobResources(cluster, JOB)
    assert work.snapshot(state_of(cluster).snapshot_id).made_with == known


def test_buckets_of_another_length_are_refused_with_both_lengths_and_the_way_on(cluster: MemoryCluster) -> None:
    before = state_of(cluster)
    with pytest.raises(JobChanged) as caught:
        opened(cluster, company.make_job(**FINER))
    assert "analysis_config.bucket_span was 3h and is 1h" in caught.value.message
    assert "ipi-es train signins" in (caught.value.hint or "")
    assert "--accept-change" not in (caught.value.hint or "")
    with pytest.raises(JobChanged):
        opened(cluster, company.make_job(**FINER), OnChange.ACCEPT)
    after = state_of(cluster)
    assert (after.checkpoint, after.details, after.lease_owner) == (before.checkpoint, before.details, None)


def test_a_wider_query_is_refused_until_it_is_accepted(
    cluster: MemoryCluster, caplog: pytest.LogCaptureFixture
) -> None:
    wider = changed_job(**WIDER)
    with pytest.raises(JobChanged, match=r"datafeed_config\.query was .* and is .*match_all") as caught:
        opened(cluster, wider)
    assert "--accept-change" in (caught.value.hint or "")
    assert made_with(opened(cluster, wider, OnChange.ACCEPT))["datafeed_config.query"] == {"match_all": {}}
    assert "goes on with what was learned" in caplog.text
    caplog.clear()
    opened(cluster, wider)  # from now on it is what the job is
    assert caplog.text == ""
    with pytest.raises(JobChanged):
        opened(cluster, JOB)


def test_an_index_more_is_taken_and_kept(cluster: MemoryCluster) -> None:
    more = changed_job(indices=[company.EVENTS, "vpn-*"])
    assert made_with(opened(cluster, more))["datafeed_config.indices"] == sorted([company.EVENTS, "vpn-*"])


def test_a_training_takes_the_new_settings_and_begins_a_new_network(cluster: MemoryCluster) -> None:
    finer = company.make_job(**FINER)
    with open_session(JobResources(cluster, finer, clock=parts.TestClock()), on_change=OnChange.IGNORE) as session:
        learned = session.train(company.LEARN_FROM, SCORED_FROM)
    assert "starts from scratch: analysis_config.bucket_span was 3h and is 1h" in learned.begun
    assert learned.compared is None, "the old network isn't taken back, however good it is"
    assert made_with(opened(cluster, finer))["analysis_config.bucket_span"] == "1h"
    parts.backfill(cluster, finer, end=SCORED_FROM + DAY)


def test_a_job_that_has_learned_nothing_may_change(cluster: MemoryCluster) -> None:
    other = company.make_job("other")
    opened(cluster, other)
    opened(cluster, company.make_job("other", **FINER))


def forget(cluster: MemoryCluster) -> None:
    """As a version wrote it that didn't keep the settings."""
    states = StateStore(cluster)
    state = state_of(cluster)
    states.save(state.advanced(details=replace(state.details, made_with=None)))


def test_an_older_state_is_taken_for_what_the_file_says(
    cluster: MemoryCluster, caplog: pytest.LogCaptureFixture
) -> None:
    forget(cluster)
    caplog.set_level(logging.INFO)
    wider = changed_job(**WIDER)
    parts.backfill(cluster, wider, start=SCORED_FROM, end=SCORED_FROM + 2 * DAY)
    assert "what it was made with wasn't kept" in caplog.text
    assert made_with(state_of(cluster))["datafeed_config.query"] == {"match_all": {}}


def test_going_back_to_a_snapshot_of_other_settings_is_refused(cluster: MemoryCluster) -> None:
    first, finer = str(state_of(cluster).snapshot_id), company.make_job(**FINER)
    with open_session(JobResources(cluster, finer, clock=parts.TestClock()), on_change=OnChange.IGNORE) as session:
        session.train(company.LEARN_FROM, SCORED_FROM)
    with pytest.raises(JobChanged, match=f"snapshot {first} of job signins was made with other settings"):
        plan_revert(JobResources(cluster, finer), first)
    work = JobResources(cluster, JOB, clock=parts.TestClock())  # the file as it was
    with open_session(work, on_change=OnChange.IGNORE) as session:
        revert(session, plan_revert(work, first))
    assert opened(cluster, JOB).snapshot_id == first


def test_a_worker_leaves_the_job_alone_until_it_is_trained(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = live.Worker(cluster, live.live_job(**FINER))
    before = state_of(cluster)
    outcome = worker.tick(SCORED_FROM + 2 * DAY)
    assert outcome.did is TickResult.FAILED
    assert "bucket_span was 3h and is 1h" in outcome.text
    assert state_of(cluster).lease_epoch == before.lease_epoch, "the lease is left to who does the work"
    with open_session(worker.resources, on_change=OnChange.IGNORE) as session:
        session.train(company.LEARN_FROM, SCORED_FROM)
    assert worker.tick(SCORED_FROM + 6 * HOUR).did is TickResult.WORKED


def test_cleaning_goes_on(cluster: MemoryCluster) -> None:
    worker = live.Worker(cluster, live.live_job(**FINER))
    assert worker.live.clean(SCORED_TO + 40 * DAY).did is TickResult.WORKED


class TestCommands:
    @pytest.fixture(autouse=True)
    def _here(self, cluster: MemoryCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        connect_to(monkeypatch, cluster)
        clock_at(monkeypatch, parts.NOW)
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
        Path("jobs").mkdir()
        self.write()

    def write(self, **feed: Any) -> None:
        data = company.job_data()
        data["datafeed_config"] |= feed
        Path("jobs/signins.json").write_text(json.dumps(data))

    def test_backfill_is_refused_and_goes_on_when_it_is_accepted(self) -> None:
        self.write(**WIDER)
        start = f"--start={company.SCORED_FROM * 1_000}"
        asked = ("backfill", "signins", start, "--end", str((company.SCORED_FROM + 2 * DAY) * 1_000))
        refused = run(*asked)
        assert refused.exit_code == 2
        assert "datafeed_config.query was" in refused.stderr
        assert "--accept-change" in refused.stderr
        assert run(*asked, "--dry-run").exit_code == 2
        accepted = run(*asked, "--accept-change")
        assert accepted.exit_code == 0, accepted.output
        assert run(*asked, "--again").exit_code == 0

    @pytest.mark.parametrize("command", [("renormalize", "signins"), ("run", "--once")])
    def test_so_are_others(self, command: tuple[str, ...]) -> None:
        self.write(**WIDER)
        refused = run(*command)
        assert refused.exit_code in (1, 2)
        assert "datafeed_config.query was" in refused.output
        accepted = run(*command, "--accept-change")
        assert accepted.exit_code == 0, accepted.output

    def test_status_and_explain_note_it(self) -> None:
        self.write(**WIDER)
        assert "datafeed_config.query was" in " ".join(run("status").output.split())
        (row,) = json.loads(run("status", "--format", "json").output)
        assert len(row["settings_changed"]) == 1
        said = run("explain", "signins", "user-1", "198.51.100.7")
        assert said.exit_code == 1, "the job doesn't know this entity"
        assert "datafeed_config.query was" in said.stderr

    def test_train_takes_it(self) -> None:
        self.write(entity_normalize=["trim"])
        done = run("train", "signins", "--end", str(company.SCORED_FROM * 1_000))
        assert done.exit_code == 0, done.output
        said = " ".join(done.output.split())
        assert 'The network starts from scratch: datafeed_config.entity_normalize was ["lowercase"] and is' in said
