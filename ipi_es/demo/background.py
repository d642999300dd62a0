"""Sign-ins not by people: service accounts, and failed guesses from the internet at an exposed host."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ipi_es.demo import signin_columns as ev
from ipi_es.demo.names import API, BASTION, GUESSES, MAIL, SERVICE_AGENT, SSH_AGENT, SSO, mistyped
from ipi_es.demo.signin_columns import DAY_MS, HOUR_MS, SigninColumns
from ipi_es.demo.staff import Ints, Words, random_hosts, spread

if TYPE_CHECKING:
    from ipi_es.demo.providers import Plan, Provider

STEADY, MOVED, CLOUD_FIXED, CLOUD_CHANGING = range(4)
"""Kinds of service accounts: in the data centre; the same, but its server is replaced once; on fixed cloud addresses;
on cloud addresses that change with every deployment."""

SERVICE_SHARES = (0.5, 0.05, 0.3, 0.15)
SERVICE_PERIODS_S = (900, 1800, 3600)
SERVICE_PERIOD_SHARES = (0.4, 0.4, 0.2)
SERVICE_FAILURES = 0.002  # share of a service's sign-ins that fail for temporary reasons
DEPLOYMENT_HOURS = 9  # how long a changing cloud service keeps its address

ATTACKERS_A_DAY = 110  # addresses that try user names on the exposed host
ATTACKER_HOURS = 0.8  # mean length of one visit
ATTEMPTS = 6  # mean number of tries per visit
NAMES_A_VISIT = (0.97, 0.025, 0.005)  # shares of visits that try one, two and three names: attackers avoid lockouts
RETURNING = 0.12  # share of visits from the address of another visit
REAL_NAMES_A_DAY = 0.15  # single tries at the name of a real person, from leaked lists
MISTYPED_NAMES = 0.0004  # people's sign-ins that are preceded by a mistyped user name


@dataclass(frozen=True)
class Services:
    """Columns with one row per service account.

    ``kind``, seconds between sign-ins, when the server is replaced (epoch ms), and its
    addresses before and after (low halves [service, 2]); ``cloud`` is the provider's index, -1 in the data centre.
    """

    kind: Ints
    period: Ints
    replaced: Ints
    addresses: Words
    replacement: Words
    cloud: Ints


def services(rng: np.random.Generator, plan: Plan, count: int, start_ms: int, days: int) -> Services:
    """Draw the service accounts. The company's data centre is one /24 of a hosting operator."""
    centre = plan.of("hosting", "DE")[0]
    rack = random_hosts(rng, centre, 1) & ~np.uint64(0xFF)
    clouds = plan.of("cloud")
    kind = rng.choice(4, count, p=SERVICE_SHARES)
    kind[:4] = STEADY  # incident C needs at least one of these
    own = rack + rng.integers(8, 96, (count, 2)).astype(np.uint64)
    tenant = rng.integers(len(clouds), size=count)
    rented = np.stack([random_hosts(rng, clouds[i], 2) for i in tenant])
    in_cloud = kind >= CLOUD_FIXED
    addresses = np.where(in_cloud[:, None], rented, own)
    one_only = rng.random(count) < 0.6
    addresses[one_only, 1] = addresses[one_only, 0]
    return Services(
        kind=kind,
        period=rng.choice(SERVICE_PERIODS_S, count, p=SERVICE_PERIOD_SHARES),
        replaced=start_ms + rng.integers(DAY_MS, max(days - 1, 2) * DAY_MS, count),
        addresses=addresses,
        replacement=addresses + np.uint64(100),
        cloud=np.where(in_cloud, np.array([clouds[i].index for i in tenant]), -1),
    )


def service_events(
    rng: np.random.Generator, plan: Plan, accounts: Services, *, first_code: int, start_ms: int, days: int
) -> SigninColumns:
    """Draw the sign-ins of service accounts: at all times, at regular intervals with a little jitter."""
    parts = []
    for i, period in enumerate(accounts.period):
        n = int(days * DAY_MS // (period * 1000))
        time = start_ms + (np.arange(n) + rng.random()) * period * 1000 + rng.normal(0, period * 20, n)
        low = accounts.addresses[i, rng.integers(2, size=n)]
        if accounts.kind[i] == MOVED:
            low = np.where(time >= accounts.replaced[i], accounts.replacement[i, 0], low)
        if accounts.kind[i] == CLOUD_CHANGING:
            low = _deployed(rng, plan.providers[accounts.cloud[i]], time)
        success = rng.random(n) >= SERVICE_FAILURES
        kind = ev.CLOUD if accounts.cloud[i] >= 0 else ev.SERVICE
        host = API if period > 900 else SSO
        parts.append(ev.events(time.astype(np.int64), first_code + i, low, success=success, kind=kind,
                               host=host, agent=SERVICE_AGENT))  # fmt: skip
    return ev.concatenate(parts)


def _deployed(rng: np.random.Generator, cloud: Provider, time: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Words:
    """Return the low halves, uint64[n], at ``time`` (ms, [n]): each deployment has another address of one /20."""
    region = random_hosts(rng, cloud, 1) & ~np.uint64(0xFFF)
    deployment = (time / (DEPLOYMENT_HOURS * HOUR_MS)).astype(np.int64)
    offset = 2 + spread(int(rng.integers(1 << 62)), deployment) % np.uint64(4000)
    low: Words = region + offset
    return low


def attackers(rng: np.random.Generator, plan: Plan, count: int) -> Words:
    """Draw addresses of attackers, low halves uint64[count]: rented servers, and compromised machines in homes."""
    hosting, homes = plan.of("hosting"), plan.of("home")
    rented = np.stack([random_hosts(rng, p, count) for p in hosting])
    taken = np.stack([random_hosts(rng, p, count) for p in homes])
    row = np.arange(count)
    return np.where(
        rng.random(count) < 0.6,
        rented[rng.integers(len(hosting), size=count), row],
        taken[rng.integers(len(homes), size=count), row],
    )


def noise(
    rng: np.random.Generator, plan: Plan, *, people: int, first_guess: int, start_ms: int, days: int
) -> SigninColumns:
    """Draw failed sign-ins by attackers: guessed names in visits of about an hour, and sometimes a real name."""
    visits = int(rng.poisson(ATTACKERS_A_DAY * days))
    addresses = attackers(rng, plan, visits)
    again = np.flatnonzero(rng.random(visits) < RETURNING)
    addresses[again] = addresses[(again * rng.random(len(again))).astype(np.int64)]
    tries = rng.geometric(1 / ATTEMPTS, visits)
    visit = np.repeat(np.arange(visits), tries)
    begin = start_ms + rng.random(visits) * days * DAY_MS
    length = rng.exponential(ATTACKER_HOURS, visits) * HOUR_MS
    time = begin[visit] + rng.random(len(visit)) * length[visit]
    breadth = 1 + rng.choice(len(NAMES_A_VISIT), visits, p=NAMES_A_VISIT)
    # popular names come first in the list, and attackers begin there
    offset = (len(GUESSES) * rng.random(visits) ** 3).astype(np.int64)
    guess = (offset[visit] + (rng.random(len(visit)) * breadth[visit]).astype(np.int64)) % len(GUESSES)
    guessed = ev.events(time.astype(np.int64), first_guess + guess, addresses[visit], success=False,
                        kind=ev.INTERNET, host=BASTION, agent=SSH_AGENT)  # fmt: skip
    named = int(rng.poisson(REAL_NAMES_A_DAY * days))
    pick = rng.random(named) < 0.5  # half of them from an address that also guesses names
    source = np.where(pick, addresses[rng.integers(max(visits, 1), size=named)], attackers(rng, plan, named))
    at = start_ms + (rng.random(named) * days * DAY_MS).astype(np.int64)
    real = ev.events(at, rng.integers(people, size=named), source, success=False, kind=ev.INTERNET,
                     host=rng.choice((MAIL, SSO), named), agent=0)  # fmt: skip
    return ev.concatenate([guessed, real])


def mistyped_names(
    rng: np.random.Generator, signins: SigninColumns, names: list[str], first_code: int
) -> tuple[SigninColumns, list[str]]:
    """Draw failures under mistyped names, each seconds before the person's sign-in; return them and the new names."""
    rows = np.flatnonzero(signins.success & (rng.random(len(signins)) < MISTYPED_NAMES))
    known = set(names)
    wrong = [mistyped(rng, names[code]) for code in signins.user[rows]]
    codes = {name: first_code + i for i, name in enumerate(dict.fromkeys(w for w in wrong if w not in known))}
    kept = np.array([name in codes for name in wrong], np.bool_)
    typed = signins.take(rows[kept])
    return (
        replace(
            typed,
            time=typed.time - rng.integers(4_000, 60_000, len(typed)),
            user=np.array([codes[name] for name in wrong if name in codes], np.int64),
            success=np.zeros(len(typed), np.bool_),
        ),
        list(codes),
    )
