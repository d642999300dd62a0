"""IP addresses as arrays: one representation for the datafeed, the network and the allow list.

An address is 16 bytes in network order; IPv4 is IPv4-mapped (``::ffff:a.b.c.d``), so that both families
share one array and an IPv4-mapped IPv6 address *is* the IPv4 address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Addresses: TypeAlias = NDArray[np.uint8]
"""uint8[n, 16]: addresses in network order, IPv4 as IPv4-mapped."""

V4_PREFIX = bytes(10) + b"\xff\xff"


def packed(text: str) -> bytes | None:
    """The 16 bytes of one address, or None if ``text`` is none.

    Brackets, surrounding space and an IPv6 zone (``fe80::1%eth0``) are dropped; ports are not accepted.
    """
    try:
        return V4_PREFIX + inet_pton(AF_INET, text)
    except (OSError, ValueError):
        pass
    text = text.strip().strip("[]").partition("%")[0]
    try:
        return inet_pton(AF_INET6, text) if ":" in text else V4_PREFIX + inet_pton(AF_INET, text)
    except (OSError, ValueError):
        return None


def parse(texts: Sequence[str]) -> tuple[Addresses, NDArray[np.bool_]]:
    """Parse address strings.

    Returns (addresses uint8[n, 16], valid bool[n]); an invalid one is all zeros.
    """
    blobs = [packed(text) for text in texts]
    valid = np.fromiter((blob is not None for blob in blobs), dtype=np.bool_, count=len(blobs))
    joined = b"".join(blob if blob is not None else bytes(16) for blob in blobs)
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, 16), valid


def canonical(blob: bytes) -> str:
    """The canonical text of 16 bytes: dotted quad for IPv4(-mapped), RFC 5952 otherwise."""
    return inet_ntop(AF_INET, blob[12:]) if blob.startswith(V4_PREFIX) else inet_ntop(AF_INET6, blob)


def is_v4(addresses: Addresses) -> NDArray[np.bool_]:
    """bool[n]: which addresses are IPv4 (mapped)."""
    result: NDArray[np.bool_] = (addresses[:, :12] == np.frombuffer(V4_PREFIX, dtype=np.uint8)).all(axis=1)
    return result


def is_private(text: str) -> bool:
    """Whether an address says nothing about where on the internet it is (RFC 1918, ULA, loopback, link-local)."""
    address = ipaddress.ip_address(text)
    return address.is_private or address.is_link_local or address.is_loopback
