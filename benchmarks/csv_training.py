"""`train --csv` with SageMaker's hyperparameters, with and without times, beside two references that count.

    python benchmarks/csv_training.py --users 600 --days 5

Simulates users of a web site (`web_users.py`), trains on all days but the last, and compares the last day's log-ins
with as many attacks of each kind by the same users: `random` addresses as in training (half in a /8 that is in use),
`uniform` ones over IPv4, and ones of another user (`another's`). The hyperparameters are those of AWS's tutorial and,
where it gives none, SageMaker's defaults. Prints ROC-AUC / recall at 1 % false positives of

- `seen`, the narrowest prefix that the user used before, and `counts`, a smoothed back-off over prefixes;
- the network trained with SageMaker's values for Adam as they are, and with their counterparts, as `train --csv` does;
- the network joined with history, which a third column with the times makes possible.

The last line is JSON; the exit code is 1 where the last is not ahead of both references in each figure.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

# must be set before TensorFlow is imported
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from numpy.typing import NDArray
from web_users import DAY, START, LogIns, packed, simulate, text, uniform

from ipi_es.addresses import Addresses
from ipi_es.config.files.hyperparameter_files import read_hyperparameters
from ipi_es.config.hyperparameters import Architecture, Hyperparameters
from ipi_es.evaluation.earlier import Counter, EarlierCounts, Keys
from ipi_es.evaluation.references.counts_scorer import log_odds
from ipi_es.evaluation.references.seen_scorer import rank
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.network.negatives import random_addresses
from ipi_es.ipinsights.roc_auc import roc_auc
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.worker.training.channel_training import Channels, learn_pairs

SAGEMAKER = {
    "random_negative_sampling_rate": "5",
    "shuffled_negative_sampling_rate": "1",
    "vector_dim": "128",
    "mini_batch_size": "1000",
    "epochs": "5",
    "learning_rate": "0.01",
    "weight_decay": "0.00001",
}
"""The tutorial's hyperparameters, and SageMaker's defaults of what the tutorial leaves out."""
HYBRID = "hybrid, with times"

Score = Callable[[Addresses], NDArray[np.float64]]
"""Scores the last day's users with the addresses uint8[n, 16]; high = usual."""


def trained(train: LogIns, test: LogIns, hyperparameters: Hyperparameters, *, timed: bool) -> Score:
    """Train as `train --csv` does."""
    columns = zip(train.user.tolist(), train.ip.tolist(), train.time.tolist(), strict=True)
    rows = [f"user_{user},{text(ip)}" + (f",{time}\n" if timed else "\n") for user, ip, time in columns]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.csv"
        path.write_text("".join(rows))
        end = int(train.time.max()) // DAY * DAY + DAY
        learned = learn_pairs("csv", Channels.read(path, None), hyperparameters, end, lambda _: None)
    scorer = Scorer(learned.snapshot.network, learned.history)
    entities, entity = np.unique(test.user, return_inverse=True)
    hashes, each = entity_hashes([f"user_{user}" for user in entities]), np.arange(len(test), dtype=np.int32)
    return lambda addresses: scorer.score_hashed(hashes, addresses, entity.astype(np.int32), each).log_odds


def counting(train: LogIns, test: LogIns, score: Callable[[EarlierCounts], NDArray[np.float64]]) -> Score:
    """Count the rows before the last day."""
    hashes = entity_hashes([f"user_{user}" for user in range(int(train.user.max()) + 1)])
    counter = Counter(Keys.of(packed(train.ip), None), hashes[train.user], train.time)
    until = np.full(len(test), int(train.time.max()) + 1)
    return lambda addresses: score(counter.counted(Keys.of(addresses, None), hashes[test.user], until))


def measured(score: Score, normal: Addresses, attacks: dict[str, Addresses]) -> dict[str, dict[str, float]]:
    """Return AUC and recall by kind of attack."""
    usual = score(normal)
    threshold = np.quantile(usual, 0.01)
    figures = {}
    for kind, addresses in attacks.items():
        odd = score(addresses)
        figures[kind] = {"auc": round(roc_auc(usual, odd), 4), "recall": round(float((odd < threshold).mean()), 4)}
    return figures


def main() -> int:
    """Train and count, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    found = simulate(given.users, given.days, rng)
    last = found.time >= START + (given.days - 1) * DAY
    train, test = found.take(~last), found.take(last)
    normal = packed(test.ip)
    attacks = {
        "random": random_addresses(normal, rng),
        "uniform": packed(uniform(len(test), rng)),
        "another's": normal[rng.permutation(len(test))],
    }

    def used(architecture: Architecture) -> Hyperparameters:
        return read_hyperparameters(None, SAGEMAKER, architecture).used

    as_they_are = Hyperparameters.model_validate({"architecture": "ip_insights", **SAGEMAKER})
    scorers = {
        "seen": counting(train, test, rank),
        "counts": counting(train, test, log_odds),
        "network, Adam's values as they are": trained(train, test, as_they_are, timed=False),
        "network": trained(train, test, used("ip_insights"), timed=False),
        HYBRID: trained(train, test, used("hybrid"), timed=True),
    }
    results = {name: measured(score, normal, attacks) for name, score in scorers.items()}
    print("| | " + " | ".join(attacks) + " |\n|---|" + "---|" * len(attacks))
    for name, figures in results.items():
        cells = [f"{each['auc']:.3f} / {each['recall']:.2f}" for each in figures.values()]
        print(f"| {name} | " + " | ".join(cells) + " |")
    good = all(
        results[HYBRID][kind][figure] > results[reference][kind][figure]
        for kind in attacks
        for figure in ("auc", "recall")
        for reference in ("seen", "counts")
    )
    print(json.dumps({"good": good, "users": given.users, "days": given.days, "seed": given.seed, "figures": results}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
