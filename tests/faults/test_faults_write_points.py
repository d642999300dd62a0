"""A worker that is killed before, amid or after any of its writes: the next one leaves what an undisturbed one leaves.

The write points are found in the code (tests/write_points.py), and each is a test here: a new one that no stage of
tests/write_stages.py comes to fails.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from fault_parts import Dump, Moment, WatchedCluster, dump, same
from write_points import WritePoint, write_points
from write_stages import STAGES, Stage, own_events

from ipi_es.testing.memory_cluster import MemoryCluster

pytestmark = pytest.mark.faults

NO_WRITES = {
    WritePoint("service/log_context.py", "about_job", "reset"): "what the log lines of this thread name",
    WritePoint("service/health/metrics.py", "", "_one"): "figures of this process",
    WritePoint("results/result_indices.py", "ResultIndices._require_whole", "delete_index"): (
        "an empty index that another template has made; no run goes on after it"
    ),
}
"""Names that are a writing function's elsewhere, and writes that no document follows."""


@dataclass
class Life:
    """All stages, done once without a kill; for each the undisturbed end, and the moments of its write points."""

    expected: dict[str, Dump] = field(default_factory=dict)
    moments: dict[WritePoint, list[tuple[Stage, Moment]]] = field(default_factory=dict)
    tried: set[tuple[str, int, str]] = field(default_factory=set)


@pytest.fixture(scope="module")
def life(trained: MemoryCluster) -> Life:
    assert write_points() >= NO_WRITES.keys(), "what is left out is not in the code"
    made, begun = Life(), dict[object, MemoryCluster]()
    for stage in STAGES:
        if stage.begin not in begun:
            begun[stage.begin] = own_events(trained)
            stage.begin(begun[stage.begin])
        cluster = WatchedCluster(begun[stage.begin])
        stage.done(cluster, "one:1:1", {"one:1:1"})
        made.expected[stage.name] = dump(cluster, stage.job)
        for point, moments in cluster.moments.items():
            made.moments.setdefault(point, []).extend((stage, each) for each in moments)
    return made


@pytest.mark.parametrize("point", sorted(write_points() - NO_WRITES.keys()), ids=str)
def test_killed_at_the_write_point_and_started_again_leaves_what_an_undisturbed_run_leaves(
    life: Life, point: WritePoint
) -> None:
    found = life.moments.get(point)
    assert found, f"no stage comes to {point}: add one to tests/write_stages.py, so that a kill there is tried"
    stage = found[0][0]  # others come to it too, with other points, or in the same way
    for each, moment in found:
        tried = each.name, moment.number, moment.when
        if each is not stage or tried in life.tried:
            continue
        each.done(moment.cluster, "two:2:2", {"one:1:1"})
        same(dump(moment.cluster, each.job), life.expected[each.name], tried)
        life.tried.add(tried)
