"""Place and number of sign-ins of each simulated person on each day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ipi_es.demo.providers import COUNTRIES
from ipi_es.demo.staff import HOTELS, OFFICES, Flags, Floats, Ints, Networks, Staff

AT_HOME, AT_OFFICE, ON_TRIP, ON_HOLIDAY = 0, 1, 2, 3

WORKDAY_SIGN_INS = 8.0  # first sign-ins of an average person on a working day; follow-ups and failures come on top
WEEKEND_SHARE = 0.07  # of a working day's sign-ins, on Saturday and Sunday
HOLIDAY_SHARE = 0.06  # of a working day's sign-ins, on holiday: reading mail
SICK_SHARE = 0.03  # of person-days without any sign-in
TRIP_STARTS = (0.001, 0.05)  # chance that a trip starts on a working day: for most people, for frequent travellers
OFFICE_TRIPS = 0.12  # share of trips that go to another office of the company
LOCAL_CARRIER = 0.2  # share of trips where the phone uses a local carrier; else its traffic is routed home
HOLIDAY_CHANCE, HOLIDAY_ABROAD = 0.18, 0.25


@dataclass(frozen=True)
class Trips:
    """Columns with one row per journey.

    A journey has a country (index into COUNTRIES), the office visited (-1: none), the hotel, the local carrier
    (index into Networks.carriers, -1: home-routed), and the hotel-like venue of the customer.
    """

    country: Ints
    site: Ints
    hotel: Ints
    venue: Ints
    carrier: Ints


@dataclass(frozen=True)
class Days:
    """[person, column]; column c is day c - 1 of the simulation, so that no time zone is cut off at the edges.

    ``mode`` is one of the four constants, ``trip`` a row of Trips or -1, ``hours`` the local time's lead on UTC,
    ``expected`` the mean number of first sign-ins, ``line`` the number of changes of the home address so far,
    ``weekend`` [column] is true on Saturdays and Sundays.
    """

    mode: Ints
    trip: Ints
    hours: Floats
    expected: Floats
    line: Ints
    weekend: Flags
    trips: Trips


def spend(rng: np.random.Generator, staff: Staff, nets: Networks, first_day: int, days: int) -> Days:
    """Draw all days. ``first_day`` is the first day of the simulation as days since 1970-01-01 (a Thursday)."""
    people, columns = len(staff.site), days + 2
    day = np.arange(columns) - 1
    weekend = (first_day + day + 3) % 7 >= 5
    office = rng.random((people, columns)) < staff.office_share[:, None]
    mode = np.where(office & ~weekend, AT_OFFICE, AT_HOME)
    trip, trips = _travel(rng, staff, nets, mode, weekend)
    hours_ahead = np.array([lead for lead, _ in COUNTRIES.values()])
    at_home = hours_ahead[staff.site]  # SITES are the first countries
    hours = np.where(trip >= 0, hours_ahead[trips.country[np.maximum(trip, 0)]], at_home[:, None])
    share = np.where(mode == ON_HOLIDAY, HOLIDAY_SHARE, np.where(weekend, WEEKEND_SHARE, 1.0))
    employed = (staff.joined[:, None] <= day) & (day < staff.left[:, None])
    well = rng.random((people, columns)) >= SICK_SHARE
    return Days(
        mode=mode,
        trip=trip,
        hours=hours,
        expected=WORKDAY_SIGN_INS * staff.rate[:, None] * share * employed * well,
        line=np.cumsum(rng.random((people, columns)) < staff.churn[:, None], axis=1),
        weekend=weekend,
        trips=trips,
    )


def _travel(rng: np.random.Generator, staff: Staff, nets: Networks, mode: Ints, weekend: Flags) -> tuple[Ints, Trips]:
    """Write business trips and holidays into ``mode``; return each day's row of Trips (-1: none), and the trips."""
    people, columns = mode.shape
    starts = rng.random((people, columns)) < np.array(TRIP_STARTS)[staff.traveller.astype(int)][:, None]
    journeys = [(p, c, int(rng.integers(1, 5)), ON_TRIP) for p, c in np.argwhere(starts & ~weekend).tolist()]
    on_holiday = np.flatnonzero(rng.random(people) < HOLIDAY_CHANCE).tolist()
    journeys += [(p, int(rng.integers(columns)), int(rng.integers(4, 13)), ON_HOLIDAY) for p in on_holiday]
    trip = np.full((people, columns), -1)
    rows: list[tuple[int, int, int, int, int]] = []
    for p, start, length, kind in journeys:
        span = slice(start, start + length)
        if (mode[p, span] >= ON_TRIP).any():
            continue
        mode[p, span] = kind
        if kind == ON_TRIP or rng.random() < HOLIDAY_ABROAD:
            trip[p, span] = len(rows)
            rows.append(_journey(rng, int(staff.site[p]), nets, business=kind == ON_TRIP))
    table = np.array(rows or [(0, -1, 0, 0, -1)])
    return trip, Trips(*table.T)


def _journey(rng: np.random.Generator, site: int, nets: Networks, *, business: bool) -> tuple[int, int, int, int, int]:
    """Draw (country, office or -1, hotel, venue, carrier or -1); a few hotels are drawn far more often."""
    to_office = business and rng.random() < OFFICE_TRIPS
    if to_office:
        country = int(rng.choice([s for s in range(OFFICES) if s != site]))
    else:
        country = int(rng.integers(len(COUNTRIES)))
    hotel = int(HOTELS * rng.random() ** 2)
    venue = int(rng.integers(HOTELS))
    abroad = country != site
    carrier = -1
    if abroad and rng.random() < LOCAL_CARRIER:
        carrier = int(nets.carrier_base[country] + rng.integers(3))
    return country, country if to_office else -1, hotel, venue, carrier
