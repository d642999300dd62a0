"""A simulated company's sign-ins: people, service accounts, guesses from the internet and four hidden incidents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses, canonical
from ipi_es.demo import background, signins, staff
from ipi_es.demo import signin_columns as ev
from ipi_es.demo.days import spend
from ipi_es.demo.incidents import SCORED_DAYS, Draft, Incident, Scene, plant
from ipi_es.demo.names import AGENTS, GUESSES, HOSTS
from ipi_es.demo.names import people as people_names
from ipi_es.demo.names import services as service_names
from ipi_es.demo.providers import plan
from ipi_es.demo.signin_columns import DAY_MS, KINDS, SigninColumns
from ipi_es.errors import UsageError
from ipi_es.sorted_runs import run_starts
from ipi_es.times import from_ms, to_ms

DAY_S = 86_400
SERVICE_ACCOUNTS = 40
MIN_PEOPLE, MIN_DAYS = 100, 12
"""Minimums for the incidents (sixty sprayed accounts; ten scored days after some to learn from)."""

Strings = NDArray[np.object_]


@dataclass(frozen=True)
class Simulation:
    """Sign-ins sorted by time, as codes into vocabularies.

    ``time_ms`` int64[n] epoch milliseconds in [start, end); ``user_code``, ``ip_code``, ``host_code``, ``agent_code``,
    ``kind_code`` int64[n] index ``users``, ``ips``, ``hosts``, ``agents``, ``kinds``; ``success`` bool[n];
    ``owner`` int64[len(ips)] is the provider's index in ``providers.plan()``. ``kinds`` are the origins of events, for
    evaluating the simulation only. The incidents lie in [scored_start, end).
    """

    seed: int
    start: int
    end: int
    people: int
    time_ms: NDArray[np.int64]
    user_code: NDArray[np.int64]
    ip_code: NDArray[np.int64]
    success: NDArray[np.bool_]
    kind_code: NDArray[np.int64]
    host_code: NDArray[np.int64]
    agent_code: NDArray[np.int64]
    users: tuple[str, ...]
    ips: tuple[str, ...]
    owner: NDArray[np.int64]
    incidents: tuple[Incident, ...]
    hosts: tuple[str, ...] = HOSTS
    agents: tuple[str, ...] = AGENTS
    kinds: tuple[str, ...] = KINDS

    def __len__(self) -> int:
        return len(self.time_ms)

    @property
    def scored_start(self) -> int:
        """Where training ends and the scored days begin, epoch seconds."""
        return self.end - SCORED_DAYS * DAY_S

    @property
    def timestamp(self) -> NDArray[np.int64]:
        """int64[n]: epoch seconds, rounded down."""
        return self.time_ms // 1000

    @property
    def user(self) -> Strings:
        """object[n]: the user names in their normal form (lower case, no domain)."""
        return np.array(self.users, object)[self.user_code]

    @property
    def ip(self) -> Strings:
        """object[n]: the addresses as canonical text."""
        return np.array(self.ips, object)[self.ip_code]

    @property
    def outcome(self) -> Strings:
        """object[n]: ``success`` or ``failure``."""
        return np.array(["failure", "success"], object)[self.success.astype(np.int64)]

    @property
    def kind(self) -> Strings:
        """object[n]: one of ``kinds``."""
        return np.array(self.kinds, object)[self.kind_code]


def simulate(seed: int, *, end: int, people: int = 2_000, days: int = 30) -> Simulation:
    """Simulate ``days`` days of a company with ``people`` employees, about 400,000 sign-ins at the defaults.

    ``end`` (epoch seconds, exclusive) is rounded down to a midnight UTC. The same arguments give the same events.
    Raises UsageError for a company or a time too small for the incidents.
    """
    if people < MIN_PEOPLE or days < MIN_DAYS:
        raise UsageError(
            f"a demo of {people} people and {days} days is too small",
            hint=f"take at least {MIN_PEOPLE} people and {MIN_DAYS} days",
        )
    end -= end % DAY_S
    start_ms, end_ms = to_ms(end - days * DAY_S), to_ms(end)
    scored_from = end_ms - SCORED_DAYS * DAY_MS
    # one generator for each part: a change in one part doesn't change the draws of the others
    for_names, for_nets, for_staff, for_days, for_people, for_services, for_noise, for_incidents = (
        np.random.default_rng(seed).spawn(8)
    )
    nets = staff.networks(for_nets, plan(), days)
    crew = staff.hire(for_staff, plan(), nets, people, days)
    calendar = spend(for_days, crew, nets, start_ms // DAY_MS, days)
    accounts = background.services(for_services, plan(), SERVICE_ACCOUNTS, start_ms, days)

    names = people_names(for_names, people)
    names += service_names(SERVICE_ACCOUNTS)
    first_guess = len(names)
    names += GUESSES
    signed_in = signins.people(for_people, nets, crew, calendar, start_ms)
    served = background.service_events(for_services, plan(), accounts, first_code=people, start_ms=start_ms, days=days)
    strangers = background.noise(
        for_noise, plan(), people=people, first_guess=first_guess, start_ms=start_ms, days=days
    )
    typed, typos = background.mistyped_names(for_noise, signed_in, names, len(names))

    usual = ev.concatenate([signed_in, served])
    trained = np.bincount(usual.user[(usual.time >= start_ms) & (usual.time < scored_from)], minlength=first_guess)
    scene = Scene(plan(), nets, crew, accounts, trained=trained, days=days, scored_from=scored_from, end=end_ms)
    drafts = plant(for_incidents, scene)
    everything = ev.concatenate([usual, strangers, typed, *(draft.events for draft in drafts)])
    inside = (everything.time >= start_ms) & (everything.time < end_ms)
    everything = everything.take(inside)
    everything = everything.take(np.argsort(everything.time, kind="stable"))
    names += typos
    return _finish(everything, drafts, tuple(names), seed=seed, span=(from_ms(start_ms), end), people=people)


def _finish(
    made: SigninColumns, drafts: list[Draft], names: tuple[str, ...], *, seed: int, span: tuple[int, int], people: int
) -> Simulation:
    """Build the simulation: texts and owners of the addresses, names and times of the incidents."""
    high, low, code = _distinct(made)
    ips = tuple(canonical(bytes(row)) for row in _blobs(high, low))
    incidents = []
    for draft in drafts:
        rows = np.flatnonzero(made.kind == draft.events.kind[0])
        addresses = dict.fromkeys(ips[i] for i in code[rows])
        times = made.time[rows] // 1000
        incidents.append(
            Incident(draft.id, draft.title, tuple(names[i] for i in draft.entities), tuple(addresses),
                     int(times.min()), int(times.max()) + 1, draft.shown_by)
        )  # fmt: skip
    return Simulation(
        seed=seed, start=span[0], end=span[1], people=people, time_ms=made.time, user_code=made.user, ip_code=code,
        success=made.success, kind_code=made.kind, host_code=made.host, agent_code=made.agent, users=names, ips=ips,
        owner=plan().owner(high, low), incidents=tuple(incidents),
    )  # fmt: skip


def _distinct(made: SigninColumns) -> tuple[staff.Words, staff.Words, NDArray[np.int64]]:
    """Return the distinct addresses as (high, low), uint64[k] each, and each event's code, int64[n]."""
    order = np.lexsort((made.low, made.high))
    high, low = made.high[order], made.low[order]
    new = run_starts(high, low)
    code = np.empty(len(order), np.int64)
    code[order] = np.cumsum(new) - 1
    return high[new], low[new], code


def _blobs(high: staff.Words, low: staff.Words) -> Addresses:
    """Join the two halves to uint8[n, 16] in network order."""
    return np.stack([high, low], axis=1).astype(">u8").view(np.uint8).reshape(-1, 16)
