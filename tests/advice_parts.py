"""Stored results for the tests of `ipi-es advise`: hours of ten days, with what was found in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import alert_results as seeded
from alert_results import HOUR

from ipi_es.cluster.port import Cluster
from ipi_es.config.given_verdict import VERDICTS
from ipi_es.results.documents import result_documents
from ipi_es.results.documents.members import Members, Unusual
from ipi_es.results.documents.result_documents import (
    Bucket,
    BucketInfluencer,
    Influencer,
    ResultContext,
    ResultDocument,
    Stamp,
)
from ipi_es.results.documents.verdict_marks import verdicts_of, with_verdict
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS, BUCKET_TIME, AnnotationType

DAY = 24 * HOUR
END = 1_780_272_000
"""2026-06-01T00:00:00Z."""
DAYS = 10
START = END - DAYS * DAY
STAMP = Stamp("s", "q", ingested=END)


class Results:
    """Results of one job: what was found, and a bucket for each hour of the ten days."""

    def __init__(self, context: ResultContext) -> None:
        self.context = context
        self.found: list[ResultDocument] = []
        self.scores: dict[int, float] = {}

    def record(self, start: int, entity: str, ip: str, score: float, **more: Any) -> None:
        self.found.append(seeded.record(self.context, entity, ip, score, start=start, stamp=STAMP, **more))

    def entity(self, start: int, entity: str, ips: tuple[str, ...], score: float, **more: Any) -> None:
        self._influencer(start, "user.name", entity, ips, score, **more)

    def address(self, start: int, ip: str, entities: tuple[str, ...], score: float, **more: Any) -> None:
        self._influencer(start, "source.ip", ip, entities, score, **more)

    def _influencer(
        self, start: int, field: str, value: str, names: tuple[str, ...], score: float, **more: Any
    ) -> None:
        members = Members(len(names), len(names), 0, 0, names, len(names))
        made = Influencer(
            start=start, field=field, value=value, probability=1e-6, influencer_score=score, members=members, **more
        )
        self.found.append(made.document(self.context, STAMP))

    def bucket(self, start: int, score: float) -> None:
        self.scores[start] = score

    def judge(self, word: str) -> None:
        """Give the newest result a verdict."""
        newest = self.found[-1]
        self.found[-1] = replace(newest, source=newest.source | {"verdict": word})

    def documents(self, without: Collection[int] = ()) -> list[ResultDocument]:
        """All results; buckets for the hours of the ten days, but none that starts ``without``."""
        starts = range(START, END, HOUR)
        return [*self.found, *(self._bucket(start) for start in starts if start not in without)]

    def _bucket(self, start: int) -> ResultDocument:
        here = [each.source for each in self.found if each.source["timestamp"] == start * 1_000]
        records = [each for each in here if each["result_type"] == "record"]
        new = sum("repeat_of" not in each and "suppressed_by" not in each for each in records)
        made = Bucket(
            start=start,
            event_count=9,
            processing_time_ms=1,
            influencers=[BucketInfluencer(BUCKET_TIME, self.scores.get(start, 0.0), 2.0, 1e-6)],
            record_count=len(records),
            new_record_count=new,
            influencer_count=len(here) - len(records),
            unusual=Unusual(new, new, 0, new),
        ).document(self.context, STAMP)
        given = {(each["partition_field_value"], each["by_field_value"]): each.get("verdict") for each in records}
        marks = verdicts_of([("", made.source), *((str(i), each) for i, each in enumerate(records))], _of(given))
        return replace(made, source=with_verdict(made.source, marks[""]))

    def annotation(
        self, start: int, end: int, kind: AnnotationType, text: str = "", fields: Mapping[str, str] | None = None
    ) -> ResultDocument:
        return result_documents.annotation(
            self.context, STAMP, start=start, end=end, annotation_type=kind, text=text, fields=fields
        )


def _of(given: Mapping[tuple[str, str], Any]) -> Callable[[str, str, int], Any]:
    return lambda entity, ip, _start: given[entity, ip] if given[entity, ip] in VERDICTS else None


def before_verdicts(made: Iterable[ResultDocument]) -> list[ResultDocument]:
    """The results as they were when the worker looked for alerts."""
    return [replace(each, source=with_verdict(each.source, None)) for each in made]


def write(cluster: Cluster, context: ResultContext, made: Iterable[ResultDocument]) -> None:
    store = ResultStore(cluster, context.job_id, context.results_index_name, flat_fields=context.flat_fields)
    store.write(made, 1)
    cluster.refresh(ALIAS)
