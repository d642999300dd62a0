"""Each published format of networks, by a sample of documentation addresses: what comes out of it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from mmdb_file import mmdb
from network_samples import EXPECTED, NOTHING, SAMPLES, UNTYPED, facts

from ipi_es.addresses import parse
from ipi_es.errors import UsageError
from ipi_es.networks.network_file import NetworkFile
from ipi_es.networks.network_table import NetworkTable
from ipi_es.networks.network_types import type_names


def test_every_sample_is_tested() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == {*EXPECTED, *UNTYPED}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_published_format_gives_what_its_sample_says(name: str) -> None:
    expected = EXPECTED[name]
    assert facts(NetworkTable.load(SAMPLES / name), *expected) == list(expected.values())


@pytest.mark.parametrize("name", EXPECTED)
def test_the_format_is_recognized_without_the_name_and_packed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "networks"
    path.write_bytes(gzip.compress((SAMPLES / name).read_bytes()))
    expected = EXPECTED[name]
    assert facts(NetworkTable.load(path), *expected) == list(expected.values())


@pytest.mark.parametrize("name", UNTYPED)
def test_a_list_of_networks_needs_a_type(name: str) -> None:
    with pytest.raises(UsageError, match="says nothing of them") as caught:
        NetworkTable.load(SAMPLES / name)
    assert "type" in str(caught.value.hint)
    table = NetworkTable.load([NetworkFile(SAMPLES / name, "tor")])
    assert facts(table, UNTYPED[name], "10.0.0.1") == [(0, None, ("tor",)), NOTHING]


def test_names_of_operators_come_with_their_numbers() -> None:
    names = {
        "ip2location-db26.csv": "Example Hosting",
        "ip2location-asn.csv": "Example Hosting",
        "ip2proxy-px11.csv": "Example Hosting",
        "dbip-asn-lite.csv": "Example Hosting, Inc.",
        "dbip-isp.csv": "Example Hosting",
    }
    assert {name: NetworkTable.load(SAMPLES / name).organization(64496) for name in names} == names


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"is_anonymous": True}, ()),
        ({"is_anonymous": True, "is_anonymous_vpn": True, "is_hosting_provider": True}, ("hosting", "vpn")),
        ({"is_tor_exit_node": True, "is_public_proxy": False}, ("tor",)),
        ({"is_residential_proxy": True}, ("proxy",)),
        ({"traits": {"user_type": "cellular"}}, ("mobile",)),
        ({"traits": {"user_type": "consumer_privacy_network"}}, ("relay",)),
        ({"traits": {"is_hosting_provider": True, "user_type": "hosting"}}, ("hosting",)),
        ({"connection_type": "Corporate"}, ("business",)),
        ({"connection_type": "Cable/DSL"}, ()),
        ({"connection_type": "Martian"}, ()),
        ({"isp": "Example", "mobile_country_code": "001", "mobile_network_code": "01"}, ("mobile",)),
        ({"hosting": "true", "vpn": "false", "relay": True}, ("hosting", "relay")),
    ],
)
def test_flags_and_types_of_maxmind_databases(tmp_path: Path, record: dict[str, Any], expected: tuple[str]) -> None:
    (tmp_path / "any").write_bytes(mmdb({"192.0.2.0/24": record}))
    assert facts(NetworkTable.load(tmp_path / "any"), "192.0.2.1", "198.51.100.1") == [(0, None, expected), NOTHING]


def test_a_given_type_is_that_of_all_networks_of_a_database(tmp_path: Path) -> None:
    (tmp_path / "own.mmdb").write_bytes(mmdb({"192.0.2.0/24": {"asn": 64496}, "2001:db8::/32": {"mobile": True}}))
    table = NetworkTable.load([NetworkFile(tmp_path / "own.mmdb", "vpn")])
    assert facts(table, "192.0.2.1", "2001:db8::1", "203.0.113.1") == [
        (64496, None, ("vpn",)),
        (0, None, ("vpn", "mobile")),
        NOTHING,
    ]


def test_a_given_type_replaces_the_formats_and_adds_to_those_of_each_network() -> None:
    given = {name: NetworkTable.load([NetworkFile(SAMPLES / name, "business")]) for name in EXPECTED}
    assert facts(given["apple-egress-ip-ranges.csv"], "192.0.2.1") == [(0, "DE", ("business",))]
    assert facts(given["aws-ip-ranges.json"], "192.0.2.1") == [(0, None, ("business",))]
    assert facts(given["tor-exit-addresses.txt"], "203.0.113.7") == [(0, None, ("business",))]
    assert facts(given["dbip-isp.csv"], "192.0.2.1", "203.0.113.1") == [
        (64496, "DE", ("hosting", "business")),
        (64499, "NL", ("business",)),
    ]


def test_a_table_of_prefixes_alone_is_enough_with_a_type(tmp_path: Path) -> None:
    (tmp_path / "vpn.csv").write_text("network,comment\n198.51.100.0/24,Example\n")
    table = NetworkTable.load([NetworkFile(tmp_path / "vpn.csv", "vpn")])
    assert facts(table, "198.51.100.1") == [(0, None, ("vpn",))]


def test_what_a_file_holds_and_knows(tmp_path: Path) -> None:
    (tmp_path / "asn.mmdb").write_bytes(mmdb({"192.0.2.0/24": {"asn": 64496, "vpn": True}}))
    files = [SAMPLES / "ip2proxy-px11.csv", tmp_path / "asn.mmdb"]
    addresses, _ = parse(["203.0.113.0", "192.0.2.1", "10.0.0.1"])
    proxies, database = NetworkTable.load(files).of_each_file(addresses)
    assert (proxies[0].format, proxies[0].networks) == ("IP2Proxy", 5)
    assert proxies[0].types == {"hosting": 3, "vpn": 1, "proxy": 2, "relay": 1, "tor": 1, "mobile": 1}
    assert proxies[1].tolist() == [True, False, False]
    assert (database[0].format, database[0].networks) == ("MaxMind database test of 2023-11-14", None)
    assert database[1].tolist() == [False, True, False]
    assert [type_names(types) for types in database[2].tolist()] == [(), ("vpn",), ()]
