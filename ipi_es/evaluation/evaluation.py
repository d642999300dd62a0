"""The complete protocol: every scorer in every window, then the figures."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.errors import NotEnoughHistory, UsageError
from ipi_es.evaluation.attacks import Attacks, AttackSources, injected, labelled
from ipi_es.evaluation.evaluation_events import NORMAL, EvaluationEvents
from ipi_es.evaluation.event_context import context_of
from ipi_es.evaluation.measures import ScorerFigures, Scores, calibration, mean_of, measured
from ipi_es.evaluation.product import LookUp, hybrid, ip_insights, sagemaker_like
from ipi_es.evaluation.protocol import EvaluationWindow, FixedDates, Parts, parts, windows
from ipi_es.evaluation.references.counts_scorer import counts
from ipi_es.evaluation.references.freeman_scorer import freeman
from ipi_es.evaluation.references.rare_scorer import rare
from ipi_es.evaluation.references.seen_scorer import seen
from ipi_es.evaluation.trial import NORMAL_ROWS, Trial, TrialPairs
from ipi_es.ipinsights.entity_hashing import entity_hashes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.evaluation.announced import Announced
    from ipi_es.evaluation.earlier import State

log = logging.getLogger(__name__)

SCORERS = ("hybrid", "ip_insights", "seen", "counts", "freeman", "rare", "sagemaker_like")
"""The product's two architectures, then the references."""
TRAINED = ("hybrid", "ip_insights", "sagemaker_like")
"""Scorers that are trained with random numbers; the others are deterministic."""
COUNTING = {"seen": seen, "counts": counts, "freeman": freeman, "rare": rare}
"""The references without training."""
SEEDS = 2**63
"""Seeds are below this number; they wrap around to 0."""


@dataclass(frozen=True, slots=True)
class BegunTraining:
    """A training that begins: in one of the ``windows``, of a scorer of TRAINED; its number from 0."""

    window: EvaluationWindow
    windows: int
    scorer: str
    number: int


Report: TypeAlias = Callable[[BegunTraining], None]


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationSettings:
    """Settings of an evaluation."""

    announced: Announced
    attackers: Addresses | None = None
    look_up: LookUp | None = None
    """Gives operator and country of addresses; None: no attacks of the kinds ``country`` and ``asn``."""
    context_for_scorers: bool = True
    """Whether the scorers use operators and countries too."""
    state: State = "daily"
    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)
    """Their seed is the first training's; further trainings have the following seeds."""
    trainings: int = 1
    """Number of trainings of each of TRAINED, with different seeds; the figures are means."""
    dates: FixedDates | None = None
    """When to test, for events without labels; None: in equal steps over their range."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """All figures, and the windows and rows that they are based on."""

    scorers: dict[str, ScorerFigures]
    calibration: dict[str, float]
    windows: tuple[EvaluationWindow, ...]
    left_out: tuple[tuple[EvaluationWindow, str], ...]
    """Windows that couldn't be measured, with the reason."""
    normal_rows: int
    labelled: bool


def _ignore(_begun: BegunTraining) -> None:
    """Ignore the report."""


def evaluate(events: EvaluationEvents, settings: EvaluationSettings, report: Report = _ignore) -> Evaluation:
    """Measure prepared events (see :func:`~ipi_es.evaluation.evaluation_events.prepared`).

    Labelled events are measured by their labels, others by injected attacks. Raises NotEnoughHistory where no window
    can be measured, or the events have no attack or no normal rows of two entities.
    """
    days = events.day
    if events.labelled and not events.labels:
        raise NotEnoughHistory(
            "the events have labels, but none names an attack",
            hint="name attacks in the column label (attack, 1, true, or any word for a kind), or leave the column out",
        )
    by_label = bool(events.labels)
    if by_label and settings.dates is not None:
        raise UsageError(
            "events with labels are tested over their whole range, not at dates",
            hint="leave --first-test and --step out",
        )
    _require_two_sides(events)
    look_up = context_of(events, settings.look_up)
    context = look_up(events.addresses) if look_up is not None else None
    sources = AttackSources(settings.announced, settings.attackers, context)
    used: list[EvaluationWindow] = []
    left_out: list[tuple[EvaluationWindow, str]] = []
    runs = {name: settings.trainings if name in TRAINED else 1 for name in SCORERS}
    found: dict[str, list[list[Scores]]] = {name: [[] for _ in range(count)] for name, count in runs.items()}
    probability: list[NDArray[np.float64]] = []
    measurable = windows(int(days.min()), int(days.max()) + 1, contiguous=by_label, dates=settings.dates)
    for window in measurable:
        cut = parts(events, window)
        attacks = labelled(events, cut) if by_label else injected(events, window, cut, sources)
        trial = _trial(events, window, cut, attacks, settings, look_up if settings.context_for_scorers else None)
        if not len(cut.normal):
            rows = window.known_rows
            left_out.append((window, f"no test row of an entity with {rows} training row{'s' * (rows != 1)}"))
            continue
        try:
            scored, p = _scored(trial, settings, partial(BegunTraining, window, len(measurable)), report)
        except NotEnoughHistory as error:
            left_out.append((window, error.message))
            continue
        used.append(window)
        probability += p
        for name, each in scored.items():
            for run, scores in zip(found[name], each, strict=True):
                run.append(scores)
    _require_some(used, left_out, found, by_label=by_label)
    return Evaluation(
        scorers={name: mean_of([measured(run) for run in each]) for name, each in found.items()},
        calibration=calibration(np.concatenate(probability)),
        windows=tuple(used),
        left_out=tuple(left_out),
        normal_rows=sum(len(scores.normal) for scores in found["hybrid"][0]),
        labelled=by_label,
    )


def _trial(
    events: EvaluationEvents,
    window: EvaluationWindow,
    cut: Parts,
    attacks: dict[str, Attacks],
    settings: EvaluationSettings,
    look_up: LookUp | None,
) -> Trial:
    def asked(each: Attacks) -> TrialPairs:
        context = None if look_up is None else look_up(each.addresses)
        return TrialPairs(events.entity[each.row], each.addresses, events.time[each.row], context)

    normal = Attacks(cut.normal, events.addresses[events.ip[cut.normal]])
    return Trial(
        events=events,
        hashes=entity_hashes(events.entities),
        context=None if look_up is None else look_up(events.addresses),
        window=window,
        parts=cut,
        asked={NORMAL_ROWS: asked(normal), **{kind: asked(each) for kind, each in attacks.items()}},
        state=settings.state,
    )


def _scored(
    trial: Trial, settings: EvaluationSettings, begun: Callable[[str, int], BegunTraining], report: Report
) -> tuple[dict[str, list[Scores]], list[NDArray[np.float64]]]:
    """Return (scores by scorer, p of the normal rows float64[n]), one item per training; untrained scorers have one.

    ``begun`` takes the scorer's name and the training's number; ``report`` gets its result before each training.
    """
    look_up = settings.look_up if settings.context_for_scorers else None
    scores: dict[str, list[Scores]] = {name: [score(trial)] for name, score in COUNTING.items()}
    scores |= {name: [] for name in TRAINED}
    probability = []
    for number in range(settings.trainings):
        hyperparameters = settings.hyperparameters.replaced(seed=(settings.hyperparameters.seed + number) % SEEDS)
        report(begun("hybrid", number))
        product = hybrid(trial, hyperparameters, look_up)
        scores["hybrid"].append(product.scores)
        probability.append(product.probability)
        report(begun("ip_insights", number))
        scores["ip_insights"].append(ip_insights(trial, hyperparameters, look_up))
        report(begun("sagemaker_like", number))
        scores["sagemaker_like"].append(sagemaker_like(trial, hyperparameters.seed))
    return scores, probability


def _require_two_sides(events: EvaluationEvents) -> None:
    """Raise NotEnoughHistory unless there are normal rows of at least two entities."""
    normal = events.label == NORMAL
    if not normal.any():
        raise NotEnoughHistory(
            f"all {len(events):,} rows are labelled as attacks",
            hint="give the normal events too: they are what is learned. 0, false, benign or nothing says normal",
        )
    if len(np.unique(events.entity[normal])) == 1:
        raise NotEnoughHistory(
            "all normal events are of one entity: there is no other entity to compare it with",
            hint="give the events of several entities, or look whether the column entity is the right one",
        )


def _require_some(
    used: list[EvaluationWindow],
    left_out: list[tuple[EvaluationWindow, str]],
    found: dict[str, list[list[Scores]]],
    *,
    by_label: bool,
) -> None:
    if not used:
        _, why = left_out[0]
        raise NotEnoughHistory(
            f"none of the {len(left_out)} windows can be measured; the first: {why}",
            hint="evaluate on more events or a longer time: entities need rows before a test",
        )
    if not any(len(odd) for scores in found["hybrid"][0] for odd in scores.attacks.values()):
        raise NotEnoughHistory(
            "no attack lies in the time of a test" if by_label else "no attack could be drawn",
            hint="attacks count from about the middle of the events on: give normal events from before them"
            if by_label
            else "evaluate on more events",
        )
