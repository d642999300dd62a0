"""`train --csv`: train on channels without times; `score` uses the resulting snapshot like any other."""

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
from ipi_es.scoring.calibration import Calibration, history_class
from ipi_es.scoring.references import Correlations, References
from ipi_es.times import SECONDS
from ipi_es.worker.scoring.normalizer_state import NormalizerState
from ipi_es.worker.training.job_snapshot import JobSnapshot
from ipi_es.worker.training.job_training import warn_of_entity_table

FIELDS = ("entity", "ip")
"""The columns of a channel; a job's snapshot has the job's fields instead."""

NO_CORRELATIONS = Correlations()
"""Without times, no two rows share a bucket: correlations aren't known, and `score` scores single pairs."""


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """The rows of SageMaker's `train` and `validation` channels, with one vocabulary."""

    reader: PairReader
    train: ChannelRows
    validation: ChannelRows | None

    @classmethod
    def read(cls, train: Path, validation: Path | None) -> Channels:
        """Read both channels; raises as :meth:`~ipi_es.ipinsights.sagemaker.csv_pairs.PairReader.read` does."""
        reader = PairReader()
        return cls(reader, reader.read(train), None if validation is None else reader.read(validation))


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

    ``end`` (epoch seconds, start of a UTC day): all rows are treated as events of the day before it.
    """
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
    references = References.alike(calibration, NO_CORRELATIONS)
    snapshot = JobSnapshot(job_id, end, trained.snapshot, references, NormalizerState.empty(FIELDS))
    return LearnedPairs(snapshot, trained.history)
