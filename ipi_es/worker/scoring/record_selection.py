"""Which pairs of an event bucket become records, and which entities and addresses influencers.

What is written decides nothing of what is held: see ``holds``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipi_es.scoring.bounded import least_of_each
from ipi_es.scoring.combine import Combined
from ipi_es.scoring.probability import LN_TAKES_PART
from ipi_es.worker.scoring.scored_pairs import ScoredPairs

ENTITY_SHARE = 10
"""One entity has at most a tenth of the records, where there are too many: three accounts that sign in from a thousand
addresses don't leave others without theirs."""

MOST_INFLUENCERS = 1_000
"""Influencers of one field that a bucket has at most, where it has no more records: more than anybody looks at. A flood
of 300,000 accounts would otherwise write 600,000 documents."""


def chosen_influencers(
    groups: Combined,
    scores: NDArray[np.float64],
    sources: NDArray[np.int64],
    *,
    failures_only: NDArray[np.bool_],
    news: NDArray[np.bool_],
    most: int,
) -> NDArray[np.bool_]:
    """bool[g]: which groups of one field get a document, at most ``most``; arrays [g].

    Those that are worth it: something takes part, and s > 0 or p ≤ 0.035. Where there are too many, repeats are left
    out first, then what exceeds a tenth of one source (an account, of failures an address), then what only failed, then
    the lowest ``scores``.
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
    """(rows int64[r], omitted int64[o]): pairs with p ≤ 0.035, the least probable first, at most ``most``.

    Every influencer that is written gets its least probable pair as a child, whatever that pair's p. Where there are
    too many, repeats and the suppressed are left out first (``takes_part`` bool[n]), then what only failed, then what
    exceeds one entity's share.
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
    places = pairs.entity[rows].astype(np.int64) * 2 + news  # repeats take no share of what is new
    within = least_of_each(places, pairs.ln_p[rows], max(most // ENTITY_SHARE, 1))
    order = np.lexsort((np.arange(len(rows)), ~within, pairs.failures_only[rows], ~news))
    return rows[np.sort(order[:most])], rows[np.sort(order[most:])]


def least_of_groups(
    codes: NDArray[np.int32], values: NDArray[np.float64], wanted: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """int64[k]: for each wanted group (bool[n_groups]) the position of its smallest value; groups by ``codes`` [n]."""
    inside = np.flatnonzero(wanted[codes]) if len(codes) else np.zeros(0, dtype=np.int64)
    order = inside[np.lexsort((values[inside], codes[inside]))]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = codes[order][1:] != codes[order][:-1]
    return order[first]
