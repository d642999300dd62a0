"""The simulated company's staff, sites and networks: everything that doesn't change with the days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import V4_WORD
from ipi_es.demo.names import DESKTOP_AGENTS, PHONE_AGENTS
from ipi_es.demo.providers import COUNTRIES, HOME_ACCESS, Plan, Provider

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Words = NDArray[np.uint64]

SITES = ("DE", "GB", "US", "IN", "PL", "FR", "NL", "ES")
SITE_SHARES = (0.34, 0.20, 0.20, 0.13, 0.08, 0.02, 0.02, 0.01)
OFFICES = 5
"""The first five sites have an office; people at the others always work from home."""

HOME_BITS, HOME_REGIONS = 13, 4
"""Home lines of one region share a pool of 2¹³ addresses (a /19); an operator has four such regions at a site."""
GATEWAYS, GATEWAY_ADDRESSES, ROAMING = 6, 64, 5
"""Gateways of a carrier, shared (CGNAT) addresses of each, and index of the gateway for customers abroad."""
VPN_ADDRESSES = 2  # egress addresses of the company's VPN in each of its three regions
PROXY_SERVERS = 12  # servers of one commercial VPN service
HOTELS = 25  # hotels and conference centres in one country that staff may visit


def spread(*keys: Words | Ints | Flags | int) -> Words:
    """Return well-mixed words, uint64[n], of integer keys (splitmix64's finalizer, once per key)."""
    word: Words = np.array(0x9E3779B97F4A7C15, np.uint64)
    with np.errstate(over="ignore"):
        for key in keys:
            word = word + np.asarray(key).astype(np.uint64) * np.uint64(0xD1B54A32D192ED03) + np.uint64(1)
            word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            word = word ^ (word >> np.uint64(31))
    return word


def chance(words: Words) -> Floats:
    """Return float64[n] in [0, 1) from mixed words."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True)
class Networks:
    """Addresses of places, not of people. All are low halves (uint64, IPv4-mapped) unless noted.

    ``office`` [site, address]; ``moved_site`` uses ``new_office`` from day ``move_day`` on. ``office_v6``
    holds high halves [site], 0 where there is none. ``vpn`` [region, address]. ``proxy`` [service, server].
    ``hotel`` [country, hotel]. ``gateway`` [carrier, gateway] is the first address, ``gateway_v6`` the high half
    of its /44. ``carriers`` are provider indices; ``carrier_base`` [country] is the first of three of a country.
    """

    office: Words
    new_office: Words
    moved_site: int
    move_day: int
    office_v6: Words
    vpn: Words
    proxy: Words
    hotel: Words
    carriers: Ints
    carrier_base: Ints
    gateway: Words
    gateway_v6: Words


@dataclass(frozen=True)
class Staff:
    """Columns with one row per person.

    Days count from the simulation's first; ``joined`` may be before it, ``left`` after its end.
    ``home_pool`` uint64: first low half of the region's pool; ``home_v6`` uint64: high half of the region's /40, 0
    for a line without IPv6. ``carrier`` indexes Networks.carriers, ``proxy`` Networks.proxy (-1: uses none).
    ``office_share`` is the share of working days in the office, ``churn`` the chance of a new home address a day.
    """

    site: Ints
    joined: Ints
    left: Ints
    rate: Floats
    start_hour: Floats
    office_share: Floats
    traveller: Flags
    home_provider: Ints
    home_pool: Words
    home_v6: Words
    churn: Floats
    carrier: Ints
    gateway: Ints
    mobile_v6: Flags
    vpn_share: Floats
    proxy: Ints
    laptop: Ints
    phone: Ints


def random_hosts(rng: np.random.Generator, provider: Provider, count: int, *, within: int = 24) -> Words:
    """Draw low halves of fixed addresses, uint64[count], each in a random network of length ``within``."""
    pools = np.array(provider.pools(within), np.uint64)
    size = 1 << (32 - within)
    return V4_WORD + rng.choice(pools, count) + rng.integers(2, size - 2, count).astype(np.uint64)


def networks(rng: np.random.Generator, plan: Plan, days: int) -> Networks:
    """Draw the networks of one company: offices, VPN egress, hotels, the carriers' gateways."""
    office = np.stack([_egress(rng, plan, SITES[site]) for site in range(OFFICES)])
    moved = int(rng.integers(OFFICES))
    # one office gets other addresses of the same networks from its operators
    moved_to = office[moved] ^ np.uint64(0x20)
    v6_offices = rng.permutation(OFFICES)[:2]
    office_v6 = np.zeros(OFFICES, np.uint64)
    for site in v6_offices:
        provider = plan.of("business", SITES[site])[0]
        office_v6[site] = provider.v6 + (int(rng.integers(1 << 16)) << 16)
    vpn_host = plan.of("business", "DE")[1], plan.of("business", "US")[1], plan.of("business", "SG")[0]
    pair = np.arange(VPN_ADDRESSES).astype(np.uint64)
    vpn = np.stack([random_hosts(rng, host, 1) + pair for host in vpn_host])
    hosting = [p for p in plan.of("hosting") if p.country in COUNTRIES]
    proxy = np.stack([random_hosts(rng, hosting[i], PROXY_SERVERS) for i in rng.permutation(len(hosting))[:3]])
    hotel = np.stack([_hotels(rng, plan, country) for country in COUNTRIES])
    carriers = plan.of("mobile")
    bases = [
        [V4_WORD + np.uint64(c.pools(24)[(g * 23 + 3) % len(c.pools(24))] + 64) for g in range(GATEWAYS)]
        for c in carriers
    ]
    high = [[c.v6 + ((g + 1) << 20) for g in range(GATEWAYS)] for c in carriers]
    return Networks(
        office=office, new_office=moved_to, moved_site=moved, move_day=int(rng.integers(2, max(days - 1, 3))),
        office_v6=office_v6, vpn=vpn, proxy=proxy, hotel=hotel,
        carriers=np.array([c.index for c in carriers]), carrier_base=np.arange(len(COUNTRIES)) * 3,
        gateway=np.array(bases, np.uint64), gateway_v6=np.array(high, np.uint64),
    )  # fmt: skip


def _egress(rng: np.random.Generator, plan: Plan, country: str) -> Words:
    """Draw two lines of two operators with two addresses each: uint64[4]."""
    lines = [random_hosts(rng, provider, 1) for provider in plan.of("business", country)]
    pair = np.arange(2, dtype=np.uint64)
    return np.concatenate([line + pair for line in lines])


def _hotels(rng: np.random.Generator, plan: Plan, country: str) -> Words:
    """Draw each hotel's egress address: a third of the hotel network operator, the others on business lines."""
    chain = random_hosts(rng, plan.of("hotel", country)[0], HOTELS)
    business = np.stack([random_hosts(rng, p, HOTELS) for p in plan.of("business", country)])
    return np.where(rng.random(HOTELS) < 1 / 3, chain, business[rng.integers(2, size=HOTELS), np.arange(HOTELS)])


def hire(rng: np.random.Generator, plan: Plan, nets: Networks, people: int, days: int) -> Staff:
    """Draw ``people`` employees; 4 % join and 3 % leave within the ``days``."""
    site = rng.choice(len(SITES), people, p=SITE_SHARES)
    style = rng.choice(3, people, p=(0.45, 0.40, 0.15))  # office, hybrid, remote
    share = np.where(site < OFFICES, np.array([0.88, 0.5, 0.004])[style] * rng.uniform(0.85, 1.08, people), 0.0)
    arrives, leaves = rng.random(people) < 0.04, rng.random(people) < 0.03
    provider, pool, v6, churn = _homes(rng, plan, site)
    carrier = nets.carrier_base[site] + rng.choice(3, people, p=(0.5, 0.3, 0.2))
    return Staff(
        site=site,
        joined=np.where(arrives, rng.integers(1, days, people), -1000),
        left=np.where(leaves & ~arrives, rng.integers(1, days, people), days + 1000),
        rate=np.clip(rng.gamma(6.0, 1 / 6.0, people), 0.35, 2.5),
        start_hour=np.clip(rng.normal(8.8, 0.9, people), 6.0, 12.0),
        office_share=np.minimum(share, 0.97),
        traveller=rng.random(people) < 0.07,
        home_provider=provider,
        home_pool=pool,
        home_v6=v6,
        churn=churn,
        carrier=carrier,
        gateway=(site + rng.choice(2, people, p=(0.8, 0.2))) % ROAMING,
        mobile_v6=(rng.random(people) < 0.5) & (carrier % 3 != 0),
        vpn_share=np.where((rng.random(people) < 0.6) & (style > 0), rng.uniform(0.5, 0.98, people), 0.0),
        proxy=np.where(rng.random(people) < 0.025, rng.integers(3, size=people), -1),
        laptop=rng.choice(DESKTOP_AGENTS, people, p=(0.5, 0.25, 0.1, 0.15)),
        phone=rng.choice(PHONE_AGENTS, people),
    )


def _homes(rng: np.random.Generator, plan: Plan, site: Ints) -> tuple[Ints, Words, Words, Floats]:
    """Draw each person's home operator (index), pool, IPv6 region and daily chance of a new address."""
    people = len(site)
    menu = [plan.of("home", country) for country in SITES]
    choice = rng.choice(len(HOME_ACCESS), people, p=(0.4, 0.25, 0.2, 0.15))
    region = rng.choice(HOME_REGIONS, people, p=(0.4, 0.3, 0.2, 0.1))
    pools = np.array([[_regions(p, s) for p in row] for s, row in enumerate(menu)], np.uint64)
    heads = np.array([[p.v6 for p in row] for row in menu], np.uint64)
    indices = np.array([[p.index for p in row] for row in menu])
    speaks_v6 = rng.random(people) < 0.45
    v6 = np.where(speaks_v6, heads[site, choice] + (region.astype(np.uint64) + np.uint64(1) << np.uint64(24)), 0)
    churn = np.array(list(HOME_ACCESS.values()))[choice]
    return indices[site, choice], pools[site, choice, region], v6.astype(np.uint64), churn


def _regions(provider: Provider, site: int) -> list[int]:
    """Return the first low halves of the pools for one site, from all of the provider's prefixes."""
    pools = provider.pools(32 - HOME_BITS)
    return [int(V4_WORD) + pools[(site * 3 + r * 5) % len(pools)] for r in range(HOME_REGIONS)]
