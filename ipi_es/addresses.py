"""IP addresses as arrays: one representation for the datafeed, the network and the allow list.

An address is 16 bytes in network order. IPv4 is IPv4-mapped (``::ffff:a.b.c.d``), so both families share one array, and
an IPv4-mapped IPv6 address *is* the IPv4 address. An IPv4 address inside a NAT64, 6to4 or Teredo address
(:mod:`ipi_es.embedded_addresses`) is unwrapped when it is read here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from itertools import compress, repeat
from operator import contains
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ipi_es.embedded_addresses import MAPPED, Embedding, unwrap, unwrapped

Addresses: TypeAlias = NDArray[np.uint8]
"""uint8[n, 16]: addresses in network order, IPv4 as IPv4-mapped."""

IpPick: TypeAlias = Literal["first", "last", "public"]
"""Which address of a list counts; ``public``: the last one that isn't private."""

_SEPARATORS = re.compile(r"[,;\s]+")
_PORT = re.compile(r"(?P<v4>[0-9.]+):[0-9]{1,5}|\[(?P<v6>[^\]]+)\](?::[0-9]{1,5})?")

V4_PREFIX = MAPPED
V4_BITS, V4_WORD = np.uint64(0xFFFF_FFFF), np.uint64(0xFFFF_0000_0000)
"""Of the low word of an IPv4 address (:func:`words`): the mask of its 32 bits, and the rest, which marks it as IPv4."""


def packed(text: str, own: Sequence[Embedding] = ()) -> bytes | None:
    """Return the 16 bytes of one address, or None if ``text`` is not an address.

    An IPv4 address inside the address is unwrapped. ``own``: translator prefixes besides those with one meaning
    everywhere. Otherwise as :func:`packed_as_written`.
    """
    blob = packed_as_written(text)
    return blob if blob is None or blob.startswith(V4_PREFIX) else unwrapped(blob, own)


def packed_as_written(text: str) -> bytes | None:
    """Return the 16 bytes of one address (IPv4 as IPv4-mapped), or None if ``text`` is not an address.

    Brackets, surrounding space, an IPv6 zone (``fe80::1%eth0``) and a port (``192.0.2.1:443``, ``[2001:db8::1]:443``)
    are dropped.
    """
    try:
        return V4_PREFIX + inet_pton(AF_INET, text)
    except (OSError, ValueError):
        pass
    text = text.strip()
    ported = _PORT.fullmatch(text)
    text = (ported["v4"] or ported["v6"] if ported else text).partition("%")[0]
    try:
        return inet_pton(AF_INET6, text) if ":" in text else V4_PREFIX + inet_pton(AF_INET, text)
    except (OSError, ValueError):
        return None


def picked(text: str, pick: IpPick) -> str:
    """Return the address that counts in a list such as ``203.0.113.9, 10.0.0.1``; other texts stay as they are.

    ``public`` takes the last address that isn't private: a proxy appends what it saw to what the client sent, so what
    stands before may be invented. Without a public address, the last one counts.
    """
    parts = [part for part in _SEPARATORS.split(text) if packed_as_written(part) is not None]
    if len(parts) < 2:
        return text
    if pick == "public":
        found, _ = parse(parts)
        parts = list(compress(parts, (~is_private(found)).tolist())) or parts
    return parts[0] if pick == "first" else parts[-1]


def parse(texts: Sequence[str]) -> tuple[Addresses, NDArray[np.bool_]]:
    """Parse address strings.

    Returns (addresses uint8[n, 16], valid bool[n]); the row of an invalid address is all zeros.
    """
    blobs = [packed(text) for text in texts]
    valid = np.fromiter((blob is not None for blob in blobs), dtype=np.bool_, count=len(blobs))
    joined = b"".join(blob if blob is not None else bytes(16) for blob in blobs)
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, 16), valid


def parse_many(texts: Sequence[str]) -> tuple[Addresses, NDArray[np.bool_]]:
    """Parse address strings as :func:`parse` does, twice as fast where all are plainly written addresses."""
    try:
        colon = np.fromiter(map(contains, texts, repeat(":")), dtype=np.bool_, count=len(texts))
        v4, v6 = texts, []
        if colon.any():
            v4, v6 = list(compress(texts, (~colon).tolist())), list(compress(texts, colon.tolist()))
        result = np.zeros((len(texts), 16), dtype=np.uint8)
        result[~colon, 10:12] = 0xFF
        blob = b"".join(map(inet_pton, repeat(AF_INET), v4))
        result[~colon, 12:] = np.frombuffer(blob, dtype=np.uint8).reshape(-1, 4)
        if v6:
            blob = b"".join(map(inet_pton, repeat(AF_INET6), v6))
            result[colon] = unwrap(np.frombuffer(blob, dtype=np.uint8).reshape(-1, 16))
    except (OSError, ValueError):
        return parse(texts)
    return result, np.ones(len(texts), dtype=np.bool_)


def canonical(blob: bytes) -> str:
    """Return the canonical text of 16 bytes: dotted quad for IPv4 (mapped), RFC 5952 otherwise."""
    return inet_ntop(AF_INET, blob[12:]) if blob.startswith(V4_PREFIX) else inet_ntop(AF_INET6, blob)


def is_v4(addresses: Addresses) -> NDArray[np.bool_]:
    """Decide which addresses are IPv4 (mapped): bool[n]."""
    result: NDArray[np.bool_] = (addresses[:, :12] == np.frombuffer(V4_PREFIX, dtype=np.uint8)).all(axis=1)
    return result


PRIVATE_NETWORKS = (
    "0.0.0.0/8",  # unspecified: logs write it for “no address”
    "10.0.0.0/8",  # RFC 1918
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",  # shared address space between a provider and its customers, RFC 6598
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link-local
    "::/128",  # unspecified
    "::1/128",  # loopback
    "fc00::/7",  # unique local, RFC 4193
    "fe80::/10",  # link-local
)
"""Networks whose addresses give no place on the internet.

Narrower than :attr:`ipaddress.IPv4Address.is_private`, which also counts the documentation and benchmarking ranges. No
interface has an address of those, so an event with one is an odd finding and must not be left out as ordinary.
"""


def network(cidr: str) -> tuple[Addresses, int]:
    """Return (address uint8[16], prefix length in the 128-bit space) of a CIDR or a single address.

    Raises ValueError for any other text.
    """
    parsed = ipaddress.ip_network(cidr, strict=False)
    offset = 96 if parsed.version == 4 else 0
    blob = (V4_PREFIX if offset else b"") + parsed.network_address.packed
    return np.frombuffer(blob, dtype=np.uint8), parsed.prefixlen + offset


def within(addresses: Addresses, cidr: str) -> NDArray[np.bool_]:
    """Decide which addresses lie within ``cidr``: bool[n]."""
    base, length = network(cidr)
    whole, rest = divmod(length, 8)
    result = (addresses[:, :whole] == base[:whole]).all(axis=1)
    if rest:
        shift = 8 - rest
        result &= (addresses[:, whole] >> shift) == (base[whole] >> shift)
    return np.asarray(result, dtype=np.bool_)


def is_private(addresses: Addresses) -> NDArray[np.bool_]:
    """Decide which addresses are private, shared, loopback, link-local or unspecified: bool[n].

    The networks are :data:`PRIVATE_NETWORKS`.
    """
    result = np.zeros(len(addresses), dtype=np.bool_)
    for cidr in PRIVATE_NETWORKS:
        result |= within(addresses, cidr)
    return result


def words(addresses: Addresses) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Split addresses (uint8[n, 16]) into their high and low 64 bits, each uint64[n]."""
    both = np.ascontiguousarray(addresses).view(">u8").astype(np.uint64)
    return both[:, 0], both[:, 1]


def from_words(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> Addresses:
    """Join high and low 64 bits (uint64[n] each) to addresses (uint8[n, 16]); the reverse of :func:`words`."""
    both = np.stack([high, low], axis=1).astype(">u8")
    return both.view(np.uint8).reshape(-1, 16)


def v4_words(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Decide which addresses, given as words, are IPv4 (mapped): bool[n]."""
    result: NDArray[np.bool_] = (high == 0) & ((low & ~V4_BITS) == V4_WORD)
    return result
