"""Operators and countries that events have: of their addresses, and of those of attacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from evaluation_events import events_of

from ipi_es.addresses import Addresses, parse
from ipi_es.evaluation.evaluation_events import prepared
from ipi_es.evaluation.event_context import context_of
from ipi_es.ipinsights.address_context import UNSEEN_OPERATOR, AddressContext

EVENTS = events_of([(1, "a", "192.0.2.1"), (2, "a", "198.51.100.1"), (3, "b", "203.0.113.1")])
OWN = AddressContext(np.array([7, 0, 9], dtype=np.uint32), np.array([0, 0, 5], dtype=np.uint16))
ASKED = parse(["203.0.113.1", "192.0.2.9", "198.51.100.1", "20.0.0.1"])[0]


def test_events_without_operators_have_those_of_the_files() -> None:
    assert context_of(EVENTS, None) is None
    files = AddressContext.none
    assert context_of(EVENTS, files) is files  # type: ignore[arg-type]


def test_observed_addresses_have_their_own_and_others_a_guess_that_is_never_unknown() -> None:
    look_up = context_of(replace(EVENTS, context=OWN), None)
    assert look_up is not None
    found = look_up(ASKED)
    assert found.operator.tolist() == [9, 7, 0, UNSEEN_OPERATOR]
    assert look_up(ASKED).operator.tolist() == found.operator.tolist()


def test_files_come_before_the_events() -> None:
    def files(addresses: Addresses) -> AddressContext:
        return AddressContext(np.full(len(addresses), 3, dtype=np.uint32), np.zeros(len(addresses), dtype=np.uint16))

    look_up = context_of(replace(EVENTS, context=OWN), files)
    assert look_up is not None
    assert look_up(ASKED).operator.tolist() == [3] * 4
    assert look_up(ASKED).country.tolist()[0] == 5


def test_the_context_follows_its_address_through_the_protocols_first_step() -> None:
    events = prepared(replace(EVENTS, context=OWN))
    assert events.context is not None
    operators = {events.addresses[at].tobytes(): events.context.operator[at] for at in range(3)}
    assert [operators[address.tobytes()] for address in EVENTS.addresses] == OWN.operator.tolist()
