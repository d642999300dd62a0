"""`train --csv`: train on channels; `score` uses the resulting snapshot like any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.network.network_fitting import TrainingProgress
from ipi_es.ipinsights.sagemaker.csv_pairs import ChannelRows, PairReader
from ipi_es.ipinsights.sagemaker.csv_training import held_out, train_pairs
from ipi_es.ipinsights.scorer import TrainedNetwork
from ipi_es.scoring.calibration import Calibration, history_class
from ipi_es.scoring.references import Correlations, References
from ipi_es.times import SECONDS
from ipi_es.worker.scoring.normalizer_state import NormalizerState
from ipi_es.worker.training.job_snapshot import JobSnapshot
from ipi_es.worker.training.job_training import warn_of_entity_table
from ipi_es.worker.training.timed_channels import calibration_of, train_timed

FIELDS = ("entity", "ip")
"""The columns of a channel; a job's snapshot has the job's fields instead."""

NO_CORRELATIONS = Correlations()
"""`score` scores single pairs: correlations within a bucket aren't needed."""


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """The rows of SageMaker's `train` and `validation` channels, with one vocabulary; both with times, or neither."""

    reader: PairReader
    train: ChannelRows
    validation: ChannelRows | None

    @classmethod
    def read(cls, train: Path, validation: Path | None) -> Channels:
        """Read both channels; raises as :meth:`~ipi_es.ipinsights.sagemaker.csv_pairs.PairReader.read` does."""
        reader = PairReader()
        return cls(reader, reader.read(train), None if validation is None else reader.read(validation))

    @property
    def timed(self) -> bool:
        """Whether the rows have times."""
        return self.train.time is not None

    @property
    def days(self) -> int:
        """Number of UTC days with rows to train on; 0 without times."""
        return 0 if self.train.time is None else len(np.unique(self.train.time // SECONDS["d"]))


@dataclass(frozen=True, slots=True, eq=False)
class LearnedPairs:
    """The outcome of a training, not stored yet."""

    snapshot: JobSnapshot
    history: History


def learn_pairs(
    job_id: str,
    channels: Channels,
    hyperparameters: Hyperparameters,
    end: int,
    progress: Callable[[TrainingProgress], None],
) -> LearnedPairs:
    """Train on channels. Raises NotEnoughHistory if there are too few rows.

    ``end`` (epoch seconds, start of a UTC day): rows without times are treated as events of the day before it.
    """
    if channels.timed:
        return _learn_timed(job_id, channels, hyperparameters, progress)
    rng = np.random.default_rng(hyperparameters.seed)
    train, validation = channels.train, channels.validation
    if validation is None:
        train, validation = held_out(train, rng)
    day = end // SECONDS["d"] - 1
    trained = train_pairs(
        channels.reader,
        train,
        validation,
        hyperparameters,
        day=day,
        rng=rng,
        progress=progress,
        warn=lambda entities: warn_of_entity_table(job_id, hyperparameters.entity_rows, entities),
    )
    calibration = Calibration.fit(trained.compatibility, history_class(trained.prior_events))
    return LearnedPairs(_snapshot(job_id, end, trained.snapshot, calibration), trained.history)


def _learn_timed(
    job_id: str, channels: Channels, hyperparameters: Hyperparameters, progress: Callable[[TrainingProgress], None]
) -> LearnedPairs:
    warn_of_entity_table(job_id, hyperparameters.entity_rows, len(channels.reader.entities))
    trained, end = train_timed(channels.reader, channels.train, channels.validation, hyperparameters, progress)
    return LearnedPairs(_snapshot(job_id, end, trained.snapshot, calibration_of(trained)), trained.history)


def _snapshot(job_id: str, end: int, network: TrainedNetwork, calibration: Calibration) -> JobSnapshot:
    references = References.alike(calibration, NO_CORRELATIONS)
    return JobSnapshot(job_id, end, network, references, NormalizerState.empty(FIELDS))
