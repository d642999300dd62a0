"""Writes under a job's lease: each one checks the lease first, and carries the version of its state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from ipi_es.cluster.port import Document
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.documents.result_documents import ResultContext, ResultDocument, Stamp
from ipi_es.results.retention import Deleted
from ipi_es.state.fenced_blobs import FencedBlobs
from ipi_es.state.job_state import JobState
from ipi_es.state.leased_state import LeasedState
from ipi_es.state.quantiles_store import SavedQuantiles
from ipi_es.worker.stores import Stores


class FencedWriter:
    """Writes results, quantiles, blobs and state while the job's lease is held.

    Every method raises LostJob if another worker has taken the job over. ``version`` is the external version that
    documents are written with; None: that of the last saved state.
    """

    def __init__(self, stores: Stores, lease: LeasedState) -> None:
        self._results, self._quantiles, self._lease = stores.results, stores.quantiles, lease
        self.blobs = FencedBlobs(stores.blobs, lease.check)

    @property
    def state(self) -> JobState:
        """The job's last saved state."""
        return self._lease.state

    def save(self, after: JobState) -> JobState:
        """Write the state and renew the lease; return the saved state. ``after`` must be made from :attr:`state`."""
        return self._lease.save(after)

    def write(self, documents: Collection[ResultDocument], version: int | None = None) -> int:
        """Write results; return their number."""
        return self._results.write(documents, self._checked(version))

    def rewrite(self, documents: Iterable[Document]) -> None:
        """Replace stored results."""
        version = self._checked()
        self._results.rewrite(documents, version)

    def delete(self, documents: Sequence[Document]) -> int:
        """Delete stored results and annotations; return their number."""
        return self._results.delete(documents, self._checked())

    def drop_vanished(self, start: int, end: int, ids: Collection[str], version: int | None = None) -> None:
        """Delete the results of [start, end), epoch seconds, with ids that are not in ``ids``."""
        self._results.drop_vanished(start, end, ids, self._checked(version))

    def annotate(self, annotations: Iterable[Annotation], context: ResultContext, stamp: Stamp) -> int:
        """Write annotations; return the number of new ones."""
        return self._results.annotate(list(annotations), context, stamp, self._checked())

    def delete_annotations(self, query: Mapping[str, Any]) -> None:
        """Delete the annotations that match."""
        self._results.delete_annotations(query, self._checked())

    def delete_before(
        self,
        end: int,
        *,
        others_from: int | None,
        held_from: int | None,
        stopping: Callable[[], bool],
    ) -> Deleted:
        """Delete results of buckets before ``end``, epoch seconds; see :mod:`ipi_es.results.retention`."""
        return self._results.delete_before(
            end, self._checked(), others_from=others_from, held_from=held_from, stopping=stopping
        )

    def delete_from(self, start: int) -> int:
        """Delete results of buckets from ``start`` on, epoch seconds; return their number."""
        return self._results.delete_from(start, self._checked())

    def save_quantiles(self, saved: SavedQuantiles, version: int) -> None:
        """Write quantiles that the next state will point to."""
        self._quantiles.save(saved, self._checked(version))

    def sweep_quantiles(self, keep: Collection[str]) -> int:
        """Delete all quantiles but those with the ids ``keep``; return the number of deleted ones."""
        return self._quantiles.sweep(keep, self._checked())

    def sweep_later_quantiles(self, quantiles_id: str) -> None:
        """Delete the quantiles of later batches, which were never finished."""
        self._quantiles.sweep_after(quantiles_id, self._checked())

    def _checked(self, version: int | None = None) -> int:
        """Check the lease; return the version to write with."""
        self._lease.check()
        return self._lease.state.external_version if version is None else version
