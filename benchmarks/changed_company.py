"""The demo's company with what makes harmless alarms: a moved office, a new VPN, a carrier's NAT, a private relay.

The changes replace addresses of sign-ins; who signs in, when and with what success stays the same, and so do the
planted incidents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from simulated_feed import Feed

from ipi_es.addresses import canonical
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.demo import signin_columns as ev
from ipi_es.demo.company import DAY_S, Simulation, simulate
from ipi_es.demo.demo_run import END
from ipi_es.demo.providers import Provider, plan
from ipi_es.ipinsights.address_context import AddressContext

OFFICE, VPN, CARRIER_NAT, RELAY = "office move", "VPN change", "carrier NAT", "private relay"
CHANGES = (OFFICE, VPN, CARRIER_NAT, RELAY)

NAT_SHARE, NAT_NETWORKS = 0.10, 12
"""Share of people whose phones use the carrier, and the /24 networks of its address translation."""
RELAY_SHARE, NEW_RELAY_SHARE, RELAY_NETWORKS = 0.06, 0.01, 40
"""Shares of people who use the relay at home from the start, and who begin in the scored days; its /24 networks."""
SESSION_S = 6 * 3_600
"""Seconds for which a phone or a relay keeps an address."""


@dataclass(frozen=True)
class ChangedCompany:
    """A simulation with changes; ``addresses`` maps each change to the texts of its addresses."""

    simulation: Simulation
    addresses: dict[str, frozenset[str]]
    begins: dict[str, int]
    """Change → the time from which its addresses are used, epoch seconds."""

    @cached_property
    def change_of(self) -> dict[str, str]:
        """Address → the change that it belongs to."""
        return {ip: name for name, ips in self.addresses.items() for ip in ips}

    @classmethod
    def of(cls, seed: int, people: int) -> ChangedCompany:
        """Simulate a company, and change its addresses."""
        made = _Maker(simulate(seed, end=END, people=people), np.random.default_rng([seed, 17]))
        made.move_office()
        made.change_vpn()
        made.translate_phones()
        made.relay_homes()
        return made.company()


class _Maker:
    def __init__(self, simulation: Simulation, rng: np.random.Generator) -> None:
        self.simulation, self.rng = simulation, rng
        self.code = simulation.ip_code.copy()
        self.ips, self.owner = list(simulation.ips), simulation.owner.tolist()
        self.taken = set(simulation.ips)
        self.addresses: dict[str, frozenset[str]] = {}
        self.begins: dict[str, int] = {}

    def company(self) -> ChangedCompany:
        simulation = replace(
            self.simulation, ip_code=self.code, ips=tuple(self.ips), owner=np.array(self.owner, np.int64)
        )
        return ChangedCompany(simulation, self.addresses, self.begins)

    def move_office(self) -> None:
        """Give the office with the most sign-ins two lines of an operator that nobody has used, on a working day."""
        rows = self._rows(ev.OFFICE)
        owners = np.array(self.owner)[self.code[rows]]
        country = [each.country for each in plan().providers]
        sites = [country[owner] for owner in owners.tolist()]
        site = max(sorted(set(sites)), key=sites.count)
        at_site = rows[np.array([each == site for each in sites], np.bool_)]
        operator = self._unused("hosting", site)
        base = self._network(operator)
        begin = self._working_day() + 7 * 3_600
        self._change(OFFICE, at_site, begin, operator, [base + 10, base + 11])

    def change_vpn(self) -> None:
        """Give the company's VPN two addresses of another operator, for all regions, on a working day."""
        operator = self._unused("hosting", None)
        base = self._network(operator)
        self._change(VPN, self._rows(ev.VPN), self._working_day(), operator, [base + 20, base + 21])

    def translate_phones(self) -> None:
        """Let phones of some people share all addresses of a carrier's networks, a random one a session."""
        operator = self._unused("mobile", None)
        rows = self._of_some(self._rows(ev.MOBILE), NAT_SHARE)
        bases = [self._network(operator) for _ in range(NAT_NETWORKS)]
        ips = [base + host for base in bases for host in range(1, 255)]
        self._change(CARRIER_NAT, rows, self.simulation.start, operator, ips)

    def relay_homes(self) -> None:
        """Let some people sign in at home by a private relay, with another address each session; more begin later."""
        operator = self._unused("cloud", None)
        home = self._rows(ev.HOME)
        bases = [self._network(operator) for _ in range(RELAY_NETWORKS)]
        ips = [base + host for base in bases for host in range(1, 255)]
        always = self._of_some(home, RELAY_SHARE)
        later = self._of_some(np.setdiff1d(home, always), NEW_RELAY_SHARE)
        begins = self._working_day() + self.rng.integers(0, 4 * DAY_S, len(self.simulation.users))
        later = later[self.simulation.timestamp[later] >= begins[self.simulation.user_code[later]]]
        self._change(RELAY, np.union1d(always, later), self.simulation.start, operator, ips)

    def _rows(self, kind: int) -> NDArray[np.intp]:
        return np.flatnonzero(self.simulation.kind_code == kind)

    def _of_some(self, rows: NDArray[np.intp], share: float) -> NDArray[np.intp]:
        chosen = self.rng.random(len(self.simulation.users)) < share
        return rows[chosen[self.simulation.user_code[rows]]]

    def _working_day(self) -> int:
        """Draw the midnight of a working day among the first six scored ones."""
        days = [self.simulation.scored_start + place * DAY_S for place in range(1, 7)]
        working = [day for day in days if (day // DAY_S + 3) % 7 < 5]
        return int(self.rng.choice(working))

    def _unused(self, kind: str, country: str | None) -> Provider:
        """Draw an operator of a kind that no sign-in has used, if there is one."""
        used = set(np.unique(np.array(self.owner)[self.code]).tolist())
        found = plan().of(kind, country) or plan().of(kind)
        free = [each for each in found if each.index not in used] or found
        return free[int(self.rng.integers(len(free)))]

    def _network(self, operator: Provider) -> int:
        """Draw a /24 of an operator that no sign-in has used."""
        while True:
            pools = operator.pools(24)
            base = pools[int(self.rng.integers(len(pools)))]
            text = _text(base)
            if text not in self.taken and not any(_text(base + host) in self.taken for host in range(1, 255)):
                self.taken.add(text)
                return base

    def _change(self, name: str, rows: NDArray[np.intp], begin: int, operator: Provider, lows: list[int]) -> None:
        """Give sign-ins of ``rows`` from ``begin`` on (epoch seconds) one of the addresses, another each session."""
        times = self.simulation.timestamp[rows]
        rows, times = rows[times >= begin], times[times >= begin]
        first = len(self.ips)
        self.ips += [_text(low) for low in lows]
        self.owner += [operator.index] * len(lows)
        keys = np.stack([self.simulation.user_code[rows], times // SESSION_S], axis=1)
        _, session = np.unique(keys, axis=0, return_inverse=True)
        drawn = self.rng.integers(0, len(lows), int(session.max(initial=0)) + 1)
        self.code[rows] = first + drawn[session.ravel()]
        self.addresses[name] = frozenset(self.ips[first:])
        self.begins[name] = begin


def _text(low: int) -> str:
    return canonical(bytes(10) + b"\xff\xff" + int(low).to_bytes(4, "big"))


class ContextFeed(Feed):
    """The simulation as the datafeed gives it, with the operator and the country of each address."""

    def read(self, start: int, end: int, span: int) -> Iterator[EventBucket]:
        """Yield the event buckets of [start, end), epoch seconds."""
        providers = plan().providers
        owner = self.simulation.owner
        known = owner >= 0
        operator = np.where(known, np.array([each.asn for each in providers], np.uint32)[owner], 0).astype(np.uint32)
        codes = np.array([ord(each.country[0]) << 8 | ord(each.country[1]) for each in providers], np.uint16)
        country = np.where(known, codes[owner], 0).astype(np.uint16)
        place = {ip: row for row, ip in enumerate(self.ips)}
        for bucket in super().read(start, end, span):
            rows = np.array([place[ip] for ip in bucket.ips], np.intp)
            context = AddressContext(operator[rows], country[rows])
            yield replace(bucket, context=context, given_context=context)
