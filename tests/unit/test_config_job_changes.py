"""Every setting of a job has a rule for the case that it changes after a training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ipi_es.config import Job, check_job
from ipi_es.config.sections import is_list, section_of
from ipi_es.config.setting_rules import LONGEST, RULES, changes, made_with

BASE: dict[str, Any] = {"job_id": "x", "datafeed_config": {"indices": ["logs-*"]}}

KEY_FILE = Path(__file__).parents[1] / "samples" / "pseudonyms.key"

OTHER: dict[str, dict[str, Any]] = {
    "analysis_config.bucket_span": {"analysis_config": {"bucket_span": "15m"}},
    "analysis_config.detectors[].by_field_name": {"analysis_config": {"detectors": [{"by_field_name": "client.ip"}]}},
    "analysis_config.detectors[].partition_field_name": {
        "analysis_config": {"detectors": [{"partition_field_name": "user.id"}]}
    },
    "data_description.time_field": {"data_description": {"time_field": "event.created"}},
    "datafeed_config.indices": {"datafeed_config": {"indices": ["other-*"]}},
    "datafeed_config.query": {"datafeed_config": {"query": {"match_all": {}}}},
    "datafeed_config.runtime_mappings": {"datafeed_config": {"runtime_mappings": {"a": {"type": "keyword"}}}},
    "datafeed_config.outcome_field": {"datafeed_config": {"outcome_field": None}},
    "datafeed_config.operator_field": {"datafeed_config": {"operator_field": None}},
    "datafeed_config.country_field": {"datafeed_config": {"country_field": "client.geo.country_iso_code"}},
    "datafeed_config.networks_files": {"datafeed_config": {"networks_files": ["networks.csv"]}},
    "datafeed_config.score_outcomes": {"datafeed_config": {"score_outcomes": ["success", "failure"]}},
    "datafeed_config.learn_outcomes": {"datafeed_config": {"learn_outcomes": ["success", "failure"]}},
    "datafeed_config.entity_fields": {"datafeed_config": {"entity_fields": ["user.email", "user.name"]}},
    "datafeed_config.entity_normalize": {"datafeed_config": {"entity_normalize": ["lowercase", "trim"]}},
    "datafeed_config.exclude_entities": {"datafeed_config": {"exclude_entities": ["svc-*"]}},
    "datafeed_config.ip_pick": {"datafeed_config": {"ip_pick": "public"}},
    "datafeed_config.ignore_private": {"datafeed_config": {"ignore_private": True}},
    "datafeed_config.nat64_prefixes": {"datafeed_config": {"nat64_prefixes": ["2001:db8:64::/96"]}},
    "entity_pseudonyms": {"entity_pseudonyms": {"key_file": str(KEY_FILE)}},
}
"""For each setting that isn't free: another value than the default."""


def job(data: dict[str, Any]) -> Job:
    feed = {**BASE["datafeed_config"], **data.get("datafeed_config", {})}
    return check_job({**BASE, **data, "datafeed_config": feed})


def settings_of(section: type[BaseModel], path: str = "") -> Iterator[str]:
    """Every setting by its place, and every section that has a rule of its own."""
    for name, field in section.model_fields.items():
        place = f"{path}{name}"
        below = section_of(field.annotation)
        if below is None or place in RULES:
            yield place
        else:
            yield from settings_of(below, f"{place}[]." if is_list(field.annotation) else f"{place}.")


def test_every_setting_has_a_rule_and_every_rule_a_setting() -> None:
    assert set(settings_of(Job)) == set(RULES)


def test_every_rule_that_is_not_free_is_tried_here() -> None:
    assert set(OTHER) == {name for name, rule in RULES.items() if rule.rule != "free"}
    assert set(made_with(job({}))) == set(OTHER)


@pytest.mark.parametrize("setting", sorted(OTHER))
def test_a_change_is_named_with_its_old_and_its_new_value(setting: str) -> None:
    before, now = made_with(job({})), made_with(job(OTHER[setting]))
    found = {change.setting: change for change in changes(before, now)}
    assert found[setting].rule == RULES[setting].rule
    assert f"{setting} was " in str(found[setting])
    assert before[setting] != now[setting]
    beside = set(found) - {setting}
    if setting == "analysis_config.detectors[].by_field_name":  # `auto` finds operator and country beside it
        beside -= {"datafeed_config.operator_field", "datafeed_config.country_field"}
    assert not beside


def test_another_key_of_pseudonyms_is_named_and_not_shown(tmp_path: Path) -> None:
    texts, jobs = ("01" * 64, "23" * 64), []
    for name, text in zip(("one", "two"), texts, strict=True):
        (tmp_path / name).write_text(text)
        jobs.append(job({"entity_pseudonyms": {"key_file": str(tmp_path / name)}}))
    one, two = map(made_with, jobs)
    (change,) = changes(one, two)
    assert (change.setting, change.rule) == ("entity_pseudonyms", "train")
    assert not any(text[:8] in str(change) for text in texts)
    (first,) = changes(made_with(job({})), one)
    assert str(first).startswith("entity_pseudonyms was none and is key ")
    older = {name: value for name, value in made_with(job({})).items() if name != "entity_pseudonyms"}
    assert changes(older, made_with(job({}))) == []
    assert [each.setting for each in changes(older, one)] == ["entity_pseudonyms"]


@pytest.mark.parametrize(
    "same",
    [
        {"analysis_config": {"bucket_span": "60m"}},
        {"datafeed_config": {"operator_field": "source.as.number"}},  # what `auto` finds
        {"datafeed_config": {"entity_normalize": "lowercase"}},
        {"datafeed_config": {"entity_fields": "user.name"}},
        {"training": {"window": "30d"}},
        {"ip_insights": {"epochs": 3}},
        {"allow_list": [{"cidr": "192.0.2.0/24"}]},
        {"description": "other", "groups": ["a"], "results_index_name": "own", "hold_days": 3, "compromised_days": 7},
        {"datafeed_config": {"query_delay": "5m", "frequency": "10m", "max_page": 100}},
    ],
)
def test_what_means_the_same_or_is_free_is_no_change(same: dict[str, Any]) -> None:
    assert changes(made_with(job({})), made_with(job(same))) == []


def test_an_older_state_was_made_before_entities_had_several_fields() -> None:
    before = {name: value for name, value in made_with(job({})).items() if name != "datafeed_config.entity_fields"}
    assert changes(before, made_with(job({}))) == []
    (change,) = changes(before, made_with(job(OTHER["datafeed_config.entity_fields"])))
    assert (change.setting, change.before, change.rule) == ("datafeed_config.entity_fields", [], "train")


@pytest.mark.parametrize(
    ("before", "now", "rules"),
    [
        (["logs-*"], ["logs-*", "vpn-*"], ["free"]),
        (["logs-*", "vpn-*"], ["vpn-*"], ["free"]),
        (["logs-*"], ["vpn-*"], ["accept"]),
        (["a", "b"], ["b", "a"], []),
    ],
)
def test_indices_may_come_and_go_while_one_stays(before: list[str], now: list[str], rules: list[str]) -> None:
    one, other = (made_with(job({"datafeed_config": {"indices": names}})) for names in (before, now))
    assert [change.rule for change in changes(one, other)] == rules


def test_networks_files_may_be_others_but_not_none(tmp_path: Path) -> None:
    one, other = (
        made_with(job({"datafeed_config": {"networks_files": [name]}}))
        for name in ("a.csv", {"path": "b.csv", "type": "vpn"})
    )
    assert changes(one, other) == []


def test_a_long_query_is_kept_by_its_beginning_and_a_digest() -> None:
    terms = [f"user-{number}" for number in range(1_000)]
    one, other = (
        made_with(job({"datafeed_config": {"query": {"terms": {"user.name": names}}}})) for names in (terms, terms[:-1])
    )
    assert len(json.dumps(one)) < LONGEST
    (change,) = changes(one, other)
    assert "user-1" in str(change)
    assert len(str(change)) < 500


def test_settings_that_an_older_version_did_not_keep_are_as_they_were() -> None:
    now = made_with(job({}))
    assert changes({}, now) == []
    assert changes({"gone": 1}, now) == []


@given(st.sampled_from(sorted(OTHER)), st.sampled_from(sorted(OTHER)))
def test_nothing_is_a_change_to_itself_and_changes_are_symmetric(one: str, other: str) -> None:
    first, second = made_with(job(OTHER[one])), made_with(job(OTHER[other]))
    assert changes(first, json.loads(json.dumps(first))) == []
    assert {change.setting for change in changes(first, second)} == {
        change.setting for change in changes(second, first)
    }
