"""Cold start: who or what is new is named in the record, held back, and told by `explain`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
from cli_run import connect_to, run
from worker_company import HOUR, SCORED_FROM

from ipi_es.cluster.port import Put
from ipi_es.scoring.calibration import Calibrated, Calibration
from ipi_es.scoring.warm_up import MODEST
from ipi_es.setup.facts.gather import history_days
from ipi_es.testing.memory_cluster import MemoryCluster

JOB = company.make_job()
NEW, FAR = "newcomer", "198.51.100.66"
LOW = -30.0
"""ln p that the tests give to unseen entities: the made network knows no better."""


@pytest.fixture(scope="module")
def cluster() -> MemoryCluster:
    """Trained on ten days; then an account that was never seen, and an old one, from a network that was never seen."""
    with pytest.MonkeyPatch.context() as patch:
        made = parts.trained_cluster(JOB, patch)
    events = [(SCORED_FROM + 9 * HOUR, who, FAR, "success") for who in (NEW, "person20")]
    made.bulk(Put(company.EVENTS, f"new-{e[1]}", company.document(e)) for e in events)
    made.refresh(company.EVENTS)
    return made


def calibrate_by(ln_probability: Callable[..., Calibrated], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Calibration, "ln_probability", ln_probability)


@pytest.fixture
def records(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """By entity, of the address; whatever an unseen entity does is calibrated as very unusual."""
    real = Calibration.ln_probability

    def lower(self: Calibration, compatibility: Any, class_: Any) -> Calibrated:
        found = real(self, compatibility, class_)
        return Calibrated(np.where(np.asarray(class_) == 0, LOW, found.ln_p), found.extrapolated)

    copied = parts.copy_of(cluster)
    calibrate_by(lower, monkeypatch)
    parts.backfill(copied, JOB, end=SCORED_FROM + 12 * HOUR)
    found = parts.of_kind(parts.results(copied, JOB), "record")
    return {each["partition_field_value"]: each for each in found if each["by_field_value"] == FAR}


def test_unseen_entity_unseen_network_and_young_job_are_named(records: dict[str, dict[str, Any]]) -> None:
    assert records[NEW]["anomaly_score_explanation"]["cold_start"] == ["young_job", "unseen_entity", "unseen_network"]
    for entity, record in records.items():
        if entity != NEW:
            assert record["anomaly_score_explanation"]["cold_start"] == ["young_job", "unseen_network"]


def test_unseen_entity_in_a_young_job_is_held_back_and_the_record_says_so(records: dict[str, dict[str, Any]]) -> None:
    record = records[NEW]
    why = record["anomaly_score_explanation"]
    assert record["probability"] == pytest.approx(MODEST)
    assert why["calibrated_probability"] == pytest.approx(np.exp(LOW))
    assert why["probability_extrapolated"] is False
    assert record["record_score"] < 50


def test_cap_by_the_probability_is_written_as_100_at_most(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lowest(_: Calibration, compatibility: Any, class_: Any) -> Calibrated:
        return Calibrated(np.full(len(class_), LOW), np.zeros(len(class_), dtype=np.bool_))

    copied = parts.copy_of(cluster)
    calibrate_by(lowest, monkeypatch)
    parts.backfill(copied, JOB, end=SCORED_FROM + 12 * HOUR)
    caps = [each["anomaly_score_explanation"]["c3"] for each in parts.of_kind(parts.results(copied, JOB), "record")]
    assert max(caps) == 100.0


def test_explain_tells_who_warms_up(cluster: MemoryCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = parts.copy_of(cluster)
    connect_to(monkeypatch, copied)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "job.json").write_text(json.dumps(company.job_data()))
    told = run("explain", "job.json", NEW, FAR).stdout
    assert "the job warms up: its history is 10 days long, of 14 wanted" in told
    assert "newcomer warms up: fewer than six events are known" in told
    known = run("explain", "job.json", "person20", FAR).stdout
    assert "person20 warms up" not in known


def test_history_is_as_long_as_the_days_that_were_learned_and_scored(cluster: MemoryCluster) -> None:
    assert history_days(cluster, JOB.job_id, None) == company.LEARN_DAYS
    copied = parts.copy_of(cluster)
    parts.backfill(copied, JOB, end=SCORED_FROM + 2 * company.DAY)
    assert history_days(copied, JOB.job_id, None) == company.LEARN_DAYS + 2
    assert history_days(copied, "never-ran", None) is None
