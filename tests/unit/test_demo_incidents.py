"""The four incidents are as they are described, on every seed, and nothing in their addresses marks them."""

from __future__ import annotations

import numpy as np
import pytest

from ipi_es.demo import signin_columns as ev
from ipi_es.demo.company import Simulation, simulate
from ipi_es.demo.incidents import Incident
from ipi_es.demo.providers import plan

END = 1_790_000_000
SEEDS = range(10, 14)


@pytest.fixture(scope="module")
def simulations() -> list[Simulation]:
    return [simulate(seed, end=END) for seed in SEEDS]


def named(sim: Simulation, which: str) -> tuple[Incident, np.ndarray]:
    """The incident and the positions of its events."""
    index = "ABCD".index(which)
    return sim.incidents[index], np.flatnonzero(sim.kind_code == ev.INCIDENT_A + index)


def operators(sim: Simulation, rows: np.ndarray) -> set[int]:
    return set(sim.owner[np.unique(sim.ip_code[rows])].tolist())


def usual(sim: Simulation) -> np.ndarray:
    return sim.kind_code < ev.INTERNET


def test_all_lie_in_the_scored_days_and_say_what_they_are(simulations: list[Simulation]) -> None:
    for sim in simulations:
        assert [incident.id for incident in sim.incidents] == ["A", "B", "C", "D"]
        for incident in sim.incidents:
            found, rows = named(sim, incident.id)
            assert sim.scored_start <= found.start < found.end <= sim.end
            assert found.start == sim.timestamp[rows].min()
            assert found.end == sim.timestamp[rows].max() + 1
            assert set(sim.user[rows]) == set(found.entities)
            assert set(sim.ip[rows]) == set(found.addresses)
            assert found.title
            assert found.shown_by


def test_no_account_is_part_of_two(simulations: list[Simulation]) -> None:
    for sim in simulations:
        accounts = [name for incident in sim.incidents for name in incident.entities]
        assert len(accounts) == len(set(accounts)) == 63


def test_a_uses_eight_operators_of_colleagues_within_two_hours(simulations: list[Simulation]) -> None:
    for sim in simulations:
        incident, rows = named(sim, "A")
        assert len(incident.entities) == 1
        assert len(incident.addresses) == len(operators(sim, rows)) == 8
        assert incident.end - incident.start <= 7200
        colleagues = usual(sim) & ~np.isin(sim.user, incident.entities) & (sim.user_code < sim.people)
        assert operators(sim, rows) <= operators(sim, np.flatnonzero(colleagues))
        assert {plan().providers[i].kind for i in operators(sim, rows)} <= {"home", "mobile"}


def test_b_tries_sixty_accounts_from_one_hosting_address_within_an_hour(simulations: list[Simulation]) -> None:
    for sim in simulations:
        incident, rows = named(sim, "B")
        assert len(incident.entities) == 60
        assert len(incident.addresses) == 1
        assert incident.end - incident.start <= 3600
        assert 2 <= sim.success[rows].sum() <= 4
        assert {plan().providers[i].kind for i in operators(sim, rows)} == {"hosting"}
        assert operators(sim, rows) <= operators(sim, np.flatnonzero(sim.kind_code == ev.INTERNET))


def test_c_uses_a_steady_service_from_one_cloud_for_a_day(simulations: list[Simulation]) -> None:
    for sim in simulations:
        incident, rows = named(sim, "C")
        assert incident.entities[0].startswith("svc-")
        assert 20 * 3600 < incident.end - incident.start <= 24 * 3600
        assert 2 <= len(incident.addresses) <= 4
        assert {plan().providers[i].kind for i in operators(sim, rows)} == {"cloud"}
        own = usual(sim) & np.isin(sim.user, incident.entities)
        assert len(np.unique(sim.ip_code[own])) <= 2
        assert own.sum() > 500
        assert operators(sim, rows) <= operators(sim, np.flatnonzero(sim.kind_code == ev.CLOUD))


def test_d_uses_one_plausible_address(simulations: list[Simulation]) -> None:
    for sim in simulations:
        incident, rows = named(sim, "D")
        assert len(incident.entities) == len(incident.addresses) == 1
        assert sim.success[rows].all()
        others = usual(sim) & ~np.isin(sim.user, incident.entities)
        assert operators(sim, rows) <= operators(sim, np.flatnonzero(others))


def test_victims_were_there_while_the_network_was_trained(simulations: list[Simulation]) -> None:
    for sim in simulations:
        trained = usual(sim) & (sim.timestamp < sim.scored_start)
        counts = np.bincount(sim.user_code[trained], minlength=len(sim.users))
        for incident in sim.incidents:
            assert all(counts[sim.users.index(name)] >= 40 for name in incident.entities)


def test_hosting_and_cloud_networks_occur_legitimately(simulations: list[Simulation]) -> None:
    kinds = np.array([provider.kind for provider in plan().providers])
    for sim in simulations:
        held = kinds[sim.owner[sim.ip_code]]
        people = (sim.user_code < sim.people) & usual(sim)
        assert len(np.unique(sim.user_code[people & (held == "hosting")])) > 20
        assert len(np.unique(sim.user_code[usual(sim) & (held == "cloud")])) > 5


def test_incidents_move_with_the_seed(simulations: list[Simulation]) -> None:
    for which in range(4):
        assert len({sim.incidents[which].start for sim in simulations}) == len(simulations)
