"""Four incidents, hidden in the scored days. Nothing in an address identifies them; see each function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ipi_es.addresses import V4_WORD
from ipi_es.demo import signin_columns as ev
from ipi_es.demo.background import STEADY, Services
from ipi_es.demo.names import API, DESKTOP_AGENTS, MAIL, SERVICE_AGENT, SSO
from ipi_es.demo.providers import Plan
from ipi_es.demo.signin_columns import DAY_MS, HOUR_MS, SigninColumns
from ipi_es.demo.staff import GATEWAY_ADDRESSES, HOME_BITS, SITES, Networks, Staff, Words, random_hosts

SCORED_DAYS = 10
"""The last days of the simulation, which the demo scores; the days before are for training."""

TAKEOVER_ADDRESSES, TAKEOVER_MS = 8, 2 * HOUR_MS
SPRAYED_ACCOUNTS, SPRAY_MS = 60, 50 * 60_000
SPRAY_SUCCESSES = (2, 5)  # accounts with a weak password: [least, most)
TOKEN_MS = DAY_MS
TOKEN_ADDRESSES = (2, 5)  # [least, most): the thief's jobs move within one cloud region
VICTIM_SIGN_INS = 40  # a victim's sign-ins in the training days, at least


@dataclass(frozen=True)
class Incident:
    """One planted incident: ``entities`` and ``addresses`` take part in [``start``, ``end``) epoch seconds.

    ``shown_by`` names the result that would show it. An incident counts as found when a record or an influencer of one
    of ``entities`` or ``addresses`` is critical in a bucket that overlaps [start, end).
    """

    id: str
    title: str
    entities: tuple[str, ...]
    addresses: tuple[str, ...]
    start: int
    end: int
    shown_by: str


@dataclass(frozen=True)
class Draft:
    """An incident before names are known: its events and its user codes."""

    id: str
    title: str
    events: SigninColumns
    entities: tuple[int, ...]
    shown_by: str


@dataclass(frozen=True)
class Scene:
    """The surroundings of the incidents; ``trained`` int64[people + services]: sign-ins before the scored days."""

    plan: Plan
    networks: Networks
    staff: Staff
    services: Services
    trained: np.ndarray[tuple[int], np.dtype[np.int64]]
    days: int
    scored_from: int
    end: int


def plant(rng: np.random.Generator, scene: Scene) -> list[Draft]:
    """Draw A, B, C and D, each at its own random time; their accounts don't overlap."""
    stay = np.flatnonzero(scene.staff.left > scene.days)
    busiest = stay[np.argsort(-scene.trained[stay], kind="stable")]
    # everybody with enough sign-ins; in a very small company, those with the most
    victims = rng.permutation(
        busiest[: max(SPRAYED_ACCOUNTS + 2, int((scene.trained[busiest] >= VICTIM_SIGN_INS).sum()))]
    )
    sprayed = victims[2 : 2 + SPRAYED_ACCOUNTS]
    return [
        _shared_account(rng, scene, int(victims[0])),
        _spraying(rng, scene, sprayed),
        _leaked_token(rng, scene),
        _takeover(rng, scene, int(victims[1])),
    ]


def _begin(rng: np.random.Generator, scene: Scene, length_ms: int) -> int:
    """Draw the start of an incident of ``length_ms`` in the scored days, epoch ms."""
    return int(rng.integers(scene.scored_from, scene.end - length_ms))


def _colleague_networks(rng: np.random.Generator, scene: Scene, sites: np.ndarray, count: int) -> Words:
    """Draw low halves, uint64[count], of different operators, each in the pool of a colleague's home or phone.

    The operators are those of random colleagues at ``sites``, so common ones are drawn often, as for an attacker who
    rents ordinary home lines ("residential proxies").
    """
    staff, nets = scene.staff, scene.networks
    low: dict[int, int] = {}
    for person in rng.permutation(np.flatnonzero(np.isin(staff.site, sites))):
        if rng.random() < 0.75:
            operator = int(staff.home_provider[person])
            address = int(staff.home_pool[person]) + int(rng.integers(1 << HOME_BITS))
        else:
            operator = int(nets.carriers[staff.carrier[person]])
            gateway = nets.gateway[staff.carrier[person], staff.gateway[person]]
            address = int(gateway) + int(rng.integers(GATEWAY_ADDRESSES))
        low.setdefault(operator, address)
        if len(low) == count:
            break
    return np.array(list(low.values()), np.uint64)


def _shared_account(rng: np.random.Generator, scene: Scene, victim: int) -> Draft:
    """Draw incident A: one account from eight addresses of eight operators that colleagues use, within two hours."""
    low = _colleague_networks(rng, scene, np.arange(len(SITES)), TAKEOVER_ADDRESSES)
    begin = _begin(rng, scene, TAKEOVER_MS)
    first = begin + np.sort(rng.random(len(low))) * (TAKEOVER_MS - 10 * 60_000)
    uses = rng.integers(1, 4, len(low))
    row = np.repeat(np.arange(len(low)), uses)
    time = first[row] + rng.random(len(row)) * 10 * 60_000
    made = ev.events(time.astype(np.int64), victim, low[row], kind=ev.INCIDENT_A,
                     host=rng.choice((SSO, MAIL), len(row)), agent=rng.choice(DESKTOP_AGENTS, len(row)))  # fmt: skip
    shown_by = "the account as an influencer: several odd addresses in one bucket"
    return Draft("A", f"one account used from {len(low)} operators within two hours", made, (victim,), shown_by)


def _spraying(rng: np.random.Generator, scene: Scene, accounts: np.ndarray) -> Draft:
    """Draw incident B: passwords tried on sixty accounts from a server of an operator that guesses come from too."""
    # an operator without the company's own traffic, which would make it look usual
    own = np.concatenate([scene.networks.proxy.ravel(), scene.services.addresses.ravel()])
    rented = scene.plan.owner(np.zeros(len(own), np.uint64), own)
    hosting = [p for p in scene.plan.of("hosting") if p.index not in rented]
    low = random_hosts(rng, hosting[int(rng.integers(len(hosting)))], 1)
    tries = rng.integers(1, 3, len(accounts))
    order = rng.permutation(np.repeat(np.arange(len(accounts)), tries))
    begin = _begin(rng, scene, SPRAY_MS)
    time = begin + np.sort(rng.random(len(order))) * SPRAY_MS
    weak = rng.permutation(len(accounts))[: int(rng.integers(*SPRAY_SUCCESSES))]
    last = np.zeros(len(order), np.bool_)
    last[len(order) - 1 - np.unique(order[::-1], return_index=True)[1]] = True  # an account's last try
    made = ev.events(time.astype(np.int64), accounts[order], np.repeat(low, len(order)), kind=ev.INCIDENT_A + 1,
                     success=last & np.isin(order, weak), host=SSO, agent=0)  # fmt: skip
    title = f"password spraying from one address over {len(accounts)} accounts"
    shown_by = "the address as an influencer: many accounts, each only mildly odd"
    return Draft("B", title, made, tuple(accounts.tolist()), shown_by)


def _leaked_token(rng: np.random.Generator, scene: Scene) -> Draft:
    """Draw incident C: a steady service account's token, used for a day from a cloud network with other services."""
    people = len(scene.staff.site)
    victim = people + int(rng.choice(np.flatnonzero(scene.services.kind == STEADY)))
    clouds = [p for p in scene.plan.of("cloud") if p.index in scene.services.cloud] or scene.plan.of("cloud")
    pools = np.array(clouds[int(rng.integers(len(clouds)))].pools(20), np.uint64)
    count = int(rng.integers(*TOKEN_ADDRESSES))
    low = np.sort(V4_WORD + rng.choice(pools) + rng.choice(np.arange(2, 4000), count, replace=False).astype(np.uint64))
    begin = _begin(rng, scene, TOKEN_MS)
    uses = int(rng.integers(50, 150))
    time = begin + np.sort(rng.random(uses)) * TOKEN_MS
    job = np.minimum(((time - begin) / TOKEN_MS * count).astype(np.int64), count - 1)
    made = ev.events(time.astype(np.int64), victim, rng.permutation(low)[job], kind=ev.INCIDENT_A + 2,
                     host=API, agent=SERVICE_AGENT)  # fmt: skip
    return Draft("C", "a service account's token used from a cloud network for a day", made, (victim,),
                 "records of the service account: it never leaves its one or two addresses")  # fmt: skip


def _takeover(rng: np.random.Generator, scene: Scene, victim: int) -> Draft:
    """Draw incident D: one account from one address of an operator that colleagues in the same country use."""
    low = _colleague_networks(rng, scene, scene.staff.site[[victim]], 1)
    length = int(rng.integers(20, 120)) * 60_000
    begin = _begin(rng, scene, length)
    uses = int(rng.integers(3, 10))
    time = begin + np.sort(rng.random(uses)) * length
    made = ev.events(time.astype(np.int64), victim, np.repeat(low, uses), kind=ev.INCIDENT_A + 3,
                     host=rng.choice((SSO, MAIL), uses), agent=0)  # fmt: skip
    return Draft("D", "a takeover from one plausible address", made, (victim,),
                 "nothing for certain: it looks like a colleague's new home line")  # fmt: skip
