"""A job at work in memory, without TensorFlow: a made network in place of a trained one, a clock of the test's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import worker_company as company
import xxhash
from ipinsights_parts import a_snapshot

from ipi_es.cluster.port import BulkOutcome, Cluster, Document, Drop, Put
from ipi_es.config.job_config import Job
from ipi_es.ipinsights.combiner.combiner import HIDDEN, Combiner
from ipi_es.ipinsights.combiner.features import FEATURES
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.scorer import TrainedNetwork
from ipi_es.ipinsights.training import training as network_training
from ipi_es.ipinsights.training.held_out import measure
from ipi_es.ipinsights.training.time_split import check_enough, split_days
from ipi_es.ipinsights.training.training import Trained
from ipi_es.ipinsights.training.training_events import TrainingEvents
from ipi_es.results.words import ALIAS
from ipi_es.setup import setup_plan
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.job_state import STATE_INDEX, StateStore
from ipi_es.state.quantiles_store import QuantilesStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session

NOW = company.SCORED_TO + 600
VOLATILE = ("event.ingested", "alert_id", "renormalized_at", "processing_time_ms", "events_seq_no")
"""Fields that tell of the run, or of the order in which events were indexed, and not of the events."""


@dataclass
class TestClock:
    """Moves by a second each time it is asked."""

    __test__ = False
    time: int = NOW

    def now(self) -> int:
        self.time += 1
        return self.time


def made_combiner() -> Combiner:
    """High where the entity, or anybody, used the network before; with a grain of everything else, against ties."""
    width = len(FEATURES)
    weight = {"pair_16": 1.0, "pair_24": 1.5, "pair_address": 2.0, "network_24": 0.5, "entities_24": 0.7}
    # by name: another feature must not make other results of those that there were
    grain = [xxhash.xxh3_64_intdigest(name.encode()) / 2**64 for name in FEATURES]
    hidden_1 = np.zeros((1, width + 1, HIDDEN), dtype=np.float32)
    hidden_1[0, :width, 1] = np.array(grain) * 0.05
    for name, value in weight.items():
        hidden_1[0, FEATURES.index(name), 0] = value
    hidden_2 = np.zeros((1, HIDDEN + 1, HIDDEN), dtype=np.float32)
    hidden_2[0, 0, 0] = hidden_2[0, 1, 1] = 1.0
    output = np.zeros((1, HIDDEN + 1), dtype=np.float32)
    output[0, :2] = 1.0
    return Combiner(np.zeros(width, np.float32), np.ones(width, np.float32), hidden_1, hidden_2, output)


def made_training(
    events: TrainingEvents,
    hyperparameters: Any,
    *,
    progress: Any = None,
    base: Any = None,
    rival: TrainedNetwork | None = None,
    calibrate_from: int | None = None,
) -> Trained:
    """What :func:`ipi_es.ipinsights.training.training.train` gives, by a network that nobody trained."""
    check_enough(events)
    split, hashes = split_days(events, calibrate_from), entity_hashes(events.entities)
    made = a_snapshot(1, events)
    snapshot = TrainedNetwork(made.hyperparameters, made.network, made_combiner(), made.metrics, dict(made.about))
    history = network_training.empty_history(events, hashes, split, hyperparameters)
    network_training._replay(events, hashes, history, split.first, split.calibration)
    rng = np.random.default_rng(1)
    snapshots = [snapshot] if rival is None else [snapshot, rival]
    own, *other = measure(snapshots, events, hashes, history, split=split, rng=rng, guessed=None)
    snapshot.metrics["discriminator_auc"] = own.discriminator_auc
    snapshot.about.update(entities=len(events.entities), addresses=len(events.addresses), warm_start=base is not None)
    history.day = events.end // company.DAY if events.end else split.stop
    return Trained(snapshot, history, own.calibration, other[0] if other else None)


def train_by(patch: pytest.MonkeyPatch, train: Callable[..., Any] = made_training) -> None:
    """Let jobs be trained by this, without TensorFlow."""
    patch.setattr("ipi_es.worker.training.job_training.train", train)


def critical_from(patch: pytest.MonkeyPatch, score: float) -> None:
    """Let records count as critical from this score on: so small a company's history allows no 75."""
    for module in ("worker.scoring.bucket_scorer", "worker.repeats.moved_pairs", "results.reading.queries"):
        patch.setattr(f"ipi_es.{module}.CRITICAL", score)


def batch_limits(patch: pytest.MonkeyPatch, **limits: int) -> None:
    """Let a batch of scored buckets end with so many: ``MAX_BUCKETS``, ``MAX_PAIRS``."""
    for name, limit in limits.items():
        patch.setattr(f"ipi_es.worker.scoring.scoring_pipeline.{name}", limit)


def trained_cluster(job: Job, monkeypatch: Any, events: Iterable[company.Event] | None = None) -> MemoryCluster:
    """A cluster that is set up, with the company's events (or others) and the job trained on the first ten days."""
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    company.fill(cluster, found=events)
    train_by(monkeypatch)
    with open_session(JobResources(cluster, job, clock=TestClock(NOW - 3_600))) as session:
        session.train(company.LEARN_FROM, company.SCORED_FROM)
    return cluster


def copy_of(cluster: MemoryCluster, *, own_events: bool = False) -> MemoryCluster:
    """An independent copy; the events are shared where nobody writes them."""
    made = MemoryCluster()
    copy_into(made, cluster, own_events=own_events)
    return made


def copy_into(made: MemoryCluster, cluster: MemoryCluster, *, own_events: bool = False) -> None:
    """Let ``made`` hold what the cluster holds; the events are shared where nobody writes them."""
    made.copy_from(cluster, shared=() if own_events else (company.EVENTS,))


def backfill(
    cluster: Cluster,
    job: Job,
    start: int = company.SCORED_FROM,
    end: int = company.SCORED_TO,
    *,
    again: bool = False,
    time: int = NOW,
    told: Callable[[Any], None] = lambda _: None,
    owner: str | None = None,
    alive: Callable[[str], bool] | None = None,
) -> None:
    """What the command does."""
    with open_session(JobResources(cluster, job, clock=TestClock(time), owner=owner), alive) as session:
        planned = session.plan(start, end, again=again)
        session.backfill(planned, told, again=again)


def results(cluster: Cluster, job: Job, *, volatile: bool = False) -> dict[tuple[str, str], dict[str, Any]]:
    """All result documents of a job by their place; without what tells of the run only."""
    cluster.refresh(ALIAS)
    found = cluster.scan(ALIAS, {"bool": {"filter": [{"term": {"job_id": job.job_id}}]}})
    return {
        (each.index, each.id): {k: v for k, v in each.source.items() if volatile or k not in VOLATILE} for each in found
    }


def of_kind(found: dict[tuple[str, str], dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The results of one type, in order of time."""
    return sorted((each for each in found.values() if each["result_type"] == kind), key=lambda one: one["timestamp"])


def stored_quantiles(cluster: Cluster, job: Job) -> list[str]:
    """The ids of all quantiles documents of a job."""
    cluster.refresh(STATE_INDEX)
    query = {"bool": {"filter": [{"term": {"type": "quantiles"}}, {"term": {"job_id": job.job_id}}]}}
    return sorted(each.source["quantiles_id"] for each in cluster.scan(STATE_INDEX, query))


class Killed(BaseException):
    """The process is gone: nothing of ours may catch it."""


class FragileCluster(MemoryCluster):
    """Dies at one of its writes: before it (share 0), in its middle (that share of a bulk arrived) or after it (1).

    Dead, it takes no write. ``moments``, where it is a list, gets a copy after each write and amid each bulk: all that
    a kill can leave.
    """

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.dies_at: int | None = None
        self.share = 1.0
        self.dead = False
        self.moments: list[tuple[str, MemoryCluster]] | None = None

    def put(self, *args: Any, **how: Any) -> Document:
        self._begin(0.0)
        made = super().put(*args, **how)
        self._end()
        return made

    def delete(self, *args: Any, **how: Any) -> bool:
        self._begin(0.0)
        made = super().delete(*args, **how)
        self._end()
        return made

    def bulk(self, actions: Iterable[Put | Drop], **how: Any) -> BulkOutcome:
        batch = list(actions)
        if self._dies_now and 0.0 < self.share < 1.0:
            super().bulk(batch[: int(len(batch) * self.share)], **how)
        if self.moments is not None and len(batch) > 1:
            super().bulk(batch[: len(batch) // 2], **how)
            self._keep("half of write")
        self._begin(0.9)
        made = super().bulk(batch, **how)
        self._end()
        return made

    @property
    def _dies_now(self) -> bool:
        return self.writes + 1 == self.dies_at

    def _begin(self, most: float) -> None:
        if self.dead or (self._dies_now and self.share <= most):
            self.dead = True
            raise Killed

    def _end(self) -> None:
        self.writes += 1
        self._keep("write")
        if self.writes == self.dies_at:
            self.dead = True
            raise Killed

    def _keep(self, what: str) -> None:
        if self.moments is not None:
            self.moments.append((f"{what} {self.writes}", copy_of(self)))


def revived(cluster: FragileCluster) -> FragileCluster:
    """What the next process finds."""
    return fragile(cluster)


def fragile(cluster: MemoryCluster, *, own_events: bool = False) -> FragileCluster:
    """A copy that can die."""
    made = FragileCluster()
    copy_into(made, cluster, own_events=own_events)
    return made


def remove(cluster: Cluster, job_id: str) -> None:
    """Leave nothing on a server of a job that has results of its own under its id."""
    state = StateStore(cluster).read(job_id)
    assert state is not None
    QuantilesStore(cluster, job_id).sweep((), state.external_version)
    ClusterBlobs(cluster).delete_all(job_id)
    StateStore(cluster).delete(job_id)
    for each in cluster.indices(f"{ALIAS}-{job_id}*"):
        cluster.delete_index(each)


def everything(cluster: MemoryCluster, job: Job, *, quantiles: bool = True) -> dict[str, Any]:
    """Results, and of the rest what decides future results."""
    state = StateStore(cluster).read(job.job_id)
    assert state is not None
    blobs = ClusterBlobs(cluster).list(job.job_id)
    kept = ("checkpoint", "snapshot_id", "history_id", "quantiles_id", "renormalize_due", "renormalized_to", "details")
    return {
        "results": results(cluster, job),
        "state": {name: getattr(state, name) for name in kept},
        "blobs": sorted((each.id, each.sha256) for each in blobs),
        "quantiles": stored_quantiles(cluster, job) if quantiles else None,
    }
