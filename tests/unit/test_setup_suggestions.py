"""Suggested jobs, on a cluster in memory: known sources, logs without a convention, places that hold no sign-ins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_run import clock_at, connect_to, run
from signin_events import END, MAPPING, documents

from ipi_es.cluster.port import Put
from ipi_es.config.files.loading import load_job
from ipi_es.config.files.yaml_documents import parse_yaml
from ipi_es.config.job_config import Job
from ipi_es.setup.suggestions.event_streams import event_streams
from ipi_es.setup.suggestions.suggestion import JobNames, Suggestion, Unusable
from ipi_es.setup.suggestions.survey import MOST_STREAMS, suggest_jobs
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import iso

NOW = END + 600
KEYWORD = {"type": "keyword"}
ODD_MAPPING: dict[str, Any] = {
    "properties": {
        "ts": {"type": "date"},
        "arrived": {"type": "date"},
        "actor": KEYWORD,
        "client_ip": {"type": "ip"},
        "result": KEYWORD,
        "request": {"properties": {"id": KEYWORD}},
    }
}


def test_series_and_data_streams_become_patterns() -> None:
    names = [
        ".ds-logs-okta.system-default-2026.05.01-000001",
        ".ds-logs-okta.system-default-2026.06.01-000002",
        ".ds-ssh-000001",
        "auth-2026.05.01",
        "auth-2026.05.02",
        "vpn_202605",
        "winlogbeat-7.17.0-2026.05.01-000001",
        "corp-logins",
        ".kibana_1",
        "ipi-es-state",
        "ipi-es-anomalies-shared-2026.05",
    ]
    found = {each.pattern: len(each.indices) for each in event_streams(names)}
    assert found == {
        "auth-*": 2,
        "corp-logins": 1,
        "logs-okta.system-default": 2,
        "ssh": 1,
        "vpn_*": 1,
        "winlogbeat-7.17.0-*": 1,
    }


def fill(cluster: MemoryCluster, index: str, mapping: dict[str, Any], made: list[dict[str, Any]]) -> None:
    cluster.create_index(index, {"mappings": mapping})
    cluster.bulk([Put(index, str(n), each) for n, each in enumerate(made)], refresh=True)


def odd(*, failures_from: int = 0) -> list[dict[str, Any]]:
    """Sign-ins under names of nobody's convention; those of the last days fail now and then."""
    made = []
    for number, each in enumerate(documents()):
        failed = number % 40 == 0 and number >= failures_from
        made.append(
            {
                "ts": each["@timestamp"],
                "actor": each["user"]["name"],
                "client_ip": each["source"]["ip"],
                "result": "DENIED" if failed else "OK",
                "request": {"id": f"r{number}"},
            }
        )
    return made


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


def only(cluster: MemoryCluster, *patterns: str) -> Suggestion:
    (found,) = suggest_jobs(cluster, NOW, patterns)
    assert isinstance(found, Suggestion), found
    again = Job.model_validate(parse_yaml(found.text, name="x").data)
    assert again == found.job, "the file is the job"
    return found


def test_a_log_in_ecs_is_the_general_source(cluster: MemoryCluster) -> None:
    fill(cluster, "signins-2026.05", MAPPING, list(documents()))
    found = only(cluster)
    assert found.pattern == "signins-*"
    assert (found.job.job_id, found.job.entity_field, found.job.ip_field) == ("signins-ecs", "user.name", "source.ip")
    assert found.facts.counts.events > 0


def test_fields_without_a_convention_are_found_by_their_contents(cluster: MemoryCluster) -> None:
    fill(cluster, "corp", ODD_MAPPING, odd())
    found = only(cluster)
    feed = found.job.datafeed_config
    assert (found.job.time_field, found.job.entity_field, found.job.ip_field) == ("ts", "actor", "client_ip")
    assert (feed.outcome_field, feed.score_outcomes, feed.learn_outcomes) == ("result", ("OK",), ("OK",))
    assert any("every document counts as a sign-in" in note for note in found.notes)


def test_places_without_accounts_addresses_or_documents_say_so(cluster: MemoryCluster) -> None:
    fill(cluster, "web", {"properties": {"@timestamp": {"type": "date"}, "url": KEYWORD}}, [{"url": "/x"}])
    fill(cluster, "empty", ODD_MAPPING, [])
    found = {each.pattern: each.why for each in suggest_jobs(cluster, NOW) if isinstance(each, Unusable)}
    assert found["empty"] == "it has no documents"
    assert "no field holds the" in found["web"]
    assert "IP address" in found["web"]


def test_no_more_places_are_examined_than_stated(cluster: MemoryCluster) -> None:
    for number in range(MOST_STREAMS + 1):
        fill(cluster, f"place-{chr(97 + number // 26)}{chr(97 + number % 26)}", MAPPING, [])
    found = list(suggest_jobs(cluster, NOW))
    assert [type(each) for each in found] == [Unusable] * (MOST_STREAMS + 1)
    assert "not examined" in found[-1].why  # type: ignore[union-attr]
    (named,) = suggest_jobs(cluster, NOW, (f"place-{chr(97 + MOST_STREAMS // 26)}{chr(97 + MOST_STREAMS % 26)}",))
    assert isinstance(named, Unusable)
    assert named.why == "it has no documents"


def test_a_long_and_sparse_history_gets_a_longer_window(cluster: MemoryCluster) -> None:
    made = odd()
    for number, each in enumerate(made):  # a quarter as they were, the others long before
        if number % 4:
            each["ts"] = (END - (200 + number % 150) * 86_400) * 1_000
    fill(cluster, "corp", ODD_MAPPING, made)
    found = only(cluster)
    assert found.job.training.window > 300 * 86_400
    assert any("most events are older than 90d" in note for note in found.notes)


def test_a_log_with_few_sign_ins_gets_a_training_that_it_can_have(cluster: MemoryCluster) -> None:
    made = [{**each, "ts": (END - number % 120 * 86_400) * 1_000} for number, each in enumerate(odd()[:240])]
    fill(cluster, "corp", ODD_MAPPING, made)
    found = only(cluster)
    assert found.job.training.window == 120 * 86_400
    assert 50 <= found.job.training.min_events <= 120
    assert "# only" in found.text
    assert any("training.window is 120d, training.min_events is" in note for note in found.notes)
    few = [{**each, "ts": (END - number * 86_400) * 1_000} for number, each in enumerate(odd()[:30])]
    fill(cluster, "few", ODD_MAPPING, few)
    (scarce,) = suggest_jobs(cluster, NOW, ("few",))
    assert isinstance(scarce, Suggestion)
    assert any("too few for a training, wait for more" in note for note in scarce.notes)
    assert scarce.job.training.min_events == 1_000


def test_a_log_of_failures_says_that_they_are_not_scored(cluster: MemoryCluster) -> None:
    made = [
        {**each, "event": {**each["event"], "outcome": "failure" if number % 4 else "success"}}
        for number, each in enumerate(documents())
    ]
    fill(cluster, "signins", MAPPING, made)
    (note,) = [note for note in only(cluster, "signins").notes if "not scored" in note]
    assert "events are failure, and not scored" in note
    assert "score_outcomes: [success, failure]" in note


def test_events_that_arrive_late_get_a_delay(cluster: MemoryCluster) -> None:
    made = odd()
    mapping = {"properties": {**ODD_MAPPING["properties"], "event": {"properties": {"ingested": {"type": "date"}}}}}
    made = [
        {**each, "ts": iso(each["ts"] // 1_000), "event": {"ingested": iso(each["ts"] // 1_000 + 601)}} for each in made
    ]
    fill(cluster, "corp", mapping, made)
    found = only(cluster)
    assert found.job.datafeed_config.query_delay == 660
    assert any("arrived within 11m" in note for note in found.notes)


def test_a_source_with_common_fields_needs_a_telling_name(cluster: MemoryCluster) -> None:
    with_mail = {"properties": {**MAPPING["properties"], "user": {"properties": {"name": KEYWORD, "email": KEYWORD}}}}
    made = [{**each, "user": {**each["user"], "email": f"{each['user']['name']}@corp.example"}} for each in documents()]
    fill(cluster, "logs-salesforce.login-default", with_mail, made)
    assert only(cluster, "logs-salesforce.login-default").job.entity_field == "user.email"
    fill(cluster, "signins", with_mail, made)
    assert only(cluster, "signins").job.job_id == "signins-ecs"


def test_each_suggested_job_has_a_name_of_its_own() -> None:
    names = JobNames()
    assert names.take("logs-aws.cloudtrail-default", "aws-console") == "logs-aws-cloudtrail-default-aws-console"
    assert names.take("logs-aws.cloudtrail-default", "aws-roles") == "logs-aws-cloudtrail-default-aws-roles"
    assert names.take("logs-okta.system-default", "okta") == "logs-okta-system-default"
    assert [names.take(each) for each in ("a.b-*", "a-b", "a_b")] == ["a-b", "a-b-2", "a-b-3"]
    long = [names.take("x" * 200, "windows") for _ in range(3)]
    assert len(set(long)) == 3
    assert all(len(each) <= 64 and "-windows" in each for each in long)
    assert names.take("用户", "") == "sign-ins"


def test_command_writes_the_files(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    connect_to(monkeypatch, cluster)
    clock_at(monkeypatch, NOW)
    nothing = run("job", "suggest")
    assert nothing.exit_code == 1
    assert "No sign-ins were found" in nothing.stdout
    fill(cluster, "corp", ODD_MAPPING, odd())
    fill(cluster, "web", {"properties": {"url": KEYWORD}}, [{"url": "/x"}])
    shown = run("job", "suggest")
    assert shown.exit_code == 0, shown.output
    assert "accounts in actor, addresses in client_ip, outcomes in result" in shown.stdout
    assert "web: no field holds" in shown.stdout
    assert not (tmp_path / "jobs").exists()
    written = run("job", "suggest", "--write")
    assert "Next: ipi-es check jobs/corp.yml" in written.stdout
    assert load_job(tmp_path / "jobs/corp.yml").entity_field == "actor"
    assert run("job", "suggest", "--write").exit_code == 2
    assert run("job", "suggest", "--write", "--overwrite").exit_code == 0
