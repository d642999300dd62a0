"""What follows from verdicts: which counts, what is never learned, and which pairs are endangered."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signin_events import make_job
from verdict_parts import said

from ipi_es.addresses import parse
from ipi_es.config.given_verdict import COMPROMISED, DISMISSED, SAFE, VERDICTS, Verdict
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.scoring.probability import MOST_ENDANGERED, endangered
from ipi_es.worker.verdicts.endangered_pairs import factors
from ipi_es.worker.verdicts.known_verdicts import KnownVerdicts

DAY, NOW = 86_400, 1_780_000_000
PAIRS = [("alice", "203.0.113.9"), ("bob", "203.0.113.9"), ("carol", "203.0.113.77"), ("dave", "198.51.100.1")]


def bucket(start: int, operators: dict[str, int] | None = None) -> EventBucket:
    """One event of each of PAIRS."""
    entities, ips = [entity for entity, _ in PAIRS], sorted({ip for _, ip in PAIRS})
    n, numbers = len(PAIRS), [(operators or {}).get(ip, 0) for ip in ips]
    return EventBucket(
        start=start,
        span=3_600,
        entities=entities,
        ips=ips,
        addresses=parse(ips)[0],
        outcomes=["success"],
        entity=np.arange(n, dtype=np.int32),
        ip=np.array([ips.index(ip) for _, ip in PAIRS], dtype=np.int32),
        outcome=np.zeros(n, dtype=np.int8),
        count=np.ones(n, dtype=np.int64),
        event_count=n,
        context=AddressContext(np.array(numbers, dtype=np.uint32), np.zeros(len(ips), dtype=np.uint16)),
    )


def sources(known: KnownVerdicts, at: int, operators: dict[str, int] | None = None) -> dict[str, tuple[str, float]]:
    found = bucket(at, operators)
    return {
        PAIRS[row][0]: (each.text, each.factor)
        for row, each in known.endangering(found.matchable, found.entity, found.ip).items()
    }


ANY = st.builds(
    said,
    st.sampled_from(["alice", "bob"]),
    st.sampled_from(["203.0.113.9", "203.0.113.77", "198.51.100.1"]),
    st.sampled_from(VERDICTS),
    time=st.integers(NOW - DAY, NOW),
    since=st.integers(NOW - 3 * DAY, NOW - DAY),
)


@settings(max_examples=200)
@given(st.lists(ANY, max_size=6), st.randoms())
def test_the_order_of_verdicts_does_not_matter(verdicts: list[Verdict], random: object) -> None:
    other = list(verdicts)
    random.shuffle(other)  # type: ignore[attr-defined]
    one, two = KnownVerdicts(tuple(verdicts), DAY), KnownVerdicts(tuple(other), DAY)
    assert (one.safe, one.compromised) == (two.safe, two.compromised)
    assert one.taught((NOW - 1) // DAY) == two.taught((NOW - 1) // DAY)
    assert {pair: one.mark(*pair, NOW - DAY) for pair in PAIRS} == {pair: two.mark(*pair, NOW - DAY) for pair in PAIRS}
    assert sources(one, NOW) == sources(two, NOW)


@settings(max_examples=200)
@given(st.lists(ANY, max_size=4), ANY)
def test_a_revoked_verdict_is_as_one_that_was_never_given(verdicts: list[Verdict], other: Verdict) -> None:
    job = make_job()
    gone = replace(other, revoked=NOW, revoked_by="bob")
    assert KnownVerdicts.of(job, [*verdicts, gone], NOW) == KnownVerdicts.of(job, verdicts, NOW)


def test_the_strongest_verdict_counts() -> None:
    each = [said("alice", "203.0.113.9", word) for word in (DISMISSED, SAFE, COMPROMISED)]
    assert [KnownVerdicts(tuple(each[:n])).mark("alice", "203.0.113.1", NOW) for n in range(4)] == [
        None,
        DISMISSED,
        SAFE,
        COMPROMISED,
    ]
    assert KnownVerdicts(tuple(each[:2])).safe == {("alice", "203.0.113.0/24")}
    assert KnownVerdicts(tuple(each)).safe == frozenset()


def test_names_and_addresses_are_spelled_as_in_results() -> None:
    job = make_job(entity_normalize=["lowercase", "strip_domain"])
    known = KnownVerdicts.of(job, [said("Alice@example.com", "::ffff:203.0.113.9")], NOW)
    assert known.safe == {("alice", "203.0.113.0/24")}


def test_a_mark_is_for_results_from_its_beginning_to_the_verdict() -> None:
    known = KnownVerdicts((said("alice", "203.0.113.9", time=NOW, since=NOW - DAY),))
    assert [known.mark("alice", "203.0.113.7", at) for at in (NOW - DAY - 1, NOW - DAY, NOW, NOW + 1)] == [
        None,
        SAFE,
        SAFE,
        None,
    ]
    assert known.mark("bob", "203.0.113.7", NOW) is None


def test_compromised_pairs_are_never_learned_from_then_on() -> None:
    known = KnownVerdicts((said("alice", "203.0.113.200", COMPROMISED, since=NOW),))
    for at, alice in ((NOW - 1, False), (NOW, True), (NOW + 400 * DAY, True)):
        found = bucket(at)
        assert known.of_rows(found, found.entity, found.ip).tolist() == [alice, False, False, False], at


def test_other_accounts_are_endangered_from_the_address_its_network_and_its_hosting_operator() -> None:
    compromised = said("alice", "203.0.113.9", COMPROMISED, time=NOW, operator=64_496)
    known = KnownVerdicts((compromised,), 30 * DAY)
    wanted = {"bob": ("203.0.113.9", 2.0), "carol": ("203.0.113.0/24", 1.5)}
    assert sources(known, NOW) == wanted
    assert sources(known, NOW, {"198.51.100.1": 64_496}) == {**wanted, "dave": ("AS64496", 1.25)}
    assert sources(known, NOW - 1) == sources(known, NOW + 30 * DAY) == {}
    assert sources(KnownVerdicts((compromised,), 0), NOW) == {}
    assert sources(KnownVerdicts((replace(compromised, verdict=SAFE),), 30 * DAY), NOW) == {}


def test_thousands_of_compromised_accounts_at_one_operator_cost_one_look_up_each() -> None:
    n = 5_000
    ips = [f"198.18.{i >> 8}.{i & 255}" for i in range(n)]
    found = EventBucket(
        start=NOW,
        span=3_600,
        entities=[f"account{i}" for i in range(n)],
        ips=ips,
        addresses=parse(ips)[0],
        outcomes=["success"],
        entity=np.arange(n, dtype=np.int32),
        ip=np.arange(n, dtype=np.int32),
        outcome=np.zeros(n, dtype=np.int8),
        count=np.ones(n, dtype=np.int64),
        event_count=n,
        context=AddressContext(np.full(n, 64_496, dtype=np.uint32), np.zeros(n, dtype=np.uint16)),
    )
    given_ = [
        said(f"account{i}", f"203.0.113.{i & 255}", COMPROMISED, time=NOW - i, operator=64_496) for i in range(3_000)
    ]
    began = time.process_time()
    endangered_by = KnownVerdicts(tuple(given_), 30 * DAY).endangering(found.matchable, found.entity, found.ip)
    assert time.process_time() - began < 5, "each pair was compared with each account"
    assert {endangered_by[0].entity, endangered_by[1].entity} == {"account0", "account1"}
    assert endangered_by[0].entity == "account1", "an account doesn't endanger itself"


@given(st.floats(-700, 0), st.sampled_from([1.0, 1.25, 1.5, 2.0]))
def test_an_endangered_pair_is_never_more_usual_and_its_change_is_bounded(ln_p: float, factor: float) -> None:
    (found,) = endangered(np.array([ln_p]), np.array([factor])).tolist()
    assert ln_p - np.log(MOST_ENDANGERED) - 1e-9 <= found <= ln_p
    assert factor > 1.0 or found == ln_p


@pytest.mark.parametrize(("p", "wanted"), [(0.5, 0.25), (0.02, 0.0004), (1e-5, 1e-8)])
def test_reference_values_of_an_endangered_address(p: float, wanted: float) -> None:
    assert np.exp(endangered(np.log([p]), [2.0])) == pytest.approx([wanted])


def test_factors_are_one_where_no_account_is_compromised_nearby() -> None:
    assert factors({}, 3).tolist() == [1.0, 1.0, 1.0]
