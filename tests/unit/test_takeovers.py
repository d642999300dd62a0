"""Index templates that take our indices: on the cluster in memory, and what only there can be tried."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cli_run import connect_to
from made_results import record, store_of
from takeover_suite import CONTEXT, OTHER, STRONGER, TAKEN, TakeoverSuite

from ipi_es.cluster.admin import covers
from ipi_es.cluster.template_conflict import find_conflict
from ipi_es.errors import PermissionDenied, UsageError
from ipi_es.results.words import TEMPLATE
from ipi_es.setup import setup_plan, template_conflicts
from ipi_es.testing.memory_cluster import MemoryCluster


class TestTakeoversInMemory(TakeoverSuite):
    @pytest.fixture
    def cluster(self, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
        made = MemoryCluster()
        connect_to(monkeypatch, made)
        return made

    @pytest.fixture
    def config(self, tmp_path: Path) -> Path:
        file = tmp_path / "ipi-es.yml"
        file.write_text("{}")
        return file


def ready() -> MemoryCluster:
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    return cluster


def test_index_patterns_know_the_star_alone() -> None:
    assert covers(["logs-*", "ipi-*-2026.*"], "ipi-es-anomalies-x-2026.05")
    assert covers(["*"], "ipi-es-state")
    assert not covers(["ipi-es-stat?", "ipi-es"], "ipi-es-state")
    assert not covers(["ipi.es*"], "ipi-es-state")


def test_without_the_simulation_priorities_and_the_template_itself_are_compared() -> None:
    cluster = ready()
    cluster.admin.simulates = False
    cluster.put_index_template(OTHER, STRONGER)
    found = find_conflict(cluster, TAKEN, TEMPLATE)
    assert found is not None
    assert (found.other, found.other_priority, found.our_priority) == (OTHER, 1_000, 500)
    cluster.put_index_template(OTHER, {**STRONGER, "priority": 499})
    assert find_conflict(cluster, TAKEN, TEMPLATE) is None


def test_what_can_not_be_told_beforehand_is_seen_in_the_index_that_was_made() -> None:
    """Of a template that is composed of parts, whose effect may not be asked for: the index is deleted again."""
    cluster = ready()
    cluster.admin.simulates = False
    cluster.put_index_template(OTHER, {**STRONGER, "composed_of": ["somebody-s-part"]})
    with pytest.raises(UsageError, match=r"would be made in a way that results in it can't be found: no alias"):
        store_of(cluster, CONTEXT).write([record(CONTEXT)], 1)
    assert cluster.indices("ipi-es-anomalies-*") == []


def test_a_worker_that_may_see_no_template_sees_it_in_the_index_that_was_made() -> None:
    class Closed(MemoryCluster):
        def get_index_template(self, name: str) -> dict[str, Any] | None:
            raise PermissionDenied("no", status=403)

    cluster = Closed(before=_no_templates)
    cluster.put_index_template(OTHER, STRONGER)
    with pytest.raises(UsageError, match="no alias ipi-es-anomalies"):
        store_of(cluster, CONTEXT).write([record(CONTEXT)], 1)


def _no_templates(operation: str, _index: str) -> None:
    if operation == "index_templates":
        raise PermissionDenied("no", status=403)


def test_a_template_of_data_streams_is_named() -> None:
    cluster = ready()
    cluster.put_index_template(OTHER, {**STRONGER, "data_stream": {}})
    found = find_conflict(cluster, TAKEN, TEMPLATE)
    assert found is not None
    assert "data streams" in found.lacks


OTHERS = ("state", "snapshots", "rules", "calendars", "verdicts")


@pytest.mark.parametrize("index", [f"ipi-es-{name}" for name in OTHERS])
def test_state_snapshots_and_rules_are_looked_at_too(index: str) -> None:
    cluster = ready()
    cluster.put_index_template(OTHER, {**STRONGER, "index_patterns": [f"{index}*"]})
    (found,) = template_conflicts.found(cluster, [])
    assert (found.index, found.ours) == (index, index)
    assert found.lacks.startswith("not mapped: ")
    with pytest.raises(UsageError, match=f"takes {index} instead of {index}"):
        template_conflicts.require_none(cluster, ())


def test_a_newer_field_alone_does_not_stop_a_worker_before_setup_ran_again() -> None:
    cluster = ready()
    body: Mapping[str, Any] = cluster.get_index_template(TEMPLATE) or {}
    body["template"]["mappings"]["_meta"]["schema_version"] -= 1
    del body["template"]["mappings"]["properties"]["held_until"]
    cluster.put_index_template(TEMPLATE, body)
    assert store_of(cluster, CONTEXT).write([record(CONTEXT)], 1) == 1
