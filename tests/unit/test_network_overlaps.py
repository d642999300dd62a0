"""Networks that contain others, in one file and in several: the smallest decides, types add."""

from __future__ import annotations

from functools import reduce
from operator import or_
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdb_file import mmdb
from network_samples import facts

from ipi_es.addresses import V4_PREFIX
from ipi_es.networks.network_ranges import NetworkRows
from ipi_es.networks.network_table import NetworkTable


def test_the_smallest_network_of_all_files_decides_and_types_add(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text("prefix,asn,country\n192.0.2.0/24,64496,DE\n2001:db8::/32,64496,DE\n")
    (tmp_path / "narrow.csv").write_text("prefix,asn,type\n192.0.2.0/25,64497,vpn\n2001:db8:1::/48,64497,vpn\n")
    (tmp_path / "narrowest.mmdb").write_bytes(
        mmdb({"192.0.2.0/26": {"asn": 64498, "hosting": True}, "2001:db8:1:1::/64": {"asn": 64498}})
    )
    files = [tmp_path / name for name in ("wide.csv", "narrow.csv", "narrowest.mmdb")]
    for order in (files, files[::-1]):
        assert facts(NetworkTable.load(order), "192.0.2.1", "192.0.2.100", "192.0.2.200") == [
            (64498, "DE", ("hosting", "vpn")),
            (64497, "DE", ("vpn",)),
            (64496, "DE", ()),
        ]
        assert facts(NetworkTable.load(order), "2001:db8:1:1::1", "2001:db8:1::1", "2001:db8::1") == [
            (64498, "DE", ("vpn",)),
            (64497, "DE", ("vpn",)),
            (64496, "DE", ()),
        ]


def test_a_networks_size_in_a_database_counts_from_its_familys_first_bit(tmp_path: Path) -> None:
    (tmp_path / "wide.mmdb").write_bytes(mmdb({"192.0.2.0/24": {"asn": 64496}, "2001:db8::/32": {"asn": 64496}}))
    (tmp_path / "v4.mmdb").write_bytes(mmdb({"192.0.2.0/24": {"asn": 64496}}, ip_version=4))
    (tmp_path / "narrow.csv").write_text("prefix,asn\n192.0.2.0/25,64497\n2001:db8::/33,64497\n")
    for wide in ("wide.mmdb", "v4.mmdb"):
        table = NetworkTable.load([tmp_path / wide, tmp_path / "narrow.csv"])
        assert [each[0] for each in facts(table, "192.0.2.1", "2001:db8::1")] == [64497, 64497]


def test_ranges_need_not_be_prefixes_and_the_smaller_wins(tmp_path: Path) -> None:
    (tmp_path / "n").write_text(
        "192.0.2.3,192.0.2.200,64496,a\n192.0.2.100,192.0.2.220,64497,b\n192.0.2.5,192.0.2.5,64498,c\n"
        "2001:db8::5,2001:db8:0:2::4,64499,d\n::,::1,1,e\n2001:db8:f::1,2001:db8:f::2,2,f\n"
    )
    table = NetworkTable.load(tmp_path / "n")
    asked = ("192.0.2.2", "192.0.2.3", "192.0.2.5", "192.0.2.99", "192.0.2.100", "192.0.2.220", "192.0.2.221")
    assert [each[0] for each in facts(table, *asked)] == [0, 64496, 64498, 64496, 64497, 64497, 0]
    # of IPv6 ranges only whole /64 are known
    asked = ("2001:db8::9", "2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:f::1", "::1")
    assert [each[0] for each in facts(table, *asked)] == [0, 64499, 0, 0, 0]


spans = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(sorted)


@given(st.lists(st.tuples(spans, st.integers(0, 9), st.integers(0, 7)), min_size=1, max_size=8), st.booleans())
@settings(max_examples=200, deadline=None)
def test_flattened_ranges_answer_as_looking_at_every_range_would(
    rows: list[tuple[list[int], int, int]], v6: bool
) -> None:
    def blob(place: int, end: bytes) -> bytes:
        return (place.to_bytes(8, "big") + end) if v6 else V4_PREFIX + place.to_bytes(4, "big")

    made = NetworkRows()
    for (first, last), operator, types in rows:
        made.add((blob(first, bytes(8)), blob(last, b"\xff" * 8)), operator, 0, types)
    asked = np.frombuffer(b"".join(blob(place, b"\x01" * 8) for place in range(42)), dtype=np.uint8).reshape(-1, 16)
    found = made.flattened().find(asked)
    for place in range(42):
        inside = [row for row in rows if row[0][0] <= place <= row[0][1]]
        known = [(last - first, -number) for number, ((first, last), operator, _) in enumerate(rows) if operator]
        known = [each for each in known if rows[-each[1]] in inside]
        assert found.operator[place] == (rows[-min(known)[1]][1] if known else 0)
        assert found.types[place] == reduce(or_, (types for _, _, types in inside), 0)
