"""A job's snapshot with its history on a shelf, made without TensorFlow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from ipinsights_events import FIRST_DAY
from ipinsights_parts import a_history, a_snapshot, small_company

from ipi_es.addresses import parse
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.scoring.calibration import Calibration
from ipi_es.scoring.references import Correlations, References
from ipi_es.state.blobs import BlobStore
from ipi_es.worker.history.history_keeper import HistoryId, store_delta
from ipi_es.worker.scoring.normalizer_state import NormalizerState
from ipi_es.worker.training.job_snapshot import JobSnapshot
from ipi_es.worker.training.job_training import TrainedJob, store
from ipi_es.worker.training.training_rows import TrainingRowsCollector

TRAINED_TO = (FIRST_DAY + 12) * 86_400


def save_snapshot(
    blobs: BlobStore, job: Job, *, seed: int = 1, created: int = 1_000, architecture: str = "hybrid"
) -> tuple[str, HistoryId]:
    """Its id and its history's."""
    events = small_company(seed=seed)
    network = a_snapshot(seed, events)
    if architecture == "ip_insights":
        network = replace(network, combiner=None)
    rng = np.random.default_rng(seed)
    snapshot = JobSnapshot(
        job_id=job.job_id,
        trained_to=TRAINED_TO,
        network=network,
        references=References.alike(
            Calibration.fit(rng.standard_normal(3_000) * 3, rng.integers(0, 5, 3_000)),
            Correlations(same_entity=(0.1, 0.1), same_ip=(0.1, 0.1)),
        ),
        levels=NormalizerState.empty((job.entity_field, job.ip_field)),
    )
    history = a_history(events)
    history.day = FIRST_DAY + 12
    return store(blobs, TrainedJob(snapshot, history, TrainingRowsCollector(job, AllowList.of(job))), created)


def add_day(blobs: BlobStore, job: Job, history: HistoryId, entity: str, ip: str) -> HistoryId:
    """One more day on a history, of one pair seen a hundred times; the id after it."""
    addresses, _ = parse([ip])
    delta = DayDelta.of(history.day, entity_hashes([entity]), addresses, np.array([100]))
    store_delta(blobs, job.job_id, history, delta, 2_000)
    return HistoryId(history.base, history.day + 1)
