"""A simulated company of 200 people, trained once, and what an attacker adds to its sign-ins."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from simulated_feed import Feed, SignIn

from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.demo.company import Simulation, simulate
from ipi_es.demo.demo_run import END, JOB
from ipi_es.scoring.renormalizer import LastRenormalization
from ipi_es.worker.history.history_keeper import HistoryId, HistoryKeeper
from ipi_es.worker.history.holds import Holds
from ipi_es.worker.repeats.earlier_findings import Repeats
from ipi_es.worker.scoring.batch import Batch
from ipi_es.worker.scoring.dry_run import AlertCounts
from ipi_es.worker.scoring.scoring_pipeline import ScoringPipeline
from ipi_es.worker.training.job_training import TrainedJob, learn
from ipi_es.worker.training.training_rows import TrainingRowsCollector

HOUR, DAY = 3_600, 86_400
PEOPLE, SEED = 200, 701
SCORES = {
    "record": "initial_record_score",
    "influencer": "initial_influencer_score",
    "bucket": "initial_anomaly_score",
}


@dataclass(slots=True)
class Kept(AlertCounts):
    """Keeps the documents."""

    documents_kept: list[dict[str, Any]] = field(default_factory=list)

    def write(self, batch: Batch) -> None:
        """Take the results of one batch."""
        self.documents_kept += [each.source for each in batch.documents]


@dataclass(frozen=True)
class Company:
    """What was learned of it; ``scored`` scores its days with an attacker's sign-ins among them."""

    simulation: Simulation
    learned: TrainedJob

    @classmethod
    def trained(cls) -> Company:
        """Simulate and train: some twenty seconds."""
        simulation = simulate(SEED, end=END, people=PEOPLE)
        feed = Feed(simulation)
        job = check_job(JOB)
        collector = TrainingRowsCollector(job, AllowList.of(job))
        return cls(simulation, learn(collector, feed, simulation.start, simulation.scored_start))  # type: ignore[arg-type]

    @property
    def start(self) -> int:
        """Where scoring begins, epoch seconds."""
        return self.simulation.scored_start

    def scored(self, added: Sequence[SignIn], *, days: int = 4, **settings: Any) -> list[dict[str, Any]]:
        """The documents of the first days."""
        job: Job = check_job({**JOB, **settings})
        history = copy.deepcopy(self.learned.history)
        keeper = HistoryKeeper(job, AllowList.of(job), history, HistoryId("run", history.day), Holds.of(job))
        sink = Kept()
        snapshot, repeats = self.learned.snapshot, Repeats.of(job)
        last = LastRenormalization.at(self.start, snapshot.levels.by_name)
        follower = ScoringPipeline.of(job, snapshot, keeper, snapshot.levels, repeats, sink, renormalized=last)
        follower.run(Feed(self.simulation, added).read(self.start, self.start + days * DAY, job.bucket_span))
        return sink.documents_kept

    def people(self, number: int, seed: int) -> list[str]:
        """Some who sign in often and are in no planted incident."""
        simulation = self.simulation
        before = (simulation.timestamp < self.start) & simulation.success
        counts = np.bincount(simulation.user_code[before], minlength=len(simulation.users))
        planted = {name for incident in simulation.incidents for name in incident.entities}
        able = [
            name
            for name, count in zip(simulation.users, counts.tolist(), strict=True)
            if count >= 50 and name not in planted and not name.startswith("svc")
        ]
        return [able[place] for place in np.random.default_rng(seed).permutation(len(able))[:number]]


def alerting(documents: Sequence[dict[str, Any]], start: int, end: int) -> Iterator[dict[str, Any]]:
    """Documents of buckets in [start, end) that may alert: neither repeats nor allowed; buckets with news."""
    for each in documents:
        kind = each["result_type"]
        if kind not in SCORES or "repeat_of" in each or (kind == "bucket" and not each["new_record_count"]):
            continue
        if start <= each["timestamp"] // 1_000 < end:
            yield each


def worst(documents: Sequence[dict[str, Any]], attack: Sequence[SignIn], start: int, end: int) -> float:
    """The highest score in [start, end) of an alert that names an account or address of the attack."""
    named = {each.user for each in attack} | {each.ip for each in attack}
    found = 0.0
    for each in alerting(documents, start, end):
        kind = each["result_type"]
        if kind == "record":
            names = {each["partition_field_value"], each["by_field_value"]}
        else:
            names = {each["influencer_field_value"]} if kind == "influencer" else set()
        if names & named:
            found = max(found, float(each[SCORES[kind]]))
    return found
