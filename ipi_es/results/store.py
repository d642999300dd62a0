"""The only module that writes results.

Every write carries the version of the job's state (``lease epoch · 2³² + version``): a worker that lost its lease can't
overwrite or delete results of its successor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson

from ipi_es.cluster.port import BulkOutcome, Cluster, Document, Drop, Put
from ipi_es.errors import LostJob
from ipi_es.results import retention
from ipi_es.results.documents.annotations import BLIND_FIELDS, Annotation
from ipi_es.results.documents.result_documents import ResultContext, ResultDocument, Stamp
from ipi_es.results.reading import queries
from ipi_es.results.reading.queries import ResultFilter
from ipi_es.results.reading.result_reader import MAX_PAGE, ResultReader
from ipi_es.results.result_indices import ResultIndices
from ipi_es.results.words import ALIAS, RESULT_KINDS

REMEMBERED = 20_000
"""Recently written documents kept in memory, about 30 MB: a renormalization mostly changes recent documents."""


class ResultStore(ResultReader):
    """Results of one job, written and read.

    ``flat_fields`` is ``{field: type}`` of the fields that results carry under the events' own names
    (:attr:`ipi_es.results.documents.result_documents.ResultContext.flat_fields`).
    """

    def __init__(
        self,
        cluster: Cluster,
        job_id: str,
        results_index_name: str | None = None,
        *,
        flat_fields: Mapping[str, str] | None = None,
        page: int = MAX_PAGE,
        remembered: int = REMEMBERED,
    ) -> None:
        """``page``: hits of a search; more are scanned. ``remembered``: written documents that are kept in memory."""
        super().__init__(cluster, job_id, page=page)
        self._remembered = remembered
        self.indices = ResultIndices(cluster, job_id, results_index_name, flat_fields or {})
        self._written: dict[tuple[str, str], bytes] = {}  # by (index, id), as JSON; the oldest first

    def write(self, documents: Iterable[ResultDocument], version: int) -> int:
        """Write documents; return the number. Raises LostJob where a newer worker's version already exists."""
        documents = list(documents)
        self.indices.prepare(documents)
        return self._put(documents, version)

    def rewrite(self, documents: Iterable[Document], version: int) -> int:
        """Write whole documents that were read before (renormalized ones) to their index and id; return the number.

        Raises LostJob as in :meth:`write`.
        """
        return self._put(list(documents), version)

    def drop_vanished(self, start: int, end: int, keep: Collection[str], version: int) -> int:
        """Delete the results of buckets in [start, end) whose id is not in ``keep``; return the number.

        An earlier run wrote them, and a new run didn't produce them again. Annotations stay.
        """
        # makes documents of an earlier run and those just written visible, to this search and to all readers
        self._cluster.refresh(ALIAS)
        query = queries.results_query(self._job_id, RESULT_KINDS, ResultFilter(start, end))
        wanted = keep if isinstance(keep, (set, frozenset)) else set(keep)
        return self._drop([each for each in self._ids(query) if each.id not in wanted], version)

    def delete(self, documents: Sequence[Document], version: int) -> int:
        """Delete documents that were read before; return the number. Raises LostJob as in :meth:`write`."""
        return self._drop(documents, version)

    def annotate(
        self, annotations: Iterable[Annotation], context: ResultContext, stamp: Stamp, version: int | None
    ) -> int:
        """Write the annotations that aren't stored yet with the same text and fields; return the number.

        ``version`` None: the writer holds no lease. Raises LostJob as in :meth:`write`.
        """
        said = [each.document(context, stamp) for each in annotations]
        if not said:
            return 0
        self._cluster.refresh(ALIAS)
        query = {
            "bool": {"filter": [{"term": {"job_id": self._job_id}}, {"ids": {"values": [each.id for each in said]}}]}
        }
        known = {each.id: each.source for each in self._hits({"query": query, "size": self._page})}
        new = [each for each in said if not _says(known.get(each.id, {}), each.source)]
        new = self.indices.writable(new, stamp.ingested)
        self.indices.prepare(new)
        return self._put(new, version) if new else 0

    def delete_annotations(self, query: Mapping[str, Any], version: int) -> int:
        """Delete the annotations of a query of :mod:`~ipi_es.results.documents.annotations`; return the number.

        Raises LostJob as in :meth:`write`.
        """
        self._cluster.refresh(ALIAS)
        return self._drop(list(self._ids(query)), version)

    def by_place(self, places: Sequence[tuple[str, str]]) -> list[Document]:
        """Return the documents at (index, id), in that order; deleted ones are left out.

        Documents that this store wrote recently come from memory. Call it only while the job's lease is held: where
        another worker has written in the meantime, writing them again is refused. The others are searched for after a
        refresh.
        """
        found = {place: self._written[place] for place in places if place in self._written}
        documents = {place: Document(place[1], place[0], orjson.loads(body)) for place, body in found.items()}
        others = [place for place in places if place not in documents]
        if others:
            self.show()
        step = max(self._page // 2, 1)  # an id can be in two indices, after results_index_name was changed
        for start in range(0, len(others), step):
            ids = sorted({place for _, place in others[start : start + step]})
            query = {"bool": {"filter": [{"term": {"job_id": self._job_id}}, {"ids": {"values": ids}}]}}
            hits = self._hits({"query": query, "size": self._page})
            documents |= {(each.index, each.id): each for each in hits}
        return [documents[place] for place in places if place in documents]

    def forget(self) -> None:
        """Drop written documents from memory: another worker may have written since."""
        self._written.clear()

    def delete_before(
        self,
        end: int,
        version: int,
        *,
        others_from: int | None = None,
        held_from: int | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> retention.Deleted:
        """Delete results and annotations before ``end``, see :func:`ipi_es.results.retention.delete_before`."""
        gone = retention.delete_before(
            self._cluster,
            self._job_id,
            end,
            version,
            others_from=others_from,
            held_from=held_from,
            stopping=stopping,
        )
        self.indices.gone(gone.indices)
        # else a renormalization would write deleted documents again from memory
        self._written.clear()
        return gone

    def delete_from(self, start: int, version: int) -> int:
        """Delete records, influencers and buckets at or after ``start``; annotations stay. Return the number."""
        self._cluster.refresh(ALIAS)
        query = queries.results_query(self._job_id, RESULT_KINDS, ResultFilter(start))
        self._written.clear()
        return retention.delete_found(self._cluster, self._job_id, query, version)

    def _put(self, documents: Sequence[ResultDocument | Document], version: int | None) -> int:
        outcome = self._cluster.bulk(Put(each.index, each.id, each.source, version) for each in documents)
        self._check(outcome)
        for each in documents:
            self._written[each.index, each.id] = orjson.dumps(each.source)
        for place in list(islice(self._written, max(len(self._written) - self._remembered, 0))):
            del self._written[place]
        return outcome.written

    def _drop(self, documents: Sequence[Document], version: int) -> int:
        if not documents:
            return 0
        outcome = self._cluster.bulk(Drop(each.index, each.id, version) for each in documents)
        self._check(outcome)
        for each in documents:
            self._written.pop((each.index, each.id), None)
        return outcome.deleted

    def _check(self, outcome: BulkOutcome) -> None:
        if outcome.fenced:
            raise LostJob(
                f"another worker has written results of job {self._job_id} in the meantime "
                f"({len(outcome.fenced)} of ours were refused)",
                hint="nothing to do: the other worker goes on; run one command a job at a time",
            )


def _says(known: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """Return whether a stored annotation has the same text and fields as a new one."""
    return all(known.get(name) == said.get(name) for name in ("annotation", "end_timestamp", *BLIND_FIELDS))
