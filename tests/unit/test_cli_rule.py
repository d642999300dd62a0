"""`ipi-es rule`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import worker_company as company
import worker_parts as parts
from cli_run import run, work_in
from rule_parts import JOB, NET, score, stored, trained_copy

from ipi_es.results.words import ALIAS
from ipi_es.state.rule_store import RULES_INDEX, RuleStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources


@pytest.fixture
def cluster() -> MemoryCluster:
    return trained_copy()


@pytest.fixture
def here(cluster: MemoryCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    work_in(monkeypatch, tmp_path, cluster, company.job_data() | {"allow_list": []})
    return cluster


ADD = ("rule", "add", "office", "--reason", "moved", "--by", "ann")


def test_the_command_adds_lists_shows_and_ends_a_rule(here: MemoryCluster) -> None:
    started = ("--start", "2025-09-02", "--expires", "now+30d")
    said = run(*ADD, "--cidr", NET, *started)
    assert said.exit_code == 0
    assert (
        "In all jobs, cidr 198.18.0.0/16 raises no alarm in buckets that start from 2025-09-02T00:00:00Z on"
        in said.stdout
    )
    assert "What the rule allows is not learned." in said.stdout
    score(JobResources(here, JOB, clock=parts.TestClock(parts.NOW)), company.SCORED_FROM, company.SCORED_TO)
    here.refresh(ALIAS)
    (row,) = json.loads(run("rule", "list", "--job", "signins", "--format", "json").stdout)
    assert (row["name"], row["state"], row["jobs"], row["author"]) == ("office", "acts", "all", "ann")
    assert row["hidden_records"] == len(
        [each for each in parts.of_kind(parts.results(here, JOB), "record") if each.get("suppressed_by") == "office"]
    )
    assert row["hidden_records"] > 0
    assert row["worst_score"] > 0
    shown = run("rule", "show", "office").stdout
    assert "moved" in shown
    assert "hidden records" in shown
    assert "wasn" not in run("rule", "end", "office").stderr
    assert json.loads(run("rule", "list", "--format", "json").stdout) == []
    (row,) = json.loads(run("rule", "list", "--all", "--format", "json").stdout)
    assert row["state"] == "ended"
    assert "No rule acts." in run("rule", "list").stdout + run("rule", "list").stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--cidr", "198.18.0.1/16"), "has bits set behind its prefix"),
        (("--cidr", "office"), "no address or network"),
        (("--cidr", "0.0.0.0/0"), "would allow everything"),
        (("--entity", "*"), "would allow everything"),
        (("--country", "AT"), "would allow everybody from a whole country"),
        (("--entity", "[!_]*"), "in job signins: “office” would allow"),
        (("--group", "admins"), "in job signins: “admins” needs entity_groups"),
        (("--network-type", "office"), "network-type"),
        ((), "needs entity, group, cidr"),
        (("--cidr", NET, "--entity", ""), "entity: must not be empty"),
        (("--entity", "ann", "--cidr", ""), "no address or network"),
        (("--cidr", NET, "--expires", "2020-01-01"), "would end 2020-01-01T00:00:00Z, before it acts"),
        (("--cidr", NET, "--start", "now+2d", "--expires", "now+1d"), "before it acts"),
        (("--cidr", NET, "--expires", "2200-01-01"), "times of the years 1970 to 2099, and 2200-01-01T00:00:00Z"),
        (("--cidr", NET, "--start", "2200-01-01"), "times of the years 1970 to 2099"),
        (("--cidr", NET, "--start", "1960-01-01"), "times of the years 1970 to 2099"),
        (("--cidr", NET, "--job", "none"), "none"),
    ],
)
def test_a_wrong_rule_is_a_clear_error(here: MemoryCluster, options: tuple[str, ...], said: str) -> None:
    result = run(*ADD, *options)
    assert result.exit_code != 0
    assert said in result.stderr
    assert RuleStore(here).all().rules == ()


@pytest.mark.parametrize("name", [" office", "a\x1b[31m", "line\nbreak", "x" * 257, "ü" * 129, "\u202eeciffo"])
def test_a_name_that_cannot_be_shown_is_refused(here: MemoryCluster, name: str) -> None:
    result = run("rule", "add", name, "--cidr", NET, "--reason", "why")
    assert "can't be a rule's" in result.stderr
    assert "\x1b" not in result.stderr
    assert RuleStore(here).all().rules == ()


@pytest.mark.parametrize("name", ["a/b c*", "gül", "ü" * 128])
def test_other_names_are_taken_shown_and_ended(here: MemoryCluster, name: str) -> None:
    for command in (("add", name, "--cidr", NET, "--reason", "why"), ("show", name), ("end", name)):
        assert run("rule", *command).exit_code == 0
    assert [each.name for each in RuleStore(here).all().rules] == [name]


def test_a_rule_needs_a_reason(here: MemoryCluster) -> None:
    assert "the rule has no reason" in run("rule", "add", "office", "--cidr", NET, "--reason", " ").stderr


def test_a_rule_is_shown_without_control_characters(here: MemoryCluster) -> None:
    RuleStore(here).add_rule(replace(stored(), reason="\x1b]0;owned\x07"))
    assert "\ufffd]0;owned\ufffd" in run("rule", "show", "office").stdout


@pytest.mark.parametrize(
    "options", [("--cidr", "0.0.0.0/0"), ("--entity", "*"), ("--country", "AT"), ("--entity", "[!_]*")]
)
def test_what_would_hide_everything_needs_force(here: MemoryCluster, options: tuple[str, ...]) -> None:
    assert run(*ADD, *options, "--force").exit_code == 0
    assert len(RuleStore(here).all().rules) == 1


def test_rules_that_together_would_hide_everything_are_refused(here: MemoryCluster) -> None:
    halves = ("0.0.0.0/1", "128.0.0.0/1")
    assert run("rule", "add", "low", "--reason", "why", "--cidr", halves[0], "--job", "signins").exit_code == 0
    refused = run(*ADD, "--cidr", halves[1])
    assert refused.exit_code != 0
    assert "in job signins: “low”, “office” would allow 100 % of the sign-ins" in refused.stderr
    assert run(*ADD, "--cidr", NET).exit_code == 0
    assert run("rule", "add", "high", "--reason", "why", "--cidr", halves[1], "--force").exit_code == 0
    run("rule", "end", "high")
    run("rule", "end", "low")
    assert run("rule", "add", "later", "--reason", "why", "--cidr", halves[1]).exit_code == 0


def test_a_narrow_rule_is_added_without_a_look_at_the_others(here: MemoryCluster) -> None:
    scans = list[str]()
    here.before = lambda operation, index: scans.append(index) if operation == "scan" else None
    assert run(*ADD, "--cidr", NET, "--entity", "ann").exit_code == 0
    assert RULES_INDEX not in scans


def test_a_rule_is_tried_on_a_job_that_is_named_by_its_file(here: MemoryCluster, tmp_path: Path) -> None:
    file = tmp_path / "apart.json"
    file.write_text(json.dumps(company.job_data() | {"job_id": "apart", "allow_list": []}))
    assert "in job apart: “office” would allow" in run(*ADD, "--entity", "[!_]*", "--job", str(file)).stderr
    assert run(*ADD, "--cidr", NET, "--job", str(file), "--job", str(file)).exit_code == 0
    assert RuleStore(here).require("office").jobs == ("apart",)


def test_a_second_rule_of_a_name_is_refused(here: MemoryCluster) -> None:
    assert run(*ADD, "--cidr", NET).exit_code == 0
    assert "there is a rule “office” already" in run(*ADD, "--cidr", NET).stderr
