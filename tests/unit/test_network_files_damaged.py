"""Files of networks that are damaged, empty, or hold lines of another form: what is said, and what still counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mmdb_file import mmdb
from network_samples import EXPECTED, NOTHING, SAMPLES, facts

from ipi_es.addresses import parse
from ipi_es.errors import UsageError
from ipi_es.networks.network_file import NetworkFile
from ipi_es.networks.network_table import NetworkTable


def test_a_database_without_a_usable_time_is_summed_up_without_it(tmp_path: Path) -> None:
    blob = mmdb({"192.0.2.0/24": {"asn": 64496}})
    at = blob.index(b"build_epoch") + len(b"build_epoch")
    assert blob[at : at + 2] == b"\x04\x02"  # 4 bytes, uint64
    (tmp_path / "n").write_bytes(blob[:at] + b"\x08\x02" + b"\xff" * 8 + blob[at + 6 :])
    addresses, _ = parse(["192.0.2.1"])
    ((summary, known, _types),) = NetworkTable.load(tmp_path / "n").of_each_file(addresses)
    assert summary.format == "MaxMind database test"
    assert known.all()


def test_words_that_are_no_types_are_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    NetworkTable.load(SAMPLES / "typed-table.csv")
    assert "as types of networks, school bus are not known" in caplog.text


def test_ipv6_prefixes_longer_than_64_are_counted_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    NetworkTable.load(SAMPLES / "azure-service-tags.json")
    assert "1 IPv6 prefixes longer than /64 are left out" in caplog.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("{}", "JSON of no known provider: it holds nothing"),
        ("[]", "JSON of no known provider: it holds no object"),
        ('{"hello": 1, "prefixes": 7, "values": [1], "regions": [{}], "result": []}', "it holds hello, prefixes"),
        ('{"prefixes": [{"ip_prefix": "192.0', "can't be read as JSON"),
        ('{"prefixes": [{"ip_prefix": "nonsense"}, {"ip_prefix": 7}]}', r"holds no prefix \(ranges of AWS\)"),
        ('{"prefixes": [], "ipv6_prefixes": []}', "holds no prefix"),
        ("[" * 100_000, "can't be read as JSON"),
        ("192.0.2.0/24,64496\n", "has no known format: its first line names 192.0.2.0/24, 64496"),
        ("192.0.2.0/24;DE;hosting\n", "has no known format"),
        ("198.51.100.0,192.0.2.0,DE\n", "has no known format"),
        ("1,2,hello,world\n", "has no known format"),
        ('"1","2"\n', "has no known format"),
        ("ExitNode 1\nPublished 2026-09-20 20:00:00\n", r"holds no prefix \(Tor's exit-addresses\)"),
        ("prefix,asn\n192.0.2.0/24," + "1" * 200_000 + "\n", "can't be read as a table of networks: field larger"),
        ("prefix,asn\n" * 30_000 + "192.0.2.0/24," + "1" * 200_000 + "\n", "field larger than field limit"),
        ("2001:db8::1,2001:db8::2,64496\n", None),
    ],
)
def test_damaged_files_are_named_with_a_way_out(tmp_path: Path, content: str, says: str | None) -> None:
    path = tmp_path / "networks"
    path.write_text(content)
    if says is None:
        assert facts(NetworkTable.load(path), "2001:db8::1") == [NOTHING]
        return
    with pytest.raises(UsageError, match=says) as caught:
        NetworkTable.load(path)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "extra", "left_out"),
    [
        ("dbip-asn-lite.csv", "192.0.2.0/24,x\n,,\n203.0.113.0,2001:db8::,1,x\n203.0.113.9,203.0.113.0,1,x\n", 4),
        ("ip2location-db1.csv", f'"x","1","DE","Germany"\n"{2**129}","{2**130}","DE","Germany"\n', 2),
        ("apple-egress-ip-ranges.csv", "hello\n192.0.2.0/99,DE,DE-BE,Berlin,\n", 2),
        ("tor-exit-addresses.txt", "ExitAddress nowhere 2026-09-21 00:05:06\nExitAddress\n", 1),
        ("typed-table.csv", "hello\nhello,1,vpn\n", 2),
    ],
)
def test_lines_of_another_form_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, extra: str, left_out: int
) -> None:
    path = tmp_path / name
    path.write_text((SAMPLES / name).read_text() + extra)
    expected = EXPECTED[name]
    assert facts(NetworkTable.load(path), *expected) == list(expected.values())
    assert f"{left_out} of " in caplog.text


def test_entries_of_range_files_that_are_no_prefix_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = json.loads((SAMPLES / "aws-ip-ranges.json").read_text())
    content["prefixes"] += [{"region": "x"}, "text", {"ip_prefix": None}]
    (tmp_path / "aws").write_text(json.dumps(content))
    expected = EXPECTED["aws-ip-ranges.json"]
    assert facts(NetworkTable.load(tmp_path / "aws"), *expected) == list(expected.values())
    assert "2 of 5 lines are left out" in caplog.text


def test_comments_go_before_lists_and_tables(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# our VPN\n\n198.51.100.7 # gateway\n198.51.100.8\n# more\n203.0.113.0/24\n")
    (tmp_path / "table").write_text("# ours\nprefix,asn\n192.0.2.0/24,64496\n")
    table = NetworkTable.load([NetworkFile(tmp_path / "list", "vpn"), NetworkFile(tmp_path / "table")])
    assert facts(table, "198.51.100.7", "203.0.113.5", "192.0.2.1") == [
        (0, None, ("vpn",)),
        (0, None, ("vpn",)),
        (64496, None, ()),
    ]
