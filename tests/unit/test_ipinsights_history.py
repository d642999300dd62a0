from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipinsights_events import FIRST_DAY, small_company
from ipinsights_parts import a_history, day_deltas

from ipi_es.addresses import parse
from ipi_es.ipinsights.combiner.features import ADDRESS_FEATURES, ENTITY_FEATURES, address_view, entity_view
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.history.profiles import USUAL
from ipi_es.ipinsights.history.sketches import cells_exponent
from ipi_es.ipinsights.prefixes import ADDRESS, SITE, prefix_keys
from ipi_es.ipinsights.storage import delta_from_bytes, delta_to_bytes, history_from_bytes, history_to_bytes


def delta(day: int, rows: list[tuple[str, str, int]]) -> DayDelta:
    addresses, valid = parse([row[1] for row in rows])
    assert valid.all()
    return DayDelta.of(day, entity_hashes([row[0] for row in rows]), addresses, np.array([row[2] for row in rows]))


def empty(day: int = 100, **kwargs: float) -> History:
    return History.empty(day, pair_keys=100, network_keys=100, **kwargs)


def pair_count(history: History, entity: str, ip: str, level: int) -> float:
    addresses, _ = parse([ip])
    keys = joined(entity_hashes([entity])[:, None], prefix_keys(addresses))
    return float(history.pairs.read_count(history.pairs.cells(keys))[0, level]) * history.scale()


def equal(left: History, right: History) -> bool:
    (one, arrays), (two, others) = left.to_arrays(), right.to_arrays()
    return one == two and all(arrays[name].tobytes() == others[name].tobytes() for name in arrays)


ROWS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["192.0.2.1", "192.0.2.9", "198.51.100.1", "2001:db8::1"]),
              st.integers(1, 500)),
    min_size=1,
    max_size=30,
)  # fmt: skip


@given(ROWS, st.randoms())
@settings(max_examples=40, deadline=None)
def test_a_day_is_order_free(rows: list[tuple[str, str, int]], random) -> None:
    shuffled = rows.copy()
    random.shuffle(shuffled)
    one, two = empty(), empty()
    one.apply(delta(100, rows))
    two.apply(delta(100, shuffled))
    assert equal(one, two)


def test_counts_of_one_pair_in_a_day_add_up() -> None:
    whole = delta(100, [("a", "192.0.2.1", 5)])
    parts = delta(100, [("a", "192.0.2.1", 2), ("a", "192.0.2.1", 3)])
    assert delta_to_bytes(whole) == delta_to_bytes(parts)


def test_live_and_replayed_from_a_base_are_equal_bit_for_bit() -> None:
    deltas = day_deltas(small_company(seed=2))
    live = History.empty(FIRST_DAY, pair_keys=10_000, network_keys=5_000)
    base = b""
    for number, one in enumerate(deltas):
        live.apply(one)
        if number == 4:
            base = history_to_bytes(live)
    replayed = history_from_bytes(base)
    for one in deltas[5:]:
        replayed.apply(delta_from_bytes(delta_to_bytes(one)))
    assert equal(live, replayed)


def test_a_day_does_not_go_back() -> None:
    history = empty()
    history.apply(delta(101, [("a", "192.0.2.1", 1)]))
    assert history.day == 102
    with pytest.raises(ValueError, match="101"):
        history.apply(delta(101, [("a", "192.0.2.1", 1)]))


def test_an_empty_day_only_passes_time() -> None:
    history = empty()
    history.apply(delta(100, [("a", "192.0.2.1", 1)]))
    before = history.copy()
    history.apply(delta(150, []))
    assert history.day == 151
    before.day = 151
    assert equal(history, before)


def test_counts_halve_in_a_half_life() -> None:
    history = empty(half_life_days=10.0)
    history.apply(delta(100, [("a", "192.0.2.1", 1)]))
    now = pair_count(history, "a", "192.0.2.1", ADDRESS)
    history.apply(delta(110, []))
    assert pair_count(history, "a", "192.0.2.1", ADDRESS) == pytest.approx(now / 2)


def test_a_count_is_never_below_the_truth() -> None:
    events = small_company(seed=3)
    history = a_history(events)
    hashes = entity_hashes(events.entities)
    keys = joined(hashes[events.entity][:, None], prefix_keys(events.addresses[events.ip]))
    assert (history.pairs.read_count(history.pairs.cells(keys)) > 0).all()
    assert (history.networks.read_members(history.networks.cells(prefix_keys(events.addresses))) >= 1).all()


def test_entities_of_a_network_are_counted_once_each() -> None:
    history = empty()
    for day in (100, 101):
        history.apply(delta(day, [("a", "192.0.2.1", 3), ("a", "192.0.2.2", 1), ("b", "192.0.2.1", 1)]))
    addresses, _ = parse(["192.0.2.200"])
    members = np.expm1(address_view(history, addresses).features[0, ADDRESS_FEATURES.index("entities_24")])
    assert members == pytest.approx(2)


def test_an_entity_knows_its_distinct_networks_and_its_novelty() -> None:
    history = empty()
    history.apply(delta(100, [("a", "192.0.2.1", 3), ("a", "192.0.2.2", 1), ("a", "198.51.100.1", 1)]))
    history.apply(delta(101, [("a", "192.0.2.1", 1)]))
    view = entity_view(history, entity_hashes(["a", "nobody"]))
    values = dict(zip(ENTITY_FEATURES, view.features[0], strict=True))
    assert view.events.tolist() == [6.0, 0.0]
    assert np.expm1(values["distinct_16"]) == pytest.approx(2)
    assert np.expm1(values["distinct_24"]) == pytest.approx(2)
    assert np.expm1(values["distinct_32"]) == pytest.approx(3)
    assert values["distinct_share_32"] == pytest.approx(3 / 5)
    # three rows of the first day lay in a new site, one of the second day did not
    assert values["novelty"] == pytest.approx(3.5 / 5, abs=0.02)
    assert (view.features[1] == 0).all()


def test_the_usual_networks_are_the_heaviest_and_the_newest() -> None:
    history = empty()
    for day in range(100, 110):
        history.apply(delta(day, [("a", f"10.0.{net}.1", 20) for net in range(8)]))
    history.apply(delta(110, [("a", "10.9.9.7", 1)]))
    table = history.profiles
    row = table.find(entity_hashes(["a"]))[0][0]
    assert (table.usual_key[row] != 0).sum() == USUAL
    kept = [table.usual_address[row, place].tobytes()[12:] for place in range(USUAL)]
    assert bytes([10, 9, 9, 7]) in kept
    assert len({blob[2] for blob in kept if blob[:2] == bytes([10, 0])}) == USUAL - 1
    for day in range(111, 140):  # the new one grows until it is among the heaviest
        history.apply(delta(day, [("a", "10.9.9.7", 50), ("a", f"172.16.{day}.1", 1)]))
    kept = [table.usual_address[row, place].tobytes()[12:] for place in range(USUAL)]
    assert bytes([10, 9, 9, 7]) in kept


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3)), max_size=14), max_size=8))
def test_the_usual_networks_are_those_that_a_plain_rule_keeps(days: list[list[tuple[int, int]]]) -> None:
    """Of those kept and those new of a day, one after the other: the seven heaviest, the newest of the rest."""
    history = empty()
    kept: dict[int, tuple[float, int]] = {}  # site: weight, last day
    for day, found in enumerate(days, 100):
        history.apply(delta(day, [("a", f"10.0.{net}.1", count) for net, count in dict(found).items()]))
        unit = 2.0 ** ((day - 100) / history.half_life_days)
        todays = {net: float(np.log2(1.0 + count) * unit) for net, count in dict(found).items()}
        for net in kept.keys() & todays.keys():
            kept[net] = (kept[net][0] + todays.pop(net), day)
        for net, weight in sorted(todays.items()):
            kept[net] = (weight, day)
            if len(kept) > USUAL:
                light, second = sorted(kept, key=lambda net: (kept[net], -site_key(net)))[:2]
                ranked = sorted((light, second), key=lambda net: (kept[net][1], kept[net][0], -site_key(net)))
                del kept[ranked[0]]
    table = history.profiles
    row = table.find(entity_hashes(["a"]))[0]
    if any(days):
        stored = table.usual_address[row[0]][table.usual_key[row[0]] != 0]
        assert {int(blob[14]) for blob in stored} == set(kept)


def site_key(net: int) -> int:
    return int(prefix_keys(parse([f"10.0.{net}.1"])[0])[0, SITE])


def test_who_was_away_longest_is_forgotten_first() -> None:
    history = empty()
    history.profiles.max_entities = 3
    for day, name in enumerate("abcde"):
        history.apply(delta(100 + day, [(name, "192.0.2.1", 1)]))
    _, found = history.profiles.find(entity_hashes(list("abcde")))
    assert found.tolist() == [False, False, True, True, True]


def test_one_entity_with_most_events_does_not_hide_others() -> None:
    history = empty()
    history.apply(
        delta(100, [("big", f"198.51.{i // 250}.{i % 250}", 1_000_000) for i in range(900)] + [("b", "192.0.2.1", 1)])
    )
    assert pair_count(history, "b", "192.0.2.1", SITE) == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize(("keys", "exponent"), [(0, 16), (1 << 14, 16), ((1 << 14) + 1, 17), (1 << 30, 24)])
def test_tables_have_four_cells_a_key_within_bounds(keys: int, exponent: int) -> None:
    assert cells_exponent(keys) == exponent
