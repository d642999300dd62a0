"""After all that a worker does, the stored incidents are those that the stored results make."""

from __future__ import annotations

import pytest
import worker_parts as parts
from incident_parts import computed, stored
from write_stages import JOB, STAGES, Stage, own_events

from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.incidents.incidents_due import incidents_due

WITHOUT = (
    "the first training", "training again", "what a killed training said", "cleaning", "going back", "a reset",
    "a verdict amid a deletion", "a deletion",
)  # fmt: skip
"""Stages after which there is no incident."""


@pytest.fixture(scope="module")
def trained() -> MemoryCluster:
    with pytest.MonkeyPatch.context() as patch:
        return parts.trained_cluster(JOB, patch)


@pytest.mark.parametrize("stage", STAGES, ids=lambda each: each.name)
def test_incidents_are_those_of_the_results(
    trained: MemoryCluster, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.train_by(monkeypatch)
    cluster = own_events(trained)
    stage.begin(cluster)
    stage.done(cluster, "one:1:1", {"one:1:1"})
    state = StateStore(cluster).read(stage.job.job_id)
    known = None if state is None else state.details.incidents
    assert state is None or known is None or incidents_due(state.details, stage.job) is None
    found = stored(cluster, stage.job)
    assert found == computed(cluster, stage.job, 0 if known is None else known.begin)
    assert bool(found) == (stage.name not in WITHOUT)
