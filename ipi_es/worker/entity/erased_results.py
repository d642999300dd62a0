"""Remove an entity from a job's results: delete its own, and let the others not name it.

Buckets are written first: their counts of results then fit what is left, and a run that continues after a kill finds
the same counts again. A check of the night would otherwise take the deleted results for missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from ipi_es.cluster.port import Document
from ipi_es.config.given_verdict import CLOSING, VerdictWord
from ipi_es.results.documents.mentions import Names, mentioned_in, without_entity
from ipi_es.results.documents.verdict_marks import verdicts_of, with_verdict
from ipi_es.results.words import INCIDENT, VERDICT
from ipi_es.times import from_ms
from ipi_es.worker.fenced_writer import FencedWriter
from ipi_es.worker.job_resources import JobResources

T = TypeVar("T")

PAGE = 1_000
"""Documents that are read, changed and written at a time."""

COUNTS = {"record": "record_count", "influencer": "influencer_count"}
"""A bucket's counts of the documents that it has, by their type."""

Place = tuple[str, str]
"""Index and id."""


class _Bucket(NamedTuple):
    """Start in epoch milliseconds, span in seconds."""

    start: int
    span: int


@dataclass(frozen=True, slots=True)
class ErasedResults:
    """Numbers of documents, and the write-blocked indices in which some stay."""

    deleted: int
    """Records and influencers of the entity."""
    rewritten: int
    """Results that named it, counted its results, or had a verdict because of it."""
    annotations: int
    blocked: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    own: list[Document] = field(default_factory=list)
    """Without their contents."""
    annotations: list[Document] = field(default_factory=list)
    naming: list[Place] = field(default_factory=list)
    buckets: dict[_Bucket, list[Place]] = field(default_factory=dict)
    counts: Counter[tuple[_Bucket, str, bool]] = field(default_factory=Counter)
    """Documents by bucket, type, and whether they are the entity's own."""
    judged: set[_Bucket] = field(default_factory=set)
    """Buckets with a result that has a verdict."""
    marks: dict[Place, VerdictWord | None] = field(default_factory=dict)
    """The verdicts of results of others that are no longer those of before."""

    @property
    def own_buckets(self) -> set[_Bucket]:
        """The buckets with a result of the entity's own."""
        return {bucket for bucket, _, own in self.counts if own}


def erase_results(resources: JobResources, writer: FencedWriter, names: Names) -> ErasedResults:
    """Remove an entity from all results of a job, and the names of the rules that are deleted with it.

    Documents in write-blocked indices stay. Raises LostJob if another worker has taken the job over.
    """
    results, found = resources.stores.results, _find(resources, names)
    found = replace(found, marks=_marks(resources, found, names))
    touched = {place for bucket in found.own_buckets for place in found.buckets.get(bucket, ())}
    places = sorted({*found.naming, *touched, *found.marks})
    own = [*found.own, *found.annotations]
    blocked = results.indices.write_blocks({*(index for index, _ in places), *(each.index for each in own)})
    rewritten = 0
    for page in _pages([place for place in places if place[0] not in blocked]):
        changed = list(_changed(results.by_place(page), found, resources, names))
        if changed:
            writer.rewrite(changed)
            rewritten += len(changed)
    deleted = _delete(writer, [each for each in found.own if each.index not in blocked])
    annotations = _delete(writer, [each for each in found.annotations if each.index not in blocked])
    results.show()
    return ErasedResults(deleted, rewritten, annotations, tuple(sorted(blocked)))


def _find(resources: JobResources, names: Names) -> _Found:
    found = _Found()
    for each in resources.stores.results.every():
        source, kind = each.source, each.source.get("result_type")
        if kind == INCIDENT:
            continue  # made anew of the other results
        own = names.own(source)
        if kind in COUNTS:
            found.counts[_bucket(source), str(kind), own] += 1
        if source.get(VERDICT):
            found.judged.add(_bucket(source))
        if kind == "bucket":
            found.buckets.setdefault(_bucket(source), []).append((each.index, each.id))
        if own:
            found.own.append(replace(each, source={}))
        elif mentioned_in(source, names):
            if kind == "annotation":
                found.annotations.append(replace(each, source={}))
            else:
                found.naming.append((each.index, each.id))
    return found


def _changed(documents: Sequence[Document], found: _Found, resources: JobResources, names: Names) -> Iterator[Document]:
    """Yield the documents as they are written; those that need no change are left out."""
    job = resources.job
    for each in documents:
        source = each.source
        if mentioned_in(source, names):
            source = without_entity(source, names, job.entity_field, job.ip_field)
        if source["result_type"] == "bucket":
            source = {**source, **_counts(source, found)}
        if (each.index, each.id) in found.marks:
            source = with_verdict(source, found.marks[each.index, each.id])
        if source != each.source:
            yield replace(each, source=source)


def _counts(source: dict[str, Any], found: _Found) -> dict[str, int]:
    """Return a bucket's counts without the entity's results, which may be counted no longer since an earlier run.

    They are never fewer than the results of others; more, where results of others were missing before.
    """
    bucket, made = _bucket(source), {}
    for kind, name in COUNTS.items():
        own, others = found.counts[bucket, kind, True], found.counts[bucket, kind, False]
        if own:
            made[name] = max(int(source[name]) - own, min(others, int(source[name])))
    return made


def _marks(resources: JobResources, found: _Found, names: Names) -> dict[Place, VerdictWord | None]:
    """Return the new verdicts on results of others in the entity's buckets: its own records and verdicts count no more.

    A closed result is not opened again: it would raise an alarm for no other reason than the erasure.
    """
    known = resources.verdicts()
    known = replace(known, verdicts=tuple(each for each in known.verdicts if each.entity != names.entity))
    marks: dict[Place, VerdictWord | None] = {}
    for start in sorted({from_ms(bucket.start) for bucket in found.own_buckets & found.judged}):
        every = resources.stores.results.scan_window(start, start + 1)
        others = [each for each in every if not names.own(each.source)]
        words = verdicts_of([(each.id, each.source) for each in others], known.mark, known.given_on)
        for each in others:
            word, before = words[each.id], each.source.get(VERDICT)
            if word != before and (word is not None or before not in CLOSING):
                marks[each.index, each.id] = word
    return marks


def _delete(writer: FencedWriter, documents: Sequence[Document]) -> int:
    deleted = 0
    for page in _pages(documents):
        deleted += writer.delete(page)
    return deleted


def _bucket(source: dict[str, Any]) -> _Bucket:
    return _Bucket(int(source["timestamp"]), int(source["bucket_span"]))


def _pages(documents: Sequence[T]) -> Iterator[list[T]]:
    rest = iter(documents)
    while page := list(islice(rest, PAGE)):
        yield page
