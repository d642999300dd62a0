"""The verdicts of a job: their ids, and which of them confirm a pair."""

from __future__ import annotations

import pytest

from ipi_es.setup import setup_plan
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.state.verdict_store import Verdict, VerdictStore
from ipi_es.testing.memory_cluster import MemoryCluster

NOW = 1_777_593_600


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    return made


def verdict(entity: str, network: str, **changes: str) -> Verdict:
    return Verdict(entity, "2001:db8::1", network, "ann", NOW, **changes)


def test_id_of_a_verdict_stays_the_same_in_later_versions(cluster: MemoryCluster) -> None:
    VerdictStore(cluster, "logins").save(verdict("alice", "2001:db8::/48"))
    # the BLAKE2b digest, 16 bytes, of both names, each after its length in 8 bytes
    stored = cluster.get(STATE_INDEX, "verdict:logins:de17dc8003707a21ca737f23091bcb44")
    assert stored is not None
    assert stored.source["entity"] == "alice"


def test_names_that_are_equal_when_joined_have_verdicts_of_their_own(cluster: MemoryCluster) -> None:
    verdicts = VerdictStore(cluster, "logins")
    pairs = {("alice", "10.0.0.0/24"), ("alice1", "0.0.0.0/24")}
    for entity, network in pairs:
        verdicts.save(verdict(entity, network))
    assert verdicts.confirmed() == pairs
    assert verdicts.delete("alice", "10.0.0.0/24")
    assert verdicts.confirmed() == {("alice1", "0.0.0.0/24")}


@pytest.mark.parametrize("other", ["attack", "unclear"])
def test_another_verdict_confirms_nothing(cluster: MemoryCluster, other: str) -> None:
    verdicts = VerdictStore(cluster, "logins")
    verdicts.save(verdict("alice", "10.0.0.0/24", verdict=other))
    assert [each.verdict for each in verdicts.all()] == [other]
    assert verdicts.confirmed() == frozenset()
