"""IPv4 inside IPv6 is one address everywhere: in events, in scoring, in allow rules and in what somebody types."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipi_es.addresses import canonical, is_private, packed, parse, parse_many
from ipi_es.config import Job, check_job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.datafeed.event_bucket import Dropped, EventBucket
from ipi_es.datafeed.normalize import Normalizer
from ipi_es.datafeed.searches.pages import Rows
from ipi_es.embedded_addresses import NAT64_PLACES, nat64, unwrap, unwrapped, unwrapped_network
from ipi_es.errors import ConfigError
from ipi_es.networks.network_table import NetworkTable
from ipi_es.worker.typed_names import named_address

OWN = "2001:db8:64::/96"

WRAPPED = [
    ("::ffff:198.51.100.7", "198.51.100.7"),
    ("64:ff9b::198.51.100.7", "198.51.100.7"),
    ("64:ff9b::c633:6407", "198.51.100.7"),
    ("2002:c633:6407::1", "198.51.100.7"),
    ("2002:c633:6407:5:aaaa:bbbb:cccc:dddd", "198.51.100.7"),
    ("2001:0:4136:e378:8000:63bf:39cc:9bf8", "198.51.100.7"),
]
AS_IT_IS = [
    "64:ff9b:1::198.51.100.7",  # for local use: only where it is named
    "64:ff9b:0:1::1",
    "2001:db8::c633:6407",
    "2003::1",
    "::198.51.100.7",  # IPv4-compatible, never routed
    "::1",
    "::",
]


@pytest.mark.parametrize(("text", "inside"), WRAPPED)
def test_the_address_inside_is_taken_out(text: str, inside: str) -> None:
    assert canonical(packed(text) or b"") == inside
    for read in (parse, parse_many):
        addresses, valid = read([text, "192.0.2.1"])
        assert [canonical(each.tobytes()) for each in addresses] == [inside, "192.0.2.1"]
        assert valid.all()


@pytest.mark.parametrize("text", AS_IT_IS)
def test_others_stay_as_they_are(text: str) -> None:
    assert IPv6Address(packed(text) or b"") == IPv6Address(text)
    assert parse_many([text])[0].tobytes() == packed(text)


# the table of RFC 6052, 2.4
@pytest.mark.parametrize(
    ("prefix", "address"),
    [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ("64:ff9b:1::/48", "64:ff9b:1:c000:2:2100::"),
    ],
)
def test_prefixes_of_all_lengths_are_those_of_the_rfc(prefix: str, address: str) -> None:
    assert canonical(packed(address, [nat64(prefix)]) or b"") == "192.0.2.33"
    assert canonical(packed(address) or b"") == str(IPv6Address(address))


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("2001:db8::/44", "one of the lengths /32"),
        ("192.0.2.0/24", "must be an IPv6 prefix"),
        ("2001:db8::1/96", "is no prefix of a translator"),
        ("word", "is no prefix of a translator"),
        ("2001:db8:122:344:ff00::/96", "bits set from 64 to 71"),
        ("::/96", "lies in ::/32"),
        ("::/32", "lies in ::/32"),
    ],
)
def test_wrong_prefixes_are_refused_by_name(prefix: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"datafeed_config\.nat64_prefixes") as caught:
        job(nat64_prefixes=[prefix])
    assert said in str(caught.value)


def job(allow_list: list[dict[str, Any]] | None = None, **feed: Any) -> Job:
    return check_job(
        {"job_id": "x", "datafeed_config": {"indices": "logs", **feed}, "allow_list": allow_list or []}, name="job.yml"
    )


def bucket(ips: list[str], translators: Any = (), **how: Any) -> EventBucket:
    counts = np.ones(len(ips), dtype=np.int64)
    return Normalizer(translators=translators, **how).bucket(0, 60, Rows(["a"] * len(ips), list(ips), None, counts))


def test_users_of_a_translator_are_not_one_network() -> None:
    found = bucket(["64:ff9b::c633:6407", "64:ff9b::cb00:7109", "203.0.113.9", " 64:ff9b::c633:6407 "])
    assert found.ips == ["198.51.100.7", "203.0.113.9"]
    assert found.count.tolist() == [2, 2]


def test_a_configured_prefix_counts_in_the_events_and_in_what_is_typed() -> None:
    made = job(nat64_prefixes=OWN)
    translators = made.datafeed_config.translators
    assert bucket(["2001:db8:64::c633:6407"], translators).ips == ["198.51.100.7"]
    assert bucket(["2001:db8:64::c633:6407", "odd"], translators).ips == ["198.51.100.7"]
    assert canonical(named_address("2001:db8:64::198.51.100.7", made)) == "198.51.100.7"
    assert canonical(named_address("2001:db8:64::198.51.100.7", job())) == "2001:db8:64::c633:6407"


def test_the_longest_prefix_counts_first() -> None:
    translators = job(nat64_prefixes=["2001:db8::/32", "2001:db8:64::/96"]).datafeed_config.translators
    assert bucket(["2001:db8:64::c633:6407"], translators).ips == ["198.51.100.7"]


def test_an_allow_rule_of_wrapped_addresses_is_one_of_the_addresses_inside() -> None:
    rules = AllowList.of(job([{"cidr": "64:ff9b::c633:6400/120"}]))
    found = bucket(["64:ff9b::c633:6407", "198.51.100.8", "198.51.101.1"])
    assert rules.match(found.matchable, found.entity, found.ip).tolist() == [0, 0, -1]


@pytest.mark.parametrize("cidr", ["64:ff9b::/96", "2002::/16", "2001::/32", "2001:0:4136:e378::/64"])
def test_an_allow_rule_of_a_whole_translator_is_refused(cidr: str) -> None:
    with pytest.raises(ConfigError, match="name the IPv4 network that is meant"):
        job([{"cidr": cidr}])


def test_an_allow_rule_inside_a_configured_prefix_is_refused_with_the_right_network() -> None:
    with pytest.raises(ConfigError, match=r"write 198\.51\.100\.0/24"):
        job([{"cidr": "2001:db8:64::c633:6400/120"}], nat64_prefixes=OWN)
    with pytest.raises(ConfigError, match="name the IPv4 network that is meant"):
        job([{"cidr": OWN}], nat64_prefixes=OWN)


def test_a_table_of_networks_knows_the_operator_of_the_address_inside(tmp_path: Path) -> None:
    table = tmp_path / "networks.csv"
    table.write_text("prefix,asn,country\n198.51.100.0/24,64500,DE\n64:ff9b::/96,64501,US\n2002::/16,64502,FR\n")
    addresses, _ = parse(["64:ff9b::c633:6407", "2002:c633:6407::1", "198.51.100.7", "192.0.2.1"])
    operator = NetworkTable.load((str(table),)).look_up(addresses).operator
    assert operator.tolist() == [64500, 64500, 64500, 0]


PRIVATE = ["0.0.0.0", "0.1.2.3", "::", "100.64.0.1", "100.127.255.254", "10.0.0.1", "127.0.0.1", "169.254.1.1", "::1"]
PRIVATE += ["fd00::1", "fe80::1", "64:ff9b::10.0.0.1", "2002:0a00:0001::1", "::ffff:100.64.0.1"]
PUBLIC = ["100.63.255.255", "100.128.0.1", "1.0.0.0", "192.0.2.1", "::2", "2002:c633:6407::1", "2001:db8::1"]


def test_ignore_private_leaves_out_what_says_nothing_of_a_place() -> None:
    found = bucket([*PRIVATE, *PUBLIC], ignore_private=True)
    assert found.dropped == Dropped(private_ip=len(PRIVATE))
    assert len(found.ips) == len(PUBLIC)
    assert not is_private(parse(PUBLIC)[0]).any()


V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
PREFIX = st.sampled_from(sorted(NAT64_PLACES)).flatmap(
    lambda length: st.binary(min_size=4, max_size=12).map(lambda head: _prefix(b"\x20\x01" + head, length))
)


def _prefix(head: bytes, length: int) -> str:
    blob = bytearray(head.ljust(16, b"\x00")[: length // 8].ljust(16, b"\x00"))
    blob[8] = 0
    return str(ip_network((bytes(blob), length)))


def _wrapped(prefix: str, address: IPv4Address) -> IPv6Address:
    network = ip_network(prefix)
    blob = bytearray(network.network_address.packed)
    for place, byte in zip(NAT64_PLACES[network.prefixlen], address.packed, strict=True):
        blob[place] = byte
    return IPv6Address(bytes(blob))


@given(V4, PREFIX)
def test_what_is_wrapped_is_unwrapped_with_any_prefix(address: IPv4Address, prefix: str) -> None:
    own = [nat64(prefix)]
    wrapped = _wrapped(prefix, address)
    assert canonical(packed(str(wrapped), own) or b"") == str(address)
    for length in range(8 * NAT64_PLACES[ip_network(prefix).prefixlen][0] + 1, 129):
        network = unwrapped_network(ip_network((wrapped.packed, length), strict=False), own)
        assert address in network  # a part of the prefix is a part of IPv4


@settings(max_examples=200)
@given(st.lists(st.binary(min_size=16, max_size=16) | st.sampled_from([IPv6Address(a).packed for a, _ in WRAPPED])))
def test_arrays_and_single_addresses_are_unwrapped_alike_and_once(blobs: list[bytes]) -> None:
    own = [nat64(OWN)]
    rows = np.frombuffer(b"".join(blobs), dtype=np.uint8).reshape(-1, 16)
    found = unwrap(rows, own)
    assert [each.tobytes() for each in found] == [unwrapped(blob, own) for blob in blobs]
    assert (unwrap(found, own) == found).all()


@given(st.ip_addresses())
def test_one_text_gives_one_address_by_every_way(address: Any) -> None:
    blob = packed(str(address))
    assert parse([str(address)])[0].tobytes() == blob
    assert parse_many([str(address)])[0].tobytes() == blob
    found = bucket([str(address)])
    assert found.addresses.tobytes() == blob
    assert packed(found.ips[0]) == blob
    assert ip_address(found.ips[0]) == ip_address(canonical(blob or b""))
