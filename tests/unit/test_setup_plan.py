"""Setup: what it would change, and that it changes nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ipi_es.errors import RequestRejected, UsageError
from ipi_es.setup import setup_plan, templates
from ipi_es.setup.mappings import missing_from
from ipi_es.setup.templates import Template
from ipi_es.testing.memory_cluster import MemoryCluster

RESULTS = "ipi-es-results"
INDEX = "ipi-es-anomalies-shared-2026.05"
SCHEMA_VERSION = templates.schema_version(templates.load()[0].body)


def ready() -> MemoryCluster:
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    return cluster


def edited(cluster: MemoryCluster, change) -> None:
    body = cluster.get_index_template(RESULTS)
    assert body is not None
    change(body)
    cluster.put_index_template(RESULTS, body)


def next_schema() -> list[Template]:
    shipped = copy.deepcopy(templates.load())
    for template in shipped:
        template.body["_meta"]["schema_version"] += 1
        template.mappings["_meta"]["schema_version"] += 1
        template.mappings["properties"]["brand_new"] = {"type": "keyword"}
    return shipped


def test_empty_cluster_gets_all_templates() -> None:
    cluster = MemoryCluster()
    assert setup_plan.missing_templates(cluster) == [
        "ipi-es-calendars",
        "ipi-es-results",
        "ipi-es-rules",
        "ipi-es-snapshots",
        "ipi-es-state",
        "ipi-es-verdicts",
    ]
    changes = setup_plan.plan(cluster)
    assert [change.title for change in changes] == [
        "create index template ipi-es-calendars",
        "create index template ipi-es-results",
        "create index template ipi-es-rules",
        "create index template ipi-es-snapshots",
        "create index template ipi-es-state",
        "create index template ipi-es-verdicts",
    ]
    assert "+ template.settings.index.gc_deletes: 1h" in changes[1].diff
    setup_plan.apply(cluster, changes)
    assert setup_plan.missing_templates(cluster) == []


def test_planning_writes_nothing() -> None:
    operations: list[str] = []
    cluster = MemoryCluster(before=lambda operation, _index: operations.append(operation))
    setup_plan.plan(cluster)
    assert set(operations) <= {"get_index_template", "get_mapping", "index_templates"}


def test_second_run_changes_nothing() -> None:
    assert setup_plan.plan(ready()) == []


def test_index_made_from_the_template_needs_nothing() -> None:
    cluster = ready()
    cluster.create_index(INDEX, {})
    assert setup_plan.plan(cluster) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [("number_of_replicas", 2), ("auto_expand_replicas", "false"), ("refresh_interval", "30s"), ("codec", "best"),
     ("routing.allocation.include._tier_preference", "data_warm")],
)  # fmt: skip
def test_settings_of_an_administrator_stay(setting: str, value: Any) -> None:
    cluster = ready()
    edited(cluster, lambda body: body["template"]["settings"]["index"].update({setting: value}))
    assert setup_plan.plan(cluster) == []
    setup_plan.apply(cluster, setup_plan.plan(cluster, next_schema()), force=True)
    body = cluster.get_index_template(RESULTS)
    assert body is not None
    assert templates.flat(body)[f"template.settings.index.{setting}"] == str(value)


def test_additions_of_an_administrator_survive_an_upgrade() -> None:
    cluster = ready()

    def change(body: dict[str, Any]) -> None:
        body["template"]["mappings"]["properties"]["team"] = {"type": "keyword"}
        body["template"]["aliases"]["soc"] = {}
        body["priority"] = 900

    edited(cluster, change)
    assert setup_plan.plan(cluster) == []
    changes = setup_plan.plan(cluster, next_schema())
    assert {change.action for change in changes} == {"upgrade"}
    setup_plan.apply(cluster, changes)
    found = templates.flat(cluster.get_index_template(RESULTS) or {})
    assert found["template.mappings.properties.team.type"] == "keyword"
    assert found["template.aliases.soc"] == "{}"
    assert found["priority"] == "900"
    assert found["template.mappings.properties.brand_new.type"] == "keyword"


def test_change_by_hand_is_shown_and_only_overwritten_with_force() -> None:
    cluster = ready()
    edited(cluster, lambda body: body["template"]["settings"]["index"].update({"gc_deletes": "60s"}))
    (change,) = setup_plan.plan(cluster)
    assert change.title == "overwrite index template ipi-es-results"
    assert change.diff == "- template.settings.index.gc_deletes: 60s\n+ template.settings.index.gc_deletes: 1h"
    with pytest.raises(UsageError, match="--force"):
        setup_plan.apply(cluster, [change])
    assert setup_plan.plan(cluster) == [change]
    setup_plan.apply(cluster, [change], force=True)
    assert setup_plan.plan(cluster) == []


def test_field_taken_out_by_hand_is_a_change_by_hand() -> None:
    cluster = ready()
    edited(cluster, lambda body: body["template"]["mappings"]["properties"].pop("record_score"))
    (change,) = setup_plan.plan(cluster)
    assert change.needs_force
    assert change.diff == "+ template.mappings.properties.record_score.type: double"


def test_older_schema_is_upgraded_with_its_indices() -> None:
    cluster = ready()
    cluster.create_index(INDEX, {"mappings": {"properties": {"user": {"type": "keyword"}}}})
    changes = setup_plan.plan(cluster, next_schema())
    assert [change.title for change in changes] == [
        "upgrade index template ipi-es-calendars",
        "upgrade index template ipi-es-results",
        "upgrade index template ipi-es-rules",
        "upgrade index template ipi-es-snapshots",
        "upgrade index template ipi-es-state",
        "upgrade index template ipi-es-verdicts",
        f"extend mapping of index {INDEX}",
    ]
    assert changes[-1].diff == f"+ brand_new: keyword\n+ _meta.schema_version: {SCHEMA_VERSION + 1}"
    setup_plan.apply(cluster, changes)
    assert setup_plan.plan(cluster, next_schema()) == []
    mapping = cluster.get_mapping(INDEX)[INDEX]
    assert mapping["properties"]["user"] == {"type": "keyword"}
    assert templates.schema_version(mapping) == SCHEMA_VERSION + 1


def test_value_that_a_newer_version_changes_needs_no_force_where_nobody_touched_it() -> None:
    cluster = ready()
    shipped = next_schema()
    for template in shipped:
        template.body["template"]["settings"]["index"]["gc_deletes"] = "2h"
    assert {change.action for change in setup_plan.plan(cluster, shipped)} == {"upgrade"}
    edited(cluster, lambda body: body["template"]["settings"]["index"].update({"gc_deletes": "5h"}))
    assert setup_plan.plan(cluster, shipped)[1].action == "overwrite"


def test_newer_schema_is_refused() -> None:
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster, next_schema()))
    with pytest.raises(UsageError, match=f"schema {SCHEMA_VERSION + 1}, and this ipi-es knows {SCHEMA_VERSION}"):
        setup_plan.plan(cluster)


def test_index_that_was_made_without_the_template_is_told() -> None:
    cluster = MemoryCluster()
    cluster.create_index(INDEX, {"mappings": {"properties": {"job_id": {"type": "text"}, "event": {"properties": {}}}}})
    setup_plan.apply(cluster, [change for change in setup_plan.plan(cluster) if change.action == "create"])
    cannot, extend = setup_plan.plan(cluster)
    assert (cannot.action, cannot.name) == ("cannot", INDEX)
    assert "job_id: is text, should be keyword" in cannot.diff
    made = setup_plan.apply(cluster, [cannot, extend])
    assert made == [extend]
    assert setup_plan.plan(cluster) == [cannot]


def test_refused_template_is_explained() -> None:
    class Refusing(MemoryCluster):
        def put_index_template(self, name: str, body: Any) -> None:
            raise RequestRejected("multiple index templates may not match", status=400)

    cluster = Refusing()
    with pytest.raises(RequestRejected, match="another template of the same priority"):
        setup_plan.apply(cluster, setup_plan.plan(cluster))


def test_nested_fields_are_extended_as_nested() -> None:
    shipped = {
        "dynamic": False,
        "properties": {"n": {"type": "nested", "properties": {"a": {"type": "long"}, "b": {"type": "long"}}}},
    }
    existing = {"dynamic": "false", "properties": {"n": {"type": "nested", "properties": {"a": {"type": "long"}}}}}
    missing = missing_from(existing, shipped)
    assert missing.body == {"properties": {"n": {"type": "nested", "properties": {"b": {"type": "long"}}}}}
    assert missing.added == ["n.b: long"]
