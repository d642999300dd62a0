"""Samples of the published formats of networks, and what each of their addresses should give."""

from __future__ import annotations

from pathlib import Path

from ipi_es.addresses import parse
from ipi_es.networks.network_table import NetworkTable
from ipi_es.networks.network_types import NetworkType, type_names
from ipi_es.networks.network_values import country_text

SAMPLES = Path(__file__).parent / "samples" / "networks"
NOTHING = (0, None, ())

EXPECTED: dict[str, dict[str, tuple[int, str | None, tuple[str, ...]]]] = {
    "aws-ip-ranges.json": {
        "192.0.2.63": (0, None, ("hosting",)),
        "192.0.2.64": NOTHING,
        "2001:db8:a::1": (0, None, ("hosting",)),
    },
    "google-cloud.json": {
        "192.0.2.64": (0, None, ("hosting",)),
        "192.0.2.63": NOTHING,
        "2001:db8:b::1": (0, None, ("hosting",)),
    },
    "azure-service-tags.json": {
        "192.0.2.191": (0, None, ("hosting",)),
        "192.0.2.192": NOTHING,
        "2001:db8:c::1": (0, None, ("hosting",)),
    },
    "oracle-public-ip-ranges.json": {
        "192.0.2.192": (0, None, ("hosting",)),
        "192.0.2.239": (0, None, ("hosting",)),
        "192.0.2.240": NOTHING,
    },
    "cloudflare-api.json": {
        "198.51.100.1": (0, None, ("hosting",)),
        "2001:db8:d::1": (0, None, ("hosting",)),
        "2001:db8:a::1": NOTHING,
    },
    "tor-exit-addresses.txt": {
        "203.0.113.7": (0, None, ("tor",)),
        "203.0.113.9": (0, None, ("tor",)),
        "203.0.113.10": NOTHING,
    },
    "apple-egress-ip-ranges.csv": {
        "192.0.2.1": (0, "DE", ("relay",)),
        "192.0.2.2": (0, "FR", ("relay",)),
        "2001:db8:e:1::5": (0, "US", ("relay",)),
        "192.0.2.3": NOTHING,
    },
    "ip2location-db1.csv": {
        "192.0.2.0": (0, "DE", ()),
        "192.0.2.255": (0, "DE", ()),
        "192.0.3.0": NOTHING,
        "198.51.100.1": (0, "FR", ()),
    },
    "ip2location-db26.csv": {
        "192.0.2.1": (64496, "DE", ("hosting",)),
        "192.0.2.200": (64497, "DE", ("mobile",)),
        "198.51.100.1": (64498, "FR", ("business",)),
        "203.0.113.1": NOTHING,
    },
    "ip2location-asn.csv": {
        "192.0.2.1": (64496, None, ()),
        "198.51.100.1": (64497, None, ()),
        "10.0.0.1": NOTHING,
    },
    "ip2location-ipv6.csv": {
        "192.0.2.1": (0, "DE", ()),
        "2001:db8::1": (0, "NL", ()),
        "2001:db9::1": NOTHING,
    },
    "ip2proxy-px11.csv": {
        "203.0.113.0": (64496, "NL", ("hosting", "tor")),
        "203.0.113.1": (64496, "NL", ("hosting", "vpn")),
        "203.0.113.2": (64497, "FR", ("proxy", "mobile")),
        "203.0.113.3": (64498, "US", ("hosting", "relay")),
        "203.0.113.4": (0, "US", ("proxy",)),
        "203.0.113.5": NOTHING,
    },
    "ip2proxy-px2.csv": {"203.0.113.0": (0, "NL", ("tor",)), "203.0.113.1": (0, None, ("vpn",))},
    "dbip-country-lite.csv": {
        "0.0.0.1": NOTHING,
        "192.0.2.1": (0, "DE", ()),
        "198.51.100.99": (0, "FR", ()),
        "198.51.100.100": NOTHING,
        "2001:db8::1": (0, "NL", ()),
        "2001:db8:1::1": NOTHING,
    },
    "dbip-city-lite.csv": {"0.0.0.1": NOTHING, "192.0.2.1": (0, "DE", ()), "2001:db8::1": (0, "NL", ())},
    "dbip-asn-lite.csv": {
        "192.0.2.1": (64496, None, ()),
        "198.51.100.99": (64497, None, ()),
        "198.51.100.100": NOTHING,
        "2001:db8::1": (64499, None, ()),
    },
    "dbip-isp.csv": {
        "192.0.2.1": (64496, "DE", ("hosting",)),
        "198.51.100.1": (64498, "FR", ("business",)),
        "203.0.113.1": (64499, "NL", ()),
    },
    "geoip2-anonymous-ip-blocks.csv": {
        "192.0.2.1": (0, None, ("hosting", "vpn")),
        "192.0.2.65": (0, None, ("hosting",)),
        "192.0.2.128": (0, None, ("tor",)),
        "192.0.2.129": (0, None, ("proxy",)),
        "192.0.2.130": NOTHING,
        "2001:db8::1": (0, None, ("vpn",)),
    },
    "geoip2-connection-type-blocks.csv": {
        "192.0.2.1": (0, None, ("mobile",)),
        "198.51.100.1": (0, None, ("business",)),
        "203.0.113.1": NOTHING,
    },
    "typed-table.csv": {
        "192.0.2.1": (64496, None, ("hosting",)),
        "192.0.2.200": (64497, None, ("hosting", "vpn", "relay")),
        "198.51.100.1": (64498, None, ()),
        "203.0.113.1": (64499, None, ()),
    },
}
UNTYPED = {"cloudflare-ips-v4.txt": "198.51.100.64", "tor-bulk-exit-list.txt": "203.0.113.7"}


def facts(table: NetworkTable, *texts: str) -> list[tuple[int, str | None, tuple[NetworkType, ...]]]:
    addresses, valid = parse(texts)
    assert valid.all()
    found = zip(*(column.tolist() for column in table.look_up(addresses)), strict=True)
    return [(operator, country_text(country), type_names(types)) for operator, country, types in found]
