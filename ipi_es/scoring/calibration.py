"""Compatibility (high = usual) to ln p: conformal body, extrapolated tail, one sample per class of history.

The sample holds compatibilities of data that the network was never trained on. Two properties matter:

* Body: p = (1 + #{sample ≤ c}) / (n + 1) is super-uniform for normal data with any network. A class has its own body
  from 100 points on; with fewer than 500 it continues below its tenth lowest point as its neighbours' points do.
* Tail: for the k lowest points and below, a fitted tail (``tail.py``) continues the body, and such probabilities are
  marked as extrapolated. The class of entities that were never seen has no tail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from ipi_es.errors import NotEnoughHistory, SnapshotDamaged, SnapshotError
from ipi_es.scoring.array_checks import F64, AnyArray, Bools, Class8, Counts, as_f64, checked_codes, same_length
from ipi_es.scoring.tail import Tail, fit_tail

if TYPE_CHECKING:
    from collections.abc import Mapping

CLASS_STARTS: Final = (0, 1, 6, 31, 201)
"""The fewest prior events (of the entity, before the event) of each class: 0, 1–5, 6–30, 31–200, more."""
CLASS_NAMES: Final = ("no events", "1–5 events", "6–30 events", "31–200 events", "more than 200 events")
N_CLASSES: Final = len(CLASS_STARTS)
UNSEEN: Final = 0
"""The class of entities that were never seen. It never has a tail: its points are mostly guesses from the internet,
equal to the last digit, and a curve through fifty of them gave a colleague's mistyped name one in two billion."""
ENOUGH_POINTS: Final = 500
"""Points from which on a class needs no other class's points; also the fewest points for a tail."""
OWN_POINTS: Final = 100
"""Points from which on a class has its own body. With the pooled body alone, 4.6 % of the normal pairs of a year of
sparse real events had p ≤ 0.1, in single months 1 %; with its own body 8.1 %."""
OWN_LOWEST: Final = 10
"""Rank of the low point below which a class with 100 to 499 points of its own follows the pooled body."""
LN_P_LIMIT: Final = 2.0
"""Limit of one event's ln p as a multiple of ln(floor): 1e4 normal events are no evidence for 1e-40. With 3, one leaked
token got the job's highest score, and a takeover of the same week, of eight less unusual pairs, 50 instead of 79."""


def history_class(prior_events: npt.ArrayLike) -> Class8:
    """Give the class (int8[n]) of entities with ``prior_events`` (int[n], ≥ 0) events before the one in question."""
    prior = np.asarray(prior_events)
    return (np.searchsorted(np.array(CLASS_STARTS), prior, side="right") - 1).clip(0).astype(np.int8)


def comparable_events(prior_events: npt.ArrayLike, age_days: npt.ArrayLike, reference_days: float) -> F64:
    """Scale prior events (≥ 0) from a history of ``age_days`` to one of ``reference_days``, days > 0; float64[n].

    A history that grows moves ordinary entities into the class “more than 200 events”, which held only the most active
    ones when it was calibrated: unscaled, 0.5 % of that class's normal pairs had p ≤ 0.001 ten days later (measured on
    simulated companies), scaled 0.1 %. An entity with any prior event keeps at least one.
    """
    prior = np.asarray(prior_events, dtype=np.float64)
    scaled = prior * (reference_days / np.maximum(np.asarray(age_days, dtype=np.float64), 1.0))
    return np.where(prior > 0.0, np.maximum(scaled, 1.0), 0.0)


@dataclass(frozen=True)
class Calibrated:
    """Calibrated probabilities of n pairs."""

    ln_p: F64
    """ln p, float64[n], in [2 · ln(floor), 0]."""
    extrapolated: Bools
    """bool[n]: whether the probability comes from the fitted tail."""


@dataclass(frozen=True)
class _Sample:
    """The pooled sample of one class: ``points`` sorted float64[n], the classes that they came from, their tail."""

    points: F64
    classes: tuple[int, ...]
    tail: Tail | None
    own: F64 | None = None
    """The class's own points, sorted, where there are 100 to 499 of them; else None."""

    def ln_probability(self, compatibility: F64) -> tuple[F64, Bools]:
        ln_p, extrapolated = self._of_all(compatibility)
        if self.own is None:
            return ln_p, extrapolated
        start = self.own[OWN_LOWEST - 1 : OWN_LOWEST]
        below = compatibility < start
        beyond = np.maximum(ln_p + _ln_body(self.own, start) - self._of_all(start)[0], self._ln_least)
        return np.where(below, beyond, _ln_body(self.own, compatibility)), extrapolated & below

    def _of_all(self, compatibility: F64) -> tuple[F64, Bools]:
        ln_p = _ln_body(self.points, compatibility)
        if self.tail is None:
            return ln_p, np.zeros(len(compatibility), dtype=np.bool_)
        below = compatibility < self.tail.threshold
        if below.any():
            lower = np.searchsorted(self.points, compatibility[below], side="right")
            ln_p[below] = np.maximum(self.tail.ln_probability(compatibility[below], lower), self._ln_least)
        return ln_p, below

    @property
    def _ln_least(self) -> float:
        return float(-LN_P_LIMIT * np.log(len(self.points) + 1.0))


def _ln_body(points: F64, compatibility: F64) -> F64:
    """Give ln((1 + #{points ≤ c}) / (n + 1)) of sorted points float64[n]."""
    ln_p: F64 = np.log((1.0 + np.searchsorted(points, compatibility, side="right")) / (len(points) + 1.0))
    return ln_p


class Calibration:
    """Calibration samples per class of history; immutable.

    A class with fewer than 500 points also uses both neighbours' points, or all points where these are still too few
    (see ``used``). From 100 points on, its own points are the body; the pooled probabilities are scaled to continue it
    below the tenth lowest point.
    """

    def __init__(self, own: tuple[F64, ...], reference_days: float | None = None) -> None:
        """Take ``own``, one sorted float64 array of points per class, and ``reference_days`` as in ``fit``.

        Raises NotEnoughHistory without points.
        """
        if len(own) != N_CLASSES:
            raise ValueError(f"{N_CLASSES} classes expected, not {len(own)}")
        if not sum(len(points) for points in own):
            raise NotEnoughHistory(
                "there is no normal event to calibrate the scores with",
                hint="train on a longer time range, so that its last part, which is kept for calibration, has events",
            )
        self._own = own
        self.reference_days = reference_days
        counts = [len(points) for points in own]
        pooled: dict[tuple[int, ...], _Sample] = {}
        for class_ in range(N_CLASSES):
            classes = _classes_used(class_, counts)
            if classes not in pooled:
                points = np.sort(np.concatenate([own[i] for i in classes]))
                tail = fit_tail(points) if len(points) >= ENOUGH_POINTS else None
                pooled[classes] = _Sample(points, classes, tail)
        samples = [pooled[_classes_used(class_, counts)] for class_ in range(N_CLASSES)]
        samples[UNSEEN] = replace(samples[UNSEEN], tail=None)
        for class_, points in enumerate(own):
            if OWN_POINTS <= len(points) < ENOUGH_POINTS:
                samples[class_] = replace(samples[class_], own=points)
        self._samples = tuple(samples)
        self._sizes = np.array([len(sample.points) for sample in self._samples], dtype=np.int64)
        self._typical = np.array([float(np.median(sample.points)) for sample in self._samples])

    @classmethod
    def fit(
        cls, compatibility: npt.ArrayLike, class_: npt.ArrayLike, *, reference_days: float | None = None
    ) -> Calibration:
        """Fit to normal events outside the training data: compatibility (float[n]) and class (int8[n], 0–4).

        reference_days: the length of history at the fit (``comparable_events``); None: prior events are never scaled.
        Raises NotEnoughHistory without points, SnapshotError where a compatibility is not a number.
        """
        values, classes = _checked(compatibility, class_)
        return cls(tuple(np.sort(values[classes == i]) for i in range(N_CLASSES)), reference_days)

    def classes(self, prior_events: npt.ArrayLike, age_days: npt.ArrayLike) -> Class8:
        """Give the classes (int8[n]) of entities with ``prior_events`` in a history of ``age_days``."""
        if self.reference_days is None:
            return history_class(prior_events)
        return history_class(comparable_events(prior_events, age_days, self.reference_days))

    def ln_probability(self, compatibility: npt.ArrayLike, class_: npt.ArrayLike) -> Calibrated:
        """Give ln P(a normal event of the class is at most this compatible) for float[n] and int8[n] (0–4).

        Monotone: in a class a lower compatibility never has a higher p. Raises SnapshotError where a compatibility is
        not a number.
        """
        values, classes = _checked(compatibility, class_)
        ln_p = np.empty(len(values))
        extrapolated = np.zeros(len(values), dtype=np.bool_)
        for i, sample in enumerate(self._samples):
            rows = np.flatnonzero(classes == i)
            if rows.size:
                ln_p[rows], extrapolated[rows] = sample.ln_probability(values[rows])
        return Calibrated(ln_p, extrapolated)

    @property
    def total(self) -> int:
        """Points of all classes together; a tenth of it is the largest group with a joint part."""
        return sum(len(points) for points in self._own)

    def own_size(self, class_: int) -> int:
        """Give the number of the class's own points, before any pooling."""
        return len(self._own[class_])

    def size(self, class_: npt.ArrayLike) -> Counts:
        """Give the number of points (int64[n]) that the classes (int8[n]) use, other classes' points included."""
        sizes: Counts = self._sizes[np.asarray(class_, dtype=np.int64)]
        return sizes

    def floor(self, class_: npt.ArrayLike) -> F64:
        """Give the smallest p (float64[n]) that the points of the classes (int8[n]) alone can give: 1 / (n + 1)."""
        return 1.0 / (self.size(class_).astype(np.float64) + 1.0)

    def typical(self, class_: npt.ArrayLike) -> F64:
        """Give the median compatibility (float64[n]) of normal events of the classes (int8[n])."""
        medians: F64 = self._typical[np.asarray(class_, dtype=np.int64)]
        return medians

    def used(self, class_: int) -> tuple[int, ...]:
        """Give the classes whose points this class uses; more than itself where it has fewer than 500."""
        return self._samples[class_].classes

    def has_tail(self, class_: int) -> bool:
        """Return whether the class has a fitted tail; False for the class of unseen entities."""
        return self._samples[class_].tail is not None

    def to_arrays(self) -> dict[str, AnyArray]:
        """Give the state: ``compatibility`` float64[n], sorted within each class, and ``class_sizes`` int64[5].

        ``reference_days`` float64[1] is left out where there is none.
        """
        state: dict[str, AnyArray] = {
            "compatibility": np.concatenate(self._own),
            "class_sizes": np.array([len(points) for points in self._own], dtype=np.int64),
        }
        if self.reference_days is not None:
            state["reference_days"] = np.array([self.reference_days])
        return state

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Calibration:
        """Restore the state of ``to_arrays``; everything else follows from it. Raises SnapshotDamaged."""
        try:
            values = np.asarray(arrays["compatibility"], dtype=np.float64)
            sizes = np.asarray(arrays["class_sizes"], dtype=np.int64)
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotDamaged("the calibration of the snapshot can't be read", hint=_TRAIN) from error
        if values.ndim != 1 or sizes.shape != (N_CLASSES,) or sizes.min() < 0 or sizes.sum() != values.size:
            raise SnapshotDamaged("the calibration of the snapshot has the wrong shape", hint=_TRAIN)
        classes = np.repeat(np.arange(N_CLASSES, dtype=np.int8), sizes)
        reference = arrays.get("reference_days")
        return cls.fit(values, classes, reference_days=None if reference is None else float(reference[0]))


_TRAIN = "train the job again, or go back to another of its snapshots"


def _classes_used(class_: int, sizes: list[int]) -> tuple[int, ...]:
    neighbours = tuple(i for i in (class_ - 1, class_, class_ + 1) if 0 <= i < N_CLASSES)
    for classes in ((class_,), neighbours):
        if sum(sizes[i] for i in classes) >= ENOUGH_POINTS:
            return classes
    return tuple(range(N_CLASSES))


def _checked(compatibility: npt.ArrayLike, class_: npt.ArrayLike) -> tuple[F64, Counts]:
    values = as_f64(compatibility, "compatibility")
    classes = checked_codes(class_, N_CLASSES, "class_")
    same_length(compatibility=values, class_=classes)
    if np.isnan(values).any():
        raise SnapshotError(
            f"the network gave {int(np.isnan(values).sum())} of {len(values)} compatibilities that are not a number",
            hint="its training diverged; train again with a lower learning_rate",
        )
    return values, classes
