"""A job's snapshot comes back as it was stored, one that an earlier version stored too."""

from __future__ import annotations

import numpy as np
import pytest
from ipinsights_parts import a_snapshot, small_company

from ipi_es.errors import SnapshotDamaged, SnapshotForeign
from ipi_es.ipinsights.trained_network import pack, unpack
from ipi_es.scoring.references import References
from ipi_es.worker.scoring.normalizer_state import NormalizerState
from ipi_es.worker.training.job_snapshot import JobSnapshot

FAILURES = 900


@pytest.fixture(scope="module")
def snapshot() -> JobSnapshot:
    rng = np.random.default_rng(1)
    n = 3_000
    compatibility, group = rng.normal(0.0, 3.0, n), np.arange(n) // 4
    failed = np.arange(n) < FAILURES
    references = References.fit(
        compatibility, rng.integers(0, 400, n).astype(float), np.full(n, 20), failed, group, group
    )
    network = a_snapshot(1, small_company(seed=1))
    return JobSnapshot(
        "logins", 86_400 * 20_000, network, references, NormalizerState.empty(("user.name", "source.ip"))
    )


def test_it_comes_back_as_it_was_stored(snapshot: JobSnapshot) -> None:
    blob = snapshot.to_bytes()
    back = JobSnapshot.from_bytes(blob, "logins")
    assert back.to_bytes() == blob
    for failures_only in (False, True):
        one, other = (each.references.of(failures_only=failures_only) for each in (snapshot, back))
        assert other.correlations == one.correlations
        assert other.calibration.total == one.calibration.total == 3_000 - (not failures_only) * FAILURES
        assert other.calibration.reference_days == 20


def test_one_of_an_earlier_version_compares_successes_and_failures_with_the_same(snapshot: JobSnapshot) -> None:
    manifest, arrays = unpack(snapshot.to_bytes())
    del manifest["failed_correlations"]
    older = {name: array for name, array in arrays.items() if not name.startswith("failed_calibration.")}
    back = JobSnapshot.from_bytes(pack(manifest, older), "logins")
    assert back.references.failures is back.references.successes


@pytest.mark.parametrize("name", ["calibration.class_sizes", "failed_calibration.compatibility", "network"])
def test_one_that_lacks_a_part_is_refused(snapshot: JobSnapshot, name: str) -> None:
    manifest, arrays = unpack(snapshot.to_bytes())
    del arrays[name]
    with pytest.raises(SnapshotDamaged):
        JobSnapshot.from_bytes(pack(manifest, arrays), "logins")


def test_another_jobs_is_refused(snapshot: JobSnapshot) -> None:
    with pytest.raises(SnapshotForeign, match="train the job"):
        JobSnapshot.from_bytes(snapshot.to_bytes(), "others")
