"""Presets: every variant of every source is a valid job, explains itself, and names the fields that it uses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_run import connect_to, run

from ipi_es.config.presets.preset import INDICES, JOB_ID, Preset, Variant, load_preset, preset_names
from ipi_es.config.presets.source_reference import render
from ipi_es.errors import UsageError
from ipi_es.results.index_mapping import ECS_LEAVES
from ipi_es.setup.preset_choice import choose
from ipi_es.testing.memory_cluster import MemoryCluster

ROOT = Path(__file__).resolve().parents[2]
PRESETS = {name: load_preset(name) for name in preset_names()}
VARIANTS = [(name, variant) for name, preset in PRESETS.items() for variant in preset.variants]
WANTED = {
    "okta", "entra", "entra-apps", "m365", "google", "aws-console", "aws-roles", "windows", "sshd", "auth0", "duo",
    "jumpcloud", "cloudflare-access", "1password", "salesforce", "slack", "keycloak", "anyconnect", "fortigate-vpn",
    "globalprotect", "wazuh-sshd", "wazuh-windows", "opensearch-audit", "elasticsearch-audit", "kubernetes", "github",
    "nextcloud", "zeek-ssh", "ecs",
}  # fmt: skip
"""Sources that a job can be created from."""


def fields_of(query: Any) -> Iterator[str]:
    """The fields that a query names."""
    for clause in query if isinstance(query, list) else [query]:
        for kind, inside in clause.items():
            if kind == "bool":
                for part, clauses in inside.items():
                    if part != "minimum_should_match":
                        yield from fields_of(clauses)
            else:
                yield inside["field"] if kind == "exists" else next(iter(inside))


def test_all_sources_are_there() -> None:
    assert {name for name, preset in PRESETS.items() if preset.refused is None} >= WANTED


@pytest.mark.parametrize(("source", "variant"), VARIANTS, ids=lambda each: getattr(each, "name", each))
def test_every_variant_is_a_job_that_explains_itself(source: str, variant: Variant) -> None:
    job = variant.made("some-job")
    assert (job.job_id, job.datafeed_config.indices) == ("some-job", variant.indices)
    assert job.bucket_span == 3_600
    assert job.datafeed_config.entity_normalize == ("lowercase",)
    assert not [warning for warning in job.warnings() if "no effect" in warning]
    text = variant.text("some-job")
    assert text.count("#") >= 2, "a comment says why"
    assert JOB_ID not in text
    assert INDICES not in text
    assert all(len(line) <= 120 for line in text.splitlines())


@pytest.mark.parametrize(("source", "variant"), VARIANTS, ids=lambda each: getattr(each, "name", each))
def test_the_fields_that_a_variant_uses_are_those_it_is_recognised_by(source: str, variant: Variant) -> None:
    job = variant.made("some-job")
    used = {job.entity_field, job.ip_field, job.time_field, *fields_of(job.datafeed_config.query)} - {"@timestamp"}
    if job.datafeed_config.outcome_field is not None:
        used.add(job.datafeed_config.outcome_field)
    assert sorted(used - set(variant.fields)) == []


def test_variants_of_a_source_can_be_told_apart() -> None:
    for name, preset in PRESETS.items():
        for at, variant in enumerate(preset.variants):
            for earlier in preset.variants[:at]:
                assert not set(earlier.fields) <= set(variant.fields), f"{name}: {variant.name} is never chosen"


def test_jobs_of_all_variants_can_share_a_result_index() -> None:
    """A field of one job must not lie below another's, nor below a field that every result has."""
    jobs = [variant.made("some-job") for _, variant in VARIANTS]
    shared = [job for job in jobs if job.results_index_name == "shared"]
    addresses, entities = {job.ip_field for job in shared}, {job.entity_field for job in shared}
    assert addresses & entities == set()
    fields = addresses | entities
    below = {(one, other) for one in fields for other in fields | set(ECS_LEAVES) if one.startswith(f"{other}.")}
    assert below == set()


def test_a_preset_with_neither_a_variant_nor_a_refusal_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="has variants, or says why"):
        Preset(title="x", entity="y", evidence=("z",))


def test_unknown_source_gets_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="no source “okat”") as caught:
        load_preset("okat")
    assert "did you mean okta?" in str(caught.value)


def mapped(index: str, fields: dict[str, str]) -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.create_index(index, {"mappings": {"properties": properties(fields)}})
    return cluster


def properties(fields: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, kind in fields.items():
        inside = found
        *above, last = field.split(".")
        for name in above:
            inside = inside.setdefault(name, {}).setdefault("properties", {})
        inside[last] = {"type": kind}
    return found


OKTA = {
    "@timestamp": "date", "event.action": "keyword", "event.outcome": "keyword", "source.ip": "ip",
    "okta.actor.type": "keyword", "okta.actor.alternate_id": "keyword",
}  # fmt: skip


@pytest.fixture
def okta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    """A cluster with one sign-in and one log-off of Okta; the commands run in an empty folder."""
    cluster = mapped("logs-okta.system-default", OKTA)
    for number, action in enumerate(("user.session.start", "user.session.end")):
        source = {
            "@timestamp": 1_777_593_600_000,
            "event": {"action": action, "outcome": "success"},
            "source": {"ip": "198.51.100.7"},
            "okta": {"actor": {"type": "User", "alternate_id": "Alice@a.example"}},
        }
        cluster.put("logs-okta.system-default", str(number), source)
    cluster.refresh("logs-okta.system-default")
    connect_to(monkeypatch, cluster)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    return cluster


def test_create_writes_the_variant_that_fits_and_says_what_it_matches(okta: MemoryCluster) -> None:
    done = run("job", "create", "staff", "--from", "okta")
    assert done.exit_code == 0, done.stderr
    assert "variant “integration”; its query matches 1 event in logs-okta.system-*" in done.stderr
    assert "Next: ipi-es check jobs/staff.yml" in done.stderr
    written = Path("jobs/staff.yml").read_text(encoding="utf-8")
    assert written == PRESETS["okta"].variants[0].text("staff")
    assert run("job", "validate", "jobs/staff.yml").exit_code == 0
    again = run("job", "create", "staff", "--from", "okta")
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    assert run("job", "create", "staff", "--from", "okta", "--overwrite").exit_code == 0


def test_create_reads_the_index_that_was_named(okta: MemoryCluster) -> None:
    done = run("job", "create", "staff", "--from", "okta", "--index", "logs-okta.*", "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert 'indices: ["logs-okta.*"]' in done.stdout
    assert not Path("jobs").exists()


def test_create_warns_of_the_mistakes_with_its_variant_alone(okta: MemoryCluster) -> None:
    preset = PRESETS["okta"]
    (only_there, *_) = preset.variants[0].pitfalls
    assert only_there in run("job", "create", "staff", "--from", "okta").stderr
    raw = run("job", "create", "staff", "--from", "okta", "--variant", "raw", "--unchecked", "--overwrite").stderr
    assert only_there not in raw
    assert all(each in raw for each in preset.pitfalls)


def test_create_without_such_an_index_says_so_and_can_be_told_to_write_all_the_same(okta: MemoryCluster) -> None:
    refused = run("job", "create", "cloud", "--from", "duo")
    assert refused.exit_code == 2
    assert "no index matches logs-cisco_duo.auth-*" in refused.stderr
    assert "--unchecked" in refused.stderr
    done = run("job", "create", "cloud", "--from", "duo", "--unchecked")
    assert done.exit_code == 0
    assert "its indices were not checked" in done.stderr
    assert Path("jobs/cloud.yml").exists()


def test_create_names_the_fields_that_the_indices_lack() -> None:
    without = {name: kind for name, kind in OKTA.items() if name != "okta.actor.type"}
    cluster = mapped("logs-okta.system-default", without | {"okta.actor.alternate_id": "text"})
    with pytest.raises(UsageError, match=r"integration needs okta.actor.type, okta.actor.alternate_id as keyword"):
        choose(cluster, "okta", PRESETS["okta"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x", "--from", "okat"), "did you mean okta"),
        (("x", "--from", "ping-one"), "can't be a source"),
        (("x", "--from", "okta", "--variant", "none", "--unchecked"), "its variants: integration"),
        (("A B", "--from", "okta", "--unchecked"), "job_id"),
        (("x",), "--list"),
    ],
)
def test_mistakes_of_create_say_what_to_do(okta: MemoryCluster, arguments: tuple[str, ...], said: str) -> None:
    done = run("job", "create", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not Path("jobs").exists()


@pytest.mark.parametrize("name", ["123", "2026-05-01", "true", "1e5", "staff"])
def test_names_that_look_like_numbers_stay_names(name: str) -> None:
    assert PRESETS["okta"].variants[0].made(name).job_id == name


def test_without_a_cluster_the_newest_variant_is_written_and_said_to_be_unchecked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ipi-es.yml").write_text("elasticsearch: {hosts: ['http://127.0.0.1:9'], max_retries: 0}\n")
    done = run("job", "create", "staff", "--from", "okta")
    assert done.exit_code == 0, done.stderr
    assert "nothing was checked" in done.stderr
    assert "its indices were not checked" in done.stderr
    assert Path("jobs/staff.yml").exists()


def test_a_query_that_matches_nothing_is_said(okta: MemoryCluster) -> None:
    for number in ("0", "1"):
        okta.delete("logs-okta.system-default", number)
    okta.refresh("logs-okta.system-default")
    done = run("job", "create", "staff", "--from", "okta")
    assert "its query matches 0 events" in done.stderr
    assert "note: no event matches its query" in done.stderr


def test_list_has_every_source_and_why_others_are_none(okta: MemoryCluster) -> None:
    listed = run("job", "create", "--list").stdout
    assert all(name in listed for name in PRESETS)
    assert "not ping-one:" in listed


def test_the_page_on_sources_is_what_the_presets_say() -> None:
    written = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    assert written == render(), "run: python -m ipi_es.config.presets.source_reference > docs/sources.md"
