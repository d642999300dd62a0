"""A backfill by Dask workers gives the documents of one process: on threads of this process, in memory."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import worker_company as company
from distributed import Client, LocalCluster
from worker_parts import NOW, TestClock, backfill, batch_limits, copy_of, everything, trained_cluster

from ipi_es.config.job_config import Job
from ipi_es.errors import DaskError
from ipi_es.ipinsights.day_scorer import DayScorer
from ipi_es.ipinsights.history.history_digest import history_digest
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.distributed.distributed_reader import PART_EVENTS, DistributedReader, Part, parts_of
from ipi_es.worker.distributed.job_task import JobTask, SettingsFile, versions_of
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session

CLUSTERS: dict[str, MemoryCluster] = {}
HOUR, DAY = company.HOUR, company.DAY


@dataclass(frozen=True)
class InMemory:
    """A cluster of this process, found by its name: a copy would not see what is written."""

    name: str

    def open(self) -> tuple[MemoryCluster, None]:
        return CLUSTERS[self.name], None


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, processes=False, dashboard_address=None) as local,
        Client(local) as made,
    ):
        yield made


@pytest.fixture
def job() -> Job:
    return company.make_job()


@pytest.fixture
def trained(job: Job, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    return trained_cluster(job, monkeypatch)


def distributed(
    client: Client,
    cluster: MemoryCluster,
    job: Job,
    start: int = company.SCORED_FROM,
    end: int = company.SCORED_TO,
    *,
    again: bool = False,
    source: InMemory | None = None,
    versions: dict[str, str] | None = None,
    part_events: int = PART_EVENTS,
) -> None:
    """What the command does with a scheduler; ``source``: what Dask's workers read, in place of ``cluster``."""
    name = uuid4().hex
    CLUSTERS[name] = cluster
    resources = JobResources(cluster, job, clock=TestClock(NOW))
    with open_session(resources) as session:
        snapshot_id = session.state.trained.snapshot_id
        task = JobTask(name, job, source or InMemory(name), snapshot_id, versions or versions_of(job))
        resources.distribute(DistributedReader(client, task, resources, part_events))
        session.backfill(session.plan(start, end, again=again), lambda _: None, again=again)


@pytest.mark.parametrize("part_events", [1, 60, 100_000])
def test_the_documents_are_those_of_one_process(
    client: Client, trained: MemoryCluster, job: Job, monkeypatch: pytest.MonkeyPatch, part_events: int
) -> None:
    batch_limits(monkeypatch, MAX_BUCKETS=3)
    alone, together = copy_of(trained), copy_of(trained)
    backfill(alone, job)
    distributed(client, together, job, part_events=part_events)
    assert everything(together, job) == everything(alone, job)


class Counting(DayScorer):
    """Counts the pairs that it has to score itself."""

    own = 0

    def _score(self, known: Any, seen: Any, entity: Any, *args: Any) -> Any:
        self.own += len(entity)
        return super()._score(known, seen, entity, *args)


def test_nothing_is_scored_in_this_process(client: Client, trained: MemoryCluster, job: Job) -> None:
    """Otherwise the documents would be equal, and nothing would be gained."""
    CLUSTERS["here"] = trained
    resources = JobResources(trained, job, clock=TestClock(NOW))
    with open_session(resources) as session:
        task = JobTask(uuid4().hex, job, InMemory("here"), session.state.trained.snapshot_id, versions_of(job))
        resources.distribute(DistributedReader(client, task, resources))
        pipeline = session.loaded_scoring().pipeline
        counting = Counting(pipeline.pairs.snapshot, pipeline.keeper.history)
        pipeline.pairs = pipeline.scorer.scorer = counting  # the describer's explanations keep the other one
        session.backfill(session.plan(company.SCORED_FROM, company.SCORED_TO), lambda _: None)
    assert (len(counting._pairs) > 0, counting.own) == (True, 0)


def test_a_run_goes_on_in_the_middle_of_a_day_by_the_other_way(
    client: Client, trained: MemoryCluster, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    middle = company.SCORED_FROM + DAY + 12 * HOUR
    alone = copy_of(trained)
    backfill(alone, job, end=middle)
    backfill(alone, job)
    for first, second in ((True, False), (False, True)):
        mixed = copy_of(trained)
        for by_dask, end in ((first, middle), (second, company.SCORED_TO)):
            if by_dask:
                distributed(client, mixed, job, end=end)
            else:
                backfill(mixed, job, end=end)
        assert everything(mixed, job) == everything(alone, job)


def test_a_range_is_scored_again_with_the_deltas_of_an_earlier_run_in_the_store(
    client: Client, trained: MemoryCluster, job: Job
) -> None:
    backfill(trained, job)
    alone, together = copy_of(trained), copy_of(trained)
    backfill(alone, job, again=True)
    distributed(client, together, job, again=True)
    assert everything(together, job) == everything(alone, job)


def test_workers_of_another_version_are_refused(client: Client, trained: MemoryCluster, job: Job) -> None:
    with pytest.raises(DaskError, match=r"differs from the command: it has NumPy .* instead of 1\.0") as refused:
        distributed(client, trained, job, versions={**versions_of(job), "NumPy": "1.0"})
    assert refused.value.hint is not None
    backfill(trained, job)  # the lease was released, and nothing was written


def test_another_history_is_refused_where_a_worker_reads_another_cluster(
    client: Client, trained: MemoryCluster, job: Job
) -> None:
    backfill(trained, job, end=company.SCORED_FROM + DAY)
    elsewhere = copy_of(trained)
    store = ClusterBlobs(elsewhere)
    for each in store.list(job.job_id, "history_delta"):
        store.delete(job.job_id, each.id)
    CLUSTERS["elsewhere"] = elsewhere
    with pytest.raises(DaskError, match="isn't that of the command"):
        distributed(client, trained, job, source=InMemory("elsewhere"))


def test_parts_end_at_midnight_and_after_so_many_events() -> None:
    day = company.SCORED_FROM // DAY
    start = company.SCORED_FROM + 22 * HOUR
    events = {start: 4, start + HOUR: 6, start + 3 * HOUR: 40, start + 4 * HOUR: 1}
    assert list(parts_of(start, start + 6 * HOUR, HOUR, events, most=10)) == [
        Part(day, start, start + 2 * HOUR),
        Part(day + 1, start + 2 * HOUR, start + 3 * HOUR),
        Part(day + 1, start + 3 * HOUR, start + 4 * HOUR),
        Part(day + 1, start + 4 * HOUR, start + 6 * HOUR),
    ]
    assert list(parts_of(start, start, HOUR, {})) == []


def test_the_digest_tells_histories_apart(trained: MemoryCluster, job: Job) -> None:
    resources = JobResources(trained, job, clock=TestClock(NOW))
    with open_session(resources) as session:
        history = session.loaded_scoring().pipeline.keeper.history
    before = history_digest(history)
    assert before == history_digest(history)
    history.pairs.count[0, 0] += 1
    assert history_digest(history) != before
    history.pairs.count[0, 0] -= 1
    history.skip_to(history.day + 1)
    assert history_digest(history) != before


def test_tasks_hold_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "ipi-es.yml"
    path.write_text("elasticsearch:\n  username: ann\n  password: hunter2-hunter2\n")
    key = tmp_path / "key"
    key.write_text("5e" * 64)
    key.chmod(0o600)
    job = company.make_job(entity_pseudonyms={"key_file": str(key)})
    assert job.stored_entity("ann").startswith("pseudo-")  # the key was read
    task = JobTask("run", job, SettingsFile(path), "snapshot", versions_of(job))
    stored = pickle.dumps(task)
    for secret in (b"hunter2", b"5e5e5e", b"\x5e\x5e\x5e"):
        assert secret not in stored
    assert pickle.loads(stored) == task
