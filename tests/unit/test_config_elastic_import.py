from __future__ import annotations

import copy
from typing import Any

import pytest

from ipi_es.config import check_job
from ipi_es.config.elastic.elastic_import import Imported, import_elastic_job
from ipi_es.config.files.yaml_documents import expand, parse_yaml, write_yaml
from ipi_es.errors import ConfigError

JOB: dict[str, Any] = {
    "job_id": "auth_rare_source_ip_for_a_user",
    "job_type": "anomaly_detector",
    "job_version": "12.0.0",
    "create_time": 1_700_000_000_000,
    "finished_time": 1_700_000_100_000,
    "model_snapshot_id": "1700000000",
    "model_snapshot_min_version": "11.0.0",
    "description": "Looks for a user with a rare source IP address",
    "groups": ["authentication", "security"],
    "analysis_config": {
        "bucket_span": "15m",
        "detectors": [
            {
                "detector_description": 'rare by "source.ip" partitionfield="user.name"',
                "function": "rare",
                "by_field_name": "source.ip",
                "partition_field_name": "user.name",
                "detector_index": 0,
            }
        ],
        "influencers": ["source.ip", "user.name"],
    },
    "analysis_limits": {"model_memory_limit": "128mb", "categorization_examples_limit": 4},
    "data_description": {"time_field": "@timestamp", "time_format": "epoch_ms"},
    "model_plot_config": {"enabled": False, "annotations_enabled": False},
    "model_snapshot_retention_days": 10,
    "daily_model_snapshot_retention_after_days": 1,
    "results_index_name": "custom-auth",
    "allow_lazy_open": False,
    "renormalization_window_days": None,
}
DATAFEED: dict[str, Any] = {
    "datafeed_id": "datafeed-auth_rare_source_ip_for_a_user",
    "job_id": "auth_rare_source_ip_for_a_user",
    "authorization": {"roles": ["superuser"]},
    "query_delay": "97211ms",
    "chunking_config": {"mode": "auto"},
    "indices_options": {
        "expand_wildcards": ["open"],
        "ignore_unavailable": False,
        "allow_no_indices": True,
        "ignore_throttled": True,
    },
    "query": {"bool": {"filter": [{"term": {"event.category": "authentication"}}, {"exists": {"field": "source.ip"}}]}},
    "indices": ["auditbeat-*", "logs-*"],
    "scroll_size": 1000,
    "delayed_data_check_config": {"enabled": True},
    "runtime_mappings": {},
}


def changed(path: str, value: Any, base: dict[str, Any] = JOB) -> dict[str, Any]:
    result = copy.deepcopy(base)
    *above, last = path.split(".")
    place: Any = result
    for part in above:
        place = place[int(part)] if part.isdecimal() else place[part]
    place[last] = value
    return result


def detector(**more: Any) -> dict[str, Any]:
    given = {**JOB["analysis_config"]["detectors"][0], **more}
    return changed("analysis_config.detectors", [{name: value for name, value in given.items() if value != "gone"}])


def refused(job: Any, datafeed: Any = DATAFEED, **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        import_elastic_job(job, datafeed, **more)
    return str(caught.value)


def test_elastics_own_security_job_is_imported_as_it_is() -> None:
    found = import_elastic_job(JOB, DATAFEED)
    assert found.job == {
        "job_id": "auth_rare_source_ip_for_a_user",
        "job_type": "anomaly_detector",
        "description": "Looks for a user with a rare source IP address",
        "groups": ["authentication", "security"],
        "model_snapshot_retention_days": 10,
        "results_index_name": "auth",
        "analysis_config": {
            "bucket_span": "15m",
            "influencers": ["source.ip", "user.name"],
            "detectors": [
                {
                    "detector_description": 'rare by "source.ip" partitionfield="user.name"',
                    "function": "rare",
                    "by_field_name": "source.ip",
                    "partition_field_name": "user.name",
                }
            ],
        },
        "data_description": {"time_field": "@timestamp"},
        "datafeed_config": {
            "query_delay": "98s",
            "indices_options": {"expand_wildcards": ["open"], "ignore_unavailable": False, "allow_no_indices": True},
            "query": DATAFEED["query"],
            "indices": ["auditbeat-*", "logs-*"],
            "runtime_mappings": {},
            "outcome_field": None,
        },
    }
    assert [warning.split(":")[0] for warning in found.warnings] == [
        "analysis_limits is left out",
        "datafeed_config.outcome_field",
    ]


def as_file(found: Imported) -> str:
    return write_yaml(found.job, comments=found.warnings)


def test_the_written_job_validates_and_is_the_same() -> None:
    found = import_elastic_job(JOB, DATAFEED)
    text = as_file(found)
    values, mistakes = expand(parse_yaml(text, name="x").data, {})
    assert (values, mistakes) == (found.job, [])
    assert check_job(values) == check_job(found.job)
    assert text.startswith("# analysis_limits is left out: memory is bounded by ip_insights.num_entity_vectors\n")


def test_a_script_with_dollars_survives_the_file() -> None:
    script = {"user.key": {"type": "keyword", "script": {"source": "emit('${x}' + doc['a'].value)"}}}
    found = import_elastic_job(JOB, changed("runtime_mappings", script, DATAFEED))
    values, mistakes = expand(parse_yaml(as_file(found), name="x").data, {})
    assert mistakes == []
    assert values["datafeed_config"]["runtime_mappings"] == script


@pytest.mark.parametrize(
    ("job", "datafeed"),
    [
        (JOB, DATAFEED),
        ({"count": 1, "jobs": [JOB]}, {"count": 1, "datafeeds": [DATAFEED]}),
        ({"count": 1, "jobs": [{**JOB, "datafeed_config": DATAFEED}]}, None),
        ([{"job": JOB, "datafeed": DATAFEED}], None),
        ({"job": JOB, "datafeed": DATAFEED}, None),
        ({**JOB, "datafeed_config": DATAFEED}, None),
        ({"jobs": [JOB], "datafeeds": [DATAFEED]}, None),
        (JOB, {"datafeeds": [{**DATAFEED, "job_id": "other"}, DATAFEED]}),
        ([JOB], [DATAFEED]),
    ],
)
def test_every_shape_in_which_jobs_come_is_taken(job: Any, datafeed: Any) -> None:
    assert import_elastic_job(job, datafeed).job == import_elastic_job(JOB, DATAFEED).job


def of_module() -> tuple[dict[str, Any], dict[str, Any]]:
    """The job and the datafeed as a module of Kibana has them: without a name, and without indices."""
    job = {name: value for name, value in JOB.items() if name != "job_id"}
    return job, {**DATAFEED, "job_id": "", "indices": ["INDEX_PATTERN_NAME"]}


@pytest.mark.parametrize("empty", [{}, {"job_id": ""}, {"job_id": None}])
def test_a_job_of_kibanas_modules_gets_its_name_and_its_indices(empty: dict[str, Any]) -> None:
    job, datafeed = of_module()
    found = import_elastic_job({**job, **empty}, datafeed, job_id="rare-ips", indices=["logs-*"])
    assert found.job["job_id"] == "rare-ips"
    assert found.job["datafeed_config"]["indices"] == ["logs-*"]
    assert "--job-id NAME" in refused({**job, **empty}, datafeed)
    assert "name them with --index" in refused({**job, **empty}, datafeed, job_id="rare-ips")


def test_a_module_with_its_jobs_and_datafeeds_is_taken() -> None:
    job, datafeed = of_module()
    module = {"id": "security_auth", "jobs": [{"id": "rare_ips", "config": job}]}
    feeds = {"datafeeds": [{"id": "datafeed-rare_ips", "config": datafeed}]}
    found = import_elastic_job(module, feeds, indices=["logs-*"]).job
    assert (found["job_id"], found["datafeed_config"]["indices"]) == ("rare_ips", ["logs-*"])


def test_of_several_jobs_one_must_be_chosen() -> None:
    several = [
        {"job": JOB, "datafeed": DATAFEED},
        {"job": {**JOB, "job_id": "b"}, "datafeed": {**DATAFEED, "job_id": "b"}},
    ]
    assert "holds 2 jobs: auth_rare_source_ip_for_a_user, b" in refused(several, None)
    assert import_elastic_job(several, job_id="b").job["job_id"] == "b"
    assert "did you mean “auth_rare_source_ip_for_a_user”?" in refused(several, None, job_id="auth_rare_source_ip")
    with pytest.raises(ConfigError) as caught:
        import_elastic_job(several, job_id="zzz")
    assert "it holds auth_rare_source_ip_for_a_user, b" in str(caught.value.hint)


@pytest.mark.parametrize("job", [{}, [], "text", None, {"hits": {}}, [[]], {"jobs": []}, {"jobs": "x"}])
def test_what_is_no_job_is_refused(job: Any) -> None:
    assert "holds no Elastic ML anomaly detection job" in refused(job)


def test_a_datafeed_of_another_job_is_refused() -> None:
    assert "the datafeed belongs to the job “other”" in refused(JOB, {**DATAFEED, "job_id": "other"})


def test_a_job_without_its_datafeed_is_refused() -> None:
    assert "give the datafeed too" in refused(JOB, None)


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (detector(function="freq_rare"), "detectors[0].function: is freq_rare; ipi-es takes rare only"),
        (detector(function="high_count"), "is high_count; ipi-es takes rare only"),
        (
            detector(over_field_name="user.name", partition_field_name="gone"),
            "write the entity as partition_field_name",
        ),
        (
            detector(partition_field_name="gone"),
            "partition_field_name: is missing; it must be the field with the entity",
        ),
        (detector(by_field_name="gone"), "by_field_name: is missing; it must be the field with the IP address"),
        (detector(by_field_name="user.name", partition_field_name="source.ip"), "a rare user.name of each source.ip"),
        (detector(exclude_frequent="all"), "exclude_frequent: ipi-es doesn't have it"),
        (detector(surprise=1), "analysis_config.detectors.surprise: ipi-es doesn't know it"),
        (changed("analysis_config.detectors", []), "has 0 (none); ipi-es takes one, rare"),
        (changed("analysis_config.detectors", [{"function": "rare"}, {"function": "sum"}]), "has 2 (rare, sum)"),
        (changed("analysis_config.categorization_field_name", "message"), "messages are not categorized"),
        (changed("analysis_config.summary_count_field_name", "doc_count"), "events summed up before aren't read"),
        (changed("analysis_config.bucket_span", "soon"), "bucket_span: “soon” is not a time span"),
        (changed("analysis_config", None), "analysis_config: is missing"),
        (changed("calendars", ["holidays"]), "calendars: ipi-es doesn't know it"),
    ],
)
def test_what_we_do_not_have_is_refused_by_name(job: Any, reason: str) -> None:
    assert reason in refused(job)


@pytest.mark.parametrize("name", ["aggregations", "aggs", "script_fields"])
def test_aggregations_and_script_fields_are_refused_by_name(name: str) -> None:
    assert f"datafeed_config.{name}: ipi-es doesn't have it" in refused(JOB, changed(name, {"x": {}}, DATAFEED))


def test_everything_refused_is_told_at_once() -> None:
    job = detector(function="mean", over_field_name="x")
    message = refused(job, changed("aggregations", {"x": {}}, DATAFEED))
    assert "can't be imported, for 3 reasons" in message


@pytest.mark.parametrize(
    ("job", "warning"),
    [
        (changed("model_plot_config", {"enabled": True}), "model_plot_config is left out"),
        (
            changed("daily_model_snapshot_retention_after_days", 5),
            "daily_model_snapshot_retention_after_days is left out",
        ),
        (changed("allow_lazy_open", True), "allow_lazy_open is left out"),
        (changed("custom_settings", {"created_by": "ml-module-x"}), "custom_settings is left out"),
        (changed("analysis_config.model_prune_window", "30d"), "analysis_config.model_prune_window is left out"),
        (changed("analysis_config.latency", "10m"), "analysis_config.latency is left out"),
        (detector(use_null=True), "analysis_config.detectors.use_null is left out"),
        (changed("analysis_config.influencers", ["user.name", "host.name"]), "analysis_config.influencers: host.name"),
        (detector(by_field_name="client"), "client must hold IP addresses"),
    ],
)
def test_what_may_be_left_out_is_left_out_and_named(job: Any, warning: str) -> None:
    found = import_elastic_job(job, DATAFEED)
    assert any(warning in text for text in found.warnings)
    check_job(found.job)


def test_elastics_defaults_where_it_differs_from_ours_are_written_out() -> None:
    job = copy.deepcopy(JOB)
    del job["analysis_config"]["bucket_span"]
    del job["data_description"]
    datafeed = {"indexes": ["a"], "job_id": JOB["job_id"]}
    found = import_elastic_job(job, datafeed).job
    assert found["analysis_config"]["bucket_span"] == "5m"
    assert found["data_description"] == {"time_field": "time"}
    assert found["datafeed_config"] == {"indexes": ["a"], "query": {"match_all": {}}, "outcome_field": None}


def test_a_query_that_looks_at_the_outcome_needs_no_warning() -> None:
    query = {"bool": {"filter": [{"term": {"event.outcome": "success"}}]}}
    found = import_elastic_job(JOB, changed("query", query, DATAFEED))
    assert not any("outcome" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("span", "ours"),
    [
        ("900s", "15m"),
        ("900000ms", "15m"),
        ("1h", "1h"),
        ("60000ms", "1m"),
        ("60001ms", "61s"),
        ("3600000000micros", "1h"),
    ],
)
def test_elastics_spans_become_whole_seconds(span: str, ours: str) -> None:
    found = import_elastic_job(JOB, changed("frequency", span, DATAFEED)).job
    assert found["datafeed_config"]["frequency"] == ours


def test_a_span_that_we_do_not_take_is_refused_in_our_words() -> None:
    assert "doesn't divide a day" in refused(changed("analysis_config.bucket_span", "2d"))


SKIP = {"actions": ["skip_result"], "scope": {"user.name": {"filter_id": "staff", "filter_type": "include"}}}


def test_rules_that_skip_by_filters_become_an_allow_list() -> None:
    both = {"scope": {**SKIP["scope"], "source.ip": {"filter_id": "vpn"}}}
    filters = {"staff": ["alice", "svc-*"], "vpn": ["10.0.0.0/8"]}
    found = import_elastic_job(detector(custom_rules=[SKIP, both]), DATAFEED, filters=filters)
    assert found.job["allow_list"] == [
        {"entity": "alice"},
        {"entity": "svc-*"},
        {"entity": "alice", "cidr": "10.0.0.0/8"},
        {"entity": "svc-*", "cidr": "10.0.0.0/8"},
    ]
    assert any("4 rules of allow_list" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (SKIP, "the filter staff, whose items are not given"),
        ({**SKIP, "conditions": [{"applies_to": "actual", "operator": "lt", "value": 1}]}, "has conditions on values"),
        ({**SKIP, "actions": ["skip_model_update"]}, "has another action than skip_result"),
        ({"actions": ["skip_result"]}, "has no scope, and so skips everything"),
        ({"scope": {"user.name": {"filter_id": "ok", "filter_type": "exclude"}}}, "excludes what the filter ok holds"),
        ({"scope": {"host.name": {"filter_id": "ok"}}}, "is about host.name"),
        ({"scope": {"source.ip": {"filter_id": "ok"}}}, "names addresses by wildcards"),
        ("text", "is no mapping"),
    ],
)
def test_other_custom_rules_are_refused_with_the_reason(rule: Any, reason: str) -> None:
    message = refused(detector(custom_rules=[rule]), filters={"ok": ["10.*"]})
    assert reason in message
    assert "custom_rules[0]" in message


@pytest.mark.parametrize(
    "job",
    [
        changed("analysis_config.detectors", "rare"),
        changed("analysis_config.detectors", [3]),
        changed("analysis_config.influencers", 3),
        changed("data_description", ["x"]),
        changed("groups", "security"),
        changed("results_index_name", 3),
        changed("job_id", None),
        changed("job_id", 7),
        detector(by_field_name=3),
        detector(partition_field_name=["a"]),
        detector(custom_rules=3),
        detector(custom_rules=[{"scope": [1]}]),
        detector(custom_rules=[{"scope": {"user.name": "x"}}]),
    ],
)
def test_a_damaged_export_gives_an_error_and_no_traceback(job: Any) -> None:
    refused(job, {**DATAFEED, "job_id": job["job_id"]})


@pytest.mark.parametrize(
    "name", ["query", "indices", "indices_options", "query_delay", "frequency", "runtime_mappings"]
)
def test_a_damaged_datafeed_gives_an_error_and_no_traceback(name: str) -> None:
    refused(JOB, changed(name, 3, DATAFEED))
