"""The lifecycle policy of result indices: when it deletes, and what it leaves alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import worker_company as company

from ipi_es.cluster.port import Distribution, ServerInfo
from ipi_es.config.job_config import Job
from ipi_es.errors import PermissionDenied, RequestRejected
from ipi_es.setup import lifecycle_policy, setup_plan, templates
from ipi_es.setup.checks.judge import judge
from ipi_es.setup.facts.facts_templates import template_facts
from ipi_es.setup.facts.gather import Facts
from ipi_es.setup.lifecycle_policy import POLICY, changes, days_of, kept, made, put, stuck, too_short
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.testing.memory_parts import MemoryLifecycles

INDEX = "ipi-es-anomalies-shared-2026.05"
BOTH = pytest.mark.parametrize("kind", ["elasticsearch", "opensearch"])


def ready(kind: Distribution = "elasticsearch") -> MemoryCluster:
    cluster = MemoryCluster(info=ServerInfo(kind, (9, 5, 3), "memory", "memory:"))
    cluster.lifecycles.there = True
    return cluster


def job(days: int | None = 400, job_id: str = "signins", **more: Any) -> Job:
    given = {} if days is None else {"results_retention_days": days}
    return company.make_job(job_id, **given, **more)


def setup(cluster: MemoryCluster, *jobs: Job) -> list[str]:
    changes = setup_plan.plan(cluster, jobs=jobs)
    setup_plan.apply(cluster, changes)
    return [change.title for change in changes]


def age(cluster: MemoryCluster) -> int | None:
    policy = cluster.lifecycles.read(POLICY)
    assert policy is not None
    ours, days = days_of(cluster.info.distribution, policy)
    assert ours
    return days


def test_results_are_kept_as_long_as_the_job_that_keeps_them_longest() -> None:
    assert kept([job(200), job(400, "b"), job(300, "c")], []).days == 400
    assert kept([job(200), job(400, "b")], ["signins", "b"]).why == "job b needs them longest"


def test_one_job_that_keeps_them_for_ever_or_is_not_known_here_is_enough() -> None:
    assert kept([job(200), job(None, "b")], []).days is None
    assert "job b keeps its results for ever" in kept([job(200), job(None, "b")], []).why
    assert kept([job(200)], ["signins", "elsewhere"]).days is None
    assert kept([], []).days is None


def test_records_that_hold_something_back_are_waited_for() -> None:
    assert kept([job(20, hold_days=7)], []).days == 10 + 14, "the training's window, and two holds before it"
    assert kept([job(30, hold_days=30)], []).days == 70
    assert kept([job(3, hold_probability=0)], []).days == 3


@BOTH
@pytest.mark.parametrize("days", [1, 400, None])
def test_age_is_found_again_in_what_was_made(kind: Distribution, days: int | None) -> None:
    assert days_of(kind, made(kind, days)) == (True, days)


def test_elasticsearch_counts_from_the_months_end_and_opensearch_a_month_more() -> None:
    assert made("elasticsearch", 30)["phases"]["delete"]["min_age"] == "30d"
    assert "delete" not in made("elasticsearch", None)["phases"]
    conditions = made("opensearch", 30)["states"][0]["transitions"][0]["conditions"]
    assert conditions == {"min_index_age": "61d"}


def test_policies_as_servers_give_them_back_are_ours() -> None:
    ilm = made("elasticsearch", 30)
    ilm["phases"]["hot"]["min_age"] = "0ms"
    ilm["phases"]["delete"]["actions"]["delete"] = {"delete_searchable_snapshot": True}
    assert days_of("elasticsearch", ilm) == (True, 30)
    ism = made("opensearch", 30)
    ism |= {"policy_id": POLICY, "last_updated_time": 1, "schema_version": 21, "error_notification": None}
    ism["states"][1]["actions"][0]["retry"] = {"count": 3, "backoff": "exponential", "delay": "1m"}
    ism["ism_template"][0]["last_updated_time"] = 1
    assert days_of("opensearch", ism) == (True, 30)
    assert days_of("opensearch", {**ism, "ism_template": ism["ism_template"][0]}) == (True, 30)


@BOTH
def test_setup_puts_it_attaches_what_is_there_and_then_changes_nothing(kind: Distribution) -> None:
    cluster = ready(kind)
    cluster.create_index(INDEX, {})
    made_changes = setup(cluster, job(400))
    assert made_changes[0] == f"create lifecycle policy {POLICY}"
    assert made_changes[-1] == f"attach lifecycle policy to index {INDEX}"
    assert age(cluster) == 400
    assert cluster.lifecycles.of_indices("ipi-es-anomalies-*") == {INDEX: POLICY}
    assert setup(cluster, job(400)) == []


def test_elasticsearch_finds_it_in_the_template_and_opensearch_refuses_that() -> None:
    for kind, name in (("elasticsearch", POLICY), ("opensearch", None)):
        cluster = ready(kind)  # type: ignore[arg-type]
        setup(cluster, job())
        body = cluster.get_index_template("ipi-es-results")
        assert body is not None
        assert templates.flat(body).get(lifecycle_policy.LIFECYCLE_NAME) == name
        assert templates.untouched(body)


@BOTH
def test_age_follows_the_jobs_also_of_indices_that_are_there(kind: Distribution) -> None:
    cluster = ready(kind)
    setup(cluster, job(400))
    cluster.create_index(INDEX, {})
    setup(cluster, job(400))
    (change,) = setup_plan.plan(cluster, jobs=[job(400), job(None, "b")])
    assert change.diff == (
        "- indices are deleted 400 days after their month's end\n"
        "+ nothing is deleted: job b keeps its results for ever (no results_retention_days)"
    )
    setup_plan.apply(cluster, [change])
    assert age(cluster) is None
    assert cluster.lifecycles.renewed == [INDEX]


def test_age_stays_where_the_jobs_are_not_known() -> None:
    cluster = ready()
    setup(cluster, job(400))
    assert setup_plan.plan(cluster) == []
    assert setup_plan.plan(cluster, jobs=[]) == []
    assert age(cluster) == 400


def test_jobs_that_the_cluster_knows_and_we_do_not_keep_their_results() -> None:
    cluster = ready()
    setup(cluster, job(400))
    StateStore(cluster).acquire_lease("elsewhere", "a", 1_777_593_600, 60, alive=lambda _: True)
    setup(cluster, job(400))
    assert age(cluster) is None


@BOTH
def test_what_an_administrator_changed_stays(kind: Distribution) -> None:
    cluster = ready(kind)
    setup(cluster, job(400))
    policy = copy.deepcopy(cluster.lifecycles.read(POLICY)) or {}
    if kind == "elasticsearch":
        policy["phases"]["warm"] = {"min_age": "60d", "actions": {"readonly": {}}}
    else:
        policy["states"][0]["actions"].append({"replica_count": {"number_of_replicas": 0}})
    cluster.lifecycles.write(POLICY, policy)
    assert setup(cluster, job(30)) == []
    assert cluster.lifecycles.read(POLICY) == policy


def test_policy_of_an_administrator_in_the_template_stays_alone() -> None:
    cluster = ready()
    cluster.lifecycles.there = False
    setup(cluster)
    body = cluster.get_index_template("ipi-es-results") or {}
    body["template"]["settings"]["index"]["lifecycle"] = {"name": "ours"}
    cluster.put_index_template("ipi-es-results", body)
    cluster.create_index(INDEX, {})
    cluster.lifecycles.there = True
    assert setup(cluster, job()) == [f"create lifecycle policy {POLICY}"]
    assert templates.flat(cluster.get_index_template("ipi-es-results") or {})[lifecycle_policy.LIFECYCLE_NAME] == "ours"
    assert cluster.lifecycles.of_indices("*") == {INDEX: None}


def test_older_setup_gets_the_policy_without_force() -> None:
    cluster = ready()
    cluster.lifecycles.there = False
    setup(cluster)
    body = cluster.get_index_template("ipi-es-results") or {}
    body["template"]["settings"]["index"]["number_of_replicas"] = "2"
    cluster.put_index_template("ipi-es-results", body)
    cluster.lifecycles.there = True
    assert "upgrade index template ipi-es-results" in setup(cluster, job())
    flat = templates.flat(cluster.get_index_template("ipi-es-results") or {})
    assert (flat[lifecycle_policy.LIFECYCLE_NAME], flat["template.settings.index.number_of_replicas"]) == (POLICY, "2")


class WithoutRights(MemoryLifecycles):
    """Refuses to say whether there are policies."""

    def available(self) -> bool:
        raise PermissionDenied("denied [cluster:admin/ilm/get]", status=403)


class WithoutPlace(MemoryLifecycles):
    """Takes no policy."""

    def write(self, name: str, policy: Any) -> None:
        raise RequestRejected("a policy with overlapping template patterns", status=400)


class Refusing(MemoryCluster):
    """A cluster with lifecycles that refuse something."""

    def __init__(self, like: MemoryCluster, lifecycles: type[MemoryLifecycles]) -> None:
        super().__init__(info=like.info)
        self.copy_from(like)
        self.refusing = lifecycles(self.indices, there=True)

    @property
    def lifecycles(self) -> MemoryLifecycles:
        return self.refusing


def test_server_without_policies_or_rights_to_them_is_set_up_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    cluster = ready()
    cluster.lifecycles.there = False
    assert setup(cluster, job()) == [f"create index template {each.name}" for each in templates.load()]
    cluster = Refusing(cluster, WithoutRights)
    caplog.set_level("INFO")
    assert setup(cluster, job()) == []
    assert "the worker deletes old results by itself: denied [cluster:admin/ilm/get]" in caplog.text
    assert too_short(cluster, job()) is None


def test_refused_policy_is_explained() -> None:
    cluster = Refusing(ready("opensearch"), WithoutPlace)
    with pytest.raises(RequestRejected, match="same priority"):
        setup(cluster, job())


def test_job_whose_results_the_policy_deletes_too_soon_is_told() -> None:
    cluster = ready()
    assert too_short(cluster, job()) is None
    setup(cluster, job(400))
    assert too_short(cluster, job(400)) is None
    assert too_short(cluster, job(30)) is None
    assert "deletes results after 400 days, and job b needs 401" in str(too_short(cluster, job(401, "b")))
    assert "job b keeps them for ever" in str(too_short(cluster, job(None, "b")))
    facts = Facts(0, cluster.info, templates=template_facts(cluster, job(401, "b"), 0))
    assert [each.message for each in judge(job(401, "b"), facts) if each.check == "retention"] == [
        "lifecycle policy ipi-es-results deletes results after 400 days, and job b needs 401"
    ]


@pytest.mark.parametrize("known", [True, False])
def test_policy_that_fails_is_put_again_with_the_rights_of_who_runs_setup(known: bool) -> None:
    cluster = ready()
    setup(cluster, job(400))
    before = cluster.lifecycles.read(POLICY)
    cluster.create_index(INDEX, {})
    jobs = [job(400)] if known else None
    assert changes(cluster, jobs) == []
    cluster.lifecycles.failures[INDEX] = "no permissions for [indices:admin/delete]"
    (change,) = changes(cluster, jobs)
    assert "put again, with the rights of who runs this" in change.diff
    assert "no permissions for [indices:admin/delete]" in change.diff
    put(cluster, change)
    assert cluster.lifecycles.read(POLICY) == before, "its age stays"


def test_policy_that_fails_is_a_warning_that_names_whose_rights_it_has() -> None:
    cluster = ready()
    setup(cluster, job())
    cluster.create_index(INDEX, {})
    assert stuck(cluster) is None
    cluster.lifecycles.failures[INDEX] = "no permissions for [indices:admin/delete]"
    facts = Facts(0, cluster.info, templates=template_facts(cluster, job(), 0))
    (found,) = [each for each in judge(job(), facts) if each.check == "retention"]
    assert found.level == "warning"
    assert found.message == f"lifecycle policy {POLICY} fails on {INDEX}: no permissions for [indices:admin/delete]"
    assert "ipi-es-setup" in str(found.hint)
