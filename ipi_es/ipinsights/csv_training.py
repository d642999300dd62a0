"""Training the pure network on pairs without times: SageMaker's way.

Nothing says which pair came first. So there is no history to replay, and no combiner (architecture ``ip_insights``);
the rows that are held out are drawn by chance, unless a validation channel names them. Rows that are drawn by chance
are as old as those that were trained on: what is measured on them is better than what later events will give.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.errors import NotEnoughHistory
from ipi_es.ipinsights.csv_pairs import Column, LeftOut
from ipi_es.ipinsights.deltas import DayDelta
from ipi_es.ipinsights.entities import entity_hashes
from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.history import History
from ipi_es.ipinsights.network_fitting import fit_network
from ipi_es.ipinsights.pairs import Pairs
from ipi_es.ipinsights.prefixes import prefix_keys
from ipi_es.ipinsights.scorer import Scorer, Snapshot
from ipi_es.ipinsights.split import MIN_CALIBRATION_ROWS, MIN_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.ipinsights.csv_pairs import PairReader
    from ipi_es.ipinsights.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.network_fitting import Progress

HELD_OUT_SHARE = 0.1
"""Share of the rows that is held out where no validation channel is given."""
MAX_HELD_OUT = 200_000
"""Rows that probabilities rest on, at most: more would only make the snapshot larger."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedPairs:
    """What :func:`train_pairs` returns."""

    snapshot: Snapshot
    history: History
    """The training rows, as one day: it says how often each entity was seen."""
    compatibility: NDArray[np.float64]
    """[n] of the held-out rows, high = usual."""
    prior_events: NDArray[np.float64]
    """[n]: training rows of each held-out row's entity."""


def held_out(column: Column, rng: np.random.Generator) -> tuple[Column, Column]:
    """(to train on, held out): a tenth of the rows, drawn by chance; both keep the files' order."""
    order = rng.permutation(len(column))
    cut = min(max(int(len(column) * HELD_OUT_SHARE), MIN_CALIBRATION_ROWS), MAX_HELD_OUT)
    return column.take(np.sort(order[cut:])), replace(column.take(np.sort(order[:cut])), left_out=LeftOut())


def train_pairs(
    reader: PairReader,
    train: Column,
    validation: Column,
    hyperparameters: Hyperparameters,
    *,
    day: int,
    rng: np.random.Generator,
    progress: Callable[[Progress], None],
) -> TrainedPairs:
    """Train the network on ``train`` and measure it on ``validation``, both of ``reader``.

    ``day``: days since the epoch, taken for that of all rows. NotEnoughHistory with the numbers where rows, entities or
    addresses are too few.
    """
    check_enough(train, validation)
    entities, addresses = reader.entities, reader.addresses
    hashes = entity_hashes(entities)
    pairs = Pairs(hashes=hashes[train.entity], address=train.ip, addresses=addresses)
    if len(validation) > MAX_HELD_OUT:
        validation = validation.take(np.sort(rng.permutation(len(validation))[:MAX_HELD_OUT]))
    checked = Pairs(hashes=hashes[validation.entity], address=validation.ip, addresses=addresses)
    source = pairs.source(hyperparameters.max_rows_per_entity, rng)
    network, auc = fit_network(source, checked, hyperparameters, rng=rng, report=progress)
    snapshot = Snapshot(
        hyperparameters=hyperparameters,
        network=network,
        combiner=None,
        metrics={
            "discriminator_auc": auc,
            "network_discriminator_auc": auc,
            "calibration_rows": float(len(validation)),
        },
        about={
            "source": "csv",
            "rows": len(train),
            "entities": len(np.unique(train.entity)),
            "addresses": len(np.unique(train.ip)),
        },
    )
    history = _history(train, hashes, addresses, day=day, half_life_days=hyperparameters.history_half_life_days)
    known, entity = np.unique(validation.entity, return_inverse=True)
    seen, ip = np.unique(validation.ip, return_inverse=True)
    result = Scorer(snapshot, history).score_hashed(
        hashes[known], addresses[seen], entity.astype(np.int32), ip.astype(np.int32)
    )
    return TrainedPairs(snapshot, history, result.log_odds, result.prior_events[entity])


def check_enough(train: Column, validation: Column) -> None:
    """NotEnoughHistory, with the numbers, if these rows can't be trained on."""
    _at_least(len(train), MIN_ROWS, "rows to train on")
    _at_least(len(np.unique(train.entity)), 2, "entities")
    _at_least(len(np.unique(train.ip)), 2, "addresses")
    _at_least(len(validation), MIN_CALIBRATION_ROWS, "rows to validate on")


def _at_least(number: int, least: int, what: str) -> None:
    if number < least:
        raise NotEnoughHistory(f"{number:,} {what}; at least {least:,} are needed", hint="train on more rows")


def _history(
    column: Column, hashes: NDArray[np.uint64], addresses: Addresses, *, day: int, half_life_days: float
) -> History:
    """One day that holds all rows."""
    delta = DayDelta.of(day, *_counted(column, hashes, addresses))
    keys = prefix_keys(delta.address)
    history = History.empty(
        day,
        pair_keys=len(np.unique(joined(delta.entity[:, None], keys))),
        network_keys=len(np.unique(keys)),
        half_life_days=half_life_days,
    )
    history.apply(delta)
    return history


def _counted(
    column: Column, hashes: NDArray[np.uint64], addresses: Addresses
) -> tuple[NDArray[np.uint64], Addresses, NDArray[Any]]:
    """Each pair once: (entity hashes, addresses, rows)."""
    keys, count = np.unique(column.entity.astype(np.int64) * len(addresses) + column.ip, return_counts=True)
    entity, ip = np.divmod(keys, len(addresses))
    return hashes[entity], addresses[ip], count
