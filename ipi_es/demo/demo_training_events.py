"""A simulated company's sign-ins as training input, for scripts that train without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipi_es.addresses import parse
from ipi_es.demo.providers import plan
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.training.training_events import TrainingEvents
from ipi_es.networks.network_values import country_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.demo.company import Simulation

HOUR = 3_600
"""Length of an event bucket, in which a pair has one row, seconds."""


def training_events(
    made: Simulation, rows: NDArray[np.bool_] | NDArray[np.intp], *, context: bool = False
) -> TrainingEvents:
    """Return the unique (hour, user, address) of some rows of a simulation, with counts, for learning and calibration.

    ``rows``: a mask or positions. ``context``: with the operators and countries of the addresses.
    """
    triples = np.stack([made.timestamp // HOUR, made.user_code, made.ip_code], axis=1)[rows]
    unique, count = np.unique(triples, axis=0, return_counts=True)
    users, entity = np.unique(unique[:, 1], return_inverse=True)
    places, ip = np.unique(unique[:, 2], return_inverse=True)
    addresses, _ = parse([made.ips[place] for place in places])
    return TrainingEvents(
        time=unique[:, 0] * HOUR,
        entities=[made.users[user] for user in users],
        entity=entity.astype(np.int32),
        addresses=addresses,
        ip=ip.astype(np.int32),
        count=count.astype(np.int64),
        learns=np.ones(len(unique), dtype=np.bool_),
        calibrates=np.ones(len(unique), dtype=np.bool_),
        context=_context_of(made.owner[places]) if context else None,
    )


def _context_of(owner: NDArray[np.int64]) -> AddressContext:
    """Return operator and country of each provider index in the plan (int64[n]; -1: none)."""
    providers = plan().providers
    operator = np.array([provider.asn for provider in providers] + [0], dtype=np.uint32)
    country = np.array([country_number(provider.country) for provider in providers] + [0], dtype=np.uint16)
    return AddressContext(operator[owner], country[owner])
