"""The result store on the cluster in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from made_results import HOUR, START, bucket, record, store_of
from results_suite import ResultsSuite
from signin_events import make_job

from ipi_es.cluster.port import ServerInfo
from ipi_es.errors import AnswerIncomplete, NotFound, PermissionDenied
from ipi_es.results.documents.result_documents import ResultContext
from ipi_es.results.words import ALIAS
from ipi_es.setup import lifecycle_policy, templates
from ipi_es.testing.memory_cluster import MemoryCluster

CONTEXT = ResultContext("logins", HOUR, "user.name", "source.ip")


def put_templates(cluster: MemoryCluster) -> None:
    for template in templates.load():
        cluster.put_index_template(template.name, template.body)


class Provable(MemoryCluster):
    """Refuses a search whose answer proves nothing: hits must have a total to be held against."""

    def search(self, index: Any, body: Mapping[str, Any], **how: Any) -> dict[str, Any]:
        assert body.get("track_total_hits", True) is not False, body
        return super().search(index, body, **how)


class TestResultStoreInMemory(ResultsSuite):
    @pytest.fixture
    def cluster(self) -> MemoryCluster:
        return Provable()


class HalfAnswers(MemoryCluster):
    """Leaves out the last bucket of each aggregation, once it is told to."""

    half = False

    def search(self, index: Any, body: Mapping[str, Any], **how: Any) -> dict[str, Any]:
        answer = super().search(index, body, **how)
        for part in answer.get("aggregations", {}).values() if self.half else ():
            del part["buckets"][-1]
        return answer


def test_half_of_the_counts_is_no_count() -> None:
    cluster = HalfAnswers()
    put_templates(cluster)
    store = store_of(cluster, CONTEXT)
    store.write([bucket(CONTEXT, START), bucket(CONTEXT, START + 24 * HOUR)], 1)
    store.show()
    assert len(store.daily_counts(START, START + 48 * HOUR)) == 2
    assert len(store.snapshot_ids(START)) == 1
    cluster.half = True
    with pytest.raises(AnswerIncomplete, match="days"):
        store.daily_counts(START, START + 48 * HOUR)
    with pytest.raises(AnswerIncomplete, match="snapshots"):
        store.snapshot_ids(START)
    with pytest.raises(AnswerIncomplete, match="jobs"):
        lifecycle_policy.changes(cluster, [make_job()])


def test_writing_without_setup_says_what_to_do() -> None:
    cluster = MemoryCluster()
    with pytest.raises(NotFound) as error:
        store_of(cluster, CONTEXT).write([record(CONTEXT)], 1)
    assert "ipi-es setup" in str(error.value)
    assert cluster.indices(f"{ALIAS}*") == []


def test_worker_that_may_not_see_templates_writes_all_the_same() -> None:
    class Closed(MemoryCluster):
        def get_index_template(self, name: str):
            raise PermissionDenied("no", status=403)

    cluster = Closed()
    put_templates(cluster)
    assert store_of(cluster, CONTEXT).write([record(CONTEXT)], 1) == 1


def test_index_is_looked_at_once_a_run() -> None:
    operations: list[str] = []
    cluster = MemoryCluster(before=lambda operation, _index: operations.append(operation))
    put_templates(cluster)
    store = store_of(cluster, CONTEXT)
    for hour in range(5):
        store.write([record(CONTEXT, START - hour * HOUR)], 1)
    assert operations.count("create_index") == 1
    assert operations.count("get_mapping") == 2  # whether it is there, and how it was made


def test_age_of_an_index_counts_from_the_end_of_its_month_where_the_server_takes_that() -> None:
    bodies = []

    class Watched(MemoryCluster):
        def create_index(self, name: str, body) -> bool:
            bodies.append(body)
            return super().create_index(name, body)

    for distribution in ("elasticsearch", "opensearch"):
        cluster = Watched(info=ServerInfo(distribution, (9, 5, 3), "c", "u"))
        put_templates(cluster)
        store_of(cluster, CONTEXT).write([record(CONTEXT)], 1)
    assert bodies[0]["settings"] == {"index.lifecycle.origination_date": (START + HOUR) * 1_000}
    assert "settings" not in bodies[1]


def test_nothing_is_rewritten_when_nothing_vanished() -> None:
    operations: list[str] = []
    cluster = MemoryCluster(before=lambda operation, _index: operations.append(operation))
    put_templates(cluster)
    store = store_of(cluster, CONTEXT)
    made = record(CONTEXT)
    store.write([made], 1)
    operations.clear()
    assert store.drop_vanished(START, START + HOUR, {made.id}, 1) == 0
    assert operations == ["refresh", "search"]
