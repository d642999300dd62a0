"""Setup on real servers: what they give back is what was put, in their own spelling."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
from servers.pool import Server

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.errors import UsageError
from ipi_es.setup import setup_plan, templates

RESULTS = "ipi-es-results"
INDEX = "ipi-es-anomalies-test-setup-2026.05"


@pytest.fixture
def cluster(server: Server) -> Iterator[Cluster]:
    made = connect(Connection(hosts=(server.url,)))
    for template in templates.load():
        server.call("DELETE", f"/_index_template/{template.name}")
    yield made
    made.delete_index(INDEX)
    # other tests need them as they are shipped
    for template in templates.load():
        made.put_index_template(template.name, templates.stamped(template.body))
    made.close()


def next_schema() -> list[templates.Template]:
    shipped = copy.deepcopy(templates.load())
    for template in shipped:
        template.body["_meta"]["schema_version"] += 1
        template.mappings["_meta"]["schema_version"] += 1
        template.mappings["properties"]["brand_new"] = {"type": "keyword"}
    (results,) = (each for each in shipped if each.name == "ipi-es-results")
    nested = results.mappings["properties"]["bucket_influencers"]["properties"]
    nested["brand_new"] = {"type": "keyword"}
    return shipped


NAMES = ("calendars", "results", "rules", "snapshots", "state", "verdicts")


def test_second_run_changes_nothing(cluster: Cluster) -> None:
    changes = setup_plan.plan(cluster)
    assert [change.title for change in changes if change.kind == "index template"] == [
        f"create index template ipi-es-{name}" for name in NAMES
    ]
    setup_plan.apply(cluster, changes)
    assert setup_plan.plan(cluster) == []
    for template in templates.load():
        assert templates.untouched(cluster.get_index_template(template.name) or {})
    cluster.create_index(INDEX, {})
    assert setup_plan.plan(cluster) == []


def test_older_schema_is_upgraded_with_its_indices(cluster: Cluster) -> None:
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    cluster.create_index(INDEX, {})
    changes = setup_plan.plan(cluster, next_schema())
    assert {change.action for change in changes} == {"upgrade", "extend"}
    mine = [change for change in changes if change.kind == "index template" or change.name == INDEX]
    setup_plan.apply(cluster, mine)
    mapping = cluster.get_mapping(INDEX)[INDEX]
    assert mapping["properties"]["brand_new"] == {"type": "keyword"}
    assert mapping["properties"]["bucket_influencers"]["properties"]["brand_new"] == {"type": "keyword"}
    assert templates.schema_version(mapping) == templates.schema_version(templates.load()[0].body) + 1
    with pytest.raises(UsageError, match="upgrade this one"):
        setup_plan.plan(cluster)


def test_change_by_hand_is_shown_and_only_overwritten_with_force(cluster: Cluster, server: Server) -> None:
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    body = templates.own_part(cluster.get_index_template(RESULTS) or {})
    body["template"]["settings"] |= {"index.gc_deletes": "60s", "index.number_of_replicas": 2}
    body["template"]["settings"]["index.auto_expand_replicas"] = "false"
    status, answer = server.call("PUT", f"/_index_template/{RESULTS}", body)
    assert status == 200, answer
    (change,) = setup_plan.plan(cluster)
    assert change.diff == "- template.settings.index.gc_deletes: 60s\n+ template.settings.index.gc_deletes: 1h"
    with pytest.raises(UsageError, match="--force"):
        setup_plan.apply(cluster, [change])
    setup_plan.apply(cluster, [change], force=True)
    assert setup_plan.plan(cluster) == []
    kept = templates.flat(cluster.get_index_template(RESULTS) or {})
    assert kept["template.settings.index.number_of_replicas"] == "2"
    assert kept["template.settings.index.gc_deletes"] == "1h"


def test_template_put_by_hand_from_the_file_is_as_good(cluster: Cluster, server: Server) -> None:
    for template in templates.load():
        status, answer = server.call("PUT", f"/_index_template/{template.name}", template.body)
        assert status == 200, answer
    assert [change for change in setup_plan.plan(cluster) if change.kind == "index template"] == []


def test_index_that_was_made_without_the_template_is_told(cluster: Cluster) -> None:
    cluster.create_index(INDEX, {"mappings": {"properties": {"job_id": {"type": "text"}}}})
    setup_plan.apply(cluster, [change for change in setup_plan.plan(cluster) if change.action == "create"])
    mine = [change for change in setup_plan.plan(cluster) if change.name == INDEX]
    assert [change.action for change in mine] == ["cannot", "extend"]
    setup_plan.apply(cluster, mine)
    assert [change.action for change in setup_plan.plan(cluster) if change.name == INDEX] == ["cannot"]
