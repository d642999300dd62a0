"""`check` on a cluster in memory: facts gathered and judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest
import worker_parts as parts
from signin_events import CONTEXT_MAPPING, DAY, END, MAPPING, START, fill, job_data, make_job, with_context

from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import (
    ClusterUnreachable,
    FieldMissing,
    FieldTypeWrong,
    NoEvents,
    NotEnoughHistory,
    NotFound,
    PermissionDenied,
)
from ipi_es.setup import setup_plan
from ipi_es.setup.checks.check_finding import Finding
from ipi_es.setup.checks.judge import is_usable, judge, require_templates, require_usable
from ipi_es.setup.facts.gather import gather
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.training.job_training import learn
from ipi_es.worker.training.training_rows import TrainingRowsCollector

NOW = END + 600


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    return made


def look(cluster: MemoryCluster, job: Job, now: int = NOW) -> dict[str, Finding]:
    """Findings by check; the worst of several."""
    order = ("ok", "warning", "problem")
    found: dict[str, Finding] = {}
    for finding in judge(job, gather(cluster, job, now)):
        before = found.get(finding.check)
        if before is None or order.index(finding.level) > order.index(before.level):
            found[finding.check] = finding
    return found


def levels(found: dict[str, Finding]) -> set[str]:
    return {finding.level for finding in found.values()}


def test_a_healthy_job_has_only_ok(cluster: MemoryCluster) -> None:
    fill(cluster, change=with_context, mapping=CONTEXT_MAPPING)
    found = look(cluster, make_job())
    assert levels(found) == {"ok"}, [finding for finding in found.values() if finding.level != "ok"]
    assert list(found)[:4] == ["configuration", "cluster", "rights", "templates"]
    assert "500 events" in found["query"].message
    assert "about 10 different user.name" in found["entities"].message
    assert found["outcomes"].message == "event.outcome: success 90 %, failure 10 %"


def test_nothing_is_left_behind(cluster: MemoryCluster) -> None:
    fill(cluster)
    before = {name: cluster.count(name, {"match_all": {}}) for name in cluster.indices("*")}
    look(cluster, make_job())
    cluster.refresh("*")
    after = {name: cluster.count(name, {"match_all": {}}) for name in cluster.indices("*")}
    after.pop(STATE_INDEX)  # made by the probe from its template, and empty
    assert after == before
    assert cluster.count(STATE_INDEX, {"match_all": {}}) == 0


def test_before_setup_the_templates_are_the_problem() -> None:
    cluster = MemoryCluster()
    fill(cluster)
    found = look(cluster, make_job())
    assert found["templates"].level == "problem"
    assert found["templates"].hint == "run `ipi-es setup` once"
    assert found["rights"].level == "warning"
    assert cluster.indices("ipi-es-*") == []
    with pytest.raises(NotFound, match="ipi-es setup"):
        require_templates(cluster)


def test_missing_index_names_the_one_that_is_there(cluster: MemoryCluster) -> None:
    fill(cluster, "logs-signins")
    job = make_job("log-signin*")
    assert "logs-signins" in str(look(cluster, job)["indices"].hint)
    with pytest.raises(NotFound, match=r"datafeed_config\.indices"):
        require_usable(cluster, job)


def test_an_index_that_is_there_but_can_not_be_read_is_not_proposed_as_another(cluster: MemoryCluster) -> None:
    cluster.create_index("secret-a", {"mappings": MAPPING, "settings": {"index.hidden": True}})
    finding = look(cluster, make_job("secret-*"))["indices"]
    assert "secret-a is there, but closed or hidden" in finding.message
    assert "POST secret-a/_open" in str(finding.hint)
    assert "expand_wildcards" in str(finding.hint)


@pytest.mark.parametrize("backing", [".ds-logs-auth-2026.11.22-000001", ".ds-logs-auth-000012"])
def test_a_data_stream_is_proposed_by_its_own_name(cluster: MemoryCluster, backing: str) -> None:
    cluster.create_index(backing, {"mappings": MAPPING})
    assert "there is “logs-auth”" in str(look(cluster, make_job("log-auth"))["indices"].hint)
    assert "_remote/info" in str(look(cluster, make_job("eu:logs-*"))["indices"].hint)


def test_hidden_index_is_found_where_the_job_asks_for_hidden_ones(cluster: MemoryCluster) -> None:
    cluster.create_index("secret-a", {"mappings": MAPPING, "settings": {"index.hidden": True}})
    job = make_job("secret-*", indices_options={"expand_wildcards": ["open", "hidden"]})
    assert look(cluster, job)["indices"].level == "ok"


def test_empty_index_is_said(cluster: MemoryCluster) -> None:
    cluster.create_index("signins", {"mappings": MAPPING})
    assert "empty" in look(cluster, make_job())["time range"].message
    with pytest.raises(NoEvents, match="are empty"):
        require_usable(cluster, make_job())


def test_query_without_matches_shows_the_times_that_there_are(cluster: MemoryCluster) -> None:
    fill(cluster)
    job = make_job(query={"term": {"event.category": "web"}})
    found = look(cluster, job)
    assert "2026-05-01T00:00:00Z" in found["time range"].message
    assert found["query"].level == "problem"
    with pytest.raises(NoEvents, match="none of the 500 documents"):
        require_usable(cluster, job)


@pytest.mark.parametrize(
    ("detector", "field", "proposed"),
    [
        ({"partition_field_name": "user.nam"}, "user.nam", "user.name"),
        ({"by_field_name": "source.ipp"}, "source.ipp", "source.ip"),
        ({"by_field_name": "remote"}, "remote", "source.ip"),
        ({"partition_field_name": "who"}, "who", "user.name"),
    ],
)
def test_missing_field_gets_the_nearest_right_name(
    cluster: MemoryCluster, detector: dict[str, Any], field: str, proposed: str
) -> None:
    fill(cluster)
    job = make_job().model_copy(
        update={"analysis_config": make_job().analysis_config.model_validate({"detectors": [detector]})}
    )
    with pytest.raises(FieldMissing, match=f"{field} .*\n.*did you mean “{proposed}”"):
        require_usable(cluster, job)
    assert not is_usable(judge(job, gather(cluster, job, NOW)))


def test_text_field_names_its_keyword(cluster: MemoryCluster) -> None:
    fill(cluster)
    analysis = make_job().analysis_config.model_validate({"detectors": [{"partition_field_name": "message"}]})
    job = make_job().model_copy(update={"analysis_config": analysis})
    with pytest.raises(FieldTypeWrong, match=r"message\.keyword"):
        require_usable(cluster, job)


def test_address_in_a_keyword_is_a_warning(cluster: MemoryCluster) -> None:
    mapping = {"properties": {**MAPPING["properties"], "source": {"properties": {"ip": {"type": "keyword"}}}}}
    fill(cluster, mapping=mapping)
    found = look(cluster, make_job())
    assert found["IP address field"].level == "warning"
    require_usable(cluster, make_job())


def test_malformed_addresses_are_shown(cluster: MemoryCluster) -> None:
    mapping = {"properties": {**MAPPING["properties"], "source": {"properties": {"ip": {"type": "keyword"}}}}}

    def with_port(document: dict[str, Any], number: int) -> dict[str, Any]:
        if number % 5 == 0:
            document["source"]["ip"] += ":http"
        return document

    fill(cluster, change=with_port, mapping=mapping)
    assert ":http" in look(cluster, make_job())["addresses"].message


def test_time_field_must_be_a_date(cluster: MemoryCluster) -> None:
    mapping = {"properties": {**MAPPING["properties"], "@timestamp": {"type": "keyword"}}}
    cluster.create_index("signins", {"mappings": mapping})
    with pytest.raises(FieldTypeWrong, match="must be date"):
        require_usable(cluster, make_job())


def test_field_of_two_types_is_a_problem(cluster: MemoryCluster) -> None:
    fill(cluster, "signins-a")
    mapping = {"properties": {**MAPPING["properties"], "source": {"properties": {"ip": {"type": "keyword"}}}}}
    fill(cluster, "signins-b", mapping=mapping)
    with pytest.raises(FieldTypeWrong, match="ip in signins-a; keyword in signins-b"):
        require_usable(cluster, make_job("signins-*"))


def test_one_entity_only_is_a_problem(cluster: MemoryCluster) -> None:
    fill(cluster, change=lambda document, _: {**document, "user": {"name": "root"}})
    found = look(cluster, make_job())["entities"]
    assert found.level == "problem"
    assert "no other entity to compare it with" in found.message


def test_one_address_only_is_a_problem_and_names_the_field_behind_the_proxy(cluster: MemoryCluster) -> None:
    fill(cluster, change=lambda document, _: {**document, "source": {"ip": "192.0.2.1"}})
    found = look(cluster, make_job())["addresses"]
    assert found.level == "problem"
    assert "proxy" in str(found.hint)


def test_all_private_addresses_are_a_warning_with_other_fields(cluster: MemoryCluster) -> None:
    def behind_proxy(document: dict[str, Any], number: int) -> dict[str, Any]:
        return {**document, "source": {"ip": f"10.0.0.{number % 4}"}, "client": {"ip": f"198.51.100.{number % 60}"}}

    mapping = {"properties": {**MAPPING["properties"], "client": {"properties": {"ip": {"type": "ip"}}}}}
    fill(cluster, change=behind_proxy, mapping=mapping)
    found = look(cluster, make_job())["private addresses"]
    assert found.level == "warning"
    assert "client.ip" in str(found.hint)
    assert look(cluster, make_job(ignore_private=True))["private addresses"].level == "problem"


def test_events_without_entity_are_counted(cluster: MemoryCluster) -> None:
    fill(cluster, change=lambda document, number: {**document, "user": {} if number % 3 == 0 else document["user"]})
    found = look(cluster, make_job())["events with entity"]
    assert found.level == "warning"
    assert "33 %" in found.message


def test_outcomes_in_other_words_are_a_problem(cluster: MemoryCluster) -> None:
    def accepted(document: dict[str, Any], _: int) -> dict[str, Any]:
        return {**document, "event": {**document["event"], "outcome": "Accepted"}}

    fill(cluster, change=accepted)
    found = look(cluster, make_job())["outcomes"]
    assert found.level == "problem"
    assert "Accepted 100 %" in found.message
    assert look(cluster, make_job(outcome_field=None))["outcomes"].level == "ok"


def test_history_counts_what_a_training_learns(cluster: MemoryCluster) -> None:
    fill(cluster)
    data = {**job_data("signins"), "training": {"min_events": 400}}
    assert look(cluster, check_job(data, name="job"))["history"].level == "ok"
    allowing = check_job({**data, "allow_list": [{"cidr": "192.0.2.0/28"}]}, name="job")
    found = look(cluster, allowing)["history"]
    assert found.level == "problem"
    learned = row_count(cluster, allowing)
    assert 0 < learned < 400
    assert found.message.startswith(f"{learned} unique (bucket, entity, IP) that teach, on 25 days")


def test_a_longer_window_is_proposed_first_where_most_events_are_older(cluster: MemoryCluster) -> None:
    def long_ago(document: dict[str, Any], number: int) -> dict[str, Any]:
        return document if number % 20 == 0 else {**document, "@timestamp": document["@timestamp"] - 300 * 86_400_000}

    fill(cluster, change=long_ago)
    found = look(cluster, make_job())["history"]
    assert found.level == "problem"
    assert str(found.hint).startswith("set training.window: 324d, 475 more events lie before it; or wait")


def test_history_counts_a_pair_with_two_outcomes_once(cluster: MemoryCluster) -> None:
    def thrice(document: dict[str, Any], number: int) -> dict[str, Any]:
        place, outcome = number - number % 3, ("success", "resumed", "success")[number % 3]
        user, ip = {"name": f"user{place % 2}"}, {"ip": f"192.0.2.{place % 9}"}
        time = document["@timestamp"] // 86_400_000 * 86_400_000 + number % 20 // 3 * 3_600_000
        return {**document, "@timestamp": time, "user": user, "source": ip, "event": {"outcome": outcome}}

    fill(cluster, change=thrice)
    data = job_data(
        "signins", score_outcomes=["success"], learn_outcomes=["success", "resumed"], query={"match_all": {}}
    )
    job = check_job({**data, "training": {"min_events": 1_000}}, name="job")
    learned = row_count(cluster, job)
    assert 0 < learned < 400
    assert look(cluster, job)["history"].message.startswith(f"{learned} unique")


@pytest.mark.parametrize(("needed", "enough"), [(450, True), (451, False)])
def test_failures_are_not_counted_as_events_to_learn_from(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch, *, needed: int, enough: bool
) -> None:
    def begins(*_: object, **__: object) -> NoReturn:
        raise LookupError("450 unique rows are enough")

    fill(cluster)  # 450 successes and 50 failures
    data = {**job_data("signins", score_outcomes=["success", "failure"]), "training": {"min_events": needed}}
    job = check_job(data, name="job")
    assert (look(cluster, job)["history"].level == "ok") is enough
    parts.train_by(monkeypatch, begins)
    with pytest.raises(LookupError if enough else NotEnoughHistory, match="450 unique"):
        learn(TrainingRowsCollector(job, AllowList.of(job)), Datafeed(cluster, FeedSpec.from_job(job)), START, END)


def row_count(cluster: MemoryCluster, job: Job) -> int:
    """The rows that a training of all events learns."""
    collector = TrainingRowsCollector(job, AllowList.of(job))
    for bucket in Datafeed(cluster, FeedSpec.from_job(job)).read(START, END, job.bucket_span):
        collector.take(bucket)
    return int(collector.events(END).learns.sum())


def test_too_little_history_says_how_much_is_needed(cluster: MemoryCluster) -> None:
    fill(cluster, days=2)
    found = look(cluster, make_job(), now=START + 2 * DAY)["history"]
    assert found.level == "problem"
    assert "200 on 2 days are needed" in found.message


def test_events_in_the_future_are_a_warning(cluster: MemoryCluster) -> None:
    fill(cluster)
    found = look(cluster, make_job(), now=END - 5 * DAY)["clock"]
    assert found.level == "warning"
    assert "in the future" in found.message


def test_quiet_source_is_a_warning(cluster: MemoryCluster) -> None:
    fill(cluster)
    assert "30 days old" in look(cluster, make_job(), now=END + 30 * DAY)["clock"].message


def test_few_entity_vectors_are_a_warning(cluster: MemoryCluster) -> None:
    fill(cluster)
    job = make_job()
    job = job.model_copy(update={"ip_insights": job.ip_insights.model_copy(update={"num_entity_vectors": 5})})
    assert look(cluster, job)["num_entity_vectors"].level == "warning"


def test_refused_reading_is_a_problem_of_rights() -> None:
    def deny(operation: str, index: str) -> None:
        if index == "signins" and operation in {"search", "count", "field_types"}:
            raise PermissionDenied("denied", hint="ask for the right", status=403)

    cluster = MemoryCluster(before=lambda operation, index: deny(operation, str(index)))
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    fill(cluster)
    found = look(cluster, make_job())
    assert "can't read signins: denied" in found["rights"].message
    assert found["rights"].hint == "ask for the right"


def test_cluster_that_goes_away_is_said_and_what_was_seen_stays() -> None:
    gone = False

    def before(operation: str, _: str) -> None:
        if gone and operation == "field_types":
            raise ClusterUnreachable("connection refused", hint="is it up?")

    cluster = MemoryCluster(before=before)
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    fill(cluster)
    gone = True
    found = look(cluster, make_job())
    assert found["cluster"].level == "problem"
    assert found["templates"].level == "ok"
    assert "history" not in found


def test_snapshots_directory_must_be_writable(cluster: MemoryCluster, tmp_path: Path) -> None:
    fill(cluster)
    file = tmp_path / "file"
    file.write_text("no folder")
    facts = gather(cluster, make_job(), NOW, file / "snapshots")
    assert "can't be written to" in str([right.error for right in facts.rights if right.error])
    facts = gather(cluster, make_job(), NOW, tmp_path / "new" / "snapshots")
    assert not [right for right in facts.rights if right.error]
