from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipi_es.cluster.answers.answers import target
from ipi_es.config import Job, check_job, load_job, normalize_entity
from ipi_es.config.datafeed_config import NetworksFile
from ipi_es.config.entity_names import STEPS
from ipi_es.config.files.yaml_documents import parse_yaml, write_yaml
from ipi_es.errors import ConfigError

MINIMAL: dict[str, Any] = {"job_id": "logins", "datafeed_config": {"indices": ["logs-*"]}}


def job(**more: Any) -> Job:
    return check_job({**MINIMAL, **more})


def refused(**more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        job(**more)
    return str(caught.value)


def test_a_job_needs_an_id_and_indices_only() -> None:
    found = job()
    assert (found.entity_field, found.ip_field, found.time_field) == ("user.name", "source.ip", "@timestamp")
    assert found.influencers == ("user.name", "source.ip")
    assert found.bucket_span == 3_600
    assert found.datafeed_config.query == {"bool": {"filter": [{"term": {"event.category": "authentication"}}]}}
    assert found.datafeed_config.score_outcomes == found.datafeed_config.learn_outcomes == ("success",)


def test_a_dumped_job_is_the_same_job() -> None:
    found = job(repeat_window="90m", allow_list=[{"entity": "svc-*", "cidr": "10.0.0.0/8"}], training={"window": "30d"})
    assert check_job(found.model_dump()) == found
    assert check_job(found.model_dump(mode="json")) == found
    assert check_job(parse_yaml(write_yaml(found.model_dump(mode="json")), name="x").data) == found


def test_a_file_of_networks_is_a_path_or_a_mapping() -> None:
    typed = {"path": "vpn.txt", "type": "vpn"}
    found = job(datafeed_config={"indices": "a", "networks_files": ["asn.mmdb", typed, {"path": "b.csv"}]})
    files = found.datafeed_config.networks_files
    assert [(file.path, file.type) for file in files] == [("asn.mmdb", None), ("vpn.txt", "vpn"), ("b.csv", None)]
    assert found.model_dump(mode="json")["datafeed_config"]["networks_files"] == ["asn.mmdb", typed, "b.csv"]
    assert check_job(parse_yaml(write_yaml(found.model_dump(mode="json")), name="x").data) == found
    for alone in ("vpn.txt", {"path": "vpn.txt"}, ["vpn.txt"]):
        assert job(datafeed_config={"indices": "a", "networks_files": alone}).datafeed_config.networks_files == (
            NetworksFile(path="vpn.txt"),
        )


@pytest.mark.parametrize("job_id", ["a", "0", "sign-ins_2", "x" * 64])
def test_elastics_job_ids_are_taken(job_id: str) -> None:
    assert job(job_id=job_id).job_id == job_id


@pytest.mark.parametrize("job_id", ["", "A", "-a", "a-", "a b", "x" * 65, "é", "a.b", "_"])
def test_other_job_ids_are_refused(job_id: str) -> None:
    assert "at most 64 characters" in refused(job_id=job_id)


@pytest.mark.parametrize(
    ("span", "seconds"), [("60s", 60), ("15m", 900), ("1h", 3_600), ("1d", 86_400), ("8h", 28_800)]
)
def test_a_bucket_span_divides_a_day(span: str, seconds: int) -> None:
    assert job(analysis_config={"bucket_span": span}).bucket_span == seconds


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        (0, "must be at least 1m"),
        ("0", "must be at least 1m"),
        ("0s", "must be at least 1m"),
        ("59s", "must be at least 1m"),
        ("7h", "doesn't divide a day"),
        ("2d", "doesn't divide a day"),
        (900, "900 has no unit"),
        ("15", "is not a time span"),
        ("15min", "is not a time span"),
        ("-1h", "is not a time span"),
        ("1.5h", "is not a time span"),
        (True, "must be a time span"),
        (None, "must be a time span"),
    ],
)
def test_a_bucket_span_of_0_or_without_a_unit_is_refused(span: Any, reason: str) -> None:
    assert reason in refused(analysis_config={"bucket_span": span})


def test_a_span_of_0_needs_no_unit_where_0_means_off() -> None:
    assert job(repeat_window=0).repeat_window == 0
    assert job(repeat_window="0").repeat_window == 0
    assert "must be longer than 0" in refused(training={"window": 0})


def test_the_renormalization_window_is_30_days_or_100_buckets() -> None:
    assert job(analysis_config={"bucket_span": "1h"}).renormalization_window() == 30 * 86_400
    assert job(analysis_config={"bucket_span": "1d"}).renormalization_window() == 100 * 86_400
    assert job(renormalization_window_days=7).renormalization_window() == 7 * 86_400
    assert job(renormalization_window_days=0).renormalization_window() == 0


@pytest.mark.parametrize(
    ("detectors", "reason"),
    [
        ([], "must have at least 1 entry"),
        ([{"function": "rare"}, {"function": "rare"}], "must have at most 1 entry"),
        ([{"function": "high_count"}], "must be rare, not “high_count”"),
        ([{"by_field_name": "user.name"}], "are both user.name"),
        ([{"by_field_name": "source.*"}], "must be the full name of one field"),
        ([{"over_field_name": "x"}], "ipi-es doesn't have this setting of Elastic ML"),
        ([{"detector_index": 0}], "the server writes it"),
    ],
)
def test_exactly_one_rare_detector(detectors: list[Any], reason: str) -> None:
    assert reason in refused(analysis_config={"detectors": detectors})


def test_a_wrong_detector_is_not_also_called_too_few() -> None:
    assert "at least 1" not in refused(analysis_config={"detectors": [{"function": "mean"}]})


def test_influencers_are_fields_of_the_detector() -> None:
    assert job(analysis_config={"influencers": ["source.ip"]}).influencers == ("source.ip",)
    assert job(analysis_config={"influencers": []}).influencers == ()
    message = refused(analysis_config={"influencers": ["source.ip", "host.name"]})
    assert "analysis_config.influencers[1]: host.name is not possible; allowed are user.name and source.ip" in message


def test_the_time_field_is_none_of_the_detectors() -> None:
    assert "is also a field of the detector" in refused(data_description={"time_field": "source.ip"})


@pytest.mark.parametrize("name", ["indices", "indexes", "index_names"])
def test_indices_have_elastics_other_spellings(name: str) -> None:
    assert job(datafeed_config={name: "a"}).datafeed_config.indices == ("a",)


def test_two_spellings_of_indices_are_refused() -> None:
    assert "indices and indexes are the same setting" in refused(datafeed_config={"indices": "a", "indexes": "b"})


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"indices": []}, "must have at least 1 entry"),
        ({"indices": ["a", "a"]}, "names a more than once"),
        ({"indices": [""]}, "must not be empty"),
        ({"query": {}}, "must hold exactly one clause"),
        ({"query": {"term": {}, "match_all": {}}}, "put several into bool.filter"),
        ({"query_delay": "-1s"}, "is not a time span"),
        ({"frequency": "0s"}, "must be longer than 0"),
        ({"score_outcomes": []}, "must have at least 1 entry"),
        ({"entity_normalize": ["lower"]}, "did you mean “lowercase”?"),
        ({"max_page": 65_536}, "must be at most 65,535"),
        ({"max_page": 0}, "must be at least 1"),
        ({"indices_options": {"expand_wildcards": ["opn"]}}, "did you mean “open”?"),
        ({"runtime_mappings": {"x": 1}}, "must be a mapping"),
        ({"aggregations": {}}, "ipi-es makes its own aggregation"),
        ({"networks_files": [{"path": "a", "type": "vnp"}]}, "did you mean “vpn”?"),
        ({"networks_files": [{"type": "vpn"}]}, "networks_files"),
        ({"networks_files": [{"path": "a", "kind": "vpn"}]}, "kind"),
        ({"networks_files": [""]}, "must not be empty"),
        ({"networks_files": ["a", {"path": "a", "type": "vpn"}]}, "names a more than once"),
        ({"networks_files": 7}, "networks_files"),
        ({"networks_files": [7]}, "networks_files"),
    ],
)
def test_wrong_datafeeds_are_refused(more: dict[str, Any], reason: str) -> None:
    assert reason in refused(datafeed_config={"indices": ["a"], **more})


def test_elastics_list_of_wildcards_may_be_one_string() -> None:
    found = job(datafeed_config={"indices": "a", "indices_options": {"expand_wildcards": "open,hidden"}})
    assert found.datafeed_config.indices_options.expand_wildcards == ("open", "hidden")


def test_outcomes_to_read_are_the_scored_and_the_teaching_ones() -> None:
    feed = {"indices": "a", "score_outcomes": ["failure", "success"], "learn_outcomes": ["success"]}
    assert job(datafeed_config=feed).datafeed_config.outcomes == ("failure", "success")


def test_settings_without_effect_are_taken_and_named() -> None:
    found = job(datafeed_config={"indices": "a", "scroll_size": 1000, "chunking_config": {"mode": "auto"}})
    assert [warning.split(":")[0] for warning in found.warnings()] == [
        "datafeed_config.scroll_size has no effect",
        "datafeed_config.chunking_config has no effect",
    ]
    assert job().warnings() == []


@pytest.mark.parametrize(
    ("hyperparameters", "reason"),
    [
        ({"num_entity_vectors": 0}, "must be auto (2 × the entities) or a whole number from 1 to 250,000,000"),
        ({"num_entity_vectors": "many"}, "must be auto"),
        ({"vector_dim": 3}, "must be at least 4"),
        ({"vector_dim": 5000}, "must be at most 4,096"),
        ({"epochs": True}, "must be a number, not true or false"),
        ({"epochs": 1.5}, "must be a whole number, not “1.5”"),
        ({"learning_rate": 1e-9}, "must be at least 1e-06"),
        ({"weight_decay": float("nan")}, "must be a number"),
        ({"random_negative_sampling_rate": 0, "shuffled_negative_sampling_rate": 0}, "add up to 0"),
        ({"random_negative_sampling_rate": 400, "shuffled_negative_sampling_rate": 101}, "add up to 501"),
        ({"architecture": "transformer"}, "must be one of hybrid, ip_insights"),
        ({"batch_size": 10}, "did you mean “mini_batch_size”?"),
    ],
)
def test_hyperparameters_have_sagemakers_ranges(hyperparameters: dict[str, Any], reason: str) -> None:
    assert reason in refused(ip_insights=hyperparameters)


@pytest.mark.parametrize(("total", "rates"), [(1, (1, 0)), (500, (250, 250)), (1, (0, 1))])
def test_the_edges_of_the_sum_of_negatives_are_inclusive(total: int, rates: tuple[int, int]) -> None:
    random, shuffled = rates
    names = {"random_negative_sampling_rate": random, "shuffled_negative_sampling_rate": shuffled}
    assert job(ip_insights=names).ip_insights.shuffled_negative_sampling_rate == shuffled


def test_the_network_alone_has_its_own_defaults_where_nothing_is_said() -> None:
    found = job(ip_insights={"architecture": "ip_insights", "shuffled_negative_sampling_rate": 1}).ip_insights
    assert (found.epochs, found.shuffled_negative_sampling_rate, found.operator_negative_sampling_rate) == (20, 1, 1)
    assert job().ip_insights.epochs == 10


def test_numbers_may_come_as_text_from_the_environment(tmp_path: Any) -> None:
    path = tmp_path / "job.yml"
    path.write_text(
        "job_id: x\ndatafeed_config: {indices: a}\nip_insights: {epochs: '${E:3}', num_entity_vectors: '${N}'}",
        encoding="utf-8",
    )
    found = load_job(path, environ={"N": "1000"}).ip_insights
    assert (found.epochs, found.num_entity_vectors) == (3, 1_000)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({}, "needs entity, group, cidr, operator"),
        ({"comment": "x"}, "needs entity, group, cidr, operator"),
        ({"entity": "*"}, "would allow everything"),
        ({"entity": "?*"}, "would allow everything"),
        ({"cidr": "::/0"}, "would allow everything"),
        ({"cidr": "0.0.0.0/0"}, "would allow everything"),
        ({"cidr": "::ffff:0.0.0.0/96"}, "would allow everything"),
        ({"entity": "*", "cidr": "0.0.0.0/0"}, "would allow everything"),
        ({"cidr": "10.0.0.1/8"}, "write 10.0.0.0/8 for the network, 10.0.0.1 for the address"),
        ({"cidr": "10.0.0.256"}, "is no address or network"),
        ({"entity": 1234}, "needs quotes"),
        ({"entity": ""}, "must not be empty"),
        ({"entity": "a", "ip": "10.0.0.1"}, "did you mean “cidr”?"),
    ],
)
def test_allow_rules_that_say_nothing_or_everything_are_refused(rule: dict[str, Any], reason: str) -> None:
    message = refused(allow_list=[{"entity": "ok"}, rule])
    assert reason in message
    assert "allow_list[1]" in message


def test_an_address_is_a_network_of_one() -> None:
    rules = job(allow_list=[{"cidr": "198.51.100.7"}, {"cidr": "2001:db8::1"}]).allow_list
    assert [rule.cidr for rule in rules] == ["198.51.100.7/32", "2001:db8::1/128"]


def test_rules_are_named_by_their_id_or_by_what_they_say() -> None:
    rules = job(
        allow_list=[{"entity": "svc-*", "cidr": "10.0.0.0/8"}, {"cidr": "192.0.2.0/24", "id": "vpn"}]
    ).allow_list
    assert [rule.name for rule in rules] == ["entity:svc-* cidr:10.0.0.0/8", "vpn"]


def test_two_rules_of_one_name_are_refused() -> None:
    assert "allow_list[1]: a rule “x” is there already" in refused(allow_list=[{"entity": "x", "id": "x"}] * 2)


def test_a_pattern_that_normalization_makes_everybody_is_refused() -> None:
    feed = {"indices": "a", "entity_normalize": ["strip_domain"]}
    assert "would allow everybody" in refused(datafeed_config=feed, allow_list=[{"entity": "*@corp.example"}])
    assert "would allow everybody" in refused(datafeed_config=feed, allow_list=[{"entity": "CORP\\*"}])
    assert job(allow_list=[{"entity": "*@corp.example"}]).allow_list[0].entity == "*@corp.example"


@pytest.mark.parametrize("name", ["CORP\\alice", "alice@corp.example", "Alice", "ALICE@CORP", "a\\b\\Alice@x@y"])
def test_spellings_of_one_entity_are_one(name: str) -> None:
    assert normalize_entity(name, ["lowercase", "strip_domain"]) == "alice"


@pytest.mark.parametrize("name", ["@corp", "CORP\\", "@", "\\"])
def test_a_name_that_is_only_a_domain_stays(name: str) -> None:
    assert normalize_entity(name, ["strip_domain"]) == name


@pytest.mark.parametrize(
    ("steps", "name", "entity"),
    [
        (["trim"], " alice\t\u00a0", "alice"),
        (["trim"], "alice smith", "alice smith"),
        (["trim"], "   ", ""),  # no name: such events are counted as without one
        (["nfc"], "Jose\u0301", "José"),
        (["nfc"], "José", "José"),
        (["strip_slash_domain"], "corp/alice", "alice"),
        (["strip_slash_domain"], "corp.example/alice.smith", "alice.smith"),
        (["strip_slash_domain"], "host/server.example", "host/server.example"),
        (["strip_slash_domain"], "HTTP/web.example@REALM", "HTTP/web.example@REALM"),
        (["strip_slash_domain"], "krbtgt/REALM", "krbtgt/REALM"),
        (["strip_slash_domain"], "arn:aws:iam::123:user/alice", "arn:aws:iam::123:user/alice"),
        (["strip_slash_domain"], "a/b/c", "a/b/c"),
        (["strip_slash_domain"], "corp/", "corp/"),
        (["strip_domain"], "corp/alice", "corp/alice"),  # as before: a principal may be called so
        (["strip_domain", "strip_slash_domain", "lowercase"], "CORP/Alice@corp.example", "alice"),
        (["strip_domain", "trim"], "CORP\\ alice @corp ", "alice"),
        (["strip_domain", "trim"], "CORP\\ @x", "CORP\\ @x"),
        (["lowercase", "nfc", "trim"], " JOSE\u0301 ", "josé"),
    ],
)
def test_each_step_folds_what_it_says(steps: Any, name: str, entity: str) -> None:
    assert normalize_entity(name, steps) == entity
    assert normalize_entity(entity, steps) == entity


_SPELLED = st.text(st.sampled_from("aA/\\@ .\te\u0301éİßΣ:*-\u1e9b\u0323"), max_size=8)


@given(_SPELLED | st.text(max_size=12), st.lists(st.sampled_from(STEPS), unique=True))
def test_normalizing_twice_changes_nothing_and_order_does_not_matter(name: str, steps: list[Any]) -> None:
    once = normalize_entity(name, steps)
    assert normalize_entity(name, steps[::-1]) == once
    assert normalize_entity(once, steps) == once


@pytest.mark.parametrize(
    "name",
    [
        "logs-*",
        "logs-signins-2026.11",
        ".ds-logs-a-000001",
        "siteb:logs-*",
        "Site_B:logs-*",
        "-logs-test-*",
        "*",
        "été-*",
    ],
)
def test_index_names_patterns_remote_ones_and_exclusions_are_taken(name: str) -> None:
    assert job(datafeed_config={"indices": [name]}).datafeed_config.indices == (name,)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("logs-a,logs-b", "write them as a list"),
        ("logs/_delete_by_query", "can't have '/'"),
        ("logs-*/_search?q=x#", "can't have '/'"),
        ("logs?pretty", "can't have '?'"),
        ("logs a", "can't have ' '"),
        ("logs\n", "can't have '\\n'"),
        ('logs"', "can't have"),
        ("<logs-{now/d}>", "date math"),
        ("_all", "must be the name or pattern"),
        ("_security", "must be the name or pattern"),
        ("..", "must be the name or pattern"),
        (":logs", "must be the name or pattern"),
        ("siteb:", "must be the name or pattern"),
        ("Logs-*", "capital letters"),
        ("é" * 128, "longer than 255 bytes"),
    ],
)
def test_what_is_no_index_name_is_refused(name: str, says: str) -> None:
    assert says in refused(datafeed_config={"indices": [name]})


@given(st.text(min_size=1))
def test_an_index_name_that_is_taken_is_one_part_of_a_path(name: str) -> None:
    try:
        found = job(datafeed_config={"indices": [name]})
    except ConfigError:
        return
    path = target(found.datafeed_config.indices)
    assert not set(path) & set('/?#\\" \n\r\t,')
