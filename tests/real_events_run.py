"""One run of the product over the real events on one server: load, train (or take a training over), backfill, look.

What is compared later is kept twice: as it was decided bucket by bucket, and as it is stored.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from real_events import Event, Pair, Planted, documents, index_body, known_entities

from ipi_es.cluster.port import Cluster, Document, Put
from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job
from ipi_es.results.words import ALIAS
from ipi_es.scoring.calibration import Calibration
from ipi_es.setup.setup_plan import apply, plan
from ipi_es.state.blobs import BlobInfo
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.scoring.scored_bucket import ScoredBucket

Key = tuple[Any, ...]
"""(result type, start of the bucket, what it is of …)."""


@dataclass
class TrainedOnce:
    """A training as blobs, to be taken over by the other servers. A snapshot is its job's: all have one ``job_id``."""

    job_id: str = field(default_factory=lambda: f"real-events-{uuid.uuid4().hex[:8]}")
    blobs: list[tuple[BlobInfo, bytes]] = field(default_factory=list)
    snapshot_id: str = ""
    history_id: str = ""
    trained_to: int = 0


@dataclass
class Run:
    """What one server's run gave; arrays are [n] over the unique pairs of the backfilled range."""

    cluster: Cluster
    job: Job
    train: tuple[int, int]
    test: tuple[int, int]
    planted: Planted
    known: set[str]
    calibration: Calibration | None = None
    correlations: str = ""
    pairs: list[Pair] = field(default_factory=list)
    ln_ps: list[float] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    decided: dict[Key, float] = field(default_factory=dict)  # scores at the first scoring
    stored: dict[str, Document] = field(default_factory=dict)  # after the backfill
    renormalized: dict[str, Document] = field(default_factory=dict)  # after session.renormalize()
    changed: tuple[int, int] = (0, 0)  # results that the first and the second renormalization changed

    seconds: dict[str, float] = field(default_factory=dict)  # by what was done

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Keep the seconds that something takes."""
        began = time.perf_counter()
        yield
        self.seconds[what] = time.perf_counter() - began

    @property
    def work(self) -> JobResources:
        """The job in its cluster."""
        return JobResources(self.cluster, self.job)

    def take(self, scored: ScoredBucket) -> None:
        """Keep what was decided of a bucket."""
        bucket, pairs = scored.bucket, scored.pairs
        for row in range(len(pairs.entity)):
            self.pairs.append((bucket.start, bucket.entities[pairs.entity[row]], bucket.ips[pairs.ip[row]]))
        self.ln_ps += pairs.ln_p.tolist()
        self.classes += pairs.history_class.tolist()
        names = [(bucket.entities[pairs.entity[row]], bucket.ips[pairs.ip[row]]) for row in scored.records]
        for pair, score in zip(names, scored.record_scores.score.tolist(), strict=True):
            self.decided["record", bucket.start, *pair] = score
        for values, scores in ((bucket.entities, scored.entities.scores), (bucket.ips, scored.ips.scores)):
            for value, score in zip(values, scores.score.tolist(), strict=True):
                self.decided["influencer", bucket.start, value] = score
        self.decided["bucket", bucket.start] = scored.anomaly_score
        for name, score in scored.bucket_scores.items():
            self.decided["bucket_influencer", bucket.start, name] = score

    def is_normal(self) -> NDArray[np.bool_]:
        """bool[n]: which pairs are real ones."""
        planted = self.planted.pairs
        return np.array([pair not in planted for pair in self.pairs])

    def has_history(self) -> NDArray[np.bool_]:
        """bool[n]: whose entity has history in the training range."""
        return np.array([entity in self.known for _, entity, _ in self.pairs])

    def ln_p_of(self, wanted: list[Pair]) -> NDArray[np.float64]:
        """float64[n] of some pairs; KeyError if one was never scored."""
        found = dict(zip(self.pairs, self.ln_ps, strict=True))
        return np.array([found[pair] for pair in wanted])

    def score(self, *key: Any) -> float:
        """The stored score of a result, as after the backfill; 0 where none was written."""
        return self.scores.get(key, 0.0)

    @cached_property
    def scores(self) -> dict[Key, float]:
        """The stored scores of all results."""
        return {key: score for each in self.stored.values() for key, score in scores_of(each, "").items()}


def scores_of(document: Document, prefix: str) -> dict[Key, float]:
    """A result's scores by what they are of; ``prefix`` is ``initial_`` or nothing."""
    source = document.source
    kind, start = source["result_type"], source["timestamp"] // 1_000
    if kind == "record":
        names = (source["partition_field_value"], source["by_field_value"])
        return {("record", start, *names): source[f"{prefix}record_score"]}
    if kind == "influencer":
        return {("influencer", start, source["influencer_field_value"]): source[f"{prefix}influencer_score"]}
    inner = {
        ("bucket_influencer", start, each["influencer_field_name"]): each[f"{prefix}anomaly_score"]
        for each in source["bucket_influencers"]
    }
    return {("bucket", start): source[f"{prefix}anomaly_score"], **inner}


def run_on(
    cluster: Cluster,
    events: list[Event],
    planted: Planted,
    *,
    train: tuple[int, int],
    test: tuple[int, int],
    once: TrainedOnce,
) -> Run:
    """Everything on one server; trains where ``once`` is empty, and fills it. The events before ``test``'s end only."""
    name = once.job_id
    job = check_job(
        {
            "job_id": name,
            "analysis_config": {"bucket_span": "1d"},
            "results_index_name": name,
            "datafeed_config": {"indices": [name], "score_outcomes": ["success", "failure"]},
        }
    )
    run = Run(cluster, job, train, test, planted, known_entities(events, *train))
    apply(cluster, plan(cluster))
    with run.timed("load"):
        cluster.create_index(name, index_body())
        there = [event for event in events if event.time < test[1]]
        cluster.bulk(Put(name, str(i), source) for i, source in enumerate(documents([*there, *planted.events])))
        cluster.refresh(name)
    with run.timed("take over" if once.blobs else "train"):
        _trained(run, once)
    work = run.work
    with open_session(work) as session:
        snapshot = work.snapshot(session.state.snapshot_id)
        run.calibration = snapshot.references.failures.calibration
        rho = snapshot.references.failures.correlations
        run.correlations = "; ".join(
            f"{name} {', '.join(f'{each:.2f}' for each in view)}"
            for name, view in (("same entity", rho.same_entity), ("same IP", rho.same_ip))
        )
        with run.timed("backfill"):
            session.backfill(session.plan(*test), run.take)
        run.stored = _stored(work)
        run.changed = session.renormalize(), session.renormalize()
        run.renormalized = _stored(work)
    return run


def _trained(run: Run, once: TrainedOnce) -> None:
    work, job_id = run.work, run.job.job_id
    with open_session(work) as session:
        if not once.blobs:
            session.train(*run.train)
            blobs = work.stores.blobs
            once.blobs = [(info, blobs.read(job_id, info.id)) for info in blobs.list(job_id)]
            once.snapshot_id, once.history_id = str(session.state.snapshot_id), str(session.state.history_id)
            once.trained_to = int(session.state.checkpoint or 0)
            return
        for info, blob in once.blobs:
            work.stores.blobs.write(job_id, info.id, info.kind, blob, created=info.created, attributes=info.attributes)
        session.writer.save(
            session.state.advanced(snapshot_id=once.snapshot_id, history_id=once.history_id, checkpoint=once.trained_to)
        )


def _stored(work: JobResources) -> dict[str, Document]:
    return {each.id: each for each in work.stores.results.scan_window(0, 2**32)}


def clean(run: Run) -> None:
    """Remove what the run left in its cluster."""
    work, job_id = run.work, run.job.job_id
    for index in run.cluster.indices(f"{ALIAS}-{job_id}-*"):
        run.cluster.delete_index(index)
    run.cluster.delete_index(job_id)
    for info in work.stores.blobs.list(job_id):
        work.stores.blobs.delete(job_id, info.id)
    work.stores.quantiles.sweep((), 2**62)
    work.stores.states.delete(job_id)
