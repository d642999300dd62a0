"""`check` of a job whose entities have several fields, on a cluster in memory."""

from __future__ import annotations

from typing import Any

import pytest
from check_parts import KEYWORD, Doc, findings, healthy, mapping_of, only
from signin_events import make_job

from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job
from ipi_es.errors import ConfigError
from ipi_es.setup import setup_plan
from ipi_es.testing.memory_cluster import MemoryCluster

FIELDS = mapping_of(account={"properties": {"email": KEYWORD, "host": KEYWORD}})


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    return made


def job_of(*sources: str, **settings: Any) -> Job:
    job = make_job()
    feed = job.datafeed_config.model_copy(update={"entity_fields": sources, **settings})
    return job.model_copy(update={"datafeed_config": feed})


def by_email(document: Doc, number: int) -> Doc:
    """Every other document names its account by e-mail only."""
    name = document["user"]["name"]
    if number % 2:
        return {**document, "user": {}, "account": {"email": f"{name}.mail@corp.example", "host": "web"}}
    return {**document, "account": {"host": "db"}}


def test_entities_that_have_one_of_their_fields_lack_nothing(cluster: MemoryCluster) -> None:
    healthy(cluster, by_email, mapping=FIELDS)
    assert findings(cluster, job_of("account.email", "user.name")) == []
    assert findings(cluster, job_of("account.email", "{account.host}/{user.name}")) == []
    only_names = [each for each in findings(cluster, job_of("user.name")) if "lack user.name" in each.message]
    assert len(only_names) == 1


def test_a_field_that_no_mapping_has_is_a_warning_beside_one_that_is_there(cluster: MemoryCluster) -> None:
    healthy(cluster)
    found = only(cluster, job_of("user.principal", "user.name"))
    assert (found.check, found.level) == ("entity field", "warning")
    assert "user.principal (the entity) is in no mapping" in found.message
    assert "datafeed_config.entity_fields" in str(found.hint)


def test_a_template_with_a_field_that_no_mapping_has_is_a_problem(cluster: MemoryCluster) -> None:
    healthy(cluster)
    found = [each for each in findings(cluster, job_of("{host.name}/{user.name}")) if each.level == "problem"]
    assert [each.check for each in found] == ["entity field"]
    assert "host.name (the entity) is in no mapping" in found[0].message


def test_spellings_of_names_from_several_fields_are_compared(cluster: MemoryCluster) -> None:
    def spelled(document: Doc, number: int) -> Doc:
        name = document["user"]["name"]
        return {**document, "user": {}, "account": {"email": name.upper()}} if number % 2 else document

    healthy(cluster, spelled, mapping=FIELDS)
    found = only(cluster, job_of("account.email", "user.name"))
    assert "lowercase" in f"{found.message} {found.hint}"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("user.*", "the full name of one field"),
        ("{user.name}/{host *}", "the full name of one field"),
        ("{host.name/{user.name}", "is no template"),
        ("{}", "is no template"),
        (" ", "names no field"),
    ],
)
def test_a_source_that_names_no_field_is_refused(source: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        check_job({"job_id": "l", "datafeed_config": {"indices": ["a"], "entity_fields": [source]}})
