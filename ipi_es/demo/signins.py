"""Sign-ins of people: times, devices, networks and typing errors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ipi_es.demo import signin_columns as ev
from ipi_es.demo.days import AT_HOME, AT_OFFICE, ON_HOLIDAY, ON_TRIP, Days
from ipi_es.demo.names import API, MAIL, SSO, VPN_GATEWAY
from ipi_es.demo.signin_columns import DAY_MS, HOUR_MS, SigninColumns
from ipi_es.demo.staff import (
    GATEWAY_ADDRESSES,
    HOME_BITS,
    PROXY_SERVERS,
    ROAMING,
    SITES,
    VPN_ADDRESSES,
    Flags,
    Floats,
    Ints,
    Networks,
    Staff,
    Words,
    chance,
    spread,
)

SEED_HOME, SEED_LINE_V6, SEED_DEVICE, SEED_SESSION, SEED_FRIEND, SEED_OFFICE = range(6)
"""Purposes of mixed words, so that two uses of one (person, day) differ."""

ONE_OFF_DAYS = 0.01  # share of a person's home days on which a café's or a friend's network is used
FOLLOW_UP = 0.12  # chance that another sign-in follows from the same address, to another application
FOLLOW_UP_MEAN_S = 240
TYPING_ERROR = 0.035  # chance of a wrong password before a sign-in
SESSION_HOURS = 6  # how long a phone keeps its address behind the carrier's address translation
OTHER_GATEWAY = 0.04  # share of sessions that another gateway of the same carrier serves
PHONE_SHARE = 0.27  # of sign-ins
V6_FIRST = 0.6  # share of a dual-stack line's sign-ins over IPv6
VPN_REGION = np.array([0, 0, 1, 2, 0, 0, 0, 0])  # site → region of the company's VPN


@dataclass(frozen=True)
class _World:
    nets: Networks
    staff: Staff
    days: Days


@dataclass(frozen=True)
class _Drafts:
    """Sign-ins without an address yet, [n] each.

    ``hour`` is local time of day, ``roll`` a uniform number, ``dual`` whether IPv6 is used where there is both;
    ``salt`` is the run's mixing key.
    """

    person: Ints
    column: Ints
    hour: Floats
    phone: Flags
    roll: Floats
    dual: Flags
    salt: int

    def take(self, rows: Ints) -> _Drafts:
        return _Drafts(self.person[rows], self.column[rows], self.hour[rows], self.phone[rows], self.roll[rows],
                       self.dual[rows], self.salt)  # fmt: skip

    def mix(self, purpose: int, *keys: Ints | Flags | int) -> Words:
        """Return mixed words, uint64[n], which depend only on the salt and (person, purpose, keys)."""
        return spread(self.salt, purpose, self.person, *keys)


def people(rng: np.random.Generator, nets: Networks, staff: Staff, days: Days, start_ms: int) -> SigninColumns:
    """Draw all sign-ins of people, unsorted; the caller removes those outside the simulated range."""
    world = _World(nets, staff, days)
    count = rng.poisson(days.expected)
    person, column = (np.repeat(axis, count.ravel()) for axis in np.indices(count.shape).reshape(2, -1))
    n = len(person)
    phone = (rng.random(n) < PHONE_SHARE) | (days.mode[person, column] == ON_HOLIDAY)
    hour = _hours(rng, staff, days, person, column)
    drafts = _Drafts(person, column, hour, phone, rng.random(n), rng.random(n) < V6_FIRST, int(rng.integers(1 << 62)))
    place = _places(world, drafts)
    high, low = _addresses(world, drafts, place)
    utc_hour = hour - days.hours[person, column]
    time = start_ms + (column - 1) * DAY_MS + (utc_hour * HOUR_MS).astype(np.int64)
    host = rng.choice((SSO, SSO + 1, MAIL, API), n, p=(0.4, 0.35, 0.2, 0.05))
    host = np.where((place == ev.VPN) & (rng.random(n) < 0.1), VPN_GATEWAY, host)
    agent = np.where(phone, staff.phone[person], staff.laptop[person])
    first = ev.events(time, person, low, high=high, kind=place, host=host, agent=agent)
    return _with_errors(rng, _with_follow_ups(rng, first))


def _hours(rng: np.random.Generator, staff: Staff, days: Days, person: Ints, column: Ints) -> Floats:
    """Draw each sign-in's local hour: first ones in the morning, most in the working day, some in the evening."""
    n = len(person)
    start = staff.start_hour[person]
    part = rng.random(n)
    working = np.where(part < 0.18, start + np.abs(rng.normal(0, 0.25, n)), start + 8.7 * rng.random(n))
    evening = start + 8.7 + (23.8 - start - 8.7) * rng.random(n) ** 1.5
    early = start - 2.0 * rng.random(n)
    busy = np.where(part < 0.82, working, np.where(part < 0.95, evening, early))
    idle = days.weekend[column] | (days.mode[person, column] == ON_HOLIDAY)
    hours: Floats = np.where(idle, 8 + 15.5 * rng.random(n), busy)
    return hours


def _places(world: _World, d: _Drafts) -> Ints:
    """Choose each sign-in's kind of network: int64[n], indices into KINDS."""
    mode, roll = world.days.mode[d.person, d.column], d.roll
    start = world.staff.start_hour[d.person]
    working = (d.hour >= start) & (d.hour < start + 8.8) & ~world.days.weekend[d.column]
    in_office = (mode == AT_OFFICE) & working
    vpn_day = chance(d.mix(SEED_SESSION, d.column, 1)) < world.staff.vpn_share[d.person]
    proxy_day = (world.staff.proxy[d.person] >= 0) & (chance(d.mix(SEED_SESSION, d.column, 2)) < 0.4)
    away_day = chance(d.mix(SEED_FRIEND, d.column)) < ONE_OFF_DAYS
    on_mobile = np.where(in_office, roll < 0.45, np.where(working & (mode == AT_HOME), roll < 0.22, roll < 0.35))
    place = np.where(in_office, ev.OFFICE, ev.HOME)
    place = np.where((mode == AT_HOME) & working & vpn_day & ~d.phone, ev.VPN, place)
    place = np.where((place == ev.HOME) & proxy_day & ~d.phone, ev.PROXY, place)
    place = np.where((place == ev.HOME) & away_day & (d.hour > 12) & (d.hour < 20), ev.ONE_OFF, place)
    place = np.where(d.phone & on_mobile, ev.MOBILE, place)
    journey = world.days.trip[d.person, d.column]
    meets = working & (mode == ON_TRIP) & (world.days.trips.site[np.maximum(journey, 0)] >= 0)
    away = (journey >= 0) & ~(d.phone & (roll < 0.6))
    place = np.where(away, np.where(meets & (roll < 0.85), ev.OFFICE, ev.TRIP), place)
    return np.where((journey >= 0) & ~away, ev.MOBILE, place)


def _addresses(world: _World, d: _Drafts, place: Ints) -> tuple[Words, Words]:
    """Return the (high, low) halves of each sign-in's address, uint64[n] each."""
    high, low = np.zeros(len(place), np.uint64), np.zeros(len(place), np.uint64)
    methods = {
        ev.OFFICE: _office, ev.HOME: _home, ev.MOBILE: _mobile, ev.VPN: _vpn, ev.TRIP: _venue,
        ev.ONE_OFF: _one_off, ev.PROXY: _proxy,
    }  # fmt: skip
    for kind, method in methods.items():
        rows = np.flatnonzero(place == kind)
        high[rows], low[rows] = method(world, d.take(rows))
    return high, low


def _device_id(d: _Drafts) -> Words:
    """Return low halves of IPv6 addresses, uint64[n]: random, changing daily (privacy extensions)."""
    return d.mix(SEED_DEVICE, d.column, d.phone) | np.uint64(1 << 48)


def _office(world: _World, d: _Drafts) -> tuple[Words, Words]:
    journey = world.days.trip[d.person, d.column]
    visited = world.days.trips.site[np.maximum(journey, 0)]
    site = np.where((journey >= 0) & (visited >= 0), visited, world.staff.site[d.person])
    # both lines are used; within one, a person keeps the address for the day
    line = np.where(chance(d.mix(SEED_OFFICE, d.column, 1)) < 0.7, 0, 2)
    slot = line + (chance(d.mix(SEED_OFFICE, d.column)) < 0.4)
    moved = (site == world.nets.moved_site) & (d.column - 1 >= world.nets.move_day)
    low = np.where(moved, world.nets.new_office[slot], world.nets.office[site, slot])
    # in an office a device uses one protocol all day; at home it varies by application
    v6 = (chance(d.mix(SEED_OFFICE, d.column, 2 + d.phone)) < V6_FIRST) & (world.nets.office_v6[site] > 0)
    return np.where(v6, world.nets.office_v6[site], 0).astype(np.uint64), np.where(v6, _device_id(d), low)


def _home(world: _World, d: _Drafts) -> tuple[Words, Words]:
    line = world.days.line[d.person, d.column]
    low = world.staff.home_pool[d.person] + (d.mix(SEED_HOME, line) & np.uint64((1 << HOME_BITS) - 1))
    v6 = d.dual & (world.staff.home_v6[d.person] > 0)
    customer = (d.mix(SEED_LINE_V6, line) & np.uint64(0xFFFF)) << np.uint64(8)
    return np.where(v6, world.staff.home_v6[d.person] + customer, 0).astype(np.uint64), np.where(v6, _device_id(d), low)


def _mobile(world: _World, d: _Drafts) -> tuple[Words, Words]:
    journey = world.days.trip[d.person, d.column]
    local = np.where(journey >= 0, world.days.trips.carrier[np.maximum(journey, 0)], -1)
    session = d.mix(SEED_SESSION, d.column, (d.hour / SESSION_HOURS).astype(np.int64))
    elsewhere = chance(spread(session, 1)) < OTHER_GATEWAY
    gateway = np.where(elsewhere, spread(session, 2) % np.uint64(ROAMING), world.staff.gateway[d.person]).astype(
        np.int64
    )
    abroad = (journey >= 0) & (world.days.trips.country[np.maximum(journey, 0)] != world.staff.site[d.person])
    gateway = np.where(abroad, np.where(local >= 0, journey % ROAMING, ROAMING), gateway)
    carrier = np.where(local >= 0, local, world.staff.carrier[d.person])
    low = world.nets.gateway[carrier, gateway] + session % np.uint64(GATEWAY_ADDRESSES)
    v6 = world.staff.mobile_v6[d.person] & (local < 0) & (chance(spread(session, 4)) < V6_FIRST)
    high = world.nets.gateway_v6[carrier, gateway] + (spread(session, 3) & np.uint64(0x3FFFF))
    return np.where(v6, high, 0).astype(np.uint64), np.where(v6, _device_id(d), low)


def _vpn(world: _World, d: _Drafts) -> tuple[Words, Words]:
    slot = d.mix(SEED_SESSION, d.column) % np.uint64(VPN_ADDRESSES)
    return np.zeros(len(d.person), np.uint64), world.nets.vpn[
        VPN_REGION[world.staff.site[d.person]], slot.astype(np.int64)
    ]


def _proxy(world: _World, d: _Drafts) -> tuple[Words, Words]:
    # one of the person's three servers, drawn daily
    server = (d.mix(SEED_HOME) + d.mix(SEED_SESSION, d.column) % np.uint64(3)) % np.uint64(PROXY_SERVERS)
    return np.zeros(len(d.person), np.uint64), world.nets.proxy[world.staff.proxy[d.person], server.astype(np.int64)]


def _venue(world: _World, d: _Drafts) -> tuple[Words, Words]:
    journey = world.days.trip[d.person, d.column]
    start = world.staff.start_hour[d.person]
    daytime = (d.hour > start + 1) & (d.hour < start + 7) & (world.days.mode[d.person, d.column] == ON_TRIP)
    place = np.where(daytime, world.days.trips.venue[journey], world.days.trips.hotel[journey])
    return np.zeros(len(d.person), np.uint64), world.nets.hotel[world.days.trips.country[journey], place]


def _one_off(world: _World, d: _Drafts) -> tuple[Words, Words]:
    """Choose a friend's home line, in the region of a person at the same site, or a café's network in the country."""
    word = d.mix(SEED_FRIEND, d.column, 1)
    site = world.staff.site[d.person]
    by_site = np.argsort(world.staff.site, kind="stable")
    first, size = (
        np.searchsorted(world.staff.site[by_site], site),
        np.bincount(world.staff.site, minlength=len(SITES))[site],
    )
    host = by_site[first + (word % size.astype(np.uint64)).astype(np.int64)]
    friend = world.staff.home_pool[host] + (spread(word, 1) & np.uint64((1 << HOME_BITS) - 1))
    cafe = world.nets.hotel[site, (spread(word, 2) % np.uint64(world.nets.hotel.shape[1])).astype(np.int64)]
    return np.zeros(len(word), np.uint64), np.where(chance(spread(word, 3)) < 0.5, friend, cafe)


def _with_follow_ups(rng: np.random.Generator, first: SigninColumns) -> SigninColumns:
    rows = np.flatnonzero(rng.random(len(first)) < FOLLOW_UP)
    more = first.take(rows)
    later = more.time + (rng.exponential(FOLLOW_UP_MEAN_S * 1000, len(rows))).astype(np.int64) + 1000
    return ev.concatenate([first, replace(more, time=later, host=rng.choice((SSO, SSO + 1, MAIL, API), len(rows)))])


def _with_errors(rng: np.random.Generator, all_events: SigninColumns) -> SigninColumns:
    """Add wrong passwords, one or more in a row, some seconds before the successful sign-in."""
    tries = np.where(rng.random(len(all_events)) < TYPING_ERROR, rng.geometric(0.75, len(all_events)), 0)
    rows = np.repeat(np.arange(len(all_events)), tries)
    wrong = all_events.take(rows)
    earlier = wrong.time - rng.integers(3_000, 45_000, len(rows))
    return ev.concatenate([all_events, replace(wrong, time=earlier, success=np.zeros(len(rows), np.bool_))])
