"""What training on more pairs than fit takes in memory: one epoch of fifty million pairs, read from a stream.

    nice -n 19 python benchmarks/streaming.py --pairs 50000000

A child process writes `entity,ip` lines of 200,000 entities and 300,000 addresses (thirty in a /24) to
`ipi-es train --csv -`, which reads them once, keeps them in a temporary file and trains one epoch with the defaults.
The figure that matters is the peak of the resident memory; the time depends on the machine. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

ENTITIES, PLACES, ADDRESSES = 200_000, 6, 300_000
"""Entities, addresses of each (the first is used most often), and all addresses."""
LINES = 1 << 16
"""Lines written at a time."""


def write(pairs: int) -> None:
    """Write `entity,ip` lines to standard output."""
    rng = np.random.default_rng(0)
    sites = [f"{16 + at % 120}.{at // 120 % 256}.{at * 7 % 256}" for at in range(ADDRESSES // 30)]
    ips = [f"{sites[at // 30]}.{at % 30 * 8 + 1}" for at in range(ADDRESSES)]
    names = [f"user{one:06d}@example.com," for one in range(ENTITIES)]
    for start in range(0, pairs, LINES):
        entity = rng.integers(0, ENTITIES, min(LINES, pairs - start))
        place = np.minimum(rng.geometric(0.5, len(entity)), PLACES)
        at = (entity * 2_654_435_761 + place * 40_503 * (entity % 97 + 1)) % ADDRESSES
        lines = [names[who] + ips[where] for who, where in zip(entity.tolist(), at.tolist(), strict=True)]
        sys.stdout.write("\n".join(lines) + "\n")


def main() -> None:
    """Train, and print the JSON line with the peak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=50_000_000)
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write(given.pairs)
        return
    began = time.perf_counter()
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    source = [sys.executable, __file__, "--write", "--pairs", str(given.pairs)]
    command = [sys.executable, "-m", "ipi_es", "train", "--csv", "-", "--epochs", "1", "--snapshots"]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(source, stdout=subprocess.PIPE) as writing:
        subprocess.run([*command, folder], stdin=writing.stdout, env=environment, check=True, stdout=sys.stderr)
    figures = {
        "pairs": given.pairs,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        "seconds": round(time.perf_counter() - began),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
