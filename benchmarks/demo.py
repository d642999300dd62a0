"""How many of the demo's hidden incidents are found, over seeds that nobody tuned anything on.

    python benchmarks/demo.py --seeds 200-209

Runs ``ipi-es demo`` once per seed, each on its own server, and prints a line per seed. The goal, over ten seeds: A and
B found on at least nine each, C on at least seven and never below 50, at most 12 other critical entities and addresses
on any seed and 7 on average, at most one other critical bucket. Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from statistics import mean
from typing import Any

CRITICAL = 75


def seeds_of(text: str) -> list[int]:
    """Parse ``3,5,200-209`` to the numbers."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def run(seed: int) -> dict[str, Any]:
    """Run one demo and return the JSON of its last line."""
    command = [sys.executable, "-m", "ipi_es", "demo", "--seed", str(seed), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2_000:])
    summary: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return summary


def main() -> None:
    """Run the seeds, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seeds_of, default=seeds_of("200-209"))
    runs = {}
    print(" ".join(f"{name:>8}" for name in ("seed", *"ABCD", "others", "buckets", "seconds")))
    for seed in parser.parse_args().seeds:
        found = runs[seed] = run(seed)
        scores = found["incidents"]["scores"]
        cells = [seed, *scores.values(), found["other_critical"], found["other_critical_buckets"]]
        cells.append(round(sum(found["seconds"].values())))
        print(" ".join(f"{cell:>8}" for cell in cells), flush=True)
    scores = {id_: [each["incidents"]["scores"][id_] for each in runs.values()] for id_ in "ABCD"}
    others = [each["other_critical"] for each in runs.values()]
    print(
        json.dumps(
            {
                "seeds": len(runs),
                **{f"found_{id_}": sum(score >= CRITICAL for score in scores[id_]) for id_ in "ABCD"},
                "lowest_C": min(scores["C"]),
                "others_mean": mean(others),
                "others_max": max(others),
                "other_buckets_max": max(each["other_critical_buckets"] for each in runs.values()),
            }
        )
    )


if __name__ == "__main__":
    main()
