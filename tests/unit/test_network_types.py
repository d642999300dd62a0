"""Types of networks in results: records, influencers, the report and the commands that show them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from cli_run import connect_to, run

from ipi_es.config.job_config import Job
from ipi_es.networks.network_types import NETWORK_TYPES, TYPES_FIELD, bits_of_words, type_bits, type_names
from ipi_es.results.documents.phrases import TYPE_LABELS, types_text
from ipi_es.results.words import ALIAS
from ipi_es.testing.memory_cluster import MemoryCluster

Results = dict[tuple[str, str], dict[str, Any]]
PLAIN = company.make_job()


def typed_data(folder: Path) -> dict[str, Any]:
    (folder / "tor.txt").write_text(company.SPRAYER + "\n198.18.0.7\n")
    (folder / "types.csv").write_text(
        f"prefix,type\n{company.SPRAYER}/32,hosting\n101.0.0.0/8,mobile\n103.0.0.0/8,vpn\n"
    )
    files = [{"path": str(folder / "tor.txt"), "type": "tor"}, str(folder / "types.csv")]
    feed = company.job_data()["datafeed_config"] | {"networks_files": files}
    return company.job_data() | {"datafeed_config": feed}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return typed_data(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def scored(data: dict[str, Any]) -> Iterator[tuple[MemoryCluster, Results, Results]]:
    """A scored company, its results, and those of the same job without files of networks."""
    typed = Job.model_validate(data)
    with pytest.MonkeyPatch.context() as patch:
        cluster, other = parts.trained_cluster(typed, patch), parts.trained_cluster(PLAIN, patch)
        parts.backfill(cluster, typed)
        parts.backfill(other, PLAIN)
        cluster.refresh(ALIAS)
        yield cluster, parts.results(cluster, typed), parts.results(other, PLAIN)


@pytest.fixture
def cluster(
    scored: tuple[MemoryCluster, Results, Results],
    data: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> MemoryCluster:
    made = parts.copy_of(scored[0])
    connect_to(monkeypatch, made)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "signins.json").write_text(json.dumps(data))
    return made


def test_records_and_addresses_have_the_types_of_all_files(scored: tuple[MemoryCluster, Results, Results]) -> None:
    records = [each for each in parts.of_kind(scored[1], "record") if each["by_field_value"] == company.SPRAYER]
    assert records
    for each in records:
        assert each[TYPES_FIELD] == ["hosting", "tor"]
        assert f"{company.SPRAYER} belongs to a hosting provider and the Tor network." in each["reason"]
    whole = [
        each for each in parts.of_kind(scored[1], "influencer") if each["influencer_field_value"] == company.SPRAYER
    ]
    assert whole
    assert all(each[TYPES_FIELD] == ["hosting", "tor"] for each in whole)
    said = f"{company.SPRAYER} belongs to a hosting provider and the Tor network."
    assert all(said in each["reason"] for each in whole)


def test_an_entity_has_the_types_of_its_addresses(scored: tuple[MemoryCluster, Results, Results]) -> None:
    victim = next(
        each
        for each in parts.of_kind(scored[1], "influencer")
        if each["influencer_field_value"] == company.VICTIM and "103.7.2.9" in each["top_ips"]
    )
    assert company.SPRAYER in victim["top_ips"]
    assert victim[TYPES_FIELD] == ["hosting", "vpn", "tor", "mobile"]
    assert ". Networks of a hosting provider, a VPN, the Tor network and a mobile network." in victim["reason"]


def test_types_change_no_score(scored: tuple[MemoryCluster, Results, Results]) -> None:
    _, typed, plain = scored
    assert typed.keys() == plain.keys()
    shown = (TYPES_FIELD, "reason", "reasons", "snapshot_id", "quantiles_id", "annotation")
    for place, each in typed.items():
        assert {k: v for k, v in each.items() if k not in shown} == {
            k: v for k, v in plain[place].items() if k not in shown
        }
    assert not any(TYPES_FIELD in each for each in plain.values())
    assert any(TYPES_FIELD in each for each in typed.values())
    assert not any(TYPES_FIELD in each for each in parts.of_kind(typed, "bucket"))


def test_report_results_and_explain_show_them(cluster: MemoryCluster) -> None:
    assert run("report", "signins.json").exit_code == 0
    assert "hosting provider, Tor network" in Path("report-signins.html").read_text(encoding="utf-8")
    ip = ("--ip", company.SPRAYER)
    rows = list(csv.DictReader(io.StringIO(run("results", "records", "signins.json", *ip, "--format", "csv").stdout)))
    assert rows
    assert all(json.loads(row[TYPES_FIELD]) == ["hosting", "tor"] for row in rows)
    rows = list(csv.DictReader(io.StringIO(run("results", "influencers", "signins.json", "--format", "csv").stdout)))
    assert any(row[TYPES_FIELD] for row in rows)
    (found,) = json.loads(run("explain", "signins.json", "person20", company.SPRAYER, "--format", "json").stdout)
    assert found["network_types"] == ["hosting", "tor"]
    text = run("explain", "signins.json", "person20", company.SPRAYER).stdout
    assert "  the address belongs to a hosting provider and the Tor network" in text
    (found,) = json.loads(run("explain", "signins.json", "person20", "192.0.2.200", "--format", "json").stdout)
    assert found["network_types"] == []


def test_explain_without_files_takes_the_types_from_the_addresses_last_record(cluster: MemoryCluster) -> None:
    Path("plain.json").write_text(json.dumps(company.job_data()))
    (found,) = json.loads(run("explain", "plain.json", "person20", company.SPRAYER, "--format", "json").stdout)
    assert found["network_types"] == ["hosting", "tor"]


def test_a_rule_allows_a_type(data: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ruled = data | {"allow_list": [{"network_type": "vpn", "entity": "person*"}]}
    cluster = parts.trained_cluster(Job.model_validate(ruled), monkeypatch)
    parts.backfill(cluster, Job.model_validate(ruled))
    cluster.refresh(ALIAS)
    victims = [
        each
        for each in parts.of_kind(parts.results(cluster, Job.model_validate(ruled)), "record")
        if each["partition_field_value"] == company.VICTIM
    ]
    allowed = {each["by_field_value"] for each in victims if "suppressed_by" in each}
    assert allowed == {each["by_field_value"] for each in victims if each["by_field_value"].startswith("103.")}
    assert {each.get("suppressed_by") for each in victims} == {None, "entity:person* network_type:vpn"}
    connect_to(monkeypatch, cluster)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "signins.json").write_text(json.dumps(ruled))
    (found,) = json.loads(run("explain", "signins.json", company.VICTIM, "103.7.2.9", "--format", "json").stdout)
    assert found["suppressed_by"] == "entity:person* network_type:vpn"


def test_a_set_of_types_is_a_byte_and_every_type_has_a_noun() -> None:
    assert len(NETWORK_TYPES) <= 8
    assert set(TYPE_LABELS) == set(NETWORK_TYPES)
    assert [type_names(type_bits(name)) for name in NETWORK_TYPES] == [(name,) for name in NETWORK_TYPES]
    assert type_names(255) == NETWORK_TYPES
    assert type_bits(None) == 0


def test_words_for_types() -> None:
    words = ("hosting", "ISP/MOB", "DCH", "Cable/DSL", "vpn; relay", "", "-", "CPN", "Cellular")
    assert [type_names(bits_of_words(each) or 0) for each in words] == [
        ("hosting",), ("mobile",), ("hosting",), (), ("vpn", "relay"), (), (), ("relay",), ("mobile",),
    ]  # fmt: skip
    assert bits_of_words("hosting, really") is None


def test_types_in_words() -> None:
    assert types_text({}) == ""
    assert types_text({TYPES_FIELD: ["vpn"]}) == "a VPN"
    assert types_text({TYPES_FIELD: ["hosting", "proxy", "tor"]}) == "a hosting provider, a proxy and the Tor network"
    assert types_text({TYPES_FIELD: ["later"]}) == "a later"
