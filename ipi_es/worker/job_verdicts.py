"""People's verdicts on a job's findings: stored for the worker, and annotated beside the results.

No lease is needed: a verdict is a document of its own, and so is its annotation, at the bucket of the verdict's time.
The annotation of a revoked verdict stays and says so. A job that is being deleted takes no verdicts: the deletion may
already have deleted its verdicts, so the job is checked after writing too.
"""

from __future__ import annotations

from ipi_es.cluster.port import Cluster, Drop
from ipi_es.config.job_config import Job
from ipi_es.errors import IpiEsError, JobBusy, UsageError
from ipi_es.results.documents.annotations import Annotation
from ipi_es.results.documents.result_documents import Stamp
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS
from ipi_es.state.job_state import JobState, StateStore
from ipi_es.state.owner import owner_for_people
from ipi_es.state.verdict_store import Verdict, VerdictStore
from ipi_es.times import iso
from ipi_es.worker.scoring.describer import context_of
from ipi_es.worker.upkeep.removal import DELETING


class Verdicts:
    """The verdicts on one job's findings; ``now`` is in epoch seconds."""

    def __init__(self, cluster: Cluster, job: Job, now: int) -> None:
        self._cluster, self._job, self._now, self._context = cluster, job, now, context_of(job)
        self._states, self._store = StateStore(cluster), VerdictStore(cluster, job.job_id)
        self._results = ResultStore(cluster, job.job_id, job.results_index_name, flat_fields=self._context.flat_fields)

    def all(self) -> list[Verdict]:
        """Return all verdicts of the job, the oldest first."""
        return self._store.all()

    def confirm(self, verdict: Verdict) -> None:
        """Store a verdict, then annotate it.

        Raises UsageError if the job has no state: it never ran, or was deleted. Raises JobBusy while it is being
        deleted.
        """
        self._require_job()
        self._store.save(verdict)
        self._note_unless_deleted(verdict, "")

    def take_back(self, entity: str, network: str) -> bool:
        """Revoke the verdict on a pair, after annotating that; return whether there was one.

        Raises UsageError or JobBusy as :meth:`confirm` does.
        """
        found = next((each for each in self.all() if (each.entity, each.network) == (entity, network)), None)
        if found is None:
            return False
        self._note_unless_deleted(found, f" Revoked at {iso(self._now)}.")
        return self._store.delete(entity, network)

    def _note_unless_deleted(self, verdict: Verdict, more: str) -> None:
        self._note(verdict, more)
        try:
            self._require_job()
        except IpiEsError:
            self._forget(verdict)
            raise

    def _require_job(self) -> None:
        job_id = self._job.job_id
        state = self._states.read(job_id)
        if state is None:
            raise UsageError(
                f"job {job_id} has no state: it never ran, or it was deleted", hint=f"train it: ipi-es train {job_id}"
            )
        if state.lease_for == DELETING:
            holder = owner_for_people(str(state.lease_owner))
            since = iso(state.lease_since or 0)
            raise JobBusy(
                f"job {job_id} is held by {holder}, {DELETING} since {since}",
                hint=f"if that was stopped, `ipi-es job delete {job_id}` brings it to its end",
            )

    def _forget(self, verdict: Verdict) -> None:
        """Delete a verdict and its annotation, since the job was deleted meanwhile."""
        self._store.delete(verdict.entity, verdict.network)
        self._cluster.refresh(ALIAS)
        note = self._annotation(verdict, "").document(self._context, Stamp("", "", self._now))
        query = {"bool": {"filter": [{"term": {"job_id": self._job.job_id}}, {"ids": {"values": [note.id]}}]}}
        found = list(self._cluster.scan(ALIAS, query, source=False))
        self._cluster.bulk([Drop(each.index, each.id) for each in found], refresh=True)

    def _annotation(self, verdict: Verdict, more: str) -> Annotation:
        span = self._job.bucket_span
        start = verdict.at // span * span
        comment = f": {verdict.comment}" if verdict.comment else ""
        text = f"{verdict.by} confirmed that {verdict.entity} uses {verdict.network}{comment}.{more}"
        return Annotation("verdict", start, start + span, text, (verdict.entity, verdict.network))

    def _note(self, verdict: Verdict, more: str) -> None:
        state = self._states.read(self._job.job_id) or JobState(self._job.job_id)
        stamp = Stamp(state.snapshot_id or "", state.quantiles_id or "", self._now)
        self._results.annotate([self._annotation(verdict, more)], self._context, stamp, None)
