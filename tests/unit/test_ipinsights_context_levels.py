"""Operators and countries beside the prefixes: in deltas, in history, in features and in scores."""

from __future__ import annotations

import dataclasses

import numpy as np
from ipinsights_events import FIRST_DAY, small_company
from ipinsights_parts import a_history, a_snapshot

from ipi_es.addresses import parse
from ipi_es.ipinsights.address_context import CONTEXT_LEVELS, AddressContext
from ipi_es.ipinsights.combiner.features import CONTEXT_FEATURES, FEATURES, address_view, entity_view, pair_features
from ipi_es.ipinsights.day_scorer import DayScorer
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.network.network import HEADS, Network
from ipi_es.ipinsights.pair_explanation import explain_all
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.ipinsights.storage import delta_from_bytes, delta_to_bytes, history_from_bytes, history_to_bytes
from ipi_es.ipinsights.training.training_events import TrainingEvents

PLAIN = small_company(seed=5)
DE, FR = 0x4445, 0x4652
KNOWN = AddressContext(
    (64_496 + PLAIN.addresses[:, 12].astype(np.uint32) % 7).astype(np.uint32),
    np.where(PLAIN.addresses[:, 12] % 2, DE, FR).astype(np.uint16),
)
EVENTS = dataclasses.replace(PLAIN, context=KNOWN)
NO_CONTEXT = slice(FEATURES.index(CONTEXT_FEATURES[0]), None)


def context(*rows: tuple[int, int]) -> AddressContext:
    operator, country = zip(*rows, strict=True)
    return AddressContext(np.array(operator, dtype=np.uint32), np.array(country, dtype=np.uint16))


def features(history: History, names: list[str], addresses: np.ndarray, known: AddressContext | None) -> np.ndarray:
    each = np.arange(len(names), dtype=np.int32)
    zeros = np.zeros(len(names), dtype=np.float32)
    entities, places = entity_view(history, entity_hashes(names)), address_view(history, addresses, known)
    return pair_features(history, entities, places, each, each, trained=zeros, network_log_odds=zeros)


def feature(values: np.ndarray, name: str) -> np.ndarray:
    return values[:, FEATURES.index(name)]


def one_day(names: list[str], known: AddressContext | None) -> History:
    history = History.empty(FIRST_DAY, pair_keys=100, network_keys=100)
    count = np.ones(len(names), dtype=np.int64)
    history.apply(DayDelta.of(FIRST_DAY, entity_hashes(names), PLAIN.addresses[: len(names)], count, known))
    return history


def test_a_delta_keeps_what_is_known_whatever_the_order_of_its_rows() -> None:
    entity, address = entity_hashes(["a", "a", "b"]), PLAIN.addresses[[0, 0, 1]]
    count = np.ones(3, dtype=np.int64)
    known = context((0, DE), (64_500, 0), (64_501, FR))
    delta = DayDelta.of(FIRST_DAY, entity, address, count, known)
    order = np.array([2, 1, 0])
    again = DayDelta.of(FIRST_DAY, entity[order], address[order], count, known.take(order))
    assert delta_to_bytes(delta) == delta_to_bytes(again)
    assert delta.context is not None
    assert sorted(zip(delta.context.operator, delta.context.country, strict=True)) == [(64_500, DE), (64_501, FR)]
    assert delta_to_bytes(delta_from_bytes(delta_to_bytes(delta))) == delta_to_bytes(delta)


def test_a_delta_without_context_has_the_bytes_of_old() -> None:
    entity, count = entity_hashes(["a"]), np.ones(1, dtype=np.int64)
    plain = DayDelta.of(FIRST_DAY, entity, PLAIN.addresses[:1], count)
    unknown = DayDelta.of(FIRST_DAY, entity, PLAIN.addresses[:1], count, AddressContext.none(1))
    assert delta_to_bytes(plain) == delta_to_bytes(unknown)
    assert set(plain.to_arrays()) == {"entity", "address", "count"}


def test_history_counts_operators_and_their_people() -> None:
    history = one_day(["a", "b", "c"], context((64_500, DE), (64_500, FR), (64_501, DE)))
    values = features(
        history, ["a", "a", "c"], PLAIN.addresses[[0, 1, 2]], context((64_500, DE), (64_501, FR), (64_501, 0))
    )
    assert feature(values, "operator_known").tolist() == [1, 1, 1]
    assert feature(values, "country_known").tolist() == [1, 1, 0]
    assert (feature(values, "operator_pair") > 0).tolist() == [True, False, True]
    assert (feature(values, "country_pair") > 0).tolist() == [True, False, False]
    assert np.expm1(feature(values, "operator_entities")).round().tolist() == [2, 1, 1]
    assert np.expm1(feature(values, "country_entities")).round().tolist() == [2, 1, 0]
    assert np.expm1(feature(values, "operator_distinct")).round().tolist() == [1, 1, 1]


def test_a_second_day_from_the_same_operator_is_not_new() -> None:
    history = one_day(["a"], context((64_500, DE)))
    count = np.ones(1, dtype=np.int64)
    later = DayDelta.of(FIRST_DAY + 1, entity_hashes(["a"]), PLAIN.addresses[5:6], count, context((64_500, FR)))
    history.apply(later)
    assert history.profiles.context_distinct.tolist() == [[1.0, 2.0]]
    assert (history.profiles.context_new[:, 1] > history.profiles.context_new[:, 0]).all()


def test_features_are_zero_where_nothing_is_known_of_the_address_or_ever_was_of_the_entity() -> None:
    with_, without = one_day(["a"], context((64_500, DE))), one_day(["a"], None)
    place, known = PLAIN.addresses[:1], context((64_500, DE))
    assert (features(with_, ["a"], place, None)[:, NO_CONTEXT] == 0).all()
    assert (features(with_, ["a"], place, AddressContext.none(1))[:, NO_CONTEXT] == 0).all()
    assert (features(without, ["a"], place, known)[:, NO_CONTEXT] == 0).all()
    assert feature(features(without, ["new"], place, known), "operator_known").tolist() == [1]


def test_context_leaves_all_other_features_as_they_are() -> None:
    with_, without = a_history(EVENTS), a_history(PLAIN)
    names = [PLAIN.entities[i] for i in PLAIN.entity[:200]]
    ip = PLAIN.ip[:200]
    known = features(with_, names, PLAIN.addresses[ip], KNOWN.take(ip))
    plain = features(without, names, PLAIN.addresses[ip], None)
    first = CONTEXT_FEATURES[0]
    assert (known[:, : FEATURES.index(first)] == plain[:, : FEATURES.index(first)]).all()


def test_history_with_context_comes_back_from_its_bytes() -> None:
    history = a_history(EVENTS)
    assert history_to_bytes(history_from_bytes(history_to_bytes(history))) == history_to_bytes(history)


def with_context(network: Network) -> Network:
    rng = np.random.default_rng(0)
    keys = np.unique(KNOWN.keys())
    table = rng.standard_normal((HEADS + len(keys), network.vector_dim + 1)).astype(np.float32)
    return dataclasses.replace(network, context_keys=keys, context_table=table)


def test_a_network_trained_without_context_takes_no_notice_of_it() -> None:
    scorer = Scorer(a_snapshot(3, PLAIN), a_history(PLAIN))
    plain = scorer.score(PLAIN.entities, PLAIN.addresses, PLAIN.entity, PLAIN.ip)
    known = scorer.score(PLAIN.entities, PLAIN.addresses, PLAIN.entity, PLAIN.ip, KNOWN)
    assert (plain.network_log_odds == known.network_log_odds).all()


def test_unseen_operators_are_alike_and_differ_from_unknown_ones() -> None:
    network = with_context(a_snapshot(3, PLAIN).network)
    rows = network.context_rows(context((1, 2), (3, 4), (0, 0)), 3)
    assert rows.tolist() == [[0, 1], [0, 1], [CONTEXT_LEVELS, CONTEXT_LEVELS + 1]]
    assert network.context_rows(None, 2).tolist() == [[2, 3], [2, 3]]
    assert (network.context_rows(KNOWN, len(KNOWN)) >= HEADS).all()


def test_a_pair_scores_the_same_alone_and_remembered_with_its_context() -> None:
    snapshot = a_snapshot(3, EVENTS, layers=2)
    snapshot = dataclasses.replace(snapshot, network=with_context(snapshot.network))
    history = a_history(EVENTS)
    whole = Scorer(snapshot, history).score(EVENTS.entities, EVENTS.addresses, EVENTS.entity, EVENTS.ip, KNOWN)
    day = DayScorer(snapshot, history)
    for _ in range(2):
        again = day.score(EVENTS.entities, EVENTS.addresses, EVENTS.entity, EVENTS.ip, KNOWN)
        assert (again.log_odds == whole.log_odds).all()
    moved = AddressContext(KNOWN.operator[::-1].copy(), KNOWN.country)
    other = day.score(EVENTS.entities, EVENTS.addresses, EVENTS.entity, EVENTS.ip, moved)
    assert (other.log_odds != whole.log_odds).any()


def test_training_events_hand_their_context_to_the_deltas() -> None:
    events: TrainingEvents = EVENTS
    rows = np.flatnonzero(events.day == events.day[0])
    delta = events.delta(int(events.day[0]), entity_hashes(events.entities), rows)
    assert delta.context is not None
    assert len(delta.context) == len(delta)
    assert PLAIN.delta(int(events.day[0]), entity_hashes(events.entities), rows).context is None


def test_a_pair_counts_the_smaller_networks_within_that_were_used() -> None:
    history = History.empty(FIRST_DAY, pair_keys=100, network_keys=100)
    addresses, valid = parse(["198.51.100.1", "198.51.100.2", "198.51.99.1", "203.0.113.1"])
    assert valid.all()
    one = context((64_500, DE), (64_500, DE), (64_500, DE), (64_501, DE))
    count = np.ones(4, dtype=np.int64)
    history.apply(DayDelta.of(FIRST_DAY, entity_hashes(["a"] * 4), addresses, count, one))
    history.apply(DayDelta.of(FIRST_DAY + 1, entity_hashes(["a"] * 4), addresses, count, one))
    values = np.expm1(features(history, ["a"], addresses[:1], one.take(slice(0, 1)))).round()
    assert feature(values, "pair_within_16").tolist() == [2]
    assert feature(values, "pair_within_24").tolist() == [2]
    assert feature(values, "operator_pair_within").tolist() == [2]
    assert feature(values, "country_pair_within").tolist() == [3]
    stranger = features(history, ["b"], addresses[:1], one.take(slice(0, 1)))
    assert feature(stranger, "pair_within_16").tolist() == [0]


def test_an_operator_and_a_country_that_are_new_for_the_entity_are_told_of() -> None:
    history = one_day(["a", "b"], context((64_500, DE), (64_501, FR)))
    scorer = Scorer(a_snapshot(3, PLAIN), history)
    known = context((64_501, DE), (64_501, 0), (64_501, DE))
    one, two, three = explain_all(scorer, ["a", "b", "new"], PLAIN.addresses[:3], known)
    assert (one.operator, one.country) == (64_501, "DE")
    assert (one.operator_first_occurrence, one.country_first_occurrence) == (True, False)
    assert (two.operator_first_occurrence, two.country_first_occurrence) == (False, None)
    assert (three.operator_first_occurrence, three.country_first_occurrence) == (True, True)
    assert not any(each.operator_new_to_everybody for each in (one, two, three)), "b used it"
    unseen = context((64_502, DE))
    (strange,) = explain_all(scorer, ["a"], PLAIN.addresses[:1], unseen)
    assert strange.operator_new_to_everybody
    plain = explain_all(scorer, ["a"], PLAIN.addresses[:1])[0]
    assert (plain.operator, plain.country, plain.operator_first_occurrence) == (0, None, None)
    without = Scorer(a_snapshot(3, PLAIN), one_day(["a"], None))
    for entity in ("a", "new"):  # of a history without operators nothing is known
        assert not explain_all(without, [entity], PLAIN.addresses[:1], unseen)[0].operator_new_to_everybody
    assert (
        explain_all(without, ["a"], PLAIN.addresses[:1], known.take(slice(0, 1)))[0].operator_first_occurrence is None
    )


def test_usual_networks_are_compared_with_their_own_operators() -> None:
    snapshot = a_snapshot(3, EVENTS)
    scorer = Scorer(dataclasses.replace(snapshot, network=with_context(snapshot.network)), a_history(EVENTS))
    row = len(EVENTS) - 1
    name, ip = EVENTS.entities[EVENTS.entity[row]], EVENTS.ip[[row]]
    seen = explain_all(scorer, [name], EVENTS.addresses[ip], KNOWN.take(ip))[0]
    usual, valid = parse([network.address for network in seen.usual])
    assert valid.all()
    place = {bytes(address): i for i, address in enumerate(EVENTS.addresses)}
    theirs = KNOWN.take(np.array([place[bytes(address)] for address in usual]))
    zeros = np.zeros(len(usual), dtype=np.int32)
    scored = scorer.score([name], usual, zeros, np.arange(len(usual), dtype=np.int32), theirs)
    assert seen.typical_compatibility == np.median(scored.log_odds)
