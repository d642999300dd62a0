"""The job's state and its lease, on the cluster in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.cluster.port import Document
from ipi_es.errors import JobBusy, LostJob, NotFound, SnapshotForeign, SnapshotMissing
from ipi_es.setup import setup_plan
from ipi_es.state.details import JobDetails
from ipi_es.state.fields import LATEST
from ipi_es.state.job_state import JobState, StateStore, TrainedState, first_epoch, state_id
from ipi_es.testing.memory_cluster import MemoryCluster

NOW = 1_777_593_600
TTL = 120

optional_time = st.none() | st.integers(0, LATEST)
states = st.builds(
    JobState,
    job_id=st.just("logins"),
    checkpoint=optional_time,
    snapshot_id=st.none() | st.text(max_size=9),
    history_id=st.none() | st.text(max_size=9),
    quantiles_id=st.none() | st.text(max_size=9),
    renormalize_due=st.booleans(),
    renormalized_to=optional_time,
    lease_epoch=st.integers(0, 2**31 - 1),
    version=st.integers(0, 2**32 - 1),
    lease_owner=st.none() | st.text(max_size=9),
    lease_expires=optional_time,
    details=st.builds(JobDetails, other=st.dictionaries(st.text(max_size=3), st.floats(allow_nan=False), max_size=3)),
)


def store(cluster: MemoryCluster | None = None) -> StateStore:
    cluster = cluster or MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    return StateStore(cluster)


def everybody_lives(_owner: str) -> bool:
    return True


def claim(states: StateStore, owner: str = "a:1:1", now: int = NOW, alive=everybody_lives) -> JobState:
    return states.acquire_lease("logins", owner, now, TTL, alive=alive)


@given(states)
def test_state_goes_there_and_back(state: JobState) -> None:
    assert JobState.from_document(Document("x", "y", state.to_source())) == state


@given(states, states)
def test_external_version_orders_by_epoch_then_version(one: JobState, other: JobState) -> None:
    ordered = (one.lease_epoch, one.version) < (other.lease_epoch, other.version)
    assert (one.external_version < other.external_version) == ordered
    assert 0 <= one.external_version < 2**63


def test_state_of_a_newer_format_is_refused() -> None:
    source = {**JobState("logins").to_source(), "format": 99}
    with pytest.raises(SnapshotForeign, match="newer ipi-es"):
        JobState.from_document(Document("x", "y", source))


def test_job_that_never_ran_has_no_state() -> None:
    assert store().read("logins") is None
    assert store().all() == []


def test_claim_without_setup_says_what_to_do() -> None:
    with pytest.raises(NotFound) as error:
        claim(StateStore(MemoryCluster()))
    assert "ipi-es setup" in str(error.value)


def test_each_claim_raises_the_epoch() -> None:
    states = store()
    first = claim(states)
    states.release(first)
    second = claim(states, "b:1:1", NOW + 1)
    assert second.lease_epoch == first.lease_epoch + 1
    assert second.external_version > first.advanced().external_version
    assert states.read("logins") == second


def test_job_that_was_deleted_begins_above_its_predecessor() -> None:
    states = store()
    state = claim(states)
    for _ in range(9):
        state = claim(states, now=NOW + 1)
    assert states.delete("logins")
    assert claim(states, now=NOW + 10).external_version > state.external_version
    assert first_epoch(2**31) < 2**31
    assert first_epoch(0) == 1


def test_live_owner_keeps_the_job_until_the_lease_ends() -> None:
    states = store()
    claim(states)
    with pytest.raises(JobBusy, match="held by process 1 on a since "):
        claim(states, "b:2:2", NOW + TTL - 1)
    assert claim(states, "b:2:2", NOW + TTL).lease_owner == "b:2:2"


def test_dead_owners_lease_is_taken_at_once() -> None:
    states = store()
    claim(states)
    assert claim(states, "b:2:2", NOW + 1, alive=lambda owner: owner != "a:1:1").lease_owner == "b:2:2"


def test_owner_claims_again_without_waiting() -> None:
    states = store()
    assert claim(states).lease_epoch + 1 == claim(states).lease_epoch


def test_save_keeps_what_was_changed() -> None:
    states = store()
    state = states.save(claim(states).advanced(checkpoint=NOW + 3_600, quantiles_id="q-1"))
    assert states.read("logins") == state
    assert (state.version, state.checkpoint) == (1, NOW + 3_600)
    again = states.save(state.advanced(checkpoint=NOW + 7_200))
    assert again.version == 2


def test_worker_that_was_replaced_is_refused() -> None:
    states = store()
    old = claim(states)
    claim(states, "b:2:2", NOW + TTL)
    with pytest.raises(LostJob, match="b:2:2 holds it now"):
        states.save(old.advanced(checkpoint=NOW))
    with pytest.raises(LostJob):
        states.renew(old, NOW, TTL)
    with pytest.raises(LostJob):
        states.release(old)


def test_worker_of_a_deleted_job_is_refused() -> None:
    states = store()
    state = claim(states)
    states.delete("logins")
    with pytest.raises(LostJob):
        states.save(state.advanced())


def test_renewing_lengthens_the_lease_only() -> None:
    states = store()
    state = claim(states)
    renewed = states.renew(state, NOW + 60, TTL)
    assert renewed.lease_expires == NOW + 60 + TTL
    assert renewed.external_version == state.external_version


def test_reset_forgets_everything_but_the_lease() -> None:
    states = store()
    before = states.save(claim(states).advanced(checkpoint=NOW, snapshot_id="s", details=JobDetails(other={"a": 1})))
    after = states.reset(before)
    assert after.external_version > before.external_version
    assert (after.checkpoint, after.snapshot_id, after.details) == (None, None, JobDetails())
    assert after.lease_owner == before.lease_owner
    assert states.read("logins") == after


def test_all_states_are_listed_by_job() -> None:
    states = store()
    for job in ("b", "a"):
        states.acquire_lease(job, "o", NOW, TTL, alive=everybody_lives)
    assert [state.job_id for state in states.all()] == ["a", "b"]


def test_losing_a_race_for_the_claim_is_busy() -> None:
    cluster = MemoryCluster()
    states = store(cluster)
    claim(states)

    def beaten(*args, **kwargs):
        document = cluster.get("ipi-es-state", state_id("logins"))
        type(cluster).put(cluster, "ipi-es-state", state_id("logins"), document.source)
        return type(cluster).put(cluster, *args, **kwargs)

    cluster.put = beaten
    with pytest.raises(JobBusy, match="several workers"):
        claim(states)


def test_claim_that_lost_a_race_is_tried_again() -> None:
    cluster = MemoryCluster()
    states = store(cluster)
    before, puts = states.release(claim(states)), list[str]()

    def beat_once(operation: str, index: str) -> None:
        if operation == "put":
            puts.append(index)
            if len(puts) == 1:
                cluster.put("ipi-es-state", state_id("logins"), before.to_source())

    cluster.before = beat_once
    assert claim(states, "b:2:2").lease_epoch == before.lease_epoch + 1
    assert len(puts) == 3, "the other worker's, the one that lost, and the one after it"


def test_largest_lease_epoch_and_version_can_be_read() -> None:
    state = JobState("logins", lease_epoch=2**31 - 1, version=2**32 - 1)
    assert JobState.from_document(Document("x", "y", state.to_source())).external_version == 2**63 - 1


@pytest.mark.parametrize("lacks", ["snapshot_id", "history_id", "checkpoint"])
def test_state_of_a_job_that_is_not_trained_has_no_checkpoint_to_go_on_from(lacks: str) -> None:
    whole = JobState("job", snapshot_id="s", history_id="history-s+3", checkpoint=3 * 86_400)
    assert whole.trained == TrainedState("s", "history-s+3", 3 * 86_400)
    with pytest.raises(SnapshotMissing, match="has no snapshot yet"):
        replace(whole, **{lacks: None}).trained  # type: ignore[arg-type]  # noqa: B018
