"""State, quantiles and blobs on real servers."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator

import numpy as np
import pytest
from servers.pool import Server

from ipi_es.cluster.port import Cluster
from ipi_es.config.files.loading import check_rule
from ipi_es.errors import JobBusy, LostJob, SnapshotDamaged, SnapshotMissing, UsageError
from ipi_es.state.calendar_store import CALENDARS_INDEX, CalendarStore, StoredEvent
from ipi_es.state.cluster_blobs import CHUNK_BYTES, SNAPSHOT_INDEX, ClusterBlobs
from ipi_es.state.details import JobDetails, LastError
from ipi_es.state.job_state import STATE_INDEX, StateStore
from ipi_es.state.quantiles_store import QuantilesStore, SavedQuantiles
from ipi_es.state.rule_store import RULES_INDEX, RuleStore, StoredRule

NOW = 1_777_593_600


@pytest.fixture
def job(cluster: Cluster) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    StateStore(cluster).delete(name)


def claim(cluster: Cluster, job: str, owner: str, now: int = NOW):
    return StateStore(cluster).acquire_lease(job, owner, now, 120, alive=lambda _owner: True)


def test_state_goes_there_and_back(cluster: Cluster, job: str) -> None:
    states = StateStore(cluster)
    details = JobDetails(last_error=LastError(NOW, "ClusterBusy", "it is busy"), other={"x": [1, 2.5]})
    state = states.save(claim(cluster, job, "a").advanced(checkpoint=NOW, quantiles_id="q", details=details))
    assert states.read(job) == state
    assert state in states.all()


def test_only_one_worker_holds_a_job(cluster: Cluster, job: str) -> None:
    states = StateStore(cluster)
    old = claim(cluster, job, "a")
    with pytest.raises(JobBusy):
        claim(cluster, job, "b", NOW + 119)
    new = claim(cluster, job, "b", NOW + 120)
    assert new.external_version > old.external_version
    with pytest.raises(LostJob, match="b holds it now"):
        states.save(old.advanced())
    states.release(states.save(new.advanced()))
    assert claim(cluster, job, "c", NOW + 121).lease_epoch == new.lease_epoch + 1


def test_quantiles_go_there_and_back_and_are_swept(cluster: Cluster, job: str) -> None:
    store = QuantilesStore(cluster, job)
    levels = {"record": np.random.default_rng(0).random(802), "bucket_time": np.zeros(802)}
    for number in range(3):
        store.save(SavedQuantiles(f"q-{number}", NOW, levels), version=number)
    assert store.read("q-1").levels["record"].tolist() == levels["record"].tolist()
    with pytest.raises(LostJob):
        store.save(SavedQuantiles("q-2", NOW, levels), version=1)
    assert store.sweep(["q-1"], version=5) == 2
    assert store.ids() == ["q-1"]
    with pytest.raises(LostJob):
        store.save(SavedQuantiles("q-2", NOW, levels), version=4)
    assert store.sweep([], version=6) == 1


def test_large_blob_goes_there_and_back(cluster: Cluster, job: str) -> None:
    blobs = ClusterBlobs(cluster)
    data = os.urandom(2 * CHUNK_BYTES + 7)
    info = blobs.write(job, "n-1", "network", data, created=NOW, attributes={"auc": 0.98})
    assert info.chunks == 3
    assert blobs.read(job, "n-1") == data
    assert blobs.list(job) == [info]
    cluster.delete(SNAPSHOT_INDEX, f"chunk:{job}:n-1:{info.sha256[:16]}:3:1")
    with pytest.raises(SnapshotDamaged, match="part 2 of 3 is missing"):
        blobs.read(job, "n-1")
    assert blobs.delete(job, "n-1")
    with pytest.raises(SnapshotMissing):
        blobs.read(job, "n-1")
    assert blobs.list(job) == []
    assert blobs.sweep(job) == 0


def test_indices_are_hidden_and_whole(cluster: Cluster, server: Server, job: str) -> None:
    claim(cluster, job, "a")
    ClusterBlobs(cluster).write(job, "b-1", "history_base", b"", created=NOW)
    assert ClusterBlobs(cluster).read(job, "b-1") == b""
    for index in (STATE_INDEX, SNAPSHOT_INDEX):
        status, answer = server.call("GET", f"/{index}/_settings")
        assert (status, answer[index]["settings"]["index"]["hidden"]) == (200, "true")
        assert cluster.get_mapping(index)[index]["dynamic"] == "false"
    ClusterBlobs(cluster).delete(job, "b-1")


def test_the_clusters_clock_is_told(cluster: Cluster, job: str) -> None:
    claim(cluster, job, "a")
    shown = StateStore(cluster).cluster_time()
    assert shown is not None
    assert abs(shown - time.time()) < 60


def test_scheduled_events_go_there_and_back_and_are_read_again_only_after_a_write(cluster: Cluster) -> None:
    name = f"event-{uuid.uuid4().hex[:8]}"
    made = StoredEvent(name, "a move", "ann", NOW, NOW, NOW + 60, calendar_id="moves", jobs=("a", "b"))
    store, other = CalendarStore(cluster), CalendarStore(cluster)
    store.add_event(made)
    first = store.all()
    assert made in first.events
    assert store.all() is first
    with pytest.raises(UsageError, match="already"):
        other.add_event(made)
    ended = other.end_event(name, NOW + 30, "bob")
    assert store.get(name) == ended
    assert [each.end for each in store.of_job("a").events if each.name == name] == [NOW + 30]
    assert name not in {each.name for each in store.of_job("c").events}
    cluster.delete(CALENDARS_INDEX, f"calendar:{name}")
    cluster.refresh(CALENDARS_INDEX)
    assert not any(each.name == name for each in store.all().events)


def test_rules_go_there_and_back_and_are_read_again_only_after_a_write(cluster: Cluster) -> None:
    name = f"rule-{uuid.uuid4().hex[:8]}"
    conditions = {"id": name, "entity": "svc-*", "cidr": "198.51.100.0/24", "operator": 4_200_000_001, "learn": True}
    made = StoredRule(check_rule(conditions), "why", "ann", NOW, NOW, NOW + 60, jobs=("a", "b"))
    store, other = RuleStore(cluster), RuleStore(cluster)
    store.add_rule(made)
    first = store.all()
    assert made in first.rules
    assert store.all() is first
    with pytest.raises(UsageError, match="already"):
        other.add_rule(made)
    assert store.all() is first
    ended = other.end_rule(name, NOW + 30, "bob")
    assert store.get(name) == ended
    assert [each.end for each in store.all().rules if each.name == name] == [NOW + 30]
    cluster.delete(RULES_INDEX, f"rule:{name}")
    cluster.refresh(RULES_INDEX)
    assert not any(each.name == name for each in store.all().rules)
