"""Select the pairs of an event bucket that become records, and the entities and addresses that become influencers.

The selection has no effect on holds: see :mod:`ipi_es.worker.history.holds`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipi_es.scoring.bounded import least_of_each
from ipi_es.scoring.combine import Combined
from ipi_es.scoring.probability import LN_TAKES_PART
from ipi_es.sorted_runs import run_starts
from ipi_es.worker.scoring.scored_pairs import ScoredPairs

ENTITY_SHARE = 10
"""If there are too many records, one entity gets at most a tenth of them: three accounts that sign in from a thousand
addresses don't crowd out the records of others."""

MOST_INFLUENCERS = 1_000
"""The most influencers of one field in a bucket, unless more records are allowed: more than a person reads. A flood of
300,000 accounts would otherwise write 600,000 documents."""


def chosen_influencers(
    groups: Combined,
    scores: NDArray[np.float64],
    sources: NDArray[np.int64],
    *,
    failures_only: NDArray[np.bool_],
    news: NDArray[np.bool_],
    most: int,
) -> NDArray[np.bool_]:
    """Return which groups of one field get a document, bool[g], at most ``most``; arrays [g].

    A group qualifies if a pair takes part, and s > 0 or p ≤ 0.035. If there are too many, repeats are left out first,
    then groups beyond one source's tenth (``sources``: accounts or addresses), then groups that only failed, then the
    lowest ``scores``.
    """
    worth: NDArray[np.bool_] = (groups.count > 0) & ((groups.s > 0.0) | (groups.ln_p <= LN_TAKES_PART))
    rows = np.flatnonzero(worth)
    if len(rows) <= most:
        return worth
    places = (sources[rows] * 2 + failures_only[rows]) * 2 + news[rows]
    within = least_of_each(places, groups.ln_p[rows], max(most // ENTITY_SHARE, 1))
    order = np.lexsort((groups.ln_p[rows], -scores[rows], failures_only[rows], ~within, ~news[rows]))
    chosen = np.zeros(len(worth), dtype=np.bool_)
    chosen[rows[order[:most]]] = True
    return chosen


def chosen_records(
    pairs: ScoredPairs, entities: Combined, ips: Combined, takes_part: NDArray[np.bool_], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (rows int64[r], omitted int64[o]): pairs with p ≤ 0.035, the least probable first, at most ``most``.

    Every influencer with s > 0 also gets its least probable pair as a child, whatever that pair's p. If there are too
    many, repeats and suppressed pairs are left out first (``takes_part`` bool[n]), then pairs that only failed, then
    pairs beyond one entity's share.
    """
    rows = np.flatnonzero(pairs.ln_p <= LN_TAKES_PART)
    part = np.flatnonzero(takes_part)
    children = [
        least_of_groups(codes[part], pairs.ln_p[part], groups.s > 0.0)
        for codes, groups in ((pairs.entity, entities), (pairs.ip, ips))
    ]
    rows = np.unique(np.concatenate([rows, *(part[found] for found in children)]))
    rows = rows[np.lexsort((pairs.ip[rows], pairs.entity[rows], pairs.ln_p[rows]))]
    if len(rows) <= most:
        return rows, rows[:0]
    news = takes_part[rows]
    places = pairs.entity[rows].astype(np.int64) * 2 + news  # repeats don't use up the share of new findings
    within = least_of_each(places, pairs.ln_p[rows], max(most // ENTITY_SHARE, 1))
    order = np.lexsort((np.arange(len(rows)), ~within, pairs.failures_only[rows], ~news))
    return rows[np.sort(order[:most])], rows[np.sort(order[most:])]


def least_of_groups(
    codes: NDArray[np.int32], values: NDArray[np.float64], wanted: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the position of the smallest value of each wanted group (bool[n_groups]), int64[k].

    ``codes`` and ``values`` are [n]; a code is the index of a group.
    """
    inside = np.flatnonzero(wanted[codes])
    order = inside[np.lexsort((values[inside], codes[inside]))]
    return order[run_starts(codes[order])]
