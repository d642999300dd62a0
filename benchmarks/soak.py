"""Whether the worker runs for weeks without growing or falling behind.

    python benchmarks/soak.py [--part days|memory|live]… [--days 30] [--jobs 20|200] [--minutes 20] [--rate 1000]

``days``: simulated days in accelerated time on a real server, 20 jobs. ``memory``: the same with 200 jobs on the
in-memory port. Both tick live jobs with a simulated clock; interim results, late events, nightly cleaning and
retraining (every week; in memory every three weeks) are included. Every midnight the worker's process, which holds
neither events nor results, reports its memory: that of the last day may be 5 % above that of the second, and no job may
lack a bucket after its tick. At the end every bucket of the last week is compared with its events.

``live``: the real `ipi-es run`, on buckets of a minute, with 1,000 events/s; every bucket must be written less than a
bucket's length after it was complete.

Without ``--part`` all three run. Without ``--url`` a local OpenSearch is started. The last line is JSON; the exit code
is 1 if a target was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

import soak_days
import soak_live

PARTS = ("days", "memory", "live")
JOBS = {"days": 20, "memory": 200}
SPANS = {"days": 2 * 3_600, "memory": 4 * 3_600}
"""Seconds of a bucket; longer in memory, where every search reads every document."""
TRAINED_EVERY = {"days": "7d", "memory": "21d"}
"""A training takes about four seconds of one processor even with few events: 1,000 of them take most of an hour."""


def main(arguments: list[str]) -> int:
    """Run the parts; print a line per simulated day or real minute, and the JSON line. Return 1 for a missed target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=PARTS, help="may be given several times")
    parser.add_argument("--days", type=int, default=30, help="simulated days, at least 2")
    parser.add_argument("--jobs", type=int, help="default: 20 on a server, 200 in memory")
    parser.add_argument("--people", type=int, default=12, help="of each job, in simulated days")
    parser.add_argument("--span", type=int, help="seconds a bucket in simulated days; default: 2 h, in memory 4")
    parser.add_argument("--every", help="until a job is trained again; default: 7d, in memory 21d")
    parser.add_argument("--minutes", type=int, default=20, help="of the live part")
    parser.add_argument("--rate", type=int, default=1_000, help="events a second in the live part")
    parser.add_argument("--url", help="an existing, empty cluster; by default a local OpenSearch is started")
    parser.add_argument("--trace", action="store_true", help="say which lines' allocations grow (slow)")
    options = parser.parse_args(arguments)
    figures: dict[str, Any] = {}
    missed: list[str] = []
    for part in options.part or PARTS:
        if part == "live":
            figures[part] = soak_live.run(options)
            missed += [f"{part}: {text}" for text in soak_live.missed(figures[part])]
            continue
        chosen = argparse.Namespace(**vars(options))
        chosen.jobs, chosen.span = options.jobs or JOBS[part], options.span or SPANS[part]
        chosen.every = options.every or TRAINED_EVERY[part]
        figures[part] = (soak_days.on_a_server if part == "days" else soak_days.in_memory)(chosen)
        missed += [f"{part}: {text}" for text in soak_days.missed(figures[part])]
    for text in missed:
        print(f"missed: {text}")
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"processors": len(os.sched_getaffinity(0)), "load": load, **figures, "missed": missed}))
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
