"""Annotations that a worker writes about its job: which network is used, and whether the job warms up.

They are written before the state that they describe: a worker that was killed in between does its work again, and
writes the same annotation under the same id.
"""

from __future__ import annotations

from collections.abc import Iterable

from ipi_es.cluster.port import Document
from ipi_es.config.job_config import Job
from ipi_es.errors import SnapshotError
from ipi_es.results.documents.annotations import Annotation
from ipi_es.scoring.history_age import YOUNG_DAYS
from ipi_es.state.blobs import BlobStore
from ipi_es.state.job_state import JobState
from ipi_es.times import day_of, from_ms, iso
from ipi_es.worker.history.history_keeper import HistoryId
from ipi_es.worker.training.job_training import TrainedJob

WARMS_UP = "The job warms up"
"""How the annotation of a warm-up's beginning starts; that of its end starts differently."""


def of_training(
    job: Job, learned: TrainedJob, snapshot_id: str, checkpoint: int, age_before: int | None
) -> list[Annotation]:
    """Return annotations of a training: the snapshot used from ``checkpoint`` (epoch seconds) on, and any warm-up.

    A warm-up is annotated if it begins or ends. ``age_before``: age in days of the history that was in use until now;
    None: there was none.
    """
    compared = "" if learned.compared is None else f"; {learned.compared}"
    text = (
        f"From here on snapshot {snapshot_id} is used, trained on {learned.collected.event_count:,} events "
        f"up to {iso(learned.snapshot.trained_to)}; the network {learned.begun}{compared}."
    )
    said = [Annotation("model_snapshot", checkpoint, checkpoint + job.bucket_span, text)]
    warm_up = of_warm_up(job, checkpoint, age_before, day_of(checkpoint) - learned.history.origin)
    return said if warm_up is None else [*said, warm_up]


def of_warm_up(job: Job, time: int, before: int | None, after: int) -> Annotation | None:
    """Return the annotation that a warm-up begins or ends at ``time`` (epoch seconds); None: nothing changes.

    ``before`` and ``after``: the history's age in days; None: there was no history.
    """
    was, is_ = before is not None and before < YOUNG_DAYS, after < YOUNG_DAYS
    if was == is_:
        return None
    text = (
        f"{WARMS_UP}: its history is {max(after, 0)} days long. Until it has {YOUNG_DAYS}, what entities with "
        "fewer than six events do scores below 50 by itself."
        if is_
        else f"The job no longer warms up: its history is {after} days long."
    )
    return Annotation("warm_up", time, time + job.bucket_span, text)


def warm_ups(said: Iterable[Document], now: int) -> list[tuple[int, int]]:
    """Return the [start, end) of each warm-up, epoch seconds, from the annotations of type `warm_up`, in any order.

    The start is 0 where its annotation was deleted; a warm-up that goes on ends ``now``.
    """
    found, begun = list[tuple[int, int]](), 0
    warms_up = False
    for each in sorted((each.source for each in said), key=lambda source: int(source["timestamp"])):
        time, was = from_ms(each["timestamp"]), warms_up
        warms_up = str(each["annotation"]).startswith(WARMS_UP)
        if warms_up and not was:
            begun = time
        elif not warms_up and (was or not found):
            found.append((begun, time))
    return [*found, (begun, now)] if warms_up else found


def never_used(said: Iterable[Document], snapshot_id: str) -> set[str]:
    """Return the ids of annotated snapshots that are newer than the one in use, ``snapshot_id``: they aren't used.

    ``said``: the annotations of type `model_snapshot`, the newest first. Empty if none is of the snapshot in use.
    """
    later: set[str] = set()
    for each in said:
        if each.source["snapshot_id"] == snapshot_id:
            return later
        later.add(str(each.source["snapshot_id"]))
    return set()


def history_age(blobs: BlobStore, state: JobState) -> int | None:
    """Return the days from the first one in the history in use to the checkpoint; None: no history, or not known."""
    if state.history_id is None or state.checkpoint is None:
        return None
    try:
        base = blobs.info(state.job_id, HistoryId.parse(state.history_id).base)
    except SnapshotError:
        return None  # deleted or damaged: the new training's history replaces it
    origin = base.attributes.get("origin")
    return None if origin is None else day_of(state.checkpoint) - int(origin)
