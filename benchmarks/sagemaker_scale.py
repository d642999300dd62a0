"""The threshold 0.0 of `dot_product`, SageMaker's: what share of the normal log-ins and of the attacks is below it.

    python benchmarks/sagemaker_scale.py --users 600

Simulates users of a web site as AWS's tutorial of IP Insights does (`web_users.py`), trains with `ipi-es train --csv`
on all days but the last, and scores the last with `ipi-es score`, as a user of SageMaker's interface would: with the
default hyperparameters, and with the tutorial's. Attacks have a normal log-in's user and an address that is uniform
over IPv4. The last line is JSON; the exit code is 1 where more than 8 % of the normal log-ins or less than 85 % of the
attacks are below 0.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from web_users import DAY, START, simulate, text, uniform

DAYS = 5
"""Days of log-ins; the last one is scored."""
MOST_NORMAL, LEAST_ATTACKS = 0.08, 0.85
"""Limits of the shares below 0."""
TUTORIAL = {
    "num_entity_vectors": "1200",
    "random_negative_sampling_rate": "5",
    "vector_dim": "128",
    "mini_batch_size": "1000",
    "epochs": "5",
    "learning_rate": "0.01",
}
"""The tutorial's hyperparameters, with twice the users as entity vectors."""


def ipi_es(*arguments: str, stdin: str | None = None) -> str:
    """Run a command of ipi-es; return its standard output."""
    command = [sys.executable, "-m", "ipi_es", *arguments]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")
    return done.stdout


def csv(user: NDArray[np.int64], ip: NDArray[np.int64]) -> str:
    """Return pairs in the format of SageMaker's `train` channel."""
    return "".join(f"user_{one},{text(where)}\n" for one, where in zip(user.tolist(), ip.tolist(), strict=True))


def main() -> int:
    """Train and score once for each set of hyperparameters."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    found = simulate(given.users, DAYS, rng)
    last = found.time >= START + (DAYS - 1) * DAY
    train, test = found.take(~last), found.take(last)
    bodies = {"normal": csv(test.user, test.ip), "attacks": csv(test.user, uniform(len(test), rng))}
    results = {}
    for name, values in (("defaults", {}), ("tutorial", TUTORIAL)):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "hyperparameters.json"
            file.write_text(json.dumps(values))
            options = ["--hyperparameters", str(file), "--model-dir", folder]
            ipi_es("train", "--csv", "-", *options, stdin=csv(train.user, train.ip))
            shares = {}
            for kind, body in bodies.items():
                answer = ipi_es("score", "--model-dir", folder, "--accept", "text/csv", stdin=body)
                shares[kind] = round(float((np.array(answer.split(), dtype=float) < 0).mean()), 4)
        results[name] = shares
        print(
            f"{name}: below 0 are {shares['normal']:.1%} of {len(test):,} normal log-ins "
            f"and {shares['attacks']:.1%} of as many attacks"
        )
    good = all(one["normal"] <= MOST_NORMAL and one["attacks"] >= LEAST_ATTACKS for one in results.values())
    print(json.dumps({"good": good, "users": given.users, "seed": given.seed, "below_zero": results}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
