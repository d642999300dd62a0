"""The state of a job between runs: one small document, written last in each batch by compare-and-set.

A run takes the job's lease before it works: the lease epoch goes up by one, and with it the version of everything that
the run writes. A run that lost its lease is refused at its next write, whatever its clock shows; the lease's end only
decides when another worker may take the job.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ipi_es.cluster.port import Cluster, Document, IndexOptions
from ipi_es.cluster.template_conflict import require_ours, require_template
from ipi_es.errors import Conflict, JobBusy, LostJob, SnapshotMissing, StateDamaged
from ipi_es.state.details import JobDetails
from ipi_es.state.fields import Fields
from ipi_es.state.owner import owner_for_people
from ipi_es.times import from_ms, iso, to_ms

log = logging.getLogger(__name__)

STATE_INDEX = "ipi-es-state"
STATE_TEMPLATE = "ipi-es-state"
FORMAT = 1
"""Format of the state document; a newer one is refused."""

VERSION_BITS = 32
"""External version = lease epoch · 2^32 + version: 4 billion batches per lease, 2 billion leases, below 2^63."""

_EPOCHS_BEGIN = 1_577_836_800
"""Epoch seconds of 2020-01-01: lease epochs counted in seconds from there stay below 2^31 until 2088."""

_MOST_EPOCHS = (1 << 31) - 1
_ID = "state:"
_DAMAGED_HINT = (
    f"look at it with `GET {STATE_INDEX}/_doc/state:JOB`: put the value right there, or delete that document and train "
    "the job again"
)

LEASE_ATTEMPTS = 3
"""Attempts to take a lease, or to pause. Of two workers that try at the same moment one loses the compare-and-set; at
the next attempt it finds the job busy."""


@dataclass(frozen=True, slots=True)
class TrainedState:
    """What the state of a trained job has in any case; ``checkpoint`` in epoch seconds."""

    snapshot_id: str
    history_id: str
    checkpoint: int


@dataclass(frozen=True, slots=True)
class JobState:
    """The state of one job. Times in epoch seconds; ``None`` where there is none yet.

    ``checkpoint`` is the exclusive end of the last bucket that was scored and written; ``renormalized_to`` the event
    time of the last renormalization.
    """

    job_id: str
    checkpoint: int | None = None
    snapshot_id: str | None = None
    history_id: str | None = None
    quantiles_id: str | None = None
    renormalize_due: bool = False
    renormalized_to: int | None = None
    paused: bool = False
    """Set by a person: the worker leaves the job alone, and the holder of the lease stops at its next write."""
    lease_epoch: int = 0
    version: int = 0
    lease_owner: str | None = None
    lease_expires: int | None = None
    lease_for: str | None = None
    """The work that the lease is held for ("training"), for people."""
    lease_since: int | None = None
    """When that work began."""
    details: JobDetails = field(default_factory=JobDetails)
    stored: Document | None = field(default=None, compare=False, repr=False)

    @property
    def external_version(self) -> int:
        """The version that results of this state are written with; it grows with every lease and every batch."""
        return (self.lease_epoch << VERSION_BITS) + self.version

    @property
    def trained(self) -> TrainedState:
        """The parts of a trained job's state. Raises SnapshotMissing where the job was never trained, or was reset."""
        if self.snapshot_id is None or self.history_id is None or self.checkpoint is None:
            raise untrained(self.job_id)
        return TrainedState(self.snapshot_id, self.history_id, self.checkpoint)

    def advanced(self, **changes: Any) -> JobState:
        """Return the state after one more batch: ``version`` + 1, with ``changes``."""
        return replace(self, version=self.version + 1, **changes)

    def to_source(self) -> dict[str, Any]:
        """Return the state's document."""
        return {
            "type": "job_state",
            "format": FORMAT,
            "job_id": self.job_id,
            "checkpoint": _to_ms(self.checkpoint),
            "snapshot_id": self.snapshot_id,
            "history_id": self.history_id,
            "quantiles_id": self.quantiles_id,
            "renormalize_due": self.renormalize_due,
            "renormalized_to": _to_ms(self.renormalized_to),
            "paused": self.paused,
            "lease_epoch": self.lease_epoch,
            "version": self.version,
            "lease_owner": self.lease_owner,
            "lease_expires": _to_ms(self.lease_expires),
            "lease_for": self.lease_for,
            "lease_since": _to_ms(self.lease_since),
            "details": self.details.to_mapping(),
        }

    @classmethod
    def from_document(cls, document: Document) -> JobState:
        """Read a stored state.

        Raises SnapshotForeign where it is of a newer format, StateDamaged where a value is impossible.
        """
        source, name = document.source, document.id.removeprefix(_ID)
        fields = Fields(source, f"the state of job {name} is damaged", _DAMAGED_HINT)
        fields.refuse_newer(f"the state of job {source.get('job_id')}", FORMAT)
        details = JobDetails.from_mapping(fields.inside("details"))
        job_id = fields.text("job_id")
        if document.id.startswith(_ID) and job_id != name:
            fields.wrong("job_id", job_id, name)
        return cls(
            job_id=job_id,
            checkpoint=fields.time_or_none("checkpoint"),
            snapshot_id=fields.text_or_none("snapshot_id"),
            history_id=fields.text_or_none("history_id"),
            quantiles_id=fields.text_or_none("quantiles_id"),
            renormalize_due=fields.flag("renormalize_due"),
            renormalized_to=fields.time_or_none("renormalized_to"),
            paused=fields.flag("paused"),
            lease_epoch=fields.number("lease_epoch", 0, _MOST_EPOCHS),
            version=fields.number("version", 0, (1 << VERSION_BITS) - 1),
            lease_owner=fields.text_or_none("lease_owner"),
            lease_expires=fields.time_or_none("lease_expires"),
            lease_for=fields.text_or_none("lease_for"),
            lease_since=fields.time_or_none("lease_since"),
            details=details,
            stored=document,
        )


class StateStore:
    """The states of all jobs of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def read(self, job_id: str) -> JobState | None:
        """Return the state, or None where the job never ran. Raises SnapshotForeign or StateDamaged."""
        document = self._cluster.get(STATE_INDEX, state_id(job_id))
        return None if document is None else JobState.from_document(document)

    def all(self) -> list[JobState]:
        """Return the states of all jobs, by job id; damaged ones are logged and left out."""
        self._cluster.refresh(STATE_INDEX)
        return self._all()[0]

    def _all(self) -> tuple[list[JobState], list[str]]:
        """Return the states that can be read, by job id, and the ids of the damaged documents."""
        found, damaged = list[JobState](), list[str]()
        query = {"bool": {"filter": [{"term": {"type": "job_state"}}]}}
        for document in self._cluster.scan(STATE_INDEX, query):
            try:
                found.append(JobState.from_document(document))
            except StateDamaged as error:
                log.warning("%s", error)
                damaged.append(document.id)
        return sorted(found, key=lambda state: state.job_id), damaged

    def others_from(self, job_id: str) -> int | None:
        """Return the earliest checkpoint of all jobs but this one, epoch seconds; None if there is none.

        It is 0 where the state of another job is damaged, since its checkpoint is unknown.
        """
        self._cluster.refresh(STATE_INDEX)
        found, damaged = self._all()
        if set(damaged) - {state_id(job_id)}:
            return 0
        others = [state.checkpoint for state in found if state.job_id != job_id]
        return min((checkpoint for checkpoint in others if checkpoint is not None), default=None)

    def cluster_time(self) -> int | None:
        """Return the time of the cluster's clock, epoch seconds; None without a clock (in memory) or a stored state."""
        body = {
            "size": 0,
            "track_total_hits": False,
            "query": {"bool": {"filter": [{"term": {"type": "job_state"}}]}},
            "aggs": {"now": {"date_range": {"field": "time", "ranges": [{"to": "now"}]}}},
        }
        found = self._cluster.search(STATE_INDEX, body, options=IndexOptions(expand_wildcards="all"))
        shown = [each.get("to") for each in found.get("aggregations", {}).get("now", {}).get("buckets", ())]
        return from_ms(shown[0]) if shown and isinstance(shown[0], int | float) else None

    def acquire_lease(
        self, job_id: str, owner: str, now: int, ttl: int, *, alive: Callable[[str], bool], doing: str | None = None
    ) -> JobState:
        """Take the job's lease: lease epoch + 1, lease until ``now + ttl`` (epoch seconds).

        ``doing`` is the work that the lease is for, shown to people while it is held. ``alive`` decides whether an
        owner may still be running (True when in doubt); the lease of a dead owner is taken at once. Raises JobBusy
        while the lease of another live owner lasts.
        """
        for _ in range(LEASE_ATTEMPTS):
            found = self.read(job_id)
            if found is None:
                self._require_template()
            before = found or JobState(job_id)
            _refuse_busy(before, owner, now, alive)
            epoch = first_epoch(now) if found is None else before.lease_epoch + 1
            held = replace(before, lease_owner=owner, lease_expires=now + ttl, lease_for=doing, lease_since=now)
            wanted = replace(held, lease_epoch=epoch, version=0)
            try:
                return self._write(wanted)
            except Conflict:
                continue
        raise JobBusy(f"job {job_id} is being claimed by several workers", hint="start one worker for each job")

    def save(self, state: JobState) -> JobState:
        """Write a state that this store returned.

        Raises LostJob if another writer changed the job's state since then.
        """
        try:
            return self._write(state)
        except Conflict as error:
            now = self.read(state.job_id)
            holder = f"{now.lease_owner} holds it now" if now and now.lease_owner else "it was reset or released"
            raise LostJob(
                f"job {state.job_id} is no longer ours: {holder}",
                hint="nothing to do if another worker is meant to run it; run one command a job at a time",
            ) from error

    def renew(self, state: JobState, now: int, ttl: int) -> JobState:
        """Lengthen the lease until ``now + ttl`` and change nothing else. Raises LostJob as :meth:`save` does."""
        return self.save(replace(state, lease_expires=now + ttl))

    def release(self, state: JobState) -> JobState:
        """Give the lease back, so that the next run need not wait for its end. Raises LostJob as :meth:`save` does."""
        return self.save(_free(state))

    def pause(self, job_id: str, paused: bool, now: int) -> JobState:
        """Pause a job or resume it; a job that never ran can be paused too.

        Nothing else changes, the lease neither. The next write of a worker that holds the lease is refused (LostJob);
        the work that it did not finish is done again once the job is resumed.
        """
        for _ in range(LEASE_ATTEMPTS):
            found = self.read(job_id)
            if found is None:
                self._require_template()
            before = found or JobState(job_id, lease_epoch=first_epoch(now))
            if before.paused == paused:
                return before
            try:
                return self._write(replace(before, paused=paused))
            except Conflict:
                continue  # a worker wrote in between, as workers do every few seconds
        raise JobBusy(f"the state of job {job_id} is written by others all the time", hint="say it once more")

    def reset(self, state: JobState) -> JobState:
        """Remove everything but the lease and whether the job is paused: the next batch starts from the beginning."""
        kept = JobState(
            state.job_id,
            paused=state.paused,
            lease_epoch=state.lease_epoch,
            version=state.version + 1,
            lease_owner=state.lease_owner,
            lease_expires=state.lease_expires,
            lease_for=state.lease_for,
            lease_since=state.lease_since,
            stored=state.stored,
        )
        return self.save(kept)

    def delete(self, job_id: str) -> bool:
        """Delete the job's state; return whether it existed. A worker that holds the lease then loses the job."""
        return self._cluster.delete(STATE_INDEX, state_id(job_id))

    def _write(self, state: JobState) -> JobState:
        document = self._cluster.put(
            STATE_INDEX,
            state_id(state.job_id),
            state.to_source(),
            if_match=state.stored,
            create=state.stored is None,
        )
        return replace(state, stored=document)

    def _require_template(self) -> None:
        if require_template(self._cluster, STATE_TEMPLATE, "the state can't be found again"):
            require_ours(self._cluster, STATE_INDEX, STATE_TEMPLATE)


def first_epoch(now: int) -> int:
    """Return the first lease epoch of a job without a state: seconds since 2020, at least 1.

    A job that is deleted and made again under the same name thus begins above its predecessor. Otherwise the old
    results (and for an hour the versions of deleted ones) would refuse the new ones. No job takes a lease once a second
    for long.
    """
    return max(now - _EPOCHS_BEGIN, 0) + 1


def untrained(job_id: str) -> SnapshotMissing:
    """Return the error for a job that was never trained, or was reset."""
    return SnapshotMissing(f"job {job_id} has no snapshot yet", hint=f"train it: ipi-es train {job_id}")


def state_id(job_id: str) -> str:
    """Return the id of a job's state document; ``:`` can't be in a job id, so no other document has the same."""
    return f"{_ID}{job_id}"


def _refuse_busy(state: JobState, owner: str, now: int, alive: Callable[[str], bool]) -> None:
    holder, expires = state.lease_owner, state.lease_expires
    if holder is None or holder == owner or expires is None or expires <= now or not alive(holder):
        return
    doing = f", {state.lease_for}" if state.lease_for else ""
    since = f" since {iso(state.lease_since)}" if state.lease_since is not None else ""
    raise JobBusy(
        f"job {state.job_id} is held by {owner_for_people(holder)}{doing}{since}",
        hint=f"`ipi-es status {state.job_id}` shows when it is done: say it again then. If it must be now, "
        f"`ipi-es job pause {state.job_id}` makes a worker let go of it within half a minute, and "
        f"`ipi-es job resume {state.job_id}` lets it go on. A lease of a machine that died ends at {iso(expires)}",
    )


def _free(state: JobState) -> JobState:
    return replace(state, lease_owner=None, lease_expires=None, lease_for=None, lease_since=None)


def _to_ms(seconds: int | None) -> int | None:
    return None if seconds is None else to_ms(seconds)
