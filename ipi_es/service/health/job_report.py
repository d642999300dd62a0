"""Reports on a worker's jobs at one moment: plain values, for `/readyz`, `/metrics` and `ipi-es status`.

Times are epoch seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ipi_es.service.blindness.blind_change import BlindChange
from ipi_es.state.details import LastError


class JobActivity(StrEnum):
    """What a worker currently does with a job."""

    STARTING = "starting"
    """The job had no tick yet."""
    RUNNING = "running"
    """This worker runs it."""
    STANDING_BY = "standing_by"
    """Another worker holds its lease."""
    WAITING = "waiting"
    """Something is missing that will come with time, such as history to train on."""
    PAUSED = "paused"
    """A person paused it."""


class NotReadyReason(StrEnum):
    """Why a worker is not ready."""

    STARTING = "starting"
    """The job had no tick yet."""
    CLUSTER_AWAY = "cluster_away"
    """The last tick ended with an error of the cluster, or of the connection to it."""
    FAILING = "failing"
    """Several ticks in a row ended with an error."""
    LAGGING = "lagging"
    """More than ``max_lag`` complete buckets aren't scored."""
    TRAINING_FAILED = "training_failed"
    """The last training failed; scoring continues with the network in use."""
    BLIND = "blind"
    """No events any more, although there usually are some."""
    HALF_BLIND = "half_blind"
    """Most events, or all usable ones, are missing."""
    DESTINATION_DEAD = "destination_dead"
    """A destination of alerts has taken nothing for a quarter of an hour."""
    BAD_FILE = "bad_file"
    """The job's file can't be used; the reason's ``job_id`` is the file's name."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why a worker isn't ready."""

    job_id: str
    trouble: NotReadyReason
    text: str


@dataclass(slots=True)
class JobReport:
    """All that is known of a job at one moment. Counts are since the process began."""

    job_id: str
    doing: JobActivity = JobActivity.STARTING
    holder: str | None = None
    """Owner of the lease, if this worker stands by."""
    waits_for: str | None = None
    lease_held: bool = False
    """This worker did the job's last tick."""
    last_tick: int | None = None
    checkpoint: int | None = None
    events: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Documents that match the query but can't be scored, by reason."""
    unparsable_share: float | None = None
    """Share of the last buckets' events without an entity or without a valid IP; 0–1, None without events."""
    buckets: int = 0
    records: Counter[str] = field(default_factory=Counter)
    """By severity."""
    steps: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Step → (times, seconds)."""
    alerts_sent: Counter[str] = field(default_factory=Counter)
    """Messages that were accepted, by destination of `alerts.notify`, as are the next four."""
    alerts_refused: Counter[str] = field(default_factory=Counter)
    """Messages that were not accepted, each try."""
    alerts_given_up: Counter[str] = field(default_factory=Counter)
    """Alerts that became too old while they waited."""
    alerts_waiting: dict[str, int] = field(default_factory=dict)
    """Alerts that weren't sent yet at the last delivery."""
    alerts_failing: dict[str, LastError] = field(default_factory=dict)
    """Since when, and why, a destination accepts nothing."""
    errors: Counter[str] = field(default_factory=Counter)
    """By the error's class."""
    failures_in_a_row: int = 0
    last_error: LastError | None = None
    cluster_away: LastError | None = None
    training_failed: LastError | None = None
    trainings: int = 0
    bulk_rejections: Counter[str] = field(default_factory=Counter)
    """Documents of bulks, by :data:`ipi_es.cluster.transport.pressure.Rejection`."""
    snapshot_id: str | None = None
    trained_to: int | None = None
    training_metrics: dict[str, float] = field(default_factory=dict)
    blind: BlindChange | None = None
    """The change by which the job is blind or half blind."""
    outcome_words: Mapping[str, int] = field(default_factory=dict)
    """Values of the outcome field with their number of documents, if a missing outcome is the reason."""
    lag_buckets: int | None = None
    """Complete buckets that aren't scored; None if another worker has the job, or nothing was scored yet."""
    lag_seconds: int | None = None
    """How long the oldest of those has been complete; 0 where there is none."""
