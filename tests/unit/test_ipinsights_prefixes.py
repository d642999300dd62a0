from __future__ import annotations

import ipaddress

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ipi_es.addresses import from_words, packed, parse, words
from ipi_es.ipinsights.prefixes import (
    ADDRESS,
    LEVELS,
    V4_LENGTHS,
    V6_LENGTHS,
    address_keys,
    network_numbers,
    network_text,
    prefix_keys,
    shared_bits,
    site_text,
)
from ipi_es.worker.verdicts.known_verdicts import network_of

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


def blob(text: str) -> bytes:
    result = packed(text)
    assert result is not None
    return result


def meant(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that counts: the IPv4 address inside, where there is one."""
    written = ipaddress.IPv6Address(blob(str(address)))
    return written.ipv4_mapped or written


def keys(*texts: str) -> np.ndarray:
    addresses, valid = parse(texts)
    assert valid.all()
    return prefix_keys(addresses)


@given(ADDRESSES, ADDRESSES)
@example(ipaddress.ip_address("0.0.0.0"), ipaddress.ip_address("2002::"))
@example(ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("64:ff9b::c000:201"))
@settings(max_examples=150)
def test_keys_are_equal_where_networks_are(left, right) -> None:
    one, two = keys(str(left), str(right))
    left, right = meant(left), meant(right)
    same = [
        left.version == right.version
        and ipaddress.ip_network((left, length), strict=False) == ipaddress.ip_network((right, length), strict=False)
        for length in (V4_LENGTHS if left.version == 4 else V6_LENGTHS)
    ]
    assert (one == two).tolist() == same


def test_each_level_has_its_own_keys() -> None:
    assert len(np.unique(keys("0.0.0.0", "::"))) == 2 * LEVELS


def test_a_privacy_address_keeps_all_keys_but_its_own() -> None:
    one, two = keys("2001:db8:1:2:aaaa::1", "2001:db8:1:2:bbbb::2")
    assert (one == two).tolist() == [True] * ADDRESS + [False]


def test_an_ipv4_mapped_address_is_the_ipv4_address() -> None:
    one, two = keys("192.0.2.7", "::ffff:192.0.2.7")
    assert (one == two).all()


def test_no_addresses_no_keys() -> None:
    assert prefix_keys(np.zeros((0, 16), dtype=np.uint8)).shape == (0, LEVELS)


@given(st.lists(ADDRESSES, max_size=5))
def test_address_keys_are_the_last_column(found) -> None:
    addresses, _ = parse([str(address) for address in found])
    assert (address_keys(addresses) == prefix_keys(addresses)[:, ADDRESS]).all()


@given(st.binary(min_size=16, max_size=16))
def test_words_go_back_to_addresses(value: bytes) -> None:
    address = np.frombuffer(value, dtype=np.uint8).reshape(1, 16)
    assert from_words(*words(address)).tobytes() == value


@pytest.mark.parametrize(
    ("address", "slot", "text"),
    [("192.0.2.77", 4, "192.0.2.0/24"), ("192.0.2.77", 0, "192.0.0.0/8"), ("2001:db8:1:2::5", 4, "2001:db8:1::/48")],
)
def test_network_text(address: str, slot: int, text: str) -> None:
    assert network_text(blob(address), slot) == text


@pytest.mark.parametrize(("address", "text"), [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2::5", "2001:db8:1::/48")])
def test_site_is_the_network_of_a_hold_and_of_a_verdict(address: str, text: str) -> None:
    assert site_text(blob(address)) == text
    assert network_of(address) == text


@given(st.lists(ADDRESSES | st.sampled_from([ipaddress.ip_address(0), ipaddress.ip_address("::")])), st.data())
@settings(max_examples=100)
def test_numbers_are_equal_where_networks_are(addresses, data) -> None:
    near = [type(address)(int(address) ^ data.draw(st.integers(0, 2**20))) for address in addresses]
    texts = [str(address) for address in (*addresses, *near)]
    blobs, _ = parse(texts)
    for slot in range(LEVELS):
        numbers = network_numbers(blobs, slot).tolist()
        names = [network_text(blob(text), slot) for text in texts]
        assert len(set(zip(numbers, names, strict=True))) == len(set(numbers)) == len(set(names))
        assert all(0 <= number < len(texts) for number in numbers)


@pytest.mark.parametrize(
    ("left", "right", "bits"),
    [
        ("192.0.2.1", "192.0.2.1", 32),
        ("192.0.2.0", "192.0.2.255", 24),
        ("1.0.0.0", "128.0.0.0", 0),
        ("2001:db8::", "2001:db9::", 31),
        ("192.0.2.1", "2001:db8::", 0),
    ],
)
def test_shared_bits(left: str, right: str, bits: int) -> None:
    assert shared_bits(blob(left), blob(right)) == bits
    assert shared_bits(blob(right), blob(left)) == bits


def test_keys_are_the_same_for_ever() -> None:
    # saved histories and snapshots hold these keys
    assert [f"{int(key):016x}" for key in keys("192.0.2.1")[0, [0, 4, 7]]] == GOLDEN_V4
    assert [f"{int(key):016x}" for key in keys("2001:db8::1")[0, [0, 4, 7]]] == GOLDEN_V6


GOLDEN_V4 = ["836a4c78a1e7e87c", "5f7e563b88947d0f", "6a6c41dd4da59076"]
GOLDEN_V6 = ["f59c967a21b55d0a", "201c71ca6f49ce51", "fcfc078089f1208f"]
