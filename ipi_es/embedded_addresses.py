"""IPv4 addresses that are written inside IPv6 addresses, and how to unwrap them.

A user behind a translator has an IPv6 address that begins as those of all its users; the user's own address is in the
last bits. Without unwrapping, all these users would seem to share one network.

- NAT64 and SIIT (RFC 6052): ``64:ff9b::/96``, and prefixes of a network's own, which only its operator can name.
  ``64:ff9b:1::/48`` (RFC 8215) is for local use with a length that each network chooses, so it must be named too.
- 6to4 (RFC 3056): ``2002:aabb:ccdd::/48`` is the network behind the router with the IPv4 address.
- Teredo (RFC 4380): ``2001::/32``; the last 32 bits are the client's public IPv4 address, inverted.

Answers to 6to4 and Teredo addresses are sent to the IPv4 address inside, so a sign-in with a forged one can't succeed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAPPED = bytes(10) + b"\xff\xff"
"""The first 12 bytes of an IPv4-mapped IPv6 address (RFC 4291): how IPv4 is represented here."""

_U = 8
"""The byte with bits 64 to 71, which is 0 in a translated address (RFC 6052, 2.2)."""

NAT64_PLACES = {
    32: (4, 5, 6, 7),
    40: (5, 6, 7, 9),
    48: (6, 7, 9, 10),
    56: (7, 9, 10, 11),
    64: (9, 10, 11, 12),
    96: (12, 13, 14, 15),
}
"""Prefix length → the bytes that hold the IPv4 address (RFC 6052, 2.2)."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """A prefix whose addresses have an IPv4 address inside."""

    prefix: bytes
    places: tuple[int, ...]
    """The four bytes of the IPv4 address, counted from 0."""
    inverted: bool = False
    zero: tuple[int, ...] = ()
    """Bytes that are 0 in such an address."""

    def take(self, blob: bytes) -> bytes | None:
        """Return the IPv4 address inside one address, IPv4-mapped; None if the address isn't of this prefix."""
        if not blob.startswith(self.prefix) or any(blob[place] for place in self.zero):
            return None
        found = bytes(blob[place] for place in self.places)
        return MAPPED + (bytes(255 - byte for byte in found) if self.inverted else found)

    @property
    def network(self) -> ipaddress.IPv6Network:
        """The prefix as a network."""
        return ipaddress.IPv6Network((self.prefix.ljust(16, b"\x00"), 8 * len(self.prefix)))


TEREDO = Embedding(bytes.fromhex("20010000"), (12, 13, 14, 15), inverted=True)

KNOWN = (
    Embedding(bytes.fromhex("0064ff9b") + bytes(8), NAT64_PLACES[96]),
    Embedding(bytes.fromhex("2002"), (2, 3, 4, 5)),
    TEREDO,
)
"""Prefixes that have one meaning everywhere."""


def nat64(cidr: str) -> Embedding:
    """Return the embedding of a translator's own prefix.

    Raises ValueError with the reason if ``cidr`` can't be such a prefix.
    """
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError:
        raise ValueError(f"“{cidr}” is no prefix of a translator: write one such as 2001:db8:64::/96") from None
    length = network.prefixlen
    if network.version == 4 or length not in NAT64_PLACES:
        lengths = ", ".join(f"/{each}" for each in NAT64_PLACES)
        raise ValueError(f"{cidr} must be an IPv6 prefix of one of the lengths {lengths} (RFC 6052)")
    blob = network.network_address.packed
    if length > 8 * _U and blob[_U]:
        raise ValueError(f"{cidr} has bits set from 64 to 71, which RFC 6052 reserves")
    if not any(blob[:4]):
        raise ValueError(f"{cidr} lies in ::/32, where no translator may have its prefix")
    # with /96 this byte is part of the prefix
    return Embedding(blob[: length // 8], NAT64_PLACES[length], zero=() if length == 96 else (_U,))


def unwrapped(blob: bytes, own: Sequence[Embedding] = ()) -> bytes:
    """Unwrap the IPv4 address inside one address (16 bytes); return any other address unchanged.

    ``own``: prefixes besides the known ones.
    """
    for each in (*own, *KNOWN):
        found = each.take(blob)
        if found is not None:
            return found
    return blob


def unwrap(addresses: NDArray[np.uint8], own: Sequence[Embedding] = ()) -> NDArray[np.uint8]:
    """Unwrap addresses (uint8[n, 16]) as :func:`unwrapped` does; return the same array where nothing changes."""
    result = addresses
    done = np.zeros(len(addresses), dtype=np.bool_)
    for each in (*own, *KNOWN):
        prefix = np.frombuffer(each.prefix, dtype=np.uint8)
        hit = ~done & (addresses[:, : len(prefix)] == prefix).all(axis=1)
        for place in each.zero:
            hit &= addresses[:, place] == 0
        if not hit.any():
            continue
        if result is addresses:
            result = addresses.copy()
        found = addresses[hit][:, list(each.places)]
        result[hit, :12] = np.frombuffer(MAPPED, dtype=np.uint8)
        result[hit, 12:] = ~found if each.inverted else found
        done |= hit
    return result


def unwrapped_network(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network, own: Sequence[Embedding] = ()
) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return the IPv4 network that a network inside one of the prefixes means; return any other unchanged.

    Raises ValueError where the network means all of IPv4, or no single IPv4 network.
    """
    if network.version == 4:
        return network
    for each in (*own, *KNOWN):
        if not network.subnet_of(each.network):
            continue
        blob, begin = network.network_address.packed, 8 * each.places[0]
        if network.prefixlen <= begin or (each.inverted and network.prefixlen < 128):
            raise ValueError(
                f"{network} has IPv4 addresses inside, which are taken out of it: name the IPv4 network that is meant"
            )
        inside = bytes(blob[place] for place in each.places)
        if each.inverted:
            inside = bytes(255 - byte for byte in inside)
        bits = sum(min(max(network.prefixlen - 8 * place, 0), 8) for place in each.places)
        return ipaddress.IPv4Network((inside, bits))
    return network
