from __future__ import annotations

import gzip
import ipaddress
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdb_file import mmdb

from ipi_es.addresses import parse
from ipi_es.errors import UsageError
from ipi_es.networks.network_table import NetworkTable
from ipi_es.networks.network_values import country_number, country_text, operator_number

TABLE = """prefix,family,asn,org,country,type_guess
192.0.2.0/24,4,64496,"Example, Inc.",de,isp
192.0.2.128/25,4,AS64497,Other,FR,isp
192.0.2.255,4,64498,One,,isp
2001:db8::/32,6,64499,Six,NL,isp
2001:db8:1::/48,6,,,JP,isp
2001:db8:1:2:3::/80,6,64500,TooLong,US,isp
"""


def found(table: NetworkTable, *texts: str) -> list[tuple[int, str | None]]:
    addresses, valid = parse(texts)
    assert valid.all()
    operator, country, _ = table.look_up(addresses)
    assert (operator.dtype, country.dtype) == (np.uint32, np.uint16)
    return [(int(o), country_text(int(c))) for o, c in zip(operator, country, strict=True)]


def table_of(folder: Path, text: str, name: str = "table.csv") -> NetworkTable:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return NetworkTable.load(path)


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_the_longest_prefix_decides_and_what_it_does_not_know_comes_from_the_shorter_one(tmp_path, name) -> None:
    table = table_of(tmp_path, TABLE, name)
    assert found(table, "192.0.2.1", "192.0.2.127", "192.0.2.128", "192.0.2.255", "192.0.3.0", "192.0.1.255") == [
        (64496, "DE"),
        (64496, "DE"),
        (64497, "FR"),
        (64498, "FR"),
        (0, None),
        (0, None),
    ]
    assert found(table, "2001:db8:ffff::1", "2001:db8:1:2:3::", "2001:db9::") == [
        (64499, "NL"),
        (64499, "JP"),
        (0, None),
    ]
    assert table.organization(64496) == "Example, Inc."
    assert table.organization(0) is table.organization(1) is None


prefixes = st.one_of(
    st.tuples(st.sampled_from([0, 0x0A000000, 0xC0000200, 0xFFFFFFFF]), st.integers(0, 32)).map(
        lambda x: ipaddress.ip_network((x[0], x[1]), strict=False)
    ),
    st.tuples(st.sampled_from([0, 0x20010DB8 << 96, 2**128 - 1]), st.integers(0, 64)).map(
        lambda x: ipaddress.ip_network((x[0], x[1]), strict=False)
    ),
)


@given(st.dictionaries(prefixes, st.integers(1, 9), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_table_answers_as_looking_at_every_prefix_would(tmp_path_factory, networks) -> None:
    rows = "".join(f"{network},{asn}\n" for network, asn in networks.items())
    table = table_of(tmp_path_factory.mktemp("t"), "network,asn\n" + rows)
    asked = ["0.0.0.0", "10.0.0.1", "192.0.2.0", "255.255.255.255", "2001:db8::", "2001:db8:0:1::", "4000::", "ffff::"]
    expected = []
    for text in asked:
        address = ipaddress.ip_address(text)
        inside = [n for n in networks if n.version == address.version and address in n]
        expected.append(networks[max(inside, key=lambda n: n.prefixlen)] if inside else 0)
    assert [operator for operator, _ in found(table, *asked)] == expected


def test_maxmind_files_of_operators_and_countries_answer_together(tmp_path) -> None:
    (tmp_path / "asn.mmdb").write_bytes(
        mmdb(
            {
                "192.0.2.0/24": {"autonomous_system_number": 64496, "autonomous_system_organization": "Example"},
                "2001:db8::/32": {"asn": "AS64499", "as_name": "Six"},
            }
        )
    )
    (tmp_path / "country.mmdb").write_bytes(
        mmdb({"192.0.2.0/25": {"country": {"iso_code": "DE"}}, "2001:db8::/32": {"country_code": "NL"}})
    )
    table = NetworkTable.load([tmp_path / "asn.mmdb", tmp_path / "country.mmdb"])
    assert found(table, "192.0.2.1", "192.0.2.200", "2001:db8::1", "203.0.113.1") == [
        (64496, "DE"),
        (64496, None),
        (64499, "NL"),
        (0, None),
    ]
    assert table.organization(64496) == "Example"
    assert table.organization(64499) == "Six"


def test_an_ipv4_only_maxmind_file_knows_no_ipv6(tmp_path) -> None:
    (tmp_path / "asn.mmdb").write_bytes(mmdb({"192.0.2.0/24": {"asn": 64496}}, ip_version=4))
    table = NetworkTable.load(tmp_path / "asn.mmdb")
    assert found(table, "192.0.2.1", "2001:db8::1") == [(64496, None), (0, None)]


def test_a_damaged_maxmind_file_is_named_when_it_is_asked(tmp_path) -> None:
    blob = bytearray(mmdb({"192.0.2.0/24": {"asn": 64496, "as_name": "Example"}}))
    at = blob.index(b"Example")
    blob[at : at + 2] = b"\xff\xff"
    (tmp_path / "asn.mmdb").write_bytes(bytes(blob))
    table = NetworkTable.load(tmp_path / "asn.mmdb")
    with pytest.raises(UsageError, match=r"asn\.mmdb is damaged"):
        found(table, "192.0.2.1")


def test_the_first_file_that_knows_a_field_gives_it(tmp_path) -> None:
    (tmp_path / "one.csv").write_text("prefix,asn,country\n192.0.2.0/24,64496,\n")
    (tmp_path / "two.csv").write_text("prefix,asn,country\n192.0.2.0/24,64497,FR\n")
    table = NetworkTable.load([tmp_path / "one.csv", tmp_path / "two.csv"])
    assert found(table, "192.0.2.1") == [(64496, "FR")]


def test_nothing_is_found_of_no_addresses(tmp_path) -> None:
    operator, country, _ = table_of(tmp_path, TABLE).look_up(np.zeros((0, 16), dtype=np.uint8))
    assert len(operator) == len(country) == 0


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.csv", None, "there is no file"),
        ("odd.txt", b"x", "has no known format: its first line names x"),
        ("bad.mmdb", b"no database", "has no known format"),
        ("cut.mmdb", mmdb({"192.0.2.0/24": {"asn": 64496}})[:500], "is binary, and no MaxMind database"),
        ("damaged.mmdb", b"\0" * 99 + b"\xab\xcd\xefMaxMind.com\xff", "can't be read as a MaxMind database"),
        ("packed.mmdb.gz", gzip.compress(mmdb({"192.0.2.0/24": {"asn": 64496}})), "is a compressed database"),
        ("packed.db", gzip.compress(mmdb({"192.0.2.0/24": {"asn": 64496}})), "is a compressed database"),
        ("empty.csv", b"", "is empty"),
        ("space.csv", b"\n \n", "is empty"),
        ("comment.csv", b"# nothing\n", "its first line names nothing"),
        ("untyped.csv", b"network,geoname_id\n192.0.2.0/24,1\n", "the first line of .* names network, geoname_id"),
        ("header.csv", b"ip,who\n", "names ip, who"),
        ("none.csv", b"prefix,asn\nx,1\n1.2.3.4/33,1\n1.2.3.4/x,1\n1.2.3.4\n", "holds no prefix"),
        ("latin.csv", b"prefix,asn\n\xff\xfe,1\n", "can't be read as a table"),
        ("broken.csv.gz", b"no gzip", "names no gzip"),
        ("damaged.csv.gz", gzip.compress(b"")[:10] + b"\xff" * 40, "can't be read as a table"),
        ("cut.csv.gz", gzip.compress(b"prefix,asn\n1.2.3.0/24,1\n")[:-9], "can't be read as a table"),
    ],
)
def test_a_file_that_is_none_is_named_with_a_way_out(tmp_path, name, content, says) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=says) as caught:
        NetworkTable.load(tmp_path / name)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["plain.csv.gz", "packed.csv"])
def test_gzip_is_known_by_its_content(tmp_path, name) -> None:
    text = b"prefix,asn\n192.0.2.0/24,64496\n"
    (tmp_path / name).write_bytes(gzip.compress(text) if name == "packed.csv" else text)
    assert found(NetworkTable.load(tmp_path / name), "192.0.2.1") == [(64496, None)]


def test_prefixes_may_have_space_around_them_or_be_of_mapped_addresses(tmp_path) -> None:
    table = table_of(tmp_path, "prefix,asn\n 192.0.2.0/24 ,64496\n::ffff:198.51.100.0/120,64497\n::ffff:0:0/95,1\n")
    assert found(table, "192.0.2.1", "198.51.100.1", "203.0.113.1") == [(64496, None), (64497, None), (0, None)]


def test_lines_that_hold_no_prefix_are_counted_in_the_log(tmp_path, caplog) -> None:
    table_of(tmp_path, "prefix,asn\n192.0.2.0/24,64496\n\n192.0.3.0-192.0.3.255,64497\n192.0.4.0/24\n")
    assert "2 of 3 lines are left out" in caplog.text


def test_no_file_at_all_is_an_error() -> None:
    with pytest.raises(UsageError, match="no file of networks"):
        NetworkTable.load([])


def test_numbers_and_letters_that_are_none_are_not_known() -> None:
    assert [operator_number(x) for x in (64496, "64496", "AS64496", " as64496 ", 64496.0)] == [64496] * 5
    assert [operator_number(x) for x in (None, "", "AS", "x", -1, 2**32, "99999999999", True, 1.5)] == [0] * 9
    assert country_text(country_number("de")) == "DE"
    assert [country_number(x) for x in (None, "", "D", "DEU", "Ö1", 7, "1A")] == [0] * 7


def test_the_reader_of_maxminds_format_is_loaded_where_it_is_needed() -> None:
    code = "import sys, ipi_es.networks.network_table; sys.exit('maxminddb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
