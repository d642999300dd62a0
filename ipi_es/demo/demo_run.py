"""The demo's run: the same setup, training and backfill as in production, on a simulated company's sign-ins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ipi_es.cluster.port import Cluster, Document, Put
from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job
from ipi_es.demo.company import Simulation, simulate
from ipi_es.demo.demo_verdict import DemoVerdict, concerns, judge, names_in, overlaps
from ipi_es.demo.event_documents import INDEX, documents, index_template
from ipi_es.results.words import ALIAS, RESULT_KINDS
from ipi_es.setup.setup_plan import apply, plan
from ipi_es.times import from_ms
from ipi_es.worker.clock import SystemClock
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.scoring.scored_bucket import ScoredBucket
from ipi_es.worker.training.job_training import TrainingCallbacks
from ipi_es.worker.upkeep.removal import Removal, is_known

END = 1_780_272_000
"""2026-06-01T00:00:00Z, the end of the simulated days. It is fixed, so that a seed always gives the same company."""

JOB: dict[str, Any] = {
    "job_id": "demo",
    "description": "Sign-ins of a simulated company; failures are scored too, so that spraying is seen.",
    "analysis_config": {"bucket_span": "1h"},
    "datafeed_config": {
        "indices": [INDEX],
        "score_outcomes": ["success", "failure"],
        "entity_normalize": ["lowercase", "strip_domain"],
    },
}
"""The demo's job file."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Progress callbacks. ``indexed`` gets the number of documents written so far and their total."""

    begin: Callable[[str], None] = lambda _: None
    indexed: Callable[[int, int], None] = lambda _done, _total: None
    training: TrainingCallbacks = field(default_factory=TrainingCallbacks)
    scored: Callable[[ScoredBucket], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class DemoOutcome:
    """Results of a demo run."""

    simulation: Simulation
    job: Job
    verdict: DemoVerdict
    counts: dict[str, int]
    """Documents by result type; ``events``: sign-ins and noise that were indexed."""
    seconds: dict[str, float]
    worst: dict[str, list[Document]]
    """The worst buckets, influencers and records, by result type."""

    def incident_of(self, found: Document) -> str:
        """Return the ids of the incidents that a result is about; for a bucket, of those that overlap it."""
        source = found.source
        start = from_ms(source["timestamp"])
        end = start + source["bucket_span"]
        names = None if source["result_type"] == "bucket" else names_in(found)
        return "".join(
            incident.id
            for incident in self.simulation.incidents
            if (overlaps(incident, start, end) if names is None else concerns(incident, names, start, end))
        )

    def summary(self, url: str) -> dict[str, Any]:
        """Return the JSON object of ``--json``."""
        verdict = self.verdict
        return {
            "events": self.counts["events"],
            "buckets": self.counts["bucket"],
            "records": self.counts["record"],
            "influencers": self.counts["influencer"],
            "incidents": {
                "planted": len(verdict.expected),
                "found": len(verdict.found),
                "scores": {id_: round(score, 1) for id_, score in verdict.scores.items()},
            },
            "other_critical": len(verdict.other_critical),
            "other_critical_buckets": len(verdict.other_critical_buckets),
            "seconds": {name: round(seconds, 1) for name, seconds in self.seconds.items()},
            "results_index": ALIAS,
            "url": url,
        }


def run(cluster: Cluster, seed: int, steps: Steps) -> DemoOutcome:
    """Simulate, index, train and backfill; events and job of an earlier demo on this cluster are replaced."""
    seconds: dict[str, float] = {}
    steps.begin("index")
    began = time.perf_counter()
    simulation = simulate(seed, end=END)
    events = _index(cluster, simulation, steps)
    seconds["index"] = time.perf_counter() - began
    apply(cluster, plan(cluster))
    job = check_job(JOB, name="demo job")
    forget(cluster)
    resources = JobResources(cluster, job)
    steps.begin("train")
    began = time.perf_counter()
    with open_session(resources) as session:
        session.train(simulation.start, simulation.scored_start, steps.training)
        seconds["train"] = time.perf_counter() - began
        steps.begin("backfill")
        began = time.perf_counter()
        session.backfill(session.plan(simulation.scored_start, simulation.end), steps.scored)
        seconds["backfill"] = time.perf_counter() - began
    results = resources.stores.results
    results.show()
    worst: dict[str, list[Document]] = {kind: results.read(kind, size=_WORST) for kind in RESULT_KINDS}
    counts: dict[str, int] = {kind: results.count(kind) for kind in RESULT_KINDS}
    counts["events"] = events
    return DemoOutcome(simulation, job, judge(results, simulation), counts, seconds, worst)


def forget(cluster: Cluster) -> None:
    """Delete all that is stored of an earlier demo's job, including its verdicts, which are about another company."""
    if is_known(cluster, JOB["job_id"]):
        Removal(cluster, JOB["job_id"], SystemClock()).delete()


_WORST = 200
"""Results of each type that are read; many of the worst are repeats."""

_TELL_EVERY = 10_000
"""Documents between two reports of progress."""


def _index(cluster: Cluster, simulation: Simulation, steps: Steps) -> int:
    cluster.delete_index(INDEX)
    cluster.put_index_template(INDEX, index_template())
    total = len(simulation)
    written = cluster.bulk(_with_progress(_puts(simulation), steps.indexed, total)).written
    cluster.refresh(INDEX)
    return written


def _puts(simulation: Simulation) -> Iterator[Put]:
    for number, source in enumerate(documents(simulation)):
        yield Put(INDEX, f"{simulation.seed}-{number}", source)


def _with_progress(puts: Iterable[Put], on_progress: Callable[[int, int], None], total: int) -> Iterator[Put]:
    for done, put in enumerate(puts, 1):
        yield put
        if done % _TELL_EVERY == 0:
            on_progress(min(done, total), total)
    on_progress(total, total)
