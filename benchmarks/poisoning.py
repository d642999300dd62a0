"""Whether an attacker becomes usual by his own events, and what it costs that he doesn't.

    python benchmarks/poisoning.py --people 1000 --seeds 2

Simulates a company (`ipi_es.demo`), trains on all but its last ten days and scores those as a worker does, history
moving daily, without a cluster. On the first scored day an attacker signs in to an account every hour from one address.
There are three kinds of 20 accounts each: `stranger`, from a made-up address; `colleague's`, from a neighbour of
another person's address; `stays`, as `stranger`, but every hour of all ten days. For several settings of
`hold_probability` and `hold_days`, this prints the pair's compatibility (high = usual), its probability, its highest
possible score (medians), and the share of pairs that are usual (p > 0.05), at the start of later days. Then the cost
over all ordinary pairs: the share held, the shares with p ≤ 0.01 and 0.001, names with a critical record or influencer,
and the number of alarms (critical, without repeats). The last line is JSON.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# must be set before TensorFlow is imported
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from simulated_feed import Feed, SignIn

from ipi_es.addresses import canonical, parse
from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.demo.company import Simulation, simulate
from ipi_es.demo.demo_run import END, JOB
from ipi_es.demo.signin_columns import INCIDENT_A, INTERNET
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.network.negatives import near_addresses, random_addresses
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.results.words import CRITICAL
from ipi_es.scoring.normalizer import probability_cap
from ipi_es.scoring.renormalizer import LastRenormalization
from ipi_es.worker.history.history_keeper import HistoryId, HistoryKeeper
from ipi_es.worker.history.holds import Holds
from ipi_es.worker.repeats.earlier_findings import Repeats
from ipi_es.worker.scoring.dry_run import AlertCounts
from ipi_es.worker.scoring.scored_bucket import ScoredBucket
from ipi_es.worker.scoring.scoring_pipeline import ScoringPipeline
from ipi_es.worker.training.job_training import TrainedJob, learn
from ipi_es.worker.training.training_rows import TrainingRowsCollector

HOUR, DAY = 3_600, 86_400
ATTACKS = 20
"""Attacked accounts of each kind: few among a thousand, so that they don't change what is normal."""
KINDS = ("stranger", "colleague's", "stays")
LATER = (1, 2, 5, 8, 9)
"""Days after the attack's start at whose start the pairs are evaluated."""
MIN_EVENTS = 50
"""Minimum of sign-ins before the attack for an attacked account."""
SETTINGS = ((0.0, 7), (0.001, 7), (0.005, 3), (0.005, 7), (0.005, 14), (0.01, 7))
"""(hold_probability, hold_days)."""


@dataclass(frozen=True, slots=True, eq=False)
class Attack:
    """Attacked accounts, the attackers' addresses and the kinds, [n] each."""

    users: list[str]
    ips: list[str]
    kind: list[str]

    def pairs(self) -> set[tuple[str, str]]:
        """Return the attacked (user, IP) pairs."""
        return set(zip(self.users, self.ips, strict=True))


def feed_of(simulation: Simulation, attack: Attack) -> Feed:
    """Return the simulation with the attackers' sign-ins: one per hour, for a day or until the end."""
    added = [
        SignIn(time, user, ip)
        for user, ip, kind in zip(attack.users, attack.ips, attack.kind, strict=True)
        for time in range(
            simulation.scored_start, simulation.end if kind == "stays" else simulation.scored_start + DAY, HOUR
        )
    ]
    return Feed(simulation, added)


def attack_on(simulation: Simulation, rng: np.random.Generator) -> Attack:
    """Draw the attacked accounts and the attackers' addresses."""
    ordinary = simulation.success & (simulation.kind_code < INCIDENT_A) & (simulation.kind_code != INTERNET)
    before = ordinary & (simulation.timestamp < simulation.scored_start)
    counts = np.bincount(simulation.user_code[before], minlength=len(simulation.users))
    hit = {name for incident in simulation.incidents for name in incident.entities}
    able = [code for code in np.flatnonzero(counts >= MIN_EVENTS) if simulation.users[code] not in hit]
    chosen = rng.permutation(able)[: ATTACKS * len(KINDS)]
    homes = parse(simulation.ips)[0][rng.choice(simulation.ip_code[before], len(chosen))]
    places = random_addresses(homes, rng)
    kind = [KINDS[i // ATTACKS] for i in range(len(chosen))]
    near = np.array([name == KINDS[1] for name in kind])
    places[near] = near_addresses(homes[near], rng, (20, 25), (40, 57))
    return Attack([simulation.users[code] for code in chosen], [canonical(bytes(each)) for each in places], kind)


@dataclass(slots=True)
class Found:
    """Results of one setting; ``p`` and ``compatibility``: float64[n] of the attacked pairs, by day."""

    p: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    compatibility: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    pairs: int = 0
    held: int = 0
    at: dict[float, int] = field(default_factory=lambda: {0.01: 0, 0.001: 0})
    names: set[str] = field(default_factory=set)
    alarms: int = 0


class Run:
    """One setting on one company."""

    def __init__(self, feed: Feed, attack: Attack, learned: TrainedJob, job: Job) -> None:
        self.feed, self.attack, self.job, self.snapshot, self.found = feed, attack, job, learned.snapshot, Found()
        history = copy.deepcopy(learned.history)
        keeper = HistoryKeeper(job, AllowList.of(job), history, HistoryId("run", history.day), Holds.of(job))
        start = feed.simulation.scored_start
        levels = self.snapshot.levels
        repeats = Repeats.of(job)
        last = LastRenormalization.at(start, levels.by_name)
        self.follower = ScoringPipeline.of(
            job, self.snapshot, keeper, levels, repeats, AlertCounts(), renormalized=last
        )
        self.attacked = attack.pairs()
        simulation = feed.simulation
        self.planted = {*attack.users, *attack.ips}
        self.planted |= {name for each in simulation.incidents for name in (*each.entities, *each.addresses)}

    def follow(self) -> Found:
        """Score all days and return the results."""
        simulation = self.feed.simulation
        for day in range((simulation.end - simulation.scored_start) // DAY):
            begin = simulation.scored_start + day * DAY
            self.follower.run(self.feed.read(begin, begin + DAY, self.job.bucket_span), self._count)
            self.follower.keeper.settle()
            if day + 1 in LATER:
                self._judge(day + 1)
        return self.found

    def _judge(self, day: int) -> None:
        attack, history = self.attack, self.follower.keeper.history
        hashes, each = entity_hashes(attack.users), np.arange(len(attack.users), dtype=np.int32)
        seen = Scorer(self.snapshot.network, history).score_hashed(hashes, parse(attack.ips)[0], each, each)
        calibration = self.snapshot.references.successes.calibration
        class_ = calibration.classes(seen.prior_events, history.day - history.origin)
        self.found.compatibility[day] = seen.log_odds
        self.found.p[day] = np.exp(calibration.ln_probability(seen.log_odds, class_).ln_p)

    def _count(self, scored: ScoredBucket) -> None:
        bucket, pairs, found = scored.bucket, scored.pairs, self.found
        planted = (
            np.array([name in self.planted for name in bucket.entities]),
            np.array([ip in self.planted for ip in bucket.ips]),
        )
        usual = ~planted[0][pairs.entity] & ~planted[1][pairs.ip]
        found.pairs += int(usual.sum())
        found.held += sum(bool(usual[row]) for row in scored.held_until)
        for alpha in found.at:
            found.at[alpha] += int((pairs.ln_p[usual] <= np.log(alpha)).sum())
        for place in np.flatnonzero(scored.record_scores.score >= CRITICAL).tolist():
            row = int(scored.records[place])
            if usual[row]:
                found.names |= {bucket.entities[pairs.entity[row]], bucket.ips[pairs.ip[row]]}
                found.alarms += row not in scored.record_repeat_of
        for names, scores, hidden in (
            (bucket.entities, scored.entities.scores.score, planted[0]),
            (bucket.ips, scored.ips.scores.score, planted[1]),
        ):
            critical = np.flatnonzero((scores >= CRITICAL) & ~hidden).tolist()
            found.names |= {names[i] for i in critical}
            found.alarms += sum(names is bucket.entities or i not in scored.ip_repeat_of for i in critical)


def figures(drawn: list[Attack], runs: list[Found]) -> dict[str, Any]:
    """Return medians for each kind of attack, and the costs, over all companies."""
    kinds = np.concatenate([np.array(attack.kind) for attack in drawn])
    attacks: dict[str, dict[str, dict[str, float]]] = {}
    for kind in KINDS:
        attacks[kind] = {}
        for day in LATER:
            p = np.concatenate([run.p[day] for run in runs])[kinds == kind]
            compatibility = np.concatenate([run.compatibility[day] for run in runs])[kinds == kind]
            cap = np.clip(probability_cap(np.log(p)), 0.0, 100.0)
            attacks[kind][str(day)] = {
                "compatibility": float(np.median(compatibility)),
                "p": float(np.median(p)),
                "most": float(np.median(cap)),
                "critical": float(np.mean(cap >= CRITICAL)),
                "usual": float(np.mean(p > 0.05)),
            }
    pairs = sum(run.pairs for run in runs)
    return {
        "attacks": attacks,
        "held": sum(run.held for run in runs) / pairs,
        "p001": sum(run.at[0.01] for run in runs) / pairs,
        "p0001": sum(run.at[0.001] for run in runs) / pairs,
        "names": sum(len(run.names) for run in runs) / len(runs),
        "alarms": sum(run.alarms for run in runs) / len(runs),
    }


def prepared(seed: int, people: int) -> tuple[Feed, Attack, TrainedJob]:
    """Return a company's events with attackers, the attack, and the job trained before it."""
    simulation = simulate(seed, end=END, people=people)
    attack = attack_on(simulation, np.random.default_rng(seed))
    feed = feed_of(simulation, attack)
    job = check_job(JOB)
    collector = TrainingRowsCollector(job, AllowList.of(job))
    learned = learn(collector, feed, simulation.start, simulation.scored_start)  # type: ignore[arg-type]
    return feed, attack, learned


def table(found: dict[str, dict[str, Any]]) -> None:
    """Print the results by setting."""
    print("compatibility, probability, score (medians), and share of usual pairs at the start of day …")
    print(f"{'hold':>12} {'attack':>12}" + "".join(f"{'day ' + str(day):>24}" for day in LATER))
    for name, each in found.items():
        for kind, days in each["attacks"].items():
            print(f"{name:>12} {kind:>12}" + "".join(f"{_cell(one):>24}" for one in days.values()))
    print(f"\n{'hold':>12} {'held':>8} {'p≤.01':>8} {'p≤.001':>8} {'names':>8} {'alarms':>8}")
    for name, each in found.items():
        shares = "".join(f" {each[key]:8.3%}" for key in ("held", "p001", "p0001"))
        print(f"{name:>12}{shares} {each['names']:8.1f} {each['alarms']:8.1f}")


def _cell(one: dict[str, float]) -> str:
    return f"{one['compatibility']:.1f} {one['p']:.2g} {one['most']:.0f} ({one['usual']:.0%})"


def main() -> None:
    """Run all settings on all companies; print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=300)
    given = parser.parse_args()
    runs: dict[str, list[Found]] = {f"{p:g} {days}d" if p else "off": [] for p, days in SETTINGS}
    attacks = []
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        feed, attack, learned = prepared(seed, given.people)
        attacks.append(attack)
        for name, (probability, days) in zip(runs, SETTINGS, strict=True):
            job = check_job({**JOB, "hold_probability": probability, "hold_days": days})
            runs[name].append(Run(feed, attack, learned, job).follow())
            print(f"seed {seed}, hold {name}: done", file=sys.stderr, flush=True)
    found = {name: figures(attacks, each) for name, each in runs.items()}
    table(found)
    print(json.dumps({"people": given.people, "seeds": given.seeds, "settings": found}, ensure_ascii=False))


if __name__ == "__main__":
    main()
