"""A writer of tiny databases in MaxMind's format (version 2.0), enough for tests: maps, strings, numbers, flags."""

from __future__ import annotations

import ipaddress
from typing import Any

_MARKER = b"\xab\xcd\xefMaxMind.com"
_STRING, _MAP, _UINT16, _UINT32, _UINT64, _ARRAY, _BOOLEAN = 2, 7, 5, 6, 9, 11, 14


def _control(kind: int, size: int) -> bytes:
    assert size < 29 + 256
    extra = b"" if size < 29 else bytes([size - 29])
    first = min(size, 29)
    return (bytes([kind << 5 | first]) if kind < 8 else bytes([first, kind - 7])) + extra


def _encoded(value: Any, number: int = _UINT32) -> bytes:
    if isinstance(value, str):
        return _control(_STRING, len(value.encode())) + value.encode()
    if isinstance(value, bool):
        return _control(_BOOLEAN, int(value))
    if isinstance(value, int):
        raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return _control(number, len(raw)) + raw
    if isinstance(value, list):
        return _control(_ARRAY, len(value)) + b"".join(_encoded(each) for each in value)
    return _control(_MAP, len(value)) + b"".join(_encoded(key) + _encoded(each) for key, each in value.items())


def mmdb(networks: dict[str, dict[str, Any]], *, ip_version: int = 6) -> bytes:
    """The bytes of a database; IPv4 networks lie under ::/96 where it is for IPv6, as MaxMind does it."""
    nodes: list[list[Any]] = [[None, None]]
    data = b""
    for text, record in networks.items():
        network = ipaddress.ip_network(text)
        width = 128 if ip_version == 6 else 32
        length = network.prefixlen + (96 if network.version == 4 and ip_version == 6 else 0)
        value = int(network.network_address)
        node = 0
        for place in range(length):
            bit = value >> (width - 1 - place) & 1
            if place == length - 1:
                nodes[node][bit] = ("data", len(data))
            else:
                if nodes[node][bit] is None:
                    nodes.append([None, None])
                    nodes[node][bit] = len(nodes) - 1
                node = nodes[node][bit]
        data += _encoded(record)
    tree = b""
    for node in nodes:
        for record in node:
            target = len(nodes) if record is None else record
            if isinstance(record, tuple):
                target = len(nodes) + 16 + record[1]
            tree += target.to_bytes(4, "big")
    about = {"database_type": "test", "description": {"en": "test"}, "languages": ["en"]}
    head = _control(_MAP, 9) + b"".join(_encoded(k) + _encoded(v) for k, v in about.items())
    head += _encoded("binary_format_major_version") + _encoded(2, _UINT16)
    head += _encoded("binary_format_minor_version") + _encoded(0, _UINT16)
    head += _encoded("build_epoch") + _encoded(1_700_000_000, _UINT64)
    head += _encoded("ip_version") + _encoded(ip_version, _UINT16)
    head += _encoded("node_count") + _encoded(len(nodes), _UINT32)
    head += _encoded("record_size") + _encoded(32, _UINT16)
    return tree + bytes(16) + data + _MARKER + head
