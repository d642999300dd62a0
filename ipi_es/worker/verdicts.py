"""What people say of a job's findings: kept for the worker, and noted beside the results.

No lease is needed: a verdict is a document of its own, and so is its annotation, which stands at the bucket in which it
was said. A verdict that is taken back stays noted, as taken back.
"""

from __future__ import annotations

from ipi_es.cluster.port import Cluster
from ipi_es.config.job import Job
from ipi_es.results.annotations import Annotation
from ipi_es.results.documents import Stamp
from ipi_es.results.store import ResultStore
from ipi_es.state.job_state import JobState, StateStore
from ipi_es.state.verdicts import Verdict, VerdictStore
from ipi_es.times import iso
from ipi_es.worker.describe import context_of


class Verdicts:
    """The verdicts on one job's findings; ``now`` in epoch seconds."""

    def __init__(self, cluster: Cluster, job: Job, now: int) -> None:
        self._job, self._now, self._context = job, now, context_of(job)
        self._states, self._store = StateStore(cluster), VerdictStore(cluster, job.job_id)
        self._results = ResultStore(cluster, job.job_id, job.results_index_name, flat_fields=self._context.flat_fields)

    def all(self) -> list[Verdict]:
        """All of the job, the oldest first."""
        return self._store.all()

    def confirm(self, verdict: Verdict) -> None:
        """Keep a verdict, then note it."""
        self._store.save(verdict)
        self._note(verdict, "")

    def take_back(self, entity: str, network: str) -> bool:
        """Take back what was said of a pair, after noting that; whether anything was."""
        found = next((each for each in self.all() if (each.entity, each.network) == (entity, network)), None)
        if found is None:
            return False
        self._note(found, f" Taken back at {iso(self._now)}.")
        return self._store.delete(entity, network)

    def _note(self, verdict: Verdict, more: str) -> None:
        span = self._job.bucket_span
        start = verdict.at // span * span
        comment = f": {verdict.comment}" if verdict.comment else ""
        text = f"{verdict.by} confirmed that {verdict.entity} uses {verdict.network}{comment}.{more}"
        note = Annotation("verdict", start, start + span, text, (verdict.entity, verdict.network))
        state = self._states.read(self._job.job_id) or JobState(self._job.job_id)
        stamp = Stamp(state.snapshot_id or "", state.quantiles_id or "", self._now)
        self._results.annotate([note], self._context, stamp, None)
