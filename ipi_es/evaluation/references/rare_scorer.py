"""The reference `rare`: the probability of Elastic ML's function of that name, by address and partitioned by entity.

The buckets are days. An entity's addresses are the categories of a multinomial distribution, estimated by the number of
days on which each was used; the probability is that of an address at most as frequent as the one in question, whose
present day counts.

Left out are three things that Elastic's open code (https://github.com/elastic/ml-cpp, ``lib/model/CEventRateModel.cc``)
or documentation has. The code ages all counts of a partition once after each bucket that has data; this makes an
address that was not used for long less probable beside newer ones, but a new one has no count to age. The
documentation recommends buckets of less than an hour. The code joins the probability with those of the detector's other
features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ipi_es.evaluation.earlier import before
from ipi_es.evaluation.measures import Scores
from ipi_es.evaluation.trial import NORMAL_ROWS
from ipi_es.index_pairs import packed_pairs
from ipi_es.ipinsights.history.deltas import DAY
from ipi_es.ipinsights.prefixes import address_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipi_es.evaluation.trial import Trial


def rare(trial: Trial) -> Scores:
    """Score the pairs by ln(probability), high = usual."""
    events = trial.events
    rows = np.concatenate([trial.parts.learnt, trial.parts.test])
    rows = rows[np.lexsort((events.time[rows], events.entity[rows]))]
    entity, time, keys = events.entity[rows], events.time[rows], address_keys(events.addresses)[events.ip[rows]]
    scores = {}
    for name, asked in trial.asked.items():
        until = before(asked.time, trial.window.test * DAY, trial.state)
        own = address_keys(asked.addresses)
        found = np.empty(len(own))
        groups = packed_pairs(asked.entity, until - until.min(initial=0), int(np.ptp(until)) + 1 if len(until) else 1)
        order = np.argsort(groups, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
            if not len(group):
                continue
            begin, end = np.searchsorted(entity, [asked.entity[group[0]], asked.entity[group[0]] + 1])
            stop = begin + np.searchsorted(time[begin:end], until[group[0]])
            found[group] = log_probability(keys[begin:stop], own[group])
        scores[name] = found
    return Scores(scores.pop(NORMAL_ROWS), scores)


def log_probability(earlier: NDArray[np.uint64], asked: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return float64[n]: ln P(an address at most as frequent as each of ``asked`` uint64[n]).

    ``earlier`` uint64[m]: the entity's address on each earlier day, once for each day.
    """
    known, days = np.unique(earlier, return_counts=True)
    position = np.minimum(np.searchsorted(known, asked), max(len(known) - 1, 0))
    before_ = np.where(known[position] == asked, days[position], 0) if len(known) else np.zeros(len(asked), np.int64)
    ordered = np.sort(days)
    sums = np.concatenate([[0], np.cumsum(ordered)])
    others = sums[np.searchsorted(ordered, before_ + 1, side="right")]  # the address's own days are among them
    return np.log((others + 1) / (len(earlier) + 1))
