"""Cleaning, going back and deleting on real servers; bare ones, which have no lifecycle policies."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import worker_company as company
import worker_parts as parts
from servers.pool import Server
from verdict_parts import said
from worker_company import DAY, SCORED_FROM, SCORED_TO

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.results.words import ALIAS, SCORE_FIELDS
from ipi_es.setup import lifecycle_policy, setup_plan
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX, ClusterBlobs
from ipi_es.state.job_state import STATE_INDEX, StateStore
from ipi_es.worker.entity.erasure import erase
from ipi_es.worker.entity.traces import traces
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.training.revert import plan_revert, revert
from ipi_es.worker.upkeep.cleanup import clean
from ipi_es.worker.upkeep.removal import Removal
from ipi_es.worker.verdicts.job_verdicts import JobVerdicts


@pytest.fixture
def job(cluster: Cluster, index: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A job that was trained, and scored for five days over a month's end."""
    made = company.make_job(f"retain-{uuid.uuid4().hex[:8]}", index, results_retention_days=2, hold_probability=0.0)
    parts.train_by(monkeypatch)
    company.fill(cluster, index)
    with open_session(JobResources(cluster, made, clock=parts.TestClock(parts.NOW - 3_600))) as session:
        session.train(company.LEARN_FROM, SCORED_FROM)
    parts.backfill(cluster, made)
    yield made
    Removal(cluster, made.job_id, parts.TestClock(parts.NOW + 30 * DAY)).delete()


def count(cluster: Cluster, job: Job, index: str) -> int:
    cluster.refresh(index)
    return cluster.count(index, {"bool": {"filter": [{"term": {"job_id": job.job_id}}]}})


def times(cluster: Cluster, job: Job) -> list[int]:
    return sorted(each["timestamp"] // 1_000 for each in parts.results(cluster, job).values())


def own_indices(cluster: Cluster, job: Job) -> list[str]:
    return [name.removeprefix(f"{ALIAS}-{job.job_id}-") for name in cluster.indices(f"{ALIAS}-{job.job_id}-*")]


def test_old_results_go_and_the_job_goes_on(cluster: Cluster, job: Job) -> None:
    assert own_indices(cluster, job) == ["2025.08", "2025.09"]
    work = JobResources(cluster, job, clock=parts.TestClock(parts.NOW))
    with open_session(work) as session:
        done = clean(session, parts.NOW)
        assert done.indices == (f"{ALIAS}-{job.job_id}-2025.08",)
        assert done.results > 5
        assert done.quantiles > 5
        assert not clean(session, parts.NOW), "twice is once"
    assert own_indices(cluster, job) == ["2025.09"]
    assert min(times(cluster, job)) == SCORED_TO - 2 * DAY
    with open_session(work) as session:
        session.catch_up(SCORED_TO + DAY, lambda _: None)
    assert max(times(cluster, job)) == SCORED_TO + DAY - job.bucket_span


def test_an_erased_entity_is_named_nowhere_and_the_job_goes_on(cluster: Cluster, job: Job) -> None:
    name, work = company.VICTIM, JobResources(cluster, job, clock=parts.TestClock(parts.NOW))
    JobVerdicts(cluster, job, parts.NOW).give([said(name, "101.7.0.9", time=SCORED_TO)])
    before = {each.kind for each in traces(work, name)}
    assert before >= {"record", "influencer", "mention", "verdict", "history", "history_delta", "network"}
    others = {place: each for place, each in parts.results(cluster, job).items() if name not in str(each)}
    made = erase(work, name)
    assert made.results.deleted > 10
    assert list(traces(work, name)) == []
    after = parts.results(cluster, job)
    assert name not in str(after)
    counts = {"record_count", "influencer_count"}
    for place, source in others.items():
        assert {key for key in source if after[place].get(key) != source[key]} <= counts, place
    assert erase(work, name).nothing
    with open_session(work) as session:
        session.catch_up(SCORED_TO + DAY, lambda _: None)
        clean(session, parts.NOW)
    assert not [each for each in parts.results(cluster, job).values() if "missing" in str(each.get("annotation_type"))]


def test_going_back_and_on_again_gives_the_same(cluster: Cluster, job: Job) -> None:
    before = parts.results(cluster, job)
    everything_said = {place: each for place, each in before.items() if each["result_type"] == "annotation"}
    said = {place: each for place, each in everything_said.items() if each["timestamp"] <= SCORED_FROM * 1_000}
    scored = sum(each["result_type"] in SCORE_FIELDS for each in before.values())
    assert scored > len(said) > 1
    (snapshot,) = [info.id for info in ClusterBlobs(cluster).list(job.job_id, "network")]
    work = JobResources(cluster, job, clock=parts.TestClock(parts.NOW))
    to = plan_revert(work, snapshot)
    assert (to.checkpoint, to.results) == (SCORED_FROM, scored)
    with open_session(work) as session:
        assert revert(session, to, delete_results=True) == scored
        assert parts.results(cluster, job) == said
        session.catch_up(SCORED_TO, lambda _: None)
    assert parts.results(cluster, job) == before


def test_reset_job_begins_anew_and_a_deleted_one_leaves_nothing_behind(cluster: Cluster, job: Job) -> None:
    before = StateStore(cluster).read(job.job_id)
    assert min(count(cluster, job, each) for each in (ALIAS, STATE_INDEX, SNAPSHOT_INDEX)) > 0
    Removal(cluster, job.job_id, parts.TestClock(parts.NOW + DAY)).reset()
    state = StateStore(cluster).read(job.job_id)
    assert before is not None
    assert state is not None
    assert (state.checkpoint, state.snapshot_id) == (None, None)
    assert state.external_version > before.external_version
    assert own_indices(cluster, job) == []
    begun_anew(cluster, job)
    removed = Removal(cluster, job.job_id, parts.TestClock(parts.NOW + 2 * DAY)).delete()
    assert len(removed.results.indices) == 1
    assert max(count(cluster, job, each) for each in (ALIAS, STATE_INDEX, SNAPSHOT_INDEX)) == 0
    begun_anew(cluster, job)


def begun_anew(cluster: Cluster, job: Job) -> None:
    with open_session(JobResources(cluster, job, clock=parts.TestClock(parts.NOW + 3 * DAY))) as session:
        session.train(company.LEARN_FROM, SCORED_FROM)
        session.catch_up(SCORED_FROM + DAY, lambda _: None)
    assert times(cluster, job)[0] == SCORED_FROM


def test_bare_server_says_that_it_has_no_policies(cluster: Cluster, server: Server) -> None:
    if cluster.lifecycles.available():
        pytest.skip(f"{server.kind} is a complete server: the next test is its own")
    assert not any("lifecycle" in change.kind for change in setup_plan.plan(cluster))
    assert lifecycle_policy.too_short(cluster, company.make_job()) is None
    assert lifecycle_policy.stuck(cluster) is None


def test_server_with_policies_takes_ours(cluster: Cluster, server: Server, request: pytest.FixtureRequest) -> None:
    """On clusters that are complete: given by their URL, or in containers."""
    if not cluster.lifecycles.available():
        pytest.skip(
            f"{server.kind} is without lifecycle policies (no package registry has them): give a complete cluster"
        )
    job = request.getfixturevalue("job")
    setup_plan.apply(cluster, setup_plan.plan(cluster, jobs=[job]))
    policy = cluster.lifecycles.read(lifecycle_policy.POLICY)
    assert policy is not None
    assert lifecycle_policy.days_of(cluster.info.distribution, policy)[0]
    assert setup_plan.plan(cluster, jobs=[job]) == []
    attached = cluster.lifecycles.of_indices(f"{ALIAS}-{job.job_id}-*")
    assert set(attached.values()) == {lifecycle_policy.POLICY}
    assert lifecycle_policy.stuck(cluster) is None
