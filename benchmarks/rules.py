"""What many rules and verdicts cost scoring: the processor time of a simulated company's days with and without them.

    python benchmarks/rules.py [--rules 100000] [--verdicts 30000] [--people 2000] [--days 4] [--rounds 5]

The rules are what people would write, none of them of this company: single addresses and networks of several sizes,
accounts, operators. The verdicts are those of 30 days, a thousand a day, on accounts of the company from networks that
it doesn't use; one of a hundred says *compromised*. The days are scored in turns without all these and with them, from
event buckets that are in memory, so nothing is read from or written to a cluster; rules and verdicts are read and
sorted once, before. The last line is JSON; ``rules_ratio`` is the median of the rounds' ratios. The exit code is 1 if
it is above 1.05.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "adversary"))

import company as simulated
from simulated_feed import Feed

from ipi_es.config.files.loading import check_job
from ipi_es.config.given_verdict import COMPROMISED, DISMISSED, REACH, SAFE, Verdict
from ipi_es.config.rules.allow_list import AllowList, TimedRule
from ipi_es.config.rules.allow_rule import AllowRule
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.demo.company import simulate
from ipi_es.demo.demo_run import END, JOB
from ipi_es.scoring.renormalizer import LastRenormalization
from ipi_es.worker.history.history_keeper import HistoryId, HistoryKeeper
from ipi_es.worker.history.holds import Holds
from ipi_es.worker.repeats.earlier_findings import Repeats
from ipi_es.worker.scoring.scoring_pipeline import ScoringPipeline
from ipi_es.worker.training.job_training import TrainedJob, learn
from ipi_es.worker.training.training_rows import TrainingRowsCollector
from ipi_es.worker.verdicts.known_verdicts import NO_VERDICTS, KnownVerdicts

LARGEST = 1.05


def made(number: int) -> list[TimedRule]:
    """Return so many rules that match nothing of the company."""
    rng = np.random.default_rng(5)
    rules = []
    for place in range(number):
        high, low = (int(part) for part in rng.integers(0, 256, 2))
        address = f"240.{place >> 16 & 255}.{place >> 8 & 255}.{place & 255}"
        kind = place % 20
        if kind < 8:
            given = {"cidr": address}
        elif kind < 13:
            given = {"cidr": f"240.{place >> 8 & 255}.{place & 255}.0/24", "id": f"net{place}"}
        elif kind < 15:
            given = {"cidr": f"3fff:{place & 0xFFF:x}:{high:x}{low:02x}::/48", "id": f"site{place}"}
        elif kind < 16:
            given = {"cidr": f"241.{place & 255}.0.0/16", "id": f"wide{place}"}
        elif kind < 19:
            given = {"entity": f"partner{place}@example.com", "cidr": f"242.{high}.{low}.0/24"}
        else:
            given = {"operator": 4_100_000_000 + place}
        rules.append(TimedRule(AllowRule.model_validate(given)))
    return rules


def given(number: int, names: list[str], end: int) -> KnownVerdicts:
    """Return so many verdicts of the 30 days before ``end``, epoch seconds."""
    job, words = check_job(JOB), (DISMISSED, SAFE)
    verdicts = [
        Verdict(
            COMPROMISED if place % 100 == 0 else words[place % 2],
            names[place % len(names)],
            f"240.{place >> 16 & 255}.{place >> 8 & 255}.{place & 255}",
            "ann",
            end - REACH + place * REACH // number,
            end - REACH,
        )
        for place in range(number)
    ]
    return KnownVerdicts.of(job, verdicts, end)


def seconds(
    learned: TrainedJob, buckets: list[EventBucket], start: int, allow: AllowList, verdicts: KnownVerdicts
) -> float:
    """Return the processor time of scoring the buckets, making documents and learning the days."""
    job, history = check_job(JOB), copy.deepcopy(learned.history)
    keeper = HistoryKeeper(job, allow, history, HistoryId("run", history.day), Holds.of(job, verdicts))
    snapshot = learned.snapshot
    last = LastRenormalization.at(start, snapshot.levels.by_name)
    pipeline = ScoringPipeline.of(
        job, snapshot, keeper, snapshot.levels, Repeats.of(job), simulated.Kept(), renormalized=last
    )
    began = time.process_time()
    pipeline.run(buckets)
    return time.process_time() - began


def main(arguments: list[str]) -> int:
    """Print the rounds and the JSON line; return 1 if the target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rules", 100_000), ("verdicts", 30_000), ("people", 2_000), ("days", 4), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args(arguments)
    simulation = simulate(simulated.SEED, end=END, people=chosen.people)
    feed, job = Feed(simulation), check_job(JOB)
    collector = TrainingRowsCollector(job, AllowList.of(job))
    learned = learn(collector, feed, simulation.start, simulation.scored_start)  # type: ignore[arg-type]
    start = simulation.scored_start
    buckets = list(feed.read(start, start + chosen.days * simulated.DAY, job.bucket_span))
    began = time.process_time()
    none = AllowList.of(job), NO_VERDICTS
    many = AllowList.of(job, made(chosen.rules)), given(chosen.verdicts, simulation.users, start)
    what = f"{chosen.rules:,} rules and {chosen.verdicts:,} verdicts"
    print(f"{what} were made and sorted in {time.process_time() - began:.1f} s", flush=True)
    ratios = []
    for _ in range(chosen.rounds):
        without, with_rules = (seconds(learned, buckets, start, *each) for each in (none, many))
        ratios.append(with_rules / without)
        print(f"{len(buckets)} buckets: {without:.2f} s without, {with_rules:.2f} s with: {ratios[-1]:.3f}", flush=True)
    ratio = round(statistics.median(ratios), 3)
    print(json.dumps({"benchmark": "rules", "rules": chosen.rules, "verdicts": chosen.verdicts, "rules_ratio": ratio}))
    return 1 if ratio > LARGEST else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
