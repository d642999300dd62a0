"""The last part of a training range, scored in time order as in production; nothing was trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.ipinsights.network.negatives import random_addresses
from ipi_es.ipinsights.prefixes import address_keys
from ipi_es.ipinsights.roc_auc import roc_auc
from ipi_es.ipinsights.scorer import Scorer, TrainedNetwork
from ipi_es.ipinsights.training.time_split import Split, day_slices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ipi_es.ipinsights.combiner.guessed_context import GuessedContext
    from ipi_es.ipinsights.history.history import History
    from ipi_es.ipinsights.training.training_events import TrainingEvents


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationRows:
    """The last part, scored in time order: the n rows of :class:`TrainingEvents` with ``calibrates``."""

    compatibility: NDArray[np.float64]  # [n], high = usual
    prior_events: NDArray[np.float64]  # [n] events of the row's entity before the row's day
    entity: NDArray[np.int32]  # [n] index into the events' entities
    ip: NDArray[np.int32]  # [n] index into the events' addresses
    time: NDArray[np.int64]  # [n] start of the bucket, epoch seconds
    failures_only: NDArray[np.bool_]  # [n] as in TrainingEvents
    entity_hash: NDArray[np.uint64]  # [n]
    ip_key: NDArray[np.uint64]  # [n] of the address


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredNetwork:
    """One network's scores and quality on the held-out part."""

    calibration: CalibrationRows
    discriminator_auc: float
    """AUC of its rows against one random address each."""


def measure(
    snapshots: Sequence[TrainedNetwork],
    events: TrainingEvents,
    hashes: NDArray[np.uint64],
    history: History,
    *,
    split: Split,
    rng: np.random.Generator,
    guessed: GuessedContext | None,
) -> list[MeasuredNetwork]:
    """Score the days from ``split.calibration`` on with every network: the same rows, negatives and history.

    ``history`` must be at the start of these days and is moved to their end, day by day.
    """
    taken: list[NDArray[np.intp]] = []
    priors: list[NDArray[np.float64]] = []
    scores: list[list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = [[] for _ in snapshots]
    for day, rows in day_slices(events, split.calibration, split.stop):
        history.skip_to(day)
        scored = rows[events.calibrates[rows]]
        if len(scored):
            local, entity = np.unique(events.entity[scored], return_inverse=True)
            seen, ip = np.unique(events.ip[scored], return_inverse=True)
            context = events.context.take(seen) if events.context else None
            strangers = random_addresses(events.addresses[events.ip[scored]], rng)
            whose = guessed.guess(strangers, rng) if guessed else None
            who, each = entity.astype(np.int32), np.arange(len(scored), dtype=np.int32)
            for place, snapshot in enumerate(snapshots):
                scorer = Scorer(snapshot, history)
                result = scorer.score_hashed(hashes[local], events.addresses[seen], who, ip.astype(np.int32), context)
                other = scorer.score_hashed(hashes[local], strangers, who, each, whose)
                scores[place].append((result.log_odds, other.log_odds))
            taken.append(scored)
            priors.append(history.profiles.events_of(hashes[local])[entity])
        history.apply(events.delta(day, hashes, rows))
    index = np.concatenate(taken)
    return [_measured(each, np.concatenate(priors), index, events, hashes) for each in scores]


def _measured(
    scores: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    prior_events: NDArray[np.float64],
    index: NDArray[np.intp],
    events: TrainingEvents,
    hashes: NDArray[np.uint64],
) -> MeasuredNetwork:
    failed = np.zeros(len(events), dtype=np.bool_) if events.failures_only is None else events.failures_only
    real, odd = (np.concatenate(column) for column in zip(*scores, strict=True))
    calibration = CalibrationRows(
        compatibility=real,
        prior_events=prior_events,
        entity=events.entity[index],
        ip=events.ip[index],
        time=events.time[index],
        failures_only=failed[index],
        entity_hash=hashes[events.entity[index]],
        ip_key=address_keys(events.addresses[events.ip[index]]),
    )
    return MeasuredNetwork(calibration, roc_auc(real, odd))
