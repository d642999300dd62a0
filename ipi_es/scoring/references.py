"""The normal events that a pair is compared with: for successes only successes, for failures both.

Anyone can make failed sign-ins, to any account and without limit. If the sample for successes had failures in it, a few
weeks of them would make an intruder's success look as usual as a failure. Failures are compared with both: failures
alone are too few to show how unusual one is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ipi_es.scoring.array_checks import F64, Bools, Class8, Counts
from ipi_es.scoring.calibration import ENOUGH_POINTS, Calibrated, Calibration, comparable_events, history_class
from ipi_es.scoring.joint import group_correlation
from ipi_es.scoring.warm_up import modest

if TYPE_CHECKING:
    import numpy.typing as npt

FEWEST_SUCCESSES: Final = ENOUGH_POINTS
"""The fewest successes for a sample of successes alone; with fewer, failures are included."""


@dataclass(frozen=True)
class Correlations:
    """Within-group correlations ρ₂ of z², in [0, 1], from the calibration sample; kept in the snapshot.

    Each is one number for each view that ``scoring.joint`` takes of a group.
    """

    same_entity: tuple[float, ...] = (0.0, 0.0)
    """Between the IPs of one entity in a bucket; about 0."""
    same_ip: tuple[float, ...] = (0.0, 0.0)
    """Between the entities of one IP in a bucket; 0.3–0.6 is normal."""


@dataclass(frozen=True)
class Reference:
    """A sample of normal events: its calibration, and the correlations within its groups."""

    calibration: Calibration
    correlations: Correlations


@dataclass(frozen=True)
class JudgedPairs:
    """Probabilities of n pairs by the references."""

    history_class: Class8
    """int8[n] in [0, 5)."""
    calibrated: Calibrated
    """Before borrowed probabilities were limited (:mod:`ipi_es.scoring.warm_up`)."""
    ln_p: F64
    """float64[n] ≤ 0, as used for scoring."""


@dataclass(frozen=True)
class References:
    """The references of successes and of failures; immutable."""

    successes: Reference
    failures: Reference

    @classmethod
    def alike(cls, calibration: Calibration, correlations: Correlations) -> References:
        """Use one sample for both."""
        one = Reference(calibration, correlations)
        return cls(one, one)

    @classmethod
    def fit(
        cls,
        compatibility: F64,
        prior_events: F64,
        age_days: Counts,
        failures_only: Bools,
        entity_group: Counts,
        ip_group: Counts,
    ) -> References:
        """Fit to n normal events outside the training data; all arrays [n].

        prior_events: of the row's entity before the row, in a history of ``age_days``; entity_group, ip_group: equal
        where rows share a bucket and an entity, or a bucket and an IP. Raises NotEnoughHistory without rows.
        """
        days = float(np.unique(age_days).mean()) if len(age_days) else None
        class_ = history_class(prior_events if days is None else comparable_events(prior_events, age_days, days))

        def reference(rows: Bools) -> Reference:
            calibration = Calibration.fit(compatibility[rows], class_[rows], reference_days=days)
            ln_p = calibration.ln_probability(compatibility[rows], class_[rows]).ln_p
            of_entity, of_ip = (group_correlation(ln_p, _dense(each[rows])) for each in (entity_group, ip_group))
            return Reference(calibration, Correlations(same_entity=of_entity, same_ip=of_ip))

        both = reference(np.ones(len(failures_only), dtype=np.bool_))
        if not failures_only.any() or int((~failures_only).sum()) < FEWEST_SUCCESSES:
            return cls(both, both)
        return cls(reference(~failures_only), both)

    def of(self, *, failures_only: bool) -> Reference:
        """Give the reference that such pairs are compared with."""
        return self.failures if failures_only else self.successes

    def judge(
        self, compatibility: npt.ArrayLike, prior_events: npt.ArrayLike, age_days: npt.ArrayLike, failures_only: Bools
    ) -> JudgedPairs:
        """Compare n pairs: compatibility float[n], prior events float[n], age of history in days, bool[n].

        Raises SnapshotError where a compatibility is not a number.
        """
        values, prior = np.asarray(compatibility, dtype=np.float64), np.asarray(prior_events)
        age = np.broadcast_to(np.asarray(age_days), values.shape)
        class_ = self.failures.calibration.classes(prior, age)
        found, held = Calibrated(np.empty(len(values)), np.zeros(len(values), dtype=np.bool_)), np.empty(len(values))
        for of, rows in ((self.successes, ~failures_only), (self.failures, failures_only)):
            if rows.any():
                part = of.calibration.ln_probability(values[rows], class_[rows])
                found.ln_p[rows], found.extrapolated[rows] = part.ln_p, part.extrapolated
                held[rows] = modest(part.ln_p, class_[rows], age[rows], of.calibration)
        return JudgedPairs(class_, found, held)


def _dense(codes: Counts) -> Counts:
    dense: Counts = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    return dense
