"""Read what would have alerted in a period, and propose a threshold for each level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from ipi_es.alerts.advice.alarm_counts import (
    WHOLE_BUCKET,
    AlarmCount,
    AlarmCounter,
    Finding,
    Name,
    propose,
)
from ipi_es.alerts.advice.counted_time import CountedTime, Interval, counted_time
from ipi_es.alerts.found_alerts import KIND_OF, alert_key, names_of, score_field
from ipi_es.alerts.kinds import SCORED, ScoredKind
from ipi_es.cluster.port import Cluster, Document, Json
from ipi_es.config.job_config import Job
from ipi_es.results.reading.queries import ResultFilter, any_of, results_query
from ipi_es.results.reading.result_reader import MAX_PAGE, ResultReader
from ipi_es.results.words import ALIAS, RESULT_KINDS, VERDICT
from ipi_es.times import day_of, from_ms

SHOWN_THRESHOLDS = (25, 50, 75, 90, 95)
"""Thresholds whose alarms are shown besides the job's own and the proposed one."""

PROPOSED = range(1, 101)
"""Thresholds that may be proposed. Below 1, results are stored for look-ups alone."""

LEAST_DAYS = 7
"""Counted days without which nothing is proposed: alarms differ between the days of a week."""

Level: TypeAlias = tuple[ScoredKind, ...]
"""The kinds of results that alert together."""

_FIELDS = (
    "timestamp", "result_type", "partition_field_value", "by_field_value", "influencer_field_name",
    "influencer_field_value", "top_entities", "top_ips", VERDICT,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LevelAdvice:
    """The counts of one level, the lowest threshold first, and the one that is proposed; None: none is."""

    level: Level
    counts: list[AlarmCount]
    proposed: AlarmCount | None

    @property
    def name(self) -> str:
        """The kinds of alerts, joined by ``+``."""
        return "+".join(self.level)


@dataclass(frozen=True, slots=True)
class AdviceRequest:
    """What is asked about: the results of buckets that begin in [start, end), epoch seconds."""

    start: int
    end: int
    at_most: float = 1.0
    """Alarms a day that a proposed threshold may give."""
    merged: bool = True
    """Count the worker's messages; else the alerts of consoles, which merge no findings."""

    @property
    def needed_days(self) -> float:
        """Counted days that a proposal needs: fewer than one alarm a week are seen in a longer time only."""
        return max(float(LEAST_DAYS), 1.0 / self.at_most)

    def most_alarms(self, days: float) -> float | None:
        """Return the alarms that so many counted days may have; None: the days are too few for a proposal."""
        return None if days < self.needed_days else self.at_most * days


@dataclass(frozen=True, slots=True)
class Advice:
    """The counts of all levels over the same time."""

    job: Job
    asked: AdviceRequest
    time: CountedTime
    levels: list[LevelAdvice]

    @property
    def own_level(self) -> LevelAdvice | None:
        """The level that the job's file alerts on; None: on none."""
        return next((each for each in self.levels if each.level == own_level(self.job)), None)

    @property
    def enough(self) -> bool:
        """Whether there are results of enough days for a proposal."""
        return self.asked.most_alarms(self.time.days) is not None


def advise(cluster: Cluster, job: Job, asked: AdviceRequest, warm_ups: Sequence[Interval] = ()) -> Advice:
    """Count the alarms in the stored results, and propose thresholds where there are enough of them.

    Each result counts as if it had been written at the time of its bucket. ``warm_ups``: when the job warmed up.
    """
    time = _counted_time(ResultReader(cluster, job.job_id), job, asked, warm_ups)
    levels: list[Level] = [*((kind,) for kind in SCORED), own_level(job)]
    thresholds = {*map(float, (*SHOWN_THRESHOLDS, *PROPOSED)), float(job.alerts.threshold)}
    counters = {level: AlarmCounter(thresholds) for level in levels if level}
    found = _what_may_alert(cluster, job, asked, min(thresholds)) if time.starts else iter(())
    for start, results in groupby(found, key=lambda each: from_ms(each.source["timestamp"])):
        if start in time.starts:
            findings = _findings(job, [each.source for each in results], merged=asked.merged)
            for level, counter in counters.items():
                counter.add_bucket(day_of(start), [each for kind in level for each in findings[kind]])
    most = asked.most_alarms(time.days)
    counts = {level: counter.counts() for level, counter in counters.items()}
    return Advice(
        job,
        asked,
        time,
        [LevelAdvice(level, each, None if most is None else propose(each, most)) for level, each in counts.items()],
    )


def own_level(job: Job) -> Level:
    """Return the kinds of results that the job's file alerts on, which have one threshold."""
    return tuple(kind for kind in SCORED if kind in job.alerts.on)


def _counted_time(results: ResultReader, job: Job, asked: AdviceRequest, warm_ups: Sequence[Interval]) -> CountedTime:
    start, end = asked.start, asked.end
    days = results.daily_counts(start, end)
    blind = (each.source for each in results.annotations(start, end, ["blind"], size=MAX_PAGE))
    return counted_time(
        results.final_buckets(start, end),
        job.bucket_span,
        incomplete_days={
            day
            for day, each in days.items()
            if each.records < each.record_count or each.influencers < each.influencer_count
        },
        blind=[(from_ms(each["timestamp"]), from_ms(each["end_timestamp"])) for each in blind],
        warm_ups=warm_ups,
    )


def _what_may_alert(cluster: Cluster, job: Job, asked: AdviceRequest, least: float) -> Iterator[Document]:
    """Read the results with a score of at least ``least`` that may alert, in order of time."""
    where = ResultFilter(asked.start, asked.end, interim=False, new=True, closed=True)
    query = results_query(job.job_id, RESULT_KINDS, where)
    scores = [score_field(job, kind) for kind in SCORED]
    query["bool"]["filter"].append(any_of([{"range": {score: {"gte": least}}} for score in scores]))
    return cluster.scan(ALIAS, query, source=[*_FIELDS, *scores], sort=[{"timestamp": {"order": "asc"}}])


def _findings(job: Job, sources: Sequence[Json], *, merged: bool) -> dict[ScoredKind, list[Finding]]:
    """Return the findings of one bucket."""
    found: dict[ScoredKind, list[Finding]] = {kind: [] for kind in SCORED}
    for each in sources:
        kind = KIND_OF[each["result_type"]]
        names = _names(job, kind, each) if merged else [alert_key(each)]
        found[kind].append(Finding(float(each[score_field(job, kind)]), frozenset(names), each.get(VERDICT)))
    return found


def _names(job: Job, kind: ScoredKind, source: Json) -> list[Name]:
    if kind == "buckets":
        return [WHOLE_BUCKET]
    found = names_of(job, kind, [source])
    return [*(("entity", name) for name in found.entities), *(("address", name) for name in found.addresses)]
