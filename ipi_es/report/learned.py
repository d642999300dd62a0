"""What a job has learned: its history's age, and the number of normal events behind each calibration class."""

from __future__ import annotations

from dataclasses import dataclass

from ipi_es.errors import IpiEsError
from ipi_es.scoring.calibration import CLASS_NAMES, ENOUGH_POINTS, Calibration
from ipi_es.scoring.history_age import YOUNG_DAYS
from ipi_es.worker.history.history_keeper import HistoryId, history_base
from ipi_es.worker.job_resources import JobResources


@dataclass(frozen=True, slots=True)
class ClassLearned:
    """One calibration class: entities with a certain amount of history."""

    name: str
    own: int
    """Normal events of the class itself."""
    borrowed_from: tuple[str, ...]
    """Other classes whose events are used too, because the class has fewer than 500."""
    points: int
    """Events behind its probabilities, including the borrowed ones."""
    floor: float
    """The smallest probability that this number of events can show."""
    extrapolated: bool
    """Whether a fitted tail gives smaller probabilities."""

    @property
    def stands_alone(self) -> bool:
        """Whether its own events are enough."""
        return self.own >= ENOUGH_POINTS


@dataclass(frozen=True, slots=True)
class JobKnowledge:
    """What the snapshot in use has learned. Times in epoch seconds; None: unknown."""

    snapshot_id: str | None = None
    trained_to: int | None = None
    history_days: int | None = None
    classes: tuple[ClassLearned, ...] = ()
    trouble: str | None = None
    """Reason why nothing is known."""

    @property
    def young(self) -> bool:
        """Whether the history is shorter than two weeks."""
        return self.history_days is not None and self.history_days < YOUNG_DAYS


def read_learned(work: JobResources) -> JobKnowledge:
    """Read what the job has learned; where the snapshot can't be read, ``trouble`` says why, and nothing is raised."""
    state = work.stores.states.read(work.job.job_id)
    if state is None or state.snapshot_id is None:
        return JobKnowledge(trouble="The job has learned nothing yet.")
    try:
        snapshot = work.snapshot(state.snapshot_id)
        base = work.stores.blobs.info(work.job.job_id, history_base(state.snapshot_id)).attributes
        days = HistoryId.parse(state.trained.history_id).day - int(base["origin"])
    except (IpiEsError, KeyError, TypeError, ValueError) as error:
        reason = getattr(error, "message", None) or "it lacks what a report reads of it"
        return JobKnowledge(state.snapshot_id, trouble=f"The snapshot can't be read: {reason}.")
    return JobKnowledge(
        state.snapshot_id, snapshot.trained_to, days, classes_of(snapshot.references.successes.calibration)
    )


def classes_of(calibration: Calibration) -> tuple[ClassLearned, ...]:
    """Return the classes, from no history to the most."""
    return tuple(
        ClassLearned(
            name=name,
            own=calibration.own_size(place),
            borrowed_from=tuple(CLASS_NAMES[each] for each in calibration.used(place) if each != place),
            points=int(calibration.size([place])[0]),
            floor=float(calibration.floor([place])[0]),
            extrapolated=calibration.has_tail(place),
        )
        for place, name in enumerate(CLASS_NAMES)
    )
