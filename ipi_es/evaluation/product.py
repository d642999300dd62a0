"""The product in a trial, as in production: trained and calibrated, with history moving once a day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ipi_es.evaluation.evaluation_events import NORMAL
from ipi_es.evaluation.measures import Scores
from ipi_es.evaluation.trial import NORMAL_ROWS, TrialPairs
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.combiner.guessed_context import GuessedContext
from ipi_es.ipinsights.history.deltas import DAY
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.network.network_fitting import fit_network
from ipi_es.ipinsights.network.pairs import TrainingPairs
from ipi_es.ipinsights.scorer import Compatibility, Scorer, TrainedNetwork
from ipi_es.ipinsights.training.training import train
from ipi_es.ipinsights.training.training_events import TrainingEvents
from ipi_es.worker.training.timed_channels import calibration_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.config.hyperparameters import Hyperparameters
    from ipi_es.evaluation.trial import Trial

LookUp: TypeAlias = Callable[["Addresses"], AddressContext]
"""Gives the context of any addresses uint8[n, 16]."""


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """Results of the default architecture in one window."""

    scores: Scores
    probability: NDArray[np.float64]
    """[normal rows]: p as in production, small = unusual."""


def hybrid(trial: Trial, hyperparameters: Hyperparameters, look_up: LookUp | None) -> Product:
    """Train on the window's first two parts, calibrate on the second, then score the test day by day.

    History moves at the end of each day by its rows that aren't attacks, or stays as trained (state ``frozen``).
    Raises NotEnoughHistory where the window's rows can't be trained on.
    """
    settings = hyperparameters.replaced(architecture="hybrid")
    events = _training_events(trial, trial.parts.learnt, trial.window.test * DAY, look_up)
    trained = train(events, settings, calibrate_from=trial.window.calibrate * DAY)
    calibration = calibration_of(trained)
    history = trained.history
    scores = {name: np.empty(len(each.entity)) for name, each in trial.asked.items()}
    probability = np.empty(len(trial.asked[NORMAL_ROWS].entity))
    later = _training_events(trial, trial.parts.test, trial.window.stop * DAY, look_up)
    for day in range(trial.window.test, trial.window.stop):
        if trial.state != "frozen":
            history.skip_to(day)
        scorer = Scorer(trained.snapshot, history)
        for name, rows in trial.of_day(day).items():
            if len(rows):
                asked = trial.asked[name]
                found = _scored(scorer, trial, asked, rows)
                scores[name][rows] = found.log_odds
                if name == NORMAL_ROWS:
                    class_ = calibration.classes(found.prior_events, history.age)
                    probability[rows] = np.exp(calibration.ln_probability(found.log_odds, class_).ln_p)
        today = np.flatnonzero(later.day == day)
        if trial.state != "frozen" and len(today):
            history.apply(later.delta(day, trial.hashes, today))
    return Product(Scores(scores.pop(NORMAL_ROWS), scores), probability)


def ip_insights(trial: Trial, hyperparameters: Hyperparameters, look_up: LookUp | None) -> Scores:
    """Train the pure network on all rows of the window before the test, and score the test."""
    settings = hyperparameters.pure()
    events = _training_events(trial, trial.parts.learnt, trial.window.test * DAY, look_up)
    first, stop = trial.window.train, trial.window.test
    pairs = TrainingPairs.of_days(events, trial.hashes, first, stop)
    held_out = TrainingPairs.of_days(events, trial.hashes, stop, stop)
    rng = np.random.default_rng(settings.seed)
    source = pairs.source(settings.max_rows_per_entity, rng)
    guessed = GuessedContext.of(events)
    network, _ = fit_network(source, held_out, settings, rng=rng, report=lambda _: None, guessed=guessed)
    snapshot = TrainedNetwork(hyperparameters=settings, network=network, combiner=None)
    scorer = Scorer(snapshot, History.empty(stop, pair_keys=1, network_keys=1))
    scores = {
        name: _scored(scorer, trial, asked, np.arange(len(asked.entity))).log_odds
        for name, asked in trial.asked.items()
    }
    return Scores(scores.pop(NORMAL_ROWS), scores)


def sagemaker_like(trial: Trial, seed: int) -> Scores:
    """Train the reference network on all normal rows before the test, also before the window, and score the test."""
    from ipi_es.ipinsights.tf.sagemaker_like import SageMakerLike

    events = trial.events
    rows = np.flatnonzero((events.label == NORMAL) & (events.day < trial.window.test))
    network = SageMakerLike(len(events.entities), rng=np.random.default_rng(seed))
    network.fit(events.entity[rows], events.addresses[events.ip[rows]])
    scores = {name: network.log_odds(asked.entity, asked.addresses) for name, asked in trial.asked.items()}
    return Scores(scores.pop(NORMAL_ROWS), scores)


def _training_events(trial: Trial, rows: NDArray[np.intp], end: int, look_up: LookUp | None) -> TrainingEvents:
    """Return some of the rows as training events, with only the addresses that they use."""
    events = trial.events
    used, ip = np.unique(events.ip[rows], return_inverse=True)
    context = None if trial.context is None else trial.context.take(used)
    return TrainingEvents(
        time=events.time[rows],
        entities=events.entities,
        entity=events.entity[rows],
        addresses=events.addresses[used],
        ip=ip.astype(np.int32),
        count=np.ones(len(rows), dtype=np.int64) if events.count is None else events.count[rows],
        learns=np.ones(len(rows), dtype=np.bool_),
        calibrates=np.ones(len(rows), dtype=np.bool_),
        end=end,
        context=context,
        look_up=None if context is None else look_up,
    )


def _scored(scorer: Scorer, trial: Trial, asked: TrialPairs, rows: NDArray[np.intp]) -> Compatibility:
    """Return the compatibility of some of the pairs; ``prior_events`` is per pair, not per entity."""
    entities, entity = np.unique(asked.entity[rows], return_inverse=True)
    each = np.arange(len(rows), dtype=np.int32)
    context = None if asked.context is None else asked.context.take(rows)
    found = scorer.score_hashed(
        trial.hashes[entities], asked.addresses[rows], entity.astype(np.int32), each, context=context
    )
    return replace(found, prior_events=found.prior_events[entity])
