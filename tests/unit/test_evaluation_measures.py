"""Figures by hand: AUC, recall, calibration, the references that count."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from evaluation_events import DAY

from ipi_es.addresses import parse
from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.evaluation import evaluation
from ipi_es.evaluation.announced import Announced
from ipi_es.evaluation.earlier import Counter, EarlierCounts, EarlierRows, Keys, before
from ipi_es.evaluation.evaluation import Evaluation
from ipi_es.evaluation.evaluation_report import as_json, sentences, table_rows
from ipi_es.evaluation.measures import Scores, calibration, mean_of, measured
from ipi_es.evaluation.plot import roc
from ipi_es.evaluation.references.counts_scorer import ENTITY_WEIGHT, log_odds
from ipi_es.evaluation.references.seen_scorer import rank
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.prefixes import LEVELS


def floats(*values: float) -> np.ndarray:  # type: ignore[type-arg]
    return np.array(values, dtype=np.float64)


def test_auc_is_a_windows_share_of_right_orders_averaged_by_attacks() -> None:
    first = Scores(floats(1, 2, 3, 4), {"x": floats(0, 2.5)})  # 4 + 2 of 8 right
    second = Scores(floats(0, 1), {"x": floats(0)})  # 1 right, 1 tie: 0.75
    found = measured([first, second]).attacks["x"]
    assert found.auc == pytest.approx((0.75 * 2 + 0.75 * 1) / 3)
    assert found.count == 3


def test_recall_is_the_share_strictly_below_the_pooled_quantile() -> None:
    windows = [
        Scores(np.arange(0, 101, dtype=np.float64), {"x": floats(0.5, 1.0, 2.0)}),
        Scores(floats(), {"y": floats()}),
    ]
    found = measured(windows)
    assert found.attacks["x"].recall["recall_at_1pct"] == pytest.approx(1 / 3)  # the 1 % quantile is 1.0
    assert found.attacks["x"].recall["recall_at_0.1pct"] == 0.0  # 0.1


def test_a_threshold_is_of_all_windows_together() -> None:
    low, high = Scores(np.full(100, -5.0), {"x": floats(-6)}), Scores(np.full(100, 5.0), {"x": floats(0)})
    assert measured([low, high]).attacks["x"].recall["recall_at_1pct"] == 0.5


def test_ties_at_the_threshold_are_not_found() -> None:
    assert measured([Scores(np.zeros(50), {"x": floats(0, 0)})]).attacks["x"].recall["recall_at_1pct"] == 0.0


def test_the_mean_is_over_kinds_whatever_their_number() -> None:
    found = measured([Scores(floats(1, 2), {"x": floats(0), "y": floats(3, 3, 3)})])
    assert found.mean_auc == pytest.approx(0.5)


def test_figures_of_several_trainings_are_their_means() -> None:
    windows = [Scores(floats(1, 2), {"x": floats(0)}), Scores(floats(1, 2), {"x": floats(3)})]
    first, second = (measured([window]) for window in windows)
    found = mean_of([first, second])
    assert found.attacks["x"].auc == found.mean_auc == pytest.approx(0.5)
    assert found.attacks["x"].recall["recall_at_1pct"] == pytest.approx(0.5)
    assert found.attacks["x"].count == 1
    assert found.runs == (first, second)
    assert found.windows == first.windows
    assert mean_of([first]) is first


def test_each_training_has_a_seed_of_its_own_behind_the_largest_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    nothing = Scores(np.zeros(0), {})

    def trained(_trial: object, hyperparameters: Hyperparameters, _look_up: object) -> SimpleNamespace:
        seeds.append(hyperparameters.seed)
        return SimpleNamespace(scores=nothing, probability=np.zeros(0))

    own = {"hybrid": trained, "ip_insights": trained, "sagemaker_like": lambda *_: nothing}
    for name, value in {"COUNTING": {}, **own}.items():
        monkeypatch.setattr(evaluation, name, value)
    settings = evaluation.EvaluationSettings(
        Announced.of([], parse([])[0]), hyperparameters=Hyperparameters(seed=2**63 - 1)
    )
    scores, _ = evaluation._scored(
        SimpleNamespace(window=None), replace(settings, trainings=2), lambda *_: None, lambda _: None
    )
    assert seeds == [2**63 - 1] * 2 + [0] * 2
    assert {name: len(each) for name, each in scores.items()}["sagemaker_like"] == 2


def test_calibration_is_the_share_at_or_below_each_limit() -> None:
    assert calibration(floats(0.1, 0.01, 0.5, 0.2)) == {"0.1": 0.5, "0.01": 0.25, "0.001": 0.0}


def test_a_roc_goes_from_nothing_to_everything() -> None:
    false, found = roc(floats(1, 2), floats(0, 1))
    assert false.tolist() == [0, 0, 0.5, 1]
    assert found.tolist() == [0, 0.5, 1, 1]


def test_earlier_rows_are_strictly_earlier() -> None:
    earlier = EarlierRows(np.array([5, 5, 9, 5], dtype=np.uint64), np.array([30, 10, 20, 20]))
    key, until = np.array([5, 5, 5, 5, 9, 7], dtype=np.uint64), np.array([10, 20, 31, 10**9, 5, 99])
    assert earlier.count(key, until).tolist() == [0, 1, 3, 3, 0, 0]


def test_states_know_all_before_the_test_the_day_or_the_event() -> None:
    time = np.array([3 * DAY + 7])
    assert [int(before(time, 2 * DAY, state)[0]) for state in ("frozen", "daily", "online")] == [
        2 * DAY,
        3 * DAY,
        3 * DAY + 7,
    ]


def test_counts_by_level_are_those_of_the_entity_and_of_anybody() -> None:
    texts = ["192.0.2.1", "192.0.2.77", "198.51.100.1"]
    addresses = parse(texts)[0]
    context = AddressContext(np.array([1, 1, 2], dtype=np.uint32), np.array([0, 0, 7], dtype=np.uint16))
    keys, hashes = Keys.of(addresses, context), np.array([11, 22], dtype=np.uint64)
    counter = Counter(keys.take(np.array([0, 1, 2])), hashes[[0, 1, 0]], np.array([1, 2, 3]))
    found = counter.counted(keys.take(np.array([1])), hashes[[0]], np.array([100]))
    assert (found.entity.tolist(), found.total.tolist()) == ([2], [3])
    assert found.pair[0].tolist() == [0, 1, 1, 1, 1, 1, 1, 0, 0, 0]  # country unknown, operator, /8 … the address
    assert found.network[0].tolist() == [0, 2, 2, 2, 2, 2, 2, 1, 1, 1]
    assert found.known[0].tolist() == [False] + [True] * 9


def counted(pair: list[int], network: list[int], entity: int, total: int, *, context: bool = True) -> EarlierCounts:
    known = np.ones((1, len(pair)), dtype=np.bool_)
    if not context:
        known[:, :2] = False
    return EarlierCounts(np.array([pair]), np.array([network]), np.array([entity]), np.array([total]), known)


def test_seen_ranks_address_prefix_operator_country_wide_prefix_nothing() -> None:
    exact = [1, 1] + [1] * 8
    site = [1, 1] + [1] * 5 + [0] * 3
    operator = [1, 1] + [1] * 3 + [0] * 5
    country = [1, 0] + [1] * 4 + [0] * 4
    wide = [0, 0] + [1] * 2 + [0] * 6
    ranks = [float(rank(counted(each, [9] * 10, 3, 9))[0]) for each in (exact, site, operator, country, wide, [0] * 10)]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == 6
    assert ranks[-1] == 0.0


def test_seen_does_without_context() -> None:
    pairs = np.array([[1] * LEVELS, [1, 1] + [0] * 6])
    found = rank(EarlierCounts(pairs, pairs, np.ones(2), np.ones(2), np.ones((2, LEVELS), dtype=np.bool_)))
    assert found[0] > found[1] > 0


def test_counts_back_off_from_wide_to_narrow() -> None:
    # one level: r = (c / P + a) / (n + a) with c = 3 of n = 4, P = (5 + 1) / (9 + 1)
    found = log_odds(counted([3], [5], 4, 9))
    assert found[0] == pytest.approx(math.log((3 / 0.6 + ENTITY_WEIGHT) / (4 + ENTITY_WEIGHT)))


def test_counts_of_an_unknown_entity_say_nothing() -> None:
    assert log_odds(counted([0, 0], [5, 2], 0, 9))[0] == pytest.approx(0.0)


def test_counts_pass_over_what_is_not_known() -> None:
    assert log_odds(counted([0, 0, 3], [0, 0, 5], 4, 9, context=False))[0] == log_odds(counted([3], [5], 4, 9))[0]


def small() -> Evaluation:
    scorer = measured([Scores(floats(1, 2), {"x": floats(0)})])
    return Evaluation({"hybrid": scorer, "seen": scorer}, calibration(floats(0.05, 1.0)), (), (), 2, labelled=False)


def test_json_has_the_agreed_shape() -> None:
    assert as_json(small()) == {
        "models": {
            name: {
                "mean_auc": 1.0,
                "mean_recall_at_1pct": 1.0,
                "attacks": {"x": {"auc": 1.0, "recall_at_1pct": 1.0, "recall_at_0.1pct": 1.0}},
            }
            for name in ("hybrid", "seen")
        },
        "calibration": {"0.1": 0.5, "0.01": 0.0, "0.001": 0.0},
    }


def test_what_could_not_be_measured_is_null() -> None:
    scorer = measured([Scores(floats(), {"x": floats(0)})])
    found = as_json(Evaluation({"seen": scorer}, calibration(floats()), (), (), 0, labelled=False))
    assert found["models"]["seen"]["mean_auc"] is None
    assert found["calibration"]["0.1"] is None


def test_the_table_has_a_row_for_each_kind_and_their_mean() -> None:
    rows = table_rows(small())
    assert [row["attack"] for row in rows] == ["x", "mean"]
    assert rows[0]["hybrid"] == "1.000 / 1.00"
    assert "0.5000 at p ≤ 0.1" in sentences(small())[0]
