"""Training again: where the network begins, whether it is taken, and what is new all the same."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
from ipinsights_parts import a_snapshot, small_company
from worker_company import DAY, LEARN_FROM, SCORED_FROM

from ipi_es.addresses import parse
from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.ipinsights.entity_hashing import UNKNOWN_ROW, entity_hashes
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.ipinsights.scorer import Scorer, TrainedNetwork
from ipi_es.ipinsights.storage import snapshot_to_bytes
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.history.history_keeper import HistoryId
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session
from ipi_es.worker.training.retraining import (
    NONE,
    WORSE_ABOUT,
    WORSE_AT_LEAST,
    NetworkComparison,
    PreviousNetwork,
    begin,
)

JOB = company.make_job()
AGAIN_TO = SCORED_FROM + 2 * DAY
BASE = a_snapshot(3, small_company(3), dim=6)
ROWS = BASE.network.num_entity_vectors


def previous(**more: Any) -> PreviousNetwork:
    return PreviousNetwork("20260501T000000Z-1f3a9c0b", dataclasses.replace(BASE, **more))


def wanted(**more: Any) -> Hyperparameters:
    return Hyperparameters(**{"vector_dim": 6, "num_ip_encoder_layers": 2, **more})


def test_goes_on_from_the_last_snapshot_by_default() -> None:
    found = begin(previous(), wanted(), 100, from_scratch=False)
    assert found.base is not None
    assert found.said == "goes on from snapshot 20260501T000000Z-1f3a9c0b"


def test_goes_on_with_other_settings_of_the_training() -> None:
    assert begin(previous(), wanted(epochs=3, learning_rate=0.01, seed=9), 100, from_scratch=False).base is not None


@pytest.mark.parametrize(
    ("change", "entities", "said"),
    [
        ({"vector_dim": 12}, 100, "vector_dim was 6 and is 12"),
        ({"num_ip_encoder_layers": 1}, 100, "num_ip_encoder_layers was 2 and is 1"),
        ({"num_entity_vectors": 77}, 30, f"num_entity_vectors was {ROWS} and is 77"),
        ({}, ROWS + 1, f"its table of {ROWS} rows is too small for {ROWS + 1} entities"),
    ],
    ids=["vector_dim", "layers", "table", "more entities"],
)
def test_starts_anew_and_says_why_where_rows_would_lose_their_meaning(
    change: dict[str, Any], entities: int, said: str
) -> None:
    found = begin(previous(), wanted(**change), entities, from_scratch=False)
    assert found.base is None
    assert found.said.startswith("starts from scratch and not from snapshot 20260501T000000Z-1f3a9c0b: ")
    assert said in found.said


def test_starts_anew_where_that_is_asked_or_nothing_is_there() -> None:
    assert begin(previous(), wanted(), 100, from_scratch=True).said == "starts from scratch, as requested"
    assert begin(NONE, wanted(), 100, from_scratch=False).said == "starts from scratch: there is no earlier snapshot"
    assert "it is damaged" in begin(PreviousNetwork(unusable="it is damaged"), wanted(), 100, from_scratch=False).said


@pytest.mark.parametrize(
    ("new", "in_use", "taken"),
    [
        (0.95, 0.94, True),
        (0.94, 0.94, True),
        (0.94 - WORSE_ABOUT * 0.06 + 1e-9, 0.94, True),
        (0.94 - WORSE_ABOUT * 0.06 - 1e-9, 0.94, False),
        (0.9999 - WORSE_AT_LEAST + 1e-9, 0.9999, True),
        (0.9999 - WORSE_AT_LEAST - 1e-9, 0.9999, False),
        (float("nan"), 0.9, False),
    ],
)
def test_new_network_is_taken_unless_it_is_worse(new: float, in_use: float, taken: bool) -> None:
    assert NetworkComparison("old", new, in_use).taken is taken


def test_both_figures_are_told() -> None:
    assert str(NetworkComparison("old", 0.98765, 0.98111)) == (
        "discriminator_auc on the same held-out part: new 0.9877, in use 0.9811: the new network is taken"
    )
    assert "so the network of old stays" in str(NetworkComparison("old", 0.9, 0.98))


def test_another_architecture_is_a_persons_choice() -> None:
    assert NetworkComparison("old", 0.9, 0.98, decides=False).taken


def worse_training(*args: Any, **how: Any) -> Any:
    """A network that takes the unusual for usual."""
    trained = parts.made_training(*args, **{**how, "rival": None})
    combiner = parts.made_combiner()
    bad = dataclasses.replace(combiner, output=-combiner.output)
    snapshot = dataclasses.replace(trained.snapshot, combiner=bad, metrics={"discriminator_auc": 0.1})
    rival = parts.made_training(*args, **how).rival
    return dataclasses.replace(trained, snapshot=snapshot, rival=rival)


@pytest.fixture(scope="module")
def trained() -> MemoryCluster:
    with pytest.MonkeyPatch.context() as patch:
        return parts.trained_cluster(JOB, patch)


def again(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch, how: Any, **more: Any) -> tuple[Any, TrainedNetwork]:
    """(what a second training over two more days learned, the network in use before it)."""
    parts.train_by(monkeypatch, how)
    work = JobResources(cluster, JOB, clock=parts.TestClock())
    state = StateStore(cluster).read(JOB.job_id)
    assert state is not None
    with open_session(work) as session:
        return session.train(LEARN_FROM, AGAIN_TO, **more), work.snapshot(state.snapshot_id).network


def test_second_training_begins_with_the_network_in_use_and_is_held_against_it(
    trained: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster, asked = parts.copy_of(trained), []

    def training(*args: Any, **how: Any) -> Any:
        asked.append(how)
        return parts.made_training(*args, **how)

    learned, before = again(cluster, monkeypatch, training)
    assert snapshot_to_bytes(asked[0]["rival"]) == snapshot_to_bytes(before)
    assert learned.compared is not None
    assert learned.compared.new == pytest.approx(learned.compared.previous, abs=0.02)
    scratch, _ = again(cluster, monkeypatch, training, from_scratch=True)
    assert asked[1]["base"] is None
    assert asked[1]["rival"] is not None
    assert scratch.begun == "starts from scratch, as requested"


def test_worse_network_is_not_taken_but_history_and_calibration_are_new(
    trained: MemoryCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = parts.copy_of(trained)
    old_id = getattr(StateStore(cluster).read(JOB.job_id), "snapshot_id", None)
    learned, before = again(cluster, monkeypatch, worse_training)
    assert learned.compared is not None
    assert not learned.compared.taken
    assert "new 0.1000, in use 0." in caplog.text
    state = StateStore(cluster).read(JOB.job_id)
    assert state is not None
    assert state.snapshot_id != old_id
    kept = JobResources(cluster, JOB).snapshot(state.snapshot_id)
    assert kept.network.network.entity_table.tobytes() == before.network.entity_table.tobytes()
    assert kept.network.about["network_of"] == old_id
    assert kept.network.metrics["discriminator_auc"] == learned.compared.previous
    assert kept.trained_to == AGAIN_TO
    history = JobResources(cluster, JOB).keeper(HistoryId.parse(str(state.history_id))).history
    assert history.day == AGAIN_TO // DAY
    parts.backfill(cluster, JOB, start=AGAIN_TO)  # and it works


def test_snapshot_that_can_not_be_read_keeps_nobody_from_training(
    trained: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = parts.copy_of(trained)
    state = StateStore(cluster).read(JOB.job_id)
    assert state is not None
    ClusterBlobs(cluster).delete(JOB.job_id, str(state.snapshot_id))
    parts.train_by(monkeypatch)
    with open_session(JobResources(cluster, JOB)) as session:
        learned = session.train(LEARN_FROM, AGAIN_TO)
    assert learned.begun.startswith("starts from scratch: job signins has no snapshot")
    assert learned.compared is None


def test_entity_that_came_after_the_training_is_scored_by_its_history(trained: MemoryCluster) -> None:
    work = JobResources(parts.copy_of(trained), JOB)
    state = work.stores.states.read(JOB.job_id)
    assert state is not None
    snapshot, keeper = work.snapshot(state.snapshot_id), work.keeper(HistoryId.parse(str(state.history_id)))
    name, places = entity_hashes(["newcomer"]), parse(["198.51.100.9", "101.102.103.104"])[0]
    assert snapshot.network.network.entity_rows(name).tolist() == [UNKNOWN_ROW]
    who, each = np.zeros(2, dtype=np.int32), np.arange(2, dtype=np.int32)

    def odds() -> np.ndarray:
        return Scorer(snapshot.network, keeper.history).score_hashed(name, places, who, each).log_odds

    before = odds()
    keeper.history.apply(network_delta(keeper.history.day, name, places[:1]))
    keeper.history.day += 1
    after = odds()
    assert np.isfinite(before).all()
    assert after[0] > before[0] + 1
    assert after[0] > after[1] + 1


def network_delta(day: int, name: np.ndarray, places: np.ndarray) -> Any:
    return DayDelta.of(day, name, places, np.full(len(places), 5, dtype=np.int64))
