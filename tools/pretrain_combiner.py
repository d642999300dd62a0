"""Trains the combiner that ships with the package, on simulated companies alone, and writes it into the package.

    python tools/pretrain_combiner.py [--companies 32]

Companies differ in size, length, how often people sign in, and in whether operators and countries are known. The same
arguments give the same weights on one machine. It takes about five minutes on two cores. The file is part of the
repository: this needs to be run again only after a change of the features or the negatives.
No real events are read: the combiner learns how sign-ins continue, not which entities use which addresses.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.demo.company import Simulation, simulate
from ipi_es.demo.demo_training_events import training_events
from ipi_es.ipinsights.combiner.combiner_fitting import CombinerRows, combiner_rows
from ipi_es.ipinsights.combiner.guessed_context import GuessedContext
from ipi_es.ipinsights.combiner.pretrained import FILE, to_bytes
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.network.network_fitting import fit_network
from ipi_es.ipinsights.network.pairs import TrainingPairs
from ipi_es.ipinsights.tf.combiner_trainer import fit_combiner, standardization, untrained
from ipi_es.ipinsights.training.time_split import split_days
from ipi_es.ipinsights.training.training import empty_history
from ipi_es.ipinsights.training.training_events import TrainingEvents

FIRST_SEED = 50_000
"""Seeds from here on are not used by the demo, the tests and the benchmarks."""
END = 1_780_272_000
"""2026-06-01 UTC, as in the demo, so that a seed gives the same company."""
PEOPLE, DAYS = (100, 200, 400, 800), (14, 21, 30, 60, 90)
KEPT = (0.02, 1.0)
"""Share of its sign-ins that a company keeps, drawn on a logarithmic scale: people sign in hourly to monthly."""
ROWS = 4_000
"""Real rows that a company gives, at most."""
EPOCHS = 12
"""Passes over the rows, which are more than any job has; a job doesn't repeat this training."""


def company(number: int) -> tuple[Simulation, float, bool]:
    """Return (simulation, share kept, whether operators are known) of one company."""
    rng = np.random.default_rng(FIRST_SEED + number)
    people, days = int(rng.choice(PEOPLE)), int(rng.choice(DAYS))
    low, high = np.log(KEPT)
    kept = float(np.exp(rng.uniform(low, high)))
    return simulate(FIRST_SEED + number, end=END, people=people, days=days), kept, number % 2 == 0


def events_of(made: Simulation, kept: float, known: bool, rng: np.random.Generator) -> TrainingEvents:
    """Return the successful sign-ins before the incidents, by the hour; some are dropped, by person and at random."""
    before = made.success & (made.timestamp < made.scored_start)
    share = np.minimum(kept * rng.lognormal(0.0, 1.0, len(made.users)), 1.0)[made.user_code]
    rows = np.flatnonzero(before & (rng.random(len(made)) < share))
    return training_events(made, rows, context=known)


def rows_of(number: int) -> CombinerRows:
    """Return one company's rows for training the combiner."""
    rng = np.random.default_rng([FIRST_SEED, number])
    events = events_of(*company(number), rng)
    hashes = entity_hashes(events.entities)
    split = split_days(events, None)
    hyperparameters = Hyperparameters(seed=number)
    guessed = GuessedContext.of(events)
    pairs = TrainingPairs.of_days(events, hashes, split.first, split.combiner)
    held_out = TrainingPairs.of_days(events, hashes, split.combiner, split.calibration)
    network, _ = fit_network(
        pairs.source(hyperparameters.max_rows_per_entity, rng),
        held_out,
        hyperparameters,
        rng=rng,
        report=lambda _: None,
        guessed=guessed,
    )
    history = empty_history(events, hashes, split, hyperparameters)
    return combiner_rows(events, hashes, network, history, split=split, rng=rng, guessed=guessed, most=ROWS)


def main(arguments: list[str]) -> int:
    """Simulate, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--companies", type=int, default=32)
    parser.add_argument("--to", type=Path, default=FILE, help="where to write it")
    options = parser.parse_args(arguments)
    parts = []
    for number in range(options.companies):
        began = time.perf_counter()
        parts.append(rows_of(number))
        real = int(parts[-1].real.sum())
        print(f"company {number}: {real:,} real rows, {time.perf_counter() - began:.0f} s", flush=True)
    rows = CombinerRows.concatenated(parts)
    members = Hyperparameters().combiner_members
    rng = np.random.default_rng(FIRST_SEED)
    start = untrained(*standardization(rows.features), members, rng)
    combiner, loss = fit_combiner(rows.features, rows.real, rows.weight, start, epochs=EPOCHS, rng=rng)
    blob = to_bytes(combiner)
    options.to.write_bytes(blob)
    print(f"{len(rows.real):,} rows, loss {loss / members:.4f}, {len(blob):,} bytes in {options.to}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
