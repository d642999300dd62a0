"""How many alarms people get for what is harmless: before and after the recognition of moves, rules and verdicts.

    python benchmarks/alarms.py [--seeds 730-739] [--people 2000]

Each seed is the demo's company with its planted incidents, and with an office that moves, a VPN that changes its
provider, a carrier that translates addresses and a private relay (:mod:`changed_company`). Ten days are scored in three
ways: without the recognition of moves; with it; and with it and with an analyst, who answers every incident of at least
75 within six hours as he knows: a planted one is *compromised*, a move and a new VPN are allowed by a rule for the
network, anything else is *safe*.

An alarm is a critical record or influencer that may alert (:func:`ipi_es.results.words.raises_alarm`) and that no
verdict closed; buckets are counted beside them, and incidents are those of ``ipi-es results incidents``. Printed are
the mean and the highest number of a seed by cause. The last line is JSON. The exit code is 1 if a planted incident A,
B or C is missed in one way and not in another, if the moves raise more than two alarms on average, or if there are more
than two other incidents a week.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from changed_company import CHANGES, OFFICE, VPN, ChangedCompany, ContextFeed

from ipi_es.config.files.loading import check_job
from ipi_es.config.given_verdict import CLOSING, COMPROMISED, SAFE, Verdict
from ipi_es.config.rules.allow_list import AllowList, TimedRule
from ipi_es.config.rules.allow_rule import AllowRule
from ipi_es.demo.demo_run import JOB
from ipi_es.results.reading.incident_grouping import LEAST_SCORE, Incident, group_incidents, network_of_address
from ipi_es.results.words import CRITICAL, SCORE_FIELDS, VERDICT, raises_alarm
from ipi_es.scoring.renormalizer import LastRenormalization
from ipi_es.times import from_ms
from ipi_es.worker.history.history_keeper import HistoryId, HistoryKeeper
from ipi_es.worker.history.holds import Holds
from ipi_es.worker.repeats.earlier_findings import Repeats
from ipi_es.worker.scoring.batch import Batch
from ipi_es.worker.scoring.dry_run import AlertCounts
from ipi_es.worker.scoring.scoring_pipeline import ScoringPipeline
from ipi_es.worker.training.job_training import TrainedJob, learn
from ipi_es.worker.training.training_rows import TrainingRowsCollector
from ipi_es.worker.verdicts.known_verdicts import KnownVerdicts, network_of

ANSWERED_AFTER = 6 * 3_600
WEEK, DAYS = 7, 10
GAP = 86_400
"""Seconds: `incident_gap`, as it is by default."""
OTHER = "other"
PLANTED = ("A", "B", "C")
WAYS = ("today", "moves", "moves and answers")

Source = dict[str, Any]


@dataclass(slots=True)
class Kept(AlertCounts):
    """Keeps the results, by id."""

    results: dict[str, Source] = field(default_factory=dict)

    def write(self, batch: Batch) -> None:
        """Take the results of one batch."""
        self.results |= {each.id: each.source for each in batch.documents if each.source["result_type"] in SCORE_FIELDS}


@dataclass(frozen=True)
class Causes:
    """Says what caused a result."""

    company: ChangedCompany

    def planted(self, source: Source) -> str | None:
        """Return the planted incident that a record or an influencer is about."""
        start = from_ms(source["timestamp"])
        names = {source.get(name) for name in ("partition_field_value", "by_field_value", "influencer_field_value")}
        if source["result_type"] == "bucket":
            names = {*source["top_entities"], *source["top_ips"]}
        for incident in self.company.simulation.incidents:
            inside = start < incident.end and start + source["bucket_span"] > incident.start
            if inside and names & {*incident.entities, *incident.addresses}:
                return incident.id
        return None

    def of(self, source: Source) -> str:
        """Return the planted incident, the change, or “other”."""
        found = self.planted(source)
        if found is not None:
            return found
        ips = [source.get("by_field_value"), source.get("influencer_field_value"), *(source.get("top_ips") or ())[:1]]
        changes = [self.company.change_of[ip] for ip in ips if ip in self.company.change_of]
        return changes[0] if changes else OTHER

    def of_incident(self, incident: Incident) -> str:
        """Return the cause of its critical results: a planted one, or else the most frequent one."""
        causes = Counter(self.of(each) for _, each in incident.results if initial(each) >= CRITICAL)
        return next((name for name in causes if name in PLANTED or name == "D"), causes.most_common(1)[0][0])


def initial(source: Source) -> float:
    """Return the score of a result as it was first written."""
    return float(source[f"initial_{SCORE_FIELDS[source['result_type']]}"])


def incidents(results: dict[str, Source]) -> Iterator[Incident]:
    """Return the critical incidents of results, the earliest first."""
    members = [
        (place, each)
        for place, each in results.items()
        if each["result_type"] != "bucket" and raises_alarm(each) and initial(each) >= LEAST_SCORE
    ]
    return (each for each in group_incidents(members, GAP) if each.score >= CRITICAL)


@dataclass(slots=True)
class Analyst:
    """Answers incidents as somebody who knows the company."""

    causes: Causes
    rules: list[TimedRule] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    """Ids of results that were answered."""

    def answer(self, results: dict[str, Source], now: int) -> None:
        """Answer what is new at ``now``, epoch seconds."""
        for incident in incidents(results):
            fresh = [(place, each) for place, each in incident.results if place not in self.answered]
            self.answered |= {place for place, _ in fresh}
            if not fresh:
                continue
            cause = self.causes.of_incident(incident)
            if cause in (OFFICE, VPN):
                self._allow({network_of_address(ip) for ip in self.causes.company.addresses[cause]}, now)
                continue
            word = COMPROMISED if cause in (*PLANTED, "D") else SAFE
            for place, each in fresh:
                self.verdicts += [
                    Verdict(word, name, ip, "ann", now, from_ms(each["timestamp"]), result=place)
                    for name, ip in _pairs(each)
                ]

    def _allow(self, networks: set[str], now: int) -> None:
        known = {each.rule.cidr for each in self.rules}
        for network in sorted(networks):
            if network not in known:
                self.rules.append(TimedRule(AllowRule(cidr=network, comment="ours", learn=True), now))


def _pairs(source: Source) -> list[tuple[str, str]]:
    """Return the (entity, IP) pairs that a result names."""
    if source["result_type"] == "record":
        return [(source["partition_field_value"], source["by_field_value"])]
    name = source["influencer_field_value"]
    return [(name, ip) for ip in source.get("top_ips") or ()] or [(who, name) for who in source["top_entities"]]


def scored(company: ChangedCompany, trained: TrainedJob, way: str) -> tuple[dict[str, Source], Causes]:
    """Return the results of the scored days, by id."""
    job, causes, sink = check_job(JOB), Causes(company), Kept()
    analyst = Analyst(causes) if way == WAYS[2] else None
    history, snapshot, simulation = copy.deepcopy(trained.history), trained.snapshot, company.simulation
    keeper = HistoryKeeper(job, AllowList.of(job), history, HistoryId("run", history.day), Holds.of(job))
    levels, repeats, start = snapshot.levels, Repeats.of(job), simulation.scored_start
    if way == WAYS[0]:
        repeats = replace(repeats, move_window=0)
    last, feed = LastRenormalization.at(start, levels.by_name), ContextFeed(simulation)
    for begin in range(start, simulation.end, ANSWERED_AFTER):
        pipeline = ScoringPipeline.of(job, snapshot, keeper, levels, repeats, sink, renormalized=last)
        pipeline.run(feed.read(begin, begin + ANSWERED_AFTER, job.bucket_span))
        levels, last = pipeline.scorer.levels, pipeline.renormalized
        if analyst is not None:
            analyst.answer(sink.results, begin + ANSWERED_AFTER)
            keeper.allow = AllowList.of(job, analyst.rules)
            verdicts = KnownVerdicts.of(job, analyst.verdicts, begin + ANSWERED_AFTER)
            safe = verdicts.safe
            holds = keeper.holds
            holds.verdicts = verdicts
            holds.networks = {place: hold for place, hold in holds.networks.items() if place not in safe}
            for ip, by in holds.pairs.items():
                holds.pairs[ip] = {name: held for name, held in by.items() if (name, network_of(ip)) not in safe}
    return sink.results, causes


def counted(results: dict[str, Source], causes: Causes) -> dict[str, Counter[str]]:
    """Return the numbers of alarms, critical buckets and incidents by cause, and the planted incidents that alerted."""
    alarms, buckets, stories, found = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for each in results.values():
        critical = raises_alarm(each) and initial(each) >= CRITICAL
        if not critical or each.get(VERDICT) in CLOSING:
            continue
        if each["result_type"] == "bucket":
            buckets[causes.of(each)] += bool(each["new_record_count"])
        else:
            alarms[causes.of(each)] += 1
            found[causes.planted(each) or ""] = 1
    stories.update(causes.of_incident(each) for each in incidents(results))
    return {"alarms": alarms, "buckets": buckets, "incidents": stories, "found": found}


def summary(rows: Sequence[dict[str, Counter[str]]]) -> dict[str, dict[str, tuple[float, int]]]:
    """Return (mean, highest) of each kind of number by cause."""
    return {
        kind: {
            cause: (statistics.mean(each[kind][cause] for each in rows), max(each[kind][cause] for each in rows))
            for cause in (*CHANGES, OTHER)
        }
        for kind in ("alarms", "buckets", "incidents")
    }


def table(found: dict[str, list[dict[str, Counter[str]]]]) -> Iterator[str]:
    """Yield the table of all ways as Markdown."""
    yield "| cause | " + " | ".join(f"{kind}, {way}" for kind in ("alarms", "incidents") for way in WAYS) + " |"
    yield "|---" * (1 + 2 * len(WAYS)) + "|"
    whole = {way: summary(rows) for way, rows in found.items()}
    for cause in (*CHANGES, OTHER):
        cells = [whole[way][kind][cause] for kind in ("alarms", "incidents") for way in WAYS]
        yield f"| {cause} | " + " | ".join(f"{mean:.1f} (at most {most})" for mean, most in cells) + " |"


def main(arguments: list[str]) -> int:
    """Print each seed, the table and the JSON line; return 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="730-739", help="first-last")
    parser.add_argument("--people", type=int, default=2_000)
    chosen = parser.parse_args(arguments)
    first, _, last = chosen.seeds.partition("-")
    job, found = check_job(JOB), {way: [] for way in WAYS}
    for seed in range(int(first), int(last or first) + 1):
        company = ChangedCompany.of(seed, chosen.people)
        simulation = company.simulation
        collector = TrainingRowsCollector(job, AllowList.of(job))
        trained = learn(collector, ContextFeed(simulation), simulation.start, simulation.scored_start)
        for way in WAYS:
            numbers = counted(*scored(company, trained, way))
            found[way].append(numbers)
            said = {kind: dict(sorted(each.items())) for kind, each in numbers.items() if kind != "found"}
            planted = "".join(name for name in PLANTED if numbers["found"][name])
            print(json.dumps({"seed": seed, "way": way, "found": planted} | said), flush=True)
    print("\n".join(["", *table(found), ""]))
    alarms = {way: summary(rows)["alarms"] for way, rows in found.items()}
    planted_found = {way: sum(each["found"][name] for each in rows for name in PLANTED) for way, rows in found.items()}
    others = {
        way: statistics.mean(each["incidents"][OTHER] for each in rows) * WEEK / DAYS for way, rows in found.items()
    }
    last_way = WAYS[-1]
    result = {
        "benchmark": "alarms",
        "planted_found": planted_found,
        "planted": len(PLANTED) * len(found[last_way]),
        "office_move_alarms": {way: round(alarms[way][OFFICE][0], 1) for way in WAYS},
        "vpn_change_alarms": {way: round(alarms[way][VPN][0], 1) for way in WAYS},
        "other_incidents_a_week": {way: round(each, 1) for way, each in others.items()},
    }
    print(json.dumps(result))
    few = max(alarms[last_way][name][0] for name in (OFFICE, VPN)) <= 2 and others[last_way] <= 2
    return 0 if few and len(set(planted_found.values())) == 1 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
