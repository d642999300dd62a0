"""`train --csv` on rows with times: the network joined with history, as a job's training does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipi_es.errors import UsageError
from ipi_es.ipinsights.training.time_split import CALIBRATION_SHARE
from ipi_es.ipinsights.training.training import Trained, train
from ipi_es.ipinsights.training.training_events import TrainingEvents
from ipi_es.scoring.calibration import Calibration, comparable_events, history_class
from ipi_es.times import SECONDS, iso
from ipi_es.worker.training.job_training import calibration_start

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipi_es.config.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.network.network_fitting import TrainingProgress
    from ipi_es.ipinsights.sagemaker.csv_pairs import ChannelRows, PairReader

BUCKET_SPAN = SECONDS["h"]
"""Rows of an entity with one address in the same hour are one row with a count, as in a job with the default span."""


def train_timed(
    reader: PairReader,
    channel: ChannelRows,
    validation: ChannelRows | None,
    hyperparameters: Hyperparameters,
    progress: Callable[[TrainingProgress], None],
) -> tuple[Trained, int]:
    """Train on channels with times; return the training and its end, epoch seconds: that of the last row's day.

    Probabilities are calibrated on the rows of ``validation``, or on the last days. Raises UsageError where validation
    begins before the last day of the training rows, NotEnoughHistory where there are too few rows or days.
    """
    channels = [channel] if validation is None else [channel, validation]
    last = max(int(_times(each).max()) for each in channels)
    end = (last // SECONDS["d"] + 1) * SECONDS["d"]
    first = int(_times(channel).min())
    calibrate_from = calibration_start(first, end, CALIBRATION_SHARE)
    if validation is not None:
        calibrate_from = int(_times(validation).min()) // SECONDS["d"] * SECONDS["d"]
        if calibrate_from < int(_times(channel).max()) // SECONDS["d"] * SECONDS["d"]:
            raise UsageError(
                f"the validation rows begin at {iso(calibrate_from)}, before the last day of the training rows",
                hint="give later rows, or leave --validation out: the last fifth of the days is then held out",
            )
    trained = train(events_of(reader, channels, end), hyperparameters, progress=progress, calibrate_from=calibrate_from)
    return trained, end


def events_of(reader: PairReader, channels: list[ChannelRows], end: int) -> TrainingEvents:
    """Return the rows of channels as training events: unique by hour, entity and address, with their counts."""
    pairs = np.concatenate([each.file.read(0, len(each.file)) for each in channels])
    bucket = np.concatenate([_times(each) for each in channels]) // BUCKET_SPAN * BUCKET_SPAN
    rows, count = np.unique(np.column_stack([bucket, pairs]), axis=0, return_counts=True)
    return TrainingEvents(
        time=rows[:, 0].copy(),
        entities=reader.entities,
        entity=rows[:, 1].astype(np.int32),
        addresses=reader.addresses,
        ip=rows[:, 2].astype(np.int32),
        count=count.astype(np.int64),
        learns=np.ones(len(rows), dtype=np.bool_),
        calibrates=np.ones(len(rows), dtype=np.bool_),
        end=end,
    )


def calibration_of(trained: Trained) -> Calibration:
    """Fit the calibration as a job's training does: classes by an entity's prior events, scaled to history's age."""
    sample = trained.calibration
    age = sample.time // SECONDS["d"] - trained.history.origin
    reference = float(np.unique(age).mean())
    class_ = history_class(comparable_events(sample.prior_events, age, reference))
    return Calibration.fit(sample.compatibility, class_, reference_days=reference)


def _times(channel: ChannelRows) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    assert channel.time is not None
    return channel.time
