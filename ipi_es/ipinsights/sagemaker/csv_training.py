"""Training of the pure network on pairs without times, as in SageMaker.

The order of the pairs is unknown, so there is no history to replay and no combiner (architecture ``ip_insights``). Held
out rows are a random sample unless a validation channel is given. Such rows are as old as the training rows, so figures
measured on them are better than those on later events.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.addresses import v4_words, words
from ipi_es.errors import NotEnoughHistory
from ipi_es.index_pairs import packed_pairs, unpacked_pairs
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.history.sketches import MAX_EXPONENT
from ipi_es.ipinsights.network.network_fitting import fit_network
from ipi_es.ipinsights.network.pair_file import FilePairs, PairFile
from ipi_es.ipinsights.network.pairs import TrainingPairs
from ipi_es.ipinsights.prefixes import ADDRESS, address_keys, level_keys
from ipi_es.ipinsights.sagemaker.csv_pairs import ChannelRows
from ipi_es.ipinsights.scorer import Scorer, TrainedNetwork
from ipi_es.ipinsights.training.time_split import MIN_CALIBRATION_ROWS, MIN_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.config.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.network.network_fitting import TrainingProgress
    from ipi_es.ipinsights.sagemaker.csv_pairs import PairReader

HELD_OUT_SHARE = 0.1
"""Share of the rows that are held out where no validation channel is given."""
PART_ROWS = 1 << 21
"""Number of rows whose pairs are sorted at a time: 50 MiB."""
MAX_HELD_OUT = 200_000
"""Maximum number of calibration rows: more would only make the snapshot larger."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedPairs:
    """Result of :func:`train_pairs`."""

    snapshot: TrainedNetwork
    history: History
    """The training rows, as one day: gives the number of rows of each entity."""
    compatibility: NDArray[np.float64]
    """[n] of the held-out rows, high = usual."""
    prior_events: NDArray[np.float64]
    """[n]: training rows of each held-out row's entity."""


def held_out(column: ChannelRows, rng: np.random.Generator) -> tuple[ChannelRows, ChannelRows]:
    """Split rows into (training, held out): about a tenth is held out at random; both keep the files' order."""
    n = len(column)
    cut = min(max(int(n * HELD_OUT_SHARE), MIN_CALIBRATION_ROWS), MAX_HELD_OUT, n)
    kept, drawn = np.ones(n, dtype=np.bool_), np.sort(rng.choice(n, cut, replace=False, shuffle=False))
    kept[drawn] = False
    apart = PairFile()
    apart.extend(column.file.take(drawn))
    return replace(column, kept=kept), ChannelRows(apart, np.ones(cut, dtype=np.bool_))


def train_pairs(
    reader: PairReader,
    train: ChannelRows,
    validation: ChannelRows,
    hyperparameters: Hyperparameters,
    *,
    day: int,
    rng: np.random.Generator,
    progress: Callable[[TrainingProgress], None],
    warn: Callable[[int], None] = lambda _: None,
) -> TrainedPairs:
    """Train the network on ``train`` and measure it on ``validation``, both of ``reader``.

    ``day``: days since the epoch, used as the day of all rows. ``warn`` is called with the number of training entities.
    Raises NotEnoughHistory, with the numbers, where rows, entities or addresses are too few.
    """
    entities, addresses = reader.entities, reader.addresses
    hashes = entity_hashes(entities)
    source = FilePairs.of(train.file, train.kept, hashes, addresses, hyperparameters.max_rows_per_entity)
    check_enough(len(train), source, len(validation))
    warn(len(source.hashes))
    who, where = validation.rows(MAX_HELD_OUT, rng)
    checked = TrainingPairs(hashes=hashes[who], address=where, addresses=addresses)
    network, auc = fit_network(source, checked, hyperparameters, rng=rng, report=progress)
    snapshot = TrainedNetwork(
        hyperparameters=hyperparameters,
        network=network,
        combiner=None,
        metrics={
            "discriminator_auc": auc,
            "network_discriminator_auc": auc,
            "calibration_rows": float(len(who)),
        },
        about={
            "source": "csv",
            "rows": len(train),
            "entities": len(source.hashes),
            "addresses": len(source.addresses),
        },
    )
    history = history_of(train, hashes, addresses, day=day, half_life_days=hyperparameters.history_half_life_days)
    known, entity = np.unique(who, return_inverse=True)
    seen, ip = np.unique(where, return_inverse=True)
    result = Scorer(snapshot, history).score_hashed(
        hashes[known], addresses[seen], entity.astype(np.int32), ip.astype(np.int32)
    )
    return TrainedPairs(snapshot, history, result.log_odds, result.prior_events[entity])


def check_enough(rows: int, source: FilePairs, validation: int) -> None:
    """Raise NotEnoughHistory, with the numbers, unless rows, entities, addresses and validation rows are enough."""
    _at_least(rows, MIN_ROWS, f"rows to train on, beside {validation:,} to validate on")
    _at_least(len(source.hashes), 2, "entities")
    _at_least(len(source.addresses), 2, "addresses")
    _at_least(validation, MIN_CALIBRATION_ROWS, "rows to validate on")


def _at_least(number: int, least: int, what: str) -> None:
    if number < least:
        raise NotEnoughHistory(f"{number:,} {what}; at least {least:,} are needed", hint="give more rows")


def history_of(
    column: ChannelRows,
    hashes: NDArray[np.uint64],
    addresses: Addresses,
    *,
    day: int,
    half_life_days: float,
    part_rows: int = PART_ROWS,
) -> History:
    """Return a history of one day with all rows; built from groups of entities, about ``part_rows`` rows each."""
    parts = -(-len(column) // part_rows)
    pair_keys = 0
    for part in range(parts):
        if pair_keys < 1 << MAX_EXPONENT:  # the table has a maximum size
            entity, ip, _ = _part(column, part, parts, len(addresses))
            pair_keys += sum(len(np.unique(joined(hashes[entity], keys[ip]))) for keys in _level_by_level(addresses))
    network_keys = sum(len(np.unique(keys)) for keys in _level_by_level(addresses))
    history = History.empty(day, pair_keys=pair_keys, network_keys=network_keys, half_life_days=half_life_days)
    history.pairs.members = None  # only combiner features need them, and there is no combiner
    for part in range(parts):
        entity, ip, count = _part(column, part, parts, len(addresses))
        history.skip_to(day)
        history.apply(DayDelta.of(day, hashes[entity], addresses[ip], count))
    return history


def _level_by_level(addresses: Addresses) -> Iterator[NDArray[np.uint64]]:
    """Yield the addresses' keys uint64[m] of each level."""
    high, low = words(addresses)
    v4 = v4_words(high, low)
    for slot in range(ADDRESS):
        yield level_keys(high, low, v4, slot)
    yield address_keys(addresses)


def _part(
    column: ChannelRows, part: int, parts: int, addresses: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Return the unique pairs of every ``parts``-th entity: (entities, addresses, number of rows)."""
    found = [np.zeros(0, dtype=np.int64)]
    for start, rows in column.file.blocks():
        own = rows[column.kept[start : start + len(rows)] & (rows[:, 0] % parts == part)]
        found.append(packed_pairs(own[:, 0], own[:, 1], addresses))
    keys, count = np.unique(np.concatenate(found), return_counts=True)
    return *unpacked_pairs(keys, addresses), count
