"""Training: time split → network → history replayed day by day → combiner → calibration sample.

The days are split into three parts. The network learns from the first part. The combiner learns from the second: each
row's features are read from history at the start of the row's day, and the network was not trained on the row. The last
part (about a fifth of the rows) is only scored, as in production: it is the calibration sample. The final history
contains all three. The pure network (``ip_insights``) learns from the first two parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ipi_es.ipinsights.combiner.combiner_fitting import combiner_rows, fitted
from ipi_es.ipinsights.combiner.guessed_context import GuessedContext
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.history.deltas import DAY
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.network.network_fitting import TrainingProgress, fit_network
from ipi_es.ipinsights.network.pairs import TrainingPairs
from ipi_es.ipinsights.prefixes import prefix_keys
from ipi_es.ipinsights.scorer import TrainedNetwork
from ipi_es.ipinsights.training.held_out import CalibrationRows, MeasuredNetwork, measure
from ipi_es.ipinsights.training.time_split import Split, check_enough, day_slices, split_days

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.config.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.training.training_events import TrainingEvents

ProgressCallback: TypeAlias = Callable[[TrainingProgress], None]


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """Result of :func:`train`."""

    snapshot: TrainedNetwork
    history: History
    """All learned rows, up to the end of the training range."""
    calibration: CalibrationRows
    rival: MeasuredNetwork | None = None
    """The rival's scores of the same rows, against the same negatives."""

    @property
    def metrics(self) -> dict[str, float]:
        """The trained network's metrics."""
        return self.snapshot.metrics


def train(
    events: TrainingEvents,
    hyperparameters: Hyperparameters,
    *,
    progress: ProgressCallback | None = None,
    base: TrainedNetwork | None = None,
    rival: TrainedNetwork | None = None,
    calibrate_from: int | None = None,
) -> Trained:
    """Train a network and its history; the same events, hyperparameters and seed give the same scores.

    ``base``: an earlier network whose vectors training starts from (entity rows are kept if the table has the same
    size). ``rival``: an earlier network to compare the new one with.
    ``calibrate_from``: epoch seconds, start of a UTC day; overrides where the calibration part begins.
    Raises NotEnoughHistory, with the numbers, where the events are too few or too uniform.
    """
    report = progress or (lambda _: None)
    check_enough(events)
    split = split_days(events, calibrate_from)
    hashes = entity_hashes(events.entities)
    hybrid = hyperparameters.architecture == "hybrid"
    rng = np.random.default_rng(hyperparameters.seed)
    until = split.combiner if hybrid else split.calibration
    guessed = GuessedContext.of(events)
    pairs = TrainingPairs.of_days(events, hashes, split.first, until)
    apart = hybrid and split.combiner < split.calibration
    held_out = TrainingPairs.of_days(events, hashes, until, split.calibration if apart else split.stop)
    network, network_auc = fit_network(
        pairs.source(hyperparameters.max_rows_per_entity, rng),
        held_out,
        hyperparameters,
        rng=rng,
        report=report,
        base=base,
        guessed=guessed,
    )
    history = empty_history(events, hashes, split, hyperparameters)
    combiner, made = None, None
    if hybrid:
        combiner, made = fitted(
            combiner_rows(events, hashes, network, history, split=split, rng=rng, guessed=guessed),
            hyperparameters,
            rng=rng,
            report=report,
        )
    else:
        _replay(events, hashes, history, split.first, split.calibration)
    snapshot = TrainedNetwork(hyperparameters=hyperparameters, network=network, combiner=combiner)
    snapshots = [snapshot] if rival is None else [snapshot, rival]
    own, *other = measure(snapshots, events, hashes, history, split=split, rng=rng, guessed=guessed)
    calibration, auc = own.calibration, own.discriminator_auc
    snapshot.metrics.update(
        discriminator_auc=auc,
        network_discriminator_auc=network_auc,
        calibration_rows=float(len(calibration.time)),
    )
    snapshot.about.update(
        first_event=int(events.time[0]),
        last_event=int(events.time[-1]),
        rows=len(events),
        entities=len(events.entities),
        addresses=len(events.addresses),
        combiner_from_day=split.combiner,
        calibration_from_day=split.calibration,
        combiner=made,
        warm_start=base is not None,
    )
    report(TrainingProgress(stage="done", discriminator_auc=auc))
    end_day = split.stop if events.end is None else events.end // DAY
    history.skip_to(max(end_day, split.stop - 1))
    return Trained(snapshot=snapshot, history=history, calibration=calibration, rival=other[0] if other else None)


def empty_history(
    events: TrainingEvents, hashes: NDArray[np.uint64], split: Split, hyperparameters: Hyperparameters
) -> History:
    """Return an empty history at the first day, sized for all keys of the training range."""
    keys = prefix_keys(events.addresses)
    pairs = np.unique(np.stack([events.entity, events.ip], axis=1), axis=0)
    if events.context:
        keys = np.concatenate([keys, events.context.keys()], axis=1)
    pair_keys = len(np.unique(joined(hashes[pairs[:, 0]][:, None], keys[pairs[:, 1]])))
    return History.empty(
        split.first,
        pair_keys=pair_keys,
        network_keys=len(np.unique(keys)),
        half_life_days=hyperparameters.history_half_life_days,
    )


def _replay(events: TrainingEvents, hashes: NDArray[np.uint64], history: History, first: int, stop: int) -> None:
    for day, rows in day_slices(events, first, stop):
        history.apply(events.delta(day, hashes, rows))
