"""The simulated company: repeatable, of the promised size, and with the churn of a real one."""

from __future__ import annotations

import ipaddress
from itertools import pairwise

import numpy as np
import pytest

from ipi_es.addresses import canonical, packed
from ipi_es.demo import signin_columns as ev
from ipi_es.demo.company import Simulation, simulate
from ipi_es.demo.names import BASTION, GUESSES, mistyped, people
from ipi_es.demo.providers import COUNTRIES, plan
from ipi_es.demo.staff import SITES
from ipi_es.errors import UsageError

END = 1_790_000_000
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def simulations() -> list[Simulation]:
    return [simulate(seed, end=END) for seed in SEEDS]


def pairs_an_hour(sim: Simulation) -> float:
    hour = (sim.timestamp - sim.start) // 3600
    keys = (hour * len(sim.users) + sim.user_code) * len(sim.ips) + sim.ip_code
    return len(np.unique(keys)) / ((sim.end - sim.start) / 3600)


def test_the_same_seed_gives_the_same_events() -> None:
    one, two = (simulate(7, end=END, people=200) for _ in range(2))
    assert one.incidents == two.incidents
    assert one.users == two.users
    assert one.ips == two.ips
    for column in ("time_ms", "user_code", "ip_code", "success", "kind_code", "host_code", "agent_code", "owner"):
        np.testing.assert_array_equal(getattr(one, column), getattr(two, column))


def test_another_seed_gives_other_events() -> None:
    assert simulate(1, end=END, people=200).incidents != simulate(2, end=END, people=200).incidents


def test_the_end_is_exclusive_and_a_midnight(simulations: list[Simulation]) -> None:
    for sim in simulations:
        assert sim.end % 86_400 == 0
        assert END - 86_400 < sim.end <= END
        assert sim.end - sim.start == 30 * 86_400
        assert sim.start * 1000 <= sim.time_ms[0]
        assert sim.time_ms[-1] < sim.end * 1000
        assert (np.diff(sim.time_ms) >= 0).all()


def test_there_are_about_400_000_sign_ins_and_400_pairs_an_hour(simulations: list[Simulation]) -> None:
    for sim in simulations:
        assert 380_000 < len(sim) < 470_000
        assert 300 < pairs_an_hour(sim) < 500
        assert 0.04 < 1 - sim.success.mean() < 0.12


def test_every_address_belongs_to_an_operator_and_is_public(simulations: list[Simulation]) -> None:
    for sim in simulations:
        assert (sim.owner >= 0).all()
        assert all(ipaddress.ip_address(ip).is_global for ip in sim.ips[::50])


def test_networks_of_operators_are_public_and_do_not_overlap() -> None:
    networks = [ipaddress.ip_network(v4) for p in plan().providers for v4 in p.v4]
    assert all(network.is_global for network in networks)
    edges = sorted((int(n.network_address), int(n.broadcast_address)) for n in networks)
    assert all(before[1] < after[0] for before, after in pairwise(edges))
    assert len({p.name for p in plan().providers}) == len(plan().providers)
    assert all(len(p.v4) > 1 for p in plan().providers)


def test_the_owner_of_an_address_is_who_holds_its_prefix() -> None:
    for provider in plan().providers:
        for base, length in provider.v4:
            low = np.array([base, base + (1 << (32 - length)) - 1], np.uint64) | np.uint64(0xFFFF_0000_0000)
            assert (plan().owner(np.zeros(2, np.uint64), low) == provider.index).all()
        assert plan().owner(np.array([provider.v6], np.uint64), np.array([1], np.uint64)) == provider.index
    documentation = np.frombuffer(packed("192.0.2.1"), ">u8").astype(np.uint64)
    assert plan().owner(documentation[:1], documentation[1:]) == -1


def test_texts_of_addresses_are_canonical(simulations: list[Simulation]) -> None:
    ips = simulations[0].ips[::97]
    assert [canonical(packed(ip) or b"") for ip in ips] == list(ips)
    assert 0.1 < np.mean([":" in ip for ip in simulations[0].ips]) < 0.8


def test_all_kinds_of_networks_occur(simulations: list[Simulation]) -> None:
    for sim in simulations:
        share = np.bincount(sim.kind_code, minlength=len(sim.kinds)) / len(sim)
        assert (share > 0).all()
        assert share[ev.OFFICE] > 0.15
        assert share[ev.HOME] > 0.2
        assert 0.002 < share[ev.TRIP] < 0.05


def test_offices_hide_many_people_behind_few_addresses(simulations: list[Simulation]) -> None:
    sim = simulations[0]
    busiest = np.bincount(sim.ip_code[sim.kind_code == ev.OFFICE]).argmax()
    assert len(np.unique(sim.user_code[sim.ip_code == busiest])) > 100


def test_people_work_on_weekdays_by_day(simulations: list[Simulation]) -> None:
    sim = simulations[0]
    office = sim.timestamp[sim.kind_code == ev.OFFICE]
    assert ((office // 86_400 + 3) % 7 < 5).mean() > 0.97
    human = np.isin(sim.kind_code, (ev.OFFICE, ev.HOME, ev.MOBILE, ev.VPN))
    hours = np.bincount(sim.timestamp[human] // 3600 % 24, minlength=24)
    assert hours.max() > 4 * hours.min()


def test_services_are_steady(simulations: list[Simulation]) -> None:
    sim = simulations[0]
    for user in np.unique(sim.user_code[sim.kind_code == ev.SERVICE]):
        rows = (sim.user_code == user) & (sim.kind_code == ev.SERVICE)
        assert len(np.unique(sim.ip_code[rows])) <= 3
        assert np.diff(sim.timestamp[rows]).max() < 3 * 3600


def test_strangers_only_fail_and_mostly_guess_names(simulations: list[Simulation]) -> None:
    for sim in simulations:
        strangers = sim.kind_code == ev.INTERNET
        assert not sim.success[strangers].any()
        names = sim.user[strangers]
        assert np.isin(names.astype(str), GUESSES).mean() > 0.98
        assert (sim.host_code[strangers] == BASTION).mean() > 0.98
        assert not set(GUESSES) & set(sim.users[: sim.people + 40])


def test_one_to_five_percent_of_pairs_are_in_a_network_new_to_the_person(simulations: list[Simulation]) -> None:
    for sim in simulations:
        blobs = [packed(ip) or b"" for ip in sim.ips]
        nets = [blob[:15] if ":" not in ip else blob[:6] for ip, blob in zip(sim.ips, blobs, strict=True)]
        net = np.unique(np.array(nets, object).astype("S15"), return_inverse=True)[1]
        usual = np.isin(sim.kind_code, (ev.INTERNET, *range(ev.INCIDENT_A, ev.INCIDENT_A + 4)), invert=True)
        hour = (sim.timestamp - sim.start) // 3600
        pair = sim.user_code * len(nets) + net[sim.ip_code]
        keys = np.unique((hour * len(sim.users) * len(nets) + pair)[usual])  # sorted, so by hour
        in_hour, pairs = np.divmod(keys, len(sim.users) * len(nets))
        first = np.unique(pairs, return_index=True)[1]
        assert 0.01 < (in_hour[first] >= 480).sum() / (in_hour >= 480).sum() < 0.06


def test_people_join_and_leave(simulations: list[Simulation]) -> None:
    sim = simulations[0]
    person = sim.user_code < sim.people
    last_ten = sim.timestamp >= sim.scored_start
    early, late = (set(sim.user_code[person & rows].tolist()) for rows in (~last_ten, last_ten))
    assert 5 < len(late - early) < 100
    assert len(early - late) > 5


def test_a_mistyped_name_is_never_the_name_itself() -> None:
    rng = np.random.default_rng(0)
    for name in people(rng, 300):
        assert mistyped(rng, name) != name


def test_names_stay_distinct_in_a_large_company() -> None:
    assert len(set(people(np.random.default_rng(0), 20_000))) == 20_000


def test_sites_are_the_first_countries() -> None:
    assert tuple(COUNTRIES)[: len(SITES)] == SITES  # the time zones require it


@pytest.mark.parametrize(("people_", "days"), [(99, 30), (2_000, 11)])
def test_too_small_a_company_is_refused(people_: int, days: int) -> None:
    with pytest.raises(UsageError, match="too small"):
        simulate(0, end=END, people=people_, days=days)


def test_a_small_company_works() -> None:
    sim = simulate(0, end=END, people=100, days=12)
    assert len(sim.incidents) == 4
