"""Negatives of the combiner, and the operators and countries of made-up addresses."""

from __future__ import annotations

import dataclasses

import numpy as np
from ipinsights_events import small_company

from ipi_es.addresses import parse
from ipi_es.ipinsights.address_context import UNSEEN_COUNTRY, UNSEEN_OPERATOR, AddressContext
from ipi_es.ipinsights.combiner.combiner_negatives import NEGATIVE_WEIGHTS, Negatives
from ipi_es.ipinsights.combiner.guessed_context import GuessedContext
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.network.pairs import TrainingPairs
from ipi_es.ipinsights.prefixes import BLOCK, prefix_keys
from ipi_es.ipinsights.training.training_events import TrainingEvents

PLAIN = small_company(seed=5)
OPERATOR = (PLAIN.addresses[:, 12].astype(np.uint32) % 7) + 1
KNOWN = AddressContext(OPERATOR.astype(np.uint32), (OPERATOR % 3 + 0x4141).astype(np.uint16))
EVENTS = dataclasses.replace(PLAIN, context=KNOWN)


def pairs_of(events: TrainingEvents) -> TrainingPairs:
    return TrainingPairs.of_rows(events, entity_hashes(events.entities), np.arange(len(events)))


def addresses(*texts: str) -> np.ndarray:
    found, valid = parse(texts)
    assert valid.all()
    return found


def test_operators_and_countries_have_negatives_where_they_are_known_and_blocks_elsewhere() -> None:
    rng = np.random.default_rng(0)
    for events, kinds in ((EVENTS, {"operator", "country", "colleague"}), (PLAIN, {"block", "colleague"})):
        pairs = pairs_of(events)
        sampled = Negatives(pairs, GuessedContext.of(events)).sample(pairs, rng)
        found = {each.kind for each in sampled}
        assert found == {"random", "shuffled", "elsewhere", "near"} | kinds
        assert found <= set(NEGATIVE_WEIGHTS)


def test_a_negative_of_the_same_operator_or_block_is_another_entitys() -> None:
    rng = np.random.default_rng(0)
    for events in (EVENTS, PLAIN):
        pairs = pairs_of(events)
        own = events.addresses[pairs.address]
        for each in Negatives(pairs, GuessedContext.of(events)).sample(pairs, rng):
            assert each.usable.any()
            theirs = each.addresses[each.usable]
            if each.kind == "operator":
                assert each.context is not None
                assert (each.context.operator == KNOWN.operator[pairs.address])[each.usable].all()
            if each.kind == "block":
                blocks = prefix_keys(theirs)[:, BLOCK]
                assert (blocks == prefix_keys(own)[each.usable, BLOCK]).all()
            if each.kind in {"operator", "country", "block"}:
                taken = set(zip(pairs.hashes, map(bytes, own), strict=True))
                strange = [(h, bytes(a)) in taken for h, a in zip(pairs.hashes[each.usable], theirs, strict=True)]
                assert not any(strange)


def test_made_up_addresses_are_never_unknown_where_real_ones_are_known() -> None:
    rng = np.random.default_rng(0)
    guessed = GuessedContext.of(EVENTS)
    assert guessed is not None
    for each in Negatives(pairs_of(EVENTS), guessed).sample(pairs_of(EVENTS), rng):
        assert each.context is not None
        assert each.context.known().all()


def test_what_is_near_an_observed_address_has_its_operator_and_what_is_far_an_unseen_one() -> None:
    observed = addresses("10.0.0.1", "10.0.0.2", "203.0.113.9", "2001:db8::1")
    known = AddressContext(np.array([1, 2, 3, 4], dtype=np.uint32), np.array([5, 6, 7, 8], dtype=np.uint16))
    events = dataclasses.replace(PLAIN, addresses=observed, context=known, ip=PLAIN.ip % 4)
    guessed = GuessedContext.of(events)
    assert guessed is not None
    asked = addresses("10.0.0.3", "203.0.113.8", "2001:db8::2", "99.1.2.3", "2a00::1")
    found = guessed.guess(asked, np.random.default_rng(0))
    assert found.operator.tolist() == [2, 3, 4, UNSEEN_OPERATOR, UNSEEN_OPERATOR]
    assert found.country.tolist() == [6, 7, 8, UNSEEN_COUNTRY, UNSEEN_COUNTRY]


def test_a_file_of_networks_is_asked_before_guessing() -> None:
    def look_up(asked: np.ndarray) -> AddressContext:
        return AddressContext(np.full(len(asked), 99, dtype=np.uint32), np.zeros(len(asked), dtype=np.uint16))

    guessed = GuessedContext.of(dataclasses.replace(EVENTS, look_up=look_up))
    assert guessed is not None
    found = guessed.guess(PLAIN.addresses[:5], np.random.default_rng(0))
    assert found.operator.tolist() == [99] * 5
    assert (found.country == KNOWN.country[:5]).all()


def test_nothing_is_guessed_where_nothing_is_known() -> None:
    assert GuessedContext.of(PLAIN) is None
    assert GuessedContext.of(dataclasses.replace(PLAIN, context=AddressContext.none(len(PLAIN.addresses)))) is None
