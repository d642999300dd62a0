"""The normalizer's state of a job: one immutable document per batch, under an id that the batch determines.

A batch that is run again writes the same document again. The job's state points to the one in use; later and earlier
ones are deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipi_es.cluster.port import BulkOutcome, Cluster, Document, Drop, Put
from ipi_es.errors import LostJob, SnapshotDamaged, SnapshotForeign, SnapshotMissing
from ipi_es.state import array_encoding
from ipi_es.state.fields import Fields
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.times import to_ms

FORMAT = 1
"""Format of a quantiles document; a newer one is refused."""


@dataclass(frozen=True, slots=True, eq=False)
class SavedQuantiles:
    """One array per level (``record``, ``bucket_time`` …), as of event time ``time`` (epoch seconds)."""

    id: str
    time: int
    levels: Mapping[str, NDArray[np.float64]]


class QuantilesStore:
    """The quantiles documents of one job."""

    def __init__(self, cluster: Cluster, job_id: str) -> None:
        self._cluster = cluster
        self._job_id = job_id

    def save(self, quantiles: SavedQuantiles, version: int) -> None:
        """Write quantiles. Raises LostJob where a newer worker already wrote the same id."""
        source = {
            "type": "quantiles",
            "format": FORMAT,
            "job_id": self._job_id,
            "quantiles_id": quantiles.id,
            "time": to_ms(quantiles.time),
            "levels": {name: array_encoding.encode(array) for name, array in sorted(quantiles.levels.items())},
        }
        self._check(self._cluster.bulk([Put(STATE_INDEX, self._document_id(quantiles.id), source, version)]))

    def read(self, quantiles_id: str) -> SavedQuantiles:
        """Read one document. Raises SnapshotMissing, SnapshotDamaged or SnapshotForeign."""
        document = self._cluster.get(STATE_INDEX, self._document_id(quantiles_id))
        if document is None:
            raise SnapshotMissing(
                f"job {self._job_id} has no quantiles {quantiles_id}",
                hint=f"they were deleted by hand; `ipi-es backfill {self._job_id} --start … --again` builds them again",
            )
        source = document.source
        fields = self._fields(source, quantiles_id)
        if fields.text("job_id") != self._job_id or fields.number("format", 0, 1 << 31, absent=0) > FORMAT:
            raise SnapshotForeign(
                f"quantiles {quantiles_id} are of job {source.get('job_id')}, format {source.get('format')}",
                hint=f"expected job {self._job_id}, format {FORMAT} at most: is a newer ipi-es at work on this job?",
            )
        if fields.text("quantiles_id") != quantiles_id:
            fields.wrong("quantiles_id", source["quantiles_id"], quantiles_id)
        levels = {}
        for name, body in fields.mapping("levels").items():
            if not isinstance(body, Mapping):
                fields.wrong(f"levels.{name}", body, "a stored array")
            levels[name] = array_encoding.decode(body)
            if levels[name].dtype.kind != "f":
                fields.wrong(f"levels.{name}", levels[name].dtype.name, "an array of floats")
        if not levels:
            fields.wrong("levels", source.get("levels"), "an array a level")
        return SavedQuantiles(quantiles_id, fields.time("time"), levels)

    def _fields(self, source: Mapping[str, Any], quantiles_id: object) -> Fields:
        hint = f"`ipi-es backfill {self._job_id} --start … --again` builds them again"
        what = f"quantiles {quantiles_id} of job {self._job_id} are damaged"
        return Fields(source, what, hint, SnapshotDamaged)

    def ids(self) -> list[str]:
        """Return the ids of all stored quantiles, sorted."""
        return sorted(source["quantiles_id"] for _, source in self._all())

    def times(self) -> dict[str, int]:
        """Return the event time of each document, epoch seconds, by id."""
        return {
            source["quantiles_id"]: self._fields(source, source["quantiles_id"]).time("time")
            for _, source in self._all()
        }

    def sweep(self, keep: Collection[str], version: int) -> int:
        """Delete all documents but ``keep``; return their number.

        Raises LostJob where a newer worker wrote one of them.
        """
        return self._drop([place for place, source in self._all() if source["quantiles_id"] not in keep], version)

    def sweep_after(self, last: str, version: int) -> int:
        """Delete the documents whose ids sort after ``last``; return their number.

        Raises LostJob as :meth:`sweep` does.
        """
        return self._drop([place for place, source in self._all() if source["quantiles_id"] > last], version)

    def _drop(self, gone: list[str], version: int) -> int:
        if not gone:
            return 0
        outcome = self._cluster.bulk(Drop(STATE_INDEX, place, version) for place in gone)
        self._check(outcome)
        return outcome.deleted

    def _all(self) -> list[tuple[str, dict[str, Any]]]:
        self._cluster.refresh(STATE_INDEX)
        query = {"bool": {"filter": [{"term": {"type": "quantiles"}}, {"term": {"job_id": self._job_id}}]}}
        found = self._cluster.scan(STATE_INDEX, query, source=["quantiles_id", "time"])
        return [(each.id, {**each.source, "quantiles_id": self._id_of(each)}) for each in found]

    def _id_of(self, document: Document) -> str:
        return self._fields(document.source, document.id).text("quantiles_id")

    def _check(self, outcome: BulkOutcome) -> None:
        if outcome.fenced:
            raise LostJob(
                f"another worker has written quantiles of job {self._job_id} in the meantime",
                hint="nothing to do: the other worker goes on; run one command a job at a time",
            )

    def _document_id(self, quantiles_id: str) -> str:
        return f"quantiles:{self._job_id}:{quantiles_id}"
