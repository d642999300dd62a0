"""Fit a :class:`~ipi_es.ipinsights.combiner.combiner.Combiner` from a trained network and days of events.

History is replayed day by day. The features of a day's rows and of their negatives are read before history applies the
day; the network was not trained on these days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.combiner.combiner_negatives import NEGATIVE_WEIGHTS, Negatives, Sampled
from ipi_es.ipinsights.combiner.features import FEATURES, address_view, entity_view, pair_features
from ipi_es.ipinsights.combiner.pretrained import pretrained_combiner
from ipi_es.ipinsights.network.network_fitting import CONTEXT_DROPOUT, TrainingProgress
from ipi_es.ipinsights.network.pairs import TrainingPairs
from ipi_es.ipinsights.training.time_split import Split, day_slices
from ipi_es.malloc import collect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.config.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.combiner.combiner import Combiner
    from ipi_es.ipinsights.combiner.guessed_context import GuessedContext
    from ipi_es.ipinsights.history.history import History
    from ipi_es.ipinsights.network.network import Network
    from ipi_es.ipinsights.training.training_events import TrainingEvents

Made: TypeAlias = Literal["shipped", "refitted", "mixed"]
"""Origin of a combiner. ``shipped``: the package's; ``refitted``: the package's, trained further on the user's rows;
``mixed``: half of its members are refitted, half are trained on the user's rows alone."""
REFIT_FROM, MIX_FROM = 100, 1_000
"""Numbers of real rows from which the shipped combiner is refitted, and from which half of the members are trained on
these rows alone.

Measured on real events, mean AUC / recall at 1 % of a combiner trained on these rows alone, and of a refitted one: 50
rows .936/.19, .959/.34 (the shipped one unchanged .963/.43); 125 rows .970/.38, .977/.54; 400 rows .982/.66, .981/.64;
1,000 rows .985/.75, .984/.70. With 3,000 to 6,000: own .986/.82, refitted .985/.82, mixed .985/.835. The shipped one
has learned from simulated companies that an entity that never travelled is unlikely to start: with half of its members
12 of 12 leaked tokens of services were found in simulated companies, with own members alone 10.
"""
MAX_ROWS = 60_000
"""Maximum number of real rows that the combiner learns from (a uniform sample): 2,500 weights don't need more."""
MAX_REPEATS = 4
"""Maximum number of negatives of each kind per real row where rows are few; they share the kind's weight."""


def trained_feature(network: Network, rows: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return float32[n]: log(1 + training rows) of entity rows int32[n]; 0 for the unknown row."""
    return np.where(rows > 0, np.log1p(network.trained_count[rows].astype(np.float32)), np.float32(0))


def features_of(
    network: Network,
    history: History,
    hashes: NDArray[np.uint64],
    addresses: Addresses,
    context: AddressContext | None = None,
) -> NDArray[np.float32]:
    """Return float32[n, F]: features of the pairs (hashes[i], addresses[i]); ``context`` is the addresses'."""
    unique, entity = np.unique(hashes, return_inverse=True)
    each = np.arange(len(hashes), dtype=np.int32)
    known, seen = entity_view(history, unique), address_view(history, addresses, context)
    rows = network.entity_rows(unique)
    at = entity.astype(np.int32)
    alone = network.log_odds(network.entity_table[rows], network.address_vectors(seen.keys, context), at, each)
    trained = trained_feature(network, rows)
    return pair_features(history, known, seen, at, each, trained=trained, network_log_odds=alone)


@dataclass(frozen=True, slots=True, eq=False)
class CombinerRows:
    """Training rows of a combiner: n real and sampled pairs."""

    features: NDArray[np.float32]  # [n, F]
    real: NDArray[np.float32]  # [n] 1 or 0
    weight: NDArray[np.float32]  # [n]

    @classmethod
    def concatenated(cls, parts: Sequence[CombinerRows]) -> CombinerRows:
        """Concatenate rows in order."""
        none = np.zeros(0, dtype=np.float32)
        return cls(
            np.concatenate([np.zeros((0, len(FEATURES)), dtype=np.float32), *(part.features for part in parts)]),
            np.concatenate([none, *(part.real for part in parts)]),
            np.concatenate([none, *(part.weight for part in parts)]),
        )


def combiner_rows(
    events: TrainingEvents,
    hashes: NDArray[np.uint64],
    network: Network,
    history: History,
    *,
    split: Split,
    rng: np.random.Generator,
    guessed: GuessedContext | None,
    most: int = MAX_ROWS,
) -> CombinerRows:
    """Return the rows of the days [split.combiner, split.calibration); ``history`` is moved to the end of these days.

    About ``most`` real rows, chosen uniformly: more would improve the combiner little.
    """
    for day, rows in day_slices(events, split.first, split.combiner):
        history.apply(events.delta(day, hashes, rows))
    pool = TrainingPairs.of_days(events, hashes, split.combiner, split.calibration)
    negatives = Negatives(pool, guessed)
    in_part = (events.day >= split.combiner) & (events.day < split.calibration)
    count = max(int((events.learns & in_part).sum()), 1)
    keep = min(1.0, most / count)
    repeats = min(max(MAX_ROWS // (2 * count), 1), MAX_REPEATS)
    parts = []
    for day, rows in day_slices(events, split.combiner, split.calibration):
        history.skip_to(day)
        pairs = TrainingPairs.of_rows(events, hashes, rows[events.learns[rows]])
        pairs = pairs.take(np.flatnonzero(rng.random(len(pairs)) < keep))
        if len(pairs):
            context = pairs.context.take(pairs.address) if pairs.context else None
            own = Sampled("real", pairs.addresses[pairs.address], context, np.ones(len(pairs), dtype=np.bool_))
            sampled = [each for _ in range(repeats) for each in negatives.sample(pairs, rng)]
            parts += [_rows(network, history, pairs.hashes, each, repeats, rng) for each in (own, *sampled)]
        history.apply(events.delta(day, hashes, rows))
    return CombinerRows.concatenated(parts)


def _rows(
    network: Network,
    history: History,
    hashes: NDArray[np.uint64],
    sampled: Sampled,
    repeats: int,
    rng: np.random.Generator,
) -> CombinerRows:
    use = sampled.usable
    context = None
    if sampled.context is not None:
        kept = rng.random(int(use.sum())) >= CONTEXT_DROPOUT
        some = sampled.context.take(use)
        context = AddressContext(some.operator * kept, some.country * kept)
    columns = features_of(network, history, hashes[use], sampled.addresses[use], context)
    real = sampled.kind == "real"
    weight = 1.0 if real else NEGATIVE_WEIGHTS[sampled.kind] / repeats
    return CombinerRows(
        columns, np.full(len(columns), real, dtype=np.float32), np.full(len(columns), weight, dtype=np.float32)
    )


def fitted(
    rows: CombinerRows,
    hyperparameters: Hyperparameters,
    *,
    rng: np.random.Generator,
    report: Callable[[TrainingProgress], None],
) -> tuple[Combiner, Made]:
    """Return the shipped, a refitted or a mixed combiner, depending on the number of real rows, and which it is."""
    real = int(rows.real.sum())
    if real < REFIT_FROM:
        return pretrained_combiner(), "shipped"
    from ipi_es.ipinsights.tf.combiner_trainer import fit_combiner as fit
    from ipi_es.ipinsights.tf.combiner_trainer import untrained

    members, epochs = hyperparameters.combiner_members, hyperparameters.combiner_epochs
    own = members // 2 if real >= MIX_FROM else 0
    shipped = pretrained_combiner()
    columns = (rows.features, rows.real, rows.weight)
    combiner, loss = fit(*columns, shipped.with_members(members - own), epochs=epochs, rng=rng, anchor=1.0 / real)
    if own:
        new, more = fit(*columns, untrained(shipped.mean, shipped.scale, own, rng), epochs=epochs, rng=rng)
        combiner, loss = combiner.joined(new), loss + more
    collect()
    report(TrainingProgress("combiner", epochs, epochs, loss=loss / members))
    return combiner, "mixed" if own else "refitted"
