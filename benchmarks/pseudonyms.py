"""What pseudonyms cost: the processor time of making event buckets of a million rows, with and without them.

    python benchmarks/pseudonyms.py [--rows 1000000] [--people 100000] [--buckets 24] [--rules]

The rows are (entity, IP) pairs as the cluster returns them, sorted by entity; nothing is read. With ``--rules`` each
event bucket is also matched against a rule with a pattern, for which names are needed. The lines give the seconds
without pseudonyms, with them in a new process (each name is encrypted once), and again (all names are cached); the
memory that the process took for them; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import secrets
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.datafeed.normalize import Normalizer
from ipi_es.datafeed.searches.pages import Rows
from ipi_es.datafeed.searches.read_plan import CountedBucket


def rows_of(rows: int, people: int, buckets: int) -> list[Rows]:
    """Return the rows of so many event buckets, together ``rows``."""
    rng = np.random.default_rng(1)
    made = []
    for _ in range(buckets):
        who = np.sort(rng.integers(0, people, rows // buckets)).tolist()
        ips = [f"198.{18 + each % 2}.{each % 251}.{each % 13 + 1}" for each in who]
        names = [f"employee{each:06d}@corp.example" for each in who]
        made.append(Rows(names, ips, None, np.ones(len(who), dtype=np.int64)))
    return made


def seconds(normalizer: Normalizer, allow: AllowList | None, found: Sequence[Rows]) -> float:
    """Return the processor time of making, and matching, the event buckets."""
    begin = time.process_time()
    for place, rows in enumerate(found):
        bucket = normalizer.bucket(place * 3_600, 3_600, rows, CountedBucket(len(rows.entities)))
        if allow is not None:
            allow.match(bucket.matchable, bucket.entity, bucket.ip)
    return time.process_time() - begin


def job_of(key_file: Path | None) -> Job:
    """Return a job with a rule by a pattern of names."""
    rules = [{"entity": "svc-*", "cidr": "198.18.0.0/16"}]
    data = {"job_id": "benchmark", "datafeed_config": {"indices": ["logs-*"]}, "allow_list": rules}
    return check_job(data | ({} if key_file is None else {"entity_pseudonyms": {"key_file": str(key_file)}}))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--buckets", type=int, default=24)
    parser.add_argument("--rules", action="store_true")
    asked = parser.parse_args()
    found = rows_of(asked.rows, asked.people, asked.buckets)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "key").write_text(secrets.token_hex(64))
        plain, keyed = job_of(None), job_of(Path(folder) / "key")
        steps = plain.entity_steps
        allow = [AllowList.of(job) if asked.rules else None for job in (plain, keyed)]
        seconds(Normalizer(steps), allow[0], found[:1])
        without = seconds(Normalizer(steps), allow[0], found)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        first = seconds(Normalizer(steps, pseudonyms=keyed.pseudonyms), allow[1], found)
        again = seconds(Normalizer(steps, pseudonyms=keyed.pseudonyms), allow[1], found)
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1_024
    print(f"{asked.rows:,} rows of {asked.people:,} people in {asked.buckets} event buckets: {without:.2f} s")
    print(f"with pseudonyms {first:.2f} s, and again {again:.2f} s; {memory:.0f} MiB more")
    print(json.dumps({"without": without, "first": first, "again": again, "mib": memory}))


if __name__ == "__main__":
    main()
