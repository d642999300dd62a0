"""What fewer rows of the entity table than SageMaker advises cost: quality at 0.1, 0.5, 1 and 2 rows an entity.

    python benchmarks/table_size.py --people 1000 --seeds 3

Simulates a company (`ipi_es.demo`, without its incidents), trains on all but its last ten days, and scores those, the
history moving daily. Each ordinary (entity, address, day) of an entity with at least five training rows is compared
with one address of each kind: random, another person's, and a neighbour (first 16 bits equal, IPv6: 32). Prints ROC-AUC
and recall at 1 % false positives, means over the kinds and the seeds, for both architectures. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from typing import Any, get_args

# must be set before TensorFlow is imported
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses
from ipi_es.config.hyperparameters import Architecture, Hyperparameters
from ipi_es.demo.company import Simulation, simulate
from ipi_es.demo.demo_run import END
from ipi_es.demo.demo_training_events import training_events
from ipi_es.demo.signin_columns import INCIDENT_A, INTERNET
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.network.negatives import near_addresses, random_addresses
from ipi_es.ipinsights.roc_auc import roc_auc
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.ipinsights.training.training import train
from ipi_es.ipinsights.training.training_events import TrainingEvents

HOUR, DAY = 3_600, 86_400
ROWS_PER_ENTITY = (0.1, 0.5, 1.0, 2.0)
KINDS = ("random", "another's", "neighbour")
MIN_TRAINING_ROWS = 5
"""Minimum of training rows for an evaluated entity."""
NEIGHBOUR_V4, NEIGHBOUR_V6 = (16, 17), (32, 33)
"""Bits that a neighbour shares, [low, high)."""


@dataclass(frozen=True, slots=True, eq=False)
class Company:
    """Ordinary sign-ins before and after ``split`` (epoch seconds)."""

    events: TrainingEvents
    split: int

    def before(self) -> TrainingEvents:
        """Return the training events."""
        keep = self.events.time < self.split
        return TrainingEvents(
            time=self.events.time[keep],
            entities=self.events.entities,
            entity=self.events.entity[keep],
            addresses=self.events.addresses,
            ip=self.events.ip[keep],
            count=self.events.count[keep],
            learns=self.events.learns[keep],
            calibrates=self.events.calibrates[keep],
            end=self.split,
        )


def company(seed: int, people: int) -> Company:
    """Return the successful sign-ins of people and services, each (hour, user, address) once."""
    found: Simulation = simulate(seed, end=END, people=people)
    ordinary = found.success & (found.kind_code < INCIDENT_A) & (found.kind_code != INTERNET)
    return Company(training_events(found, ordinary), found.scored_start)


def attacks(own: Addresses, others: Addresses, rng: np.random.Generator) -> dict[str, Addresses]:
    """Draw an address of each kind for every row: uint8[n, 16] each."""
    return {
        "random": random_addresses(own, rng),
        "another's": others[rng.permutation(len(others))],
        "neighbour": near_addresses(own, rng, NEIGHBOUR_V4, NEIGHBOUR_V6),
    }


def measure(of: Company, hyperparameters: Hyperparameters, rng: np.random.Generator) -> dict[str, float]:
    """Train and score; return ``auc`` and ``recall`` (at 1 % false positives), each the mean over the kinds."""
    events, before = of.events, of.before()
    trained = train(before, hyperparameters)
    hashes, history = entity_hashes(events.entities), trained.history
    enough = np.bincount(before.entity, minlength=len(events.entities)) >= MIN_TRAINING_ROWS
    normal: list[NDArray[np.float64]] = []
    odd: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in KINDS}
    for day in range(of.split // DAY, END // DAY):
        history.day = day
        rows = np.flatnonzero(events.day == day)
        pairs = np.unique(np.stack([events.entity[rows], events.ip[rows]], axis=1), axis=0)
        pairs = pairs[enough[pairs[:, 0]]]
        scorer, each = Scorer(trained.snapshot, history), np.arange(len(pairs), dtype=np.int32)
        own = events.addresses[pairs[:, 1]]
        normal.append(scorer.score_hashed(hashes[pairs[:, 0]], own, each, each).log_odds)
        for kind, addresses in attacks(own, own, rng).items():
            odd[kind].append(scorer.score_hashed(hashes[pairs[:, 0]], addresses, each, each).log_odds)
        history.apply(events.delta(day, hashes, rows))
    real = np.concatenate(normal)
    threshold = np.quantile(real, 0.01)
    scores = {kind: np.concatenate(parts) for kind, parts in odd.items()}
    return {
        "auc": float(np.mean([roc_auc(real, one) for one in scores.values()])),
        "recall": float(np.mean([(one < threshold).mean() for one in scores.values()])),
    }


def main() -> None:
    """Run all seeds, architectures and sizes, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    results: dict[Architecture, dict[float, list[dict[str, float]]]] = {
        architecture: {rows: [] for rows in ROWS_PER_ENTITY} for architecture in get_args(Architecture)
    }
    for seed in range(given.seeds):
        of = company(seed, given.people)
        entities = len(of.events.entities)
        for architecture in get_args(Architecture):
            for rows in ROWS_PER_ENTITY:
                began = time.perf_counter()
                settings = Hyperparameters(num_entity_vectors=max(round(rows * entities), 1), seed=seed)
                # with the hybrid's other defaults, so that only the architecture differs
                found = measure(of, settings.replaced(architecture=architecture), np.random.default_rng(seed))
                results[architecture][rows].append(found)
                said = f"seed {seed}, {entities:,} entities, {architecture}, {rows} rows an entity: "
                said += f"AUC {found['auc']:.4f}, recall {found['recall']:.3f}, {time.perf_counter() - began:.0f} s"
                print(said, file=sys.stderr, flush=True)
    print_table(results)


def print_table(results: dict[Architecture, dict[float, list[dict[str, float]]]]) -> None:
    """Print the means over the seeds as Markdown, then as JSON."""
    means: dict[str, dict[str, Any]] = {
        architecture: {
            f"{rows:g}": {name: round(float(np.mean([one[name] for one in runs])), 4) for name in ("auc", "recall")}
            for rows, runs in by_rows.items()
        }
        for architecture, by_rows in results.items()
    }
    print("| rows an entity | " + " | ".join(f"{name}: AUC / recall at 1 %" for name in means) + " |")
    print("|---|" + "---|" * len(means))
    for rows in ROWS_PER_ENTITY:
        cells = [f"{found[f'{rows:g}']['auc']:.3f} / {found[f'{rows:g}']['recall']:.2f}" for found in means.values()]
        print(f"| {rows:g} | " + " | ".join(cells) + " |")
    print(json.dumps(means))


if __name__ == "__main__":
    main()
