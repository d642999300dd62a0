"""Whether the worker runs for weeks without growing or falling behind.

    python benchmarks/soak.py [--part days|memory|live]… [--days 30] [--jobs 20|200] [--minutes 20] [--rate 1000]

``days``: simulated days in accelerated time on a real server, 20 jobs. ``memory``: the same with 200 jobs on the
in-memory port. Both tick live jobs by a told clock; interim results, late events, a night's cleaning and training again
(every week; in memory every third) are included. Every midnight the worker's process, which holds neither events nor
results, tells its memory: the last day's may be 5 % above the second's, and no job may lack a bucket after its tick. At
the end every bucket of the last week is compared with its events.

``live``: `ipi-es run` as it is, on buckets of a minute, while 1,000 events/s come in; every bucket must be written less
than a bucket's length after it was complete.

Without ``--part`` all three. Without ``--url`` a local OpenSearch is started. Last line: JSON; exit code 1 where a
target was missed.
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
"""Seconds a bucket: in memory every search looks at every document, so there are fewer."""
TRAINED_EVERY = {"days": "7d", "memory": "21d"}
"""A training takes some four seconds of one processor however few events there are: 1,000 of them, most of an hour."""


def main(arguments: list[str]) -> int:
    """Run the parts, print a line a simulated day or a real minute, and the JSON line; 1 if a target was missed."""
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
