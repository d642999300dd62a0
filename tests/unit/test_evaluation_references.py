"""The references of risk-based authentication and of Elastic's `rare`, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from evaluation_events import DAY, events_of

from ipi_es.evaluation.attacks import Attacks
from ipi_es.evaluation.earlier import EarlierCounts
from ipi_es.evaluation.evaluation_events import EvaluationEvents
from ipi_es.evaluation.protocol import EvaluationWindow, parts
from ipi_es.evaluation.references.freeman_scorer import WEIGHTS, log_ratio
from ipi_es.evaluation.references.rare_scorer import log_probability, rare
from ipi_es.evaluation.trial import NORMAL_ROWS, Trial, TrialPairs
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.prefixes import LEVELS


def counted(pair: list[int], network: list[int], known: list[bool] | None = None) -> EarlierCounts:
    """Of an entity with 4 events among 9."""
    there = np.array([known or [True] * len(pair)])
    return EarlierCounts(np.array([pair]), np.array([network]), np.array([4]), np.array([9]), there)


def test_freemans_ratio_is_the_weighted_mean_over_address_operator_and_country() -> None:
    # country 3 of the entity's 4, all: 5 of 9; operator 2 and 3; address 0 and 1
    found = log_ratio(counted([3, 2, *[0] * LEVELS], [5, 3, *[9] * (LEVELS - 1), 1]))
    country, operator, address = (3 / 0.6 + 1) / 5, (2 / 0.4 + 1) / 5, (0 / 0.2 + 1) / 5
    expected = WEIGHTS["country"] * country + WEIGHTS["operator"] * operator + WEIGHTS["address"] * address
    assert found[0] == pytest.approx(math.log(expected))


def test_freemans_ratio_leaves_out_what_is_not_known_and_does_without_operators() -> None:
    alone = log_ratio(counted([0] * (LEVELS - 1) + [2], [0] * (LEVELS - 1) + [3]))
    unknown = [False, False] + [True] * LEVELS
    assert log_ratio(counted([0] * (LEVELS + 1) + [2], [0] * (LEVELS + 1) + [3], unknown))[0] == alone[0]
    assert alone[0] == pytest.approx(math.log((2 / 0.4 + 1) / 5))


def test_an_address_is_as_rare_as_all_that_are_at_most_as_frequent() -> None:
    earlier = np.array([1, 1, 1, 1, 2, 2, 3], dtype=np.uint64)  # days: 4, 2, 1
    found = np.exp(log_probability(earlier, np.array([1, 2, 3, 9], dtype=np.uint64)))
    # with the present day: 5 of 8; 3 of 8 and the 1 of another; 2 and 2; a new one has 1, and another has 1
    assert found == pytest.approx([8 / 8, 4 / 8, 4 / 8, 2 / 8])
    assert np.exp(log_probability(earlier[:0], np.array([9], dtype=np.uint64))) == pytest.approx([1.0])


def trial(events: EvaluationEvents, state: str) -> Trial:
    window = EvaluationWindow(0, 0, 4, 5, 8)
    cut = parts(events, window)
    normal = Attacks(cut.normal, events.addresses[events.ip[cut.normal]])
    asked = TrialPairs(events.entity[normal.row], normal.addresses, events.time[normal.row], None)
    return Trial(events, entity_hashes(events.entities), None, window, cut, {NORMAL_ROWS: asked}, state)  # type: ignore[arg-type]


@pytest.mark.parametrize(("state", "expected"), [("daily", [6 / 6, 1 / 7, 2 / 8]), ("frozen", [1.0, 1 / 6, 1 / 6])])
def test_rare_knows_the_days_before_of_the_entity_alone(state: str, expected: list[float]) -> None:
    own = [(day * DAY, "a", "192.0.2.1") for day in range(6)]
    new = [(6 * DAY, "a", "192.0.2.2"), (7 * DAY, "a", "192.0.2.2")]
    other = [(day * DAY, "b", "192.0.2.2") for day in range(5)]
    found = rare(trial(events_of([*own, *new, *other]), state))
    assert np.exp(found.normal) == pytest.approx(expected)
