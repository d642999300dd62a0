"""The normal events that a pair is compared with: of successes successes alone, of failures both.

Anybody can fail to sign in, to any account and without limit. If failures were in the sample that successes are
compared with, a few weeks of them would make an intruder's success look as usual as a failure is. They themselves are
compared with everything: few failures say little of how unusual one is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ipi_es.scoring.aggregate import Correlations
from ipi_es.scoring.array_checks import F64, Bools, Class8, Counts
from ipi_es.scoring.calibration import ENOUGH_POINTS, Calibrated, Calibration, comparable_events, history_class
from ipi_es.scoring.joint import group_correlation
from ipi_es.scoring.warm_up import modest

if TYPE_CHECKING:
    import numpy.typing as npt

FEWEST_SUCCESSES: Final = ENOUGH_POINTS
"""Successes of a sample that stand alone; where there are fewer, failures are needed to say anything at all."""


@dataclass(frozen=True)
class Reference:
    """A sample of normal events: how compatible they are, and how far the members of its groups move together."""

    calibration: Calibration
    correlations: Correlations


@dataclass(frozen=True)
class JudgedPairs:
    """What the references say of n pairs."""

    history_class: Class8
    """int8[n] in [0, 5)."""
    calibrated: Calibrated
    """Before borrowed probabilities were held (:mod:`ipi_es.scoring.warm_up`)."""
    ln_p: F64
    """float64[n] ≤ 0, as it is scored."""


@dataclass(frozen=True)
class References:
    """What successes and failures are compared with; immutable."""

    successes: Reference
    failures: Reference

    @classmethod
    def alike(cls, calibration: Calibration, correlations: Correlations) -> References:
        """One sample for both."""
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
        """Fit to n normal events that nothing was trained on; all arrays [n].

        prior_events: of the row's entity before it, in a history of ``age_days``; entity_group, ip_group: equal where
        rows share a bucket and an entity, or an IP. Raises NotEnoughHistory without rows.
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
        """Give the one that such pairs are compared with."""
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
