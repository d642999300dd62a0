"""Odd names, malformed addresses and one busy entity, from the cluster to the results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import odd_events
import pytest
import worker_parts as parts
from worker_company import DAY, SCORED_FROM

from ipi_es.setup import setup_plan
from ipi_es.testing.memory_cluster import MemoryCluster


@pytest.fixture(scope="module")
def done() -> Iterator[tuple[Any, Any]]:
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    odd_events.fill(cluster, "odd")
    with pytest.MonkeyPatch.context() as patch:
        yield odd_events.run_job(cluster, "odd-job", "odd", patch)


def test_malformed_addresses_and_empty_names_are_counted_and_left_out(done: Any) -> None:
    learned, _ = done
    counts = learned.collected.dropped.counts()
    assert counts["malformed_ip"] == 10 * (len(odd_events.MALFORMED) + 1)
    assert counts["missing_entity"] == 10
    assert learned.collected.event_count > 8_000


def test_every_odd_name_has_its_record_spelled_as_it_came(done: Any) -> None:
    _, (found, _) = done
    day = [each for each in parts.of_kind(found, "record") if each["timestamp"] >= (SCORED_FROM + DAY) * 1_000]
    strange = {each["partition_field_value"] for each in day if each["by_field_value"].startswith("198.51.100.")}
    assert strange == set(odd_events.NAMES)


def test_scoring_odd_names_again_gives_the_same_results(done: Any) -> None:
    _, (first, again) = done
    assert first.keys() == again.keys()
    assert first == again
