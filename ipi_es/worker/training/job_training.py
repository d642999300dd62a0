"""Train a job: events → network → calibration → a snapshot and a history, to which the job's state will point."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import NO_RULE
from ipi_es.config.setting_rules import made_with
from ipi_es.datafeed.bucket_context import context_from
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.reader import Datafeed
from ipi_es.errors import NoEvents, NotEnoughHistory
from ipi_es.extras import TRAIN, require
from ipi_es.index_pairs import packed_pairs
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.network.network_fitting import TrainingProgress
from ipi_es.ipinsights.network.table_size import entity_table, history_tables
from ipi_es.ipinsights.storage import history_to_bytes
from ipi_es.ipinsights.training.training import Trained, train
from ipi_es.scoring.references import References
from ipi_es.state.blobs import BlobStore
from ipi_es.times import SECONDS, iso
from ipi_es.worker.history.history_keeper import HistoryId, history_base
from ipi_es.worker.scoring.normalizer_state import NormalizerState
from ipi_es.worker.scoring.outcome_views import Participation, learned, views_of
from ipi_es.worker.scoring.scored_pairs import ScoredPairs
from ipi_es.worker.training.job_snapshot import JobSnapshot, snapshot_id_of
from ipi_es.worker.training.retraining import NONE, NetworkComparison, PreviousNetwork, begin, better
from ipi_es.worker.training.training_rows import TrainingRowsCollector

log = logging.getLogger(__name__)

WEEKS_FROM = 18
"""Days of history from which a whole week is used for calibration: eleven days remain to train on."""


@dataclass(frozen=True, slots=True)
class TrainingCallbacks:
    """Callbacks for progress: ``read`` gets each event bucket that was read, ``training`` the training's progress."""

    read: Callable[[EventBucket], None] = lambda _: None
    training: Callable[[TrainingProgress], None] = lambda _: None


@dataclass(frozen=True, slots=True, eq=False)
class TrainedJob:
    """The outcome of a training, not stored yet."""

    snapshot: JobSnapshot
    history: History
    collected: TrainingRowsCollector
    begun: str = ""
    """Whether the network started from a previous one, and why, in words."""
    compared: NetworkComparison | None = None
    """Comparison with the network in use; None: there was none."""


def learn(
    collector: TrainingRowsCollector,
    feed: Datafeed,
    start: int,
    end: int,
    callbacks: TrainingCallbacks | None = None,
    *,
    previous: PreviousNetwork = NONE,
    from_scratch: bool = False,
) -> TrainedJob:
    """Train on [start, end), epoch seconds; ``end`` should be the start of a UTC day, or history lacks that day's rest.

    ``collector`` is empty, and knows what is learned. Training starts from the ``previous`` network where possible,
    unless ``from_scratch``; the previous network is kept if the new one is worse.
    Raises NoEvents or NotEnoughHistory, with the numbers, and ExtraMissing without TensorFlow.
    """
    require("training", TRAIN)
    callbacks = callbacks or TrainingCallbacks()
    job = collector.job
    for bucket in feed.read(start, end, job.bucket_span):
        collector.take(bucket)
        callbacks.read(bucket)
    if not collector.event_count:
        raise NoEvents(
            f"no event of job {job.job_id} between {iso(start)} and {iso(end)}",
            hint=f"`ipi-es check {job.job_id}` shows which indices, query and times have events",
        )
    networks = feed.networks
    events = collector.events(end, None if networks is None else partial(context_from, networks))
    rows = int(events.learns.sum())
    if rows < job.training.min_events:
        unusable = (
            f"{collector.event_count:,} events lack: a field, an address that counts, an outcome that is asked for"
        )
        raise NotEnoughHistory(
            f"{rows:,} unique (bucket, entity, IP) to learn from between {iso(start)} and {iso(end)}, "
            f"training.min_events is {job.training.min_events:,}",
            hint="train over a longer time (--start), or lower training.min_events if the data is that sparse"
            if rows
            else f"`ipi-es check {job.job_id}` says what the {unusable}",
        )
    calibrate_from = calibration_start(int(events.time[0]), end, job.training.calibration_share)
    hyperparameters = job.ip_insights
    warn_of_entity_table(job.job_id, hyperparameters.entity_rows, len(events.entities))
    started = begin(previous, hyperparameters, len(events.entities), from_scratch=from_scratch)
    log.info("job %s: the network %s", job.job_id, started.said)
    trained = train(
        events,
        hyperparameters,
        progress=callbacks.training,
        base=started.base,
        rival=previous.network,
        calibrate_from=calibrate_from,
    )
    trained, compared = better(trained, previous)
    if compared is not None:
        log.log(logging.INFO if compared.taken else logging.WARNING, "job %s: %s", job.job_id, compared)
    for text, hint in history_tables(trained.history):
        log.warning("job %s: %s; %s", job.job_id, text, hint)
    return TrainedJob(calibrated(job, trained, end), trained.history, collector, started.said, compared)


def warn_of_entity_table(job_id: str, rows: int | None, entities: int) -> None:
    """Log a warning if the entity table has too few ``rows``; None: it has the recommended number."""
    too_few = None if rows is None else entity_table(rows, entities)
    if too_few is not None:
        log.warning("job %s: num_entity_vectors: %s; %s", job_id, *too_few)


def calibrated(job: Job, trained: Trained, end: int) -> JobSnapshot:
    """Return the snapshot of a training, with calibration, correlations and levels from its calibration part."""
    sample = trained.calibration
    age = sample.time // SECONDS["d"] - trained.history.origin
    bucket = sample.time // job.bucket_span
    compatibility, prior, failures_only = sample.compatibility, sample.prior_events, sample.failures_only
    groups = _groups(bucket, sample.entity), _groups(bucket, sample.ip)
    references = References.fit(compatibility, prior, age, failures_only, *groups)
    judged = references.judge(compatibility, prior, age, failures_only)  # as scoring does
    levels = NormalizerState.empty((job.entity_field, job.ip_field))
    for rows in np.split(np.arange(len(bucket)), np.flatnonzero(np.diff(bucket)) + 1):
        entities, first, entity = np.unique(sample.entity[rows], return_index=True, return_inverse=True)
        ips, first_ip, ip = np.unique(sample.ip[rows], return_index=True, return_inverse=True)
        pairs = ScoredPairs(
            entity=entity.astype(np.int32),
            ip=ip.astype(np.int32),
            count=np.ones(len(rows), dtype=np.int64),
            compatibility=sample.compatibility[rows],
            history_class=judged.history_class[rows],
            prior_events=sample.prior_events[rows],
            ln_p=judged.ln_p[rows],
            plain_ln_p=judged.ln_p[rows],
            calibrated_ln_p=judged.calibrated.ln_p[rows],
            extrapolated=judged.calibrated.extrapolated[rows],
            rule=np.full(len(rows), NO_RULE, dtype=np.int32),
            failures_only=sample.failures_only[rows],
        )
        part = Participation.everything(len(rows), len(ips))
        views = views_of(pairs, part, len(entities), len(ips), references)
        keys = sample.entity_hash[rows][first], sample.ip_key[rows][first_ip]
        levels = learned(levels, job, job.bucket_span, pairs, part, views, *keys)
    return JobSnapshot(job.job_id, end, trained.snapshot, references, levels, made_with(job))


def store(blobs: BlobStore, learned_: TrainedJob, now: int) -> tuple[str, HistoryId]:
    """Write the snapshot and the history base; return (snapshot id, history id). No state points to them yet."""
    return store_parts(blobs, learned_.snapshot, learned_.history, now)


def store_parts(blobs: BlobStore, snapshot: JobSnapshot, history: History, now: int) -> tuple[str, HistoryId]:
    """Write the snapshot and the history base, as :func:`store` does."""
    blob = snapshot.to_bytes()
    snapshot_id = snapshot_id_of(snapshot.trained_to, blob)
    base = HistoryId(history_base(snapshot_id), history.day)
    about = {"trained_to": iso(snapshot.trained_to), "history": base.base, **snapshot.network.metrics}
    job_id = snapshot.job_id
    packed = history_to_bytes(history)
    blobs.write(
        job_id, base.base, "history_base", packed, created=now, attributes={"day": base.day, "origin": history.origin}
    )
    blobs.write(job_id, snapshot_id, "network", blob, created=now, attributes=about)
    log.info("job %s: snapshot %s, %d + %d bytes", job_id, snapshot_id, len(blob), len(packed))
    return snapshot_id, base


def calibration_start(first: int, end: int, share: float) -> int | None:
    """Return where the calibration part of [first, end) begins, epoch seconds; None: at that share of the rows.

    If the range has at least :data:`WEEKS_FROM` days, the part is whole weeks: people work, travel and rest by the
    week, and probabilities calibrated on four weekdays were wrong at the weekend.
    """
    day = SECONDS["d"]
    days = -(-(end - first) // day)
    if days < WEEKS_FROM:
        return None
    weeks = max(int(share * days / 7), 1)
    return end // day * day - weeks * 7 * day


def _groups(bucket: NDArray[np.int64], code: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the group of each row, int64[n]: rows with the same bucket and code share a group."""
    return packed_pairs(bucket, code, int(code.max(initial=0)) + 1)
