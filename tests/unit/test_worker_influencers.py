"""Which entities and addresses of a bucket get a document where there are far too many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipi_es.scoring.combine import Combined
from ipi_es.worker.scoring.record_selection import ENTITY_SHARE, chosen_influencers

MOST = 100


def groups(s: NDArray[np.float64]) -> Combined:
    nothing = np.full(len(s), np.nan)
    return Combined(-s - 4.0, s, np.ones(len(s), dtype=np.int64), nothing, nothing)


def chosen(
    s: NDArray[np.float64],
    sources: NDArray[np.int64],
    failed: NDArray[np.bool_] | None = None,
    news: NDArray[np.bool_] | None = None,
) -> set[int]:
    none = np.zeros(len(s), dtype=np.bool_)
    found = chosen_influencers(
        groups(s), s, sources, failures_only=none if failed is None else failed, news=~none if news is None else news,
        most=MOST,
    )  # fmt: skip
    return set(np.flatnonzero(found).tolist())


def test_as_many_as_there_may_be_are_all_written() -> None:
    s = np.full(MOST, 3.0)
    assert chosen(s, np.zeros(MOST, dtype=np.int64)) == set(range(MOST))


def test_the_highest_scores_are_kept() -> None:
    s = np.arange(1, 10 * MOST + 1, dtype=np.float64)
    assert chosen(s, np.arange(len(s))) == set(range(9 * MOST, 10 * MOST))


def test_a_flood_of_one_source_leaves_place_for_others() -> None:
    s = np.concatenate([np.full(50 * MOST, 90.0), np.full(MOST // 2, 10.0)])
    sources = np.concatenate([np.zeros(50 * MOST, dtype=np.int64), np.arange(1, MOST // 2 + 1)])
    found = chosen(s, sources)
    assert len(found) == MOST
    assert found >= set(range(50 * MOST, len(s)))
    assert sum(each < 50 * MOST for each in found) == MOST - MOST // 2 >= MOST // ENTITY_SHARE


def test_failures_go_after_successes_and_repeats_after_what_is_new() -> None:
    s = np.concatenate([np.full(20 * MOST, 99.0), np.full(20 * MOST, 98.0), np.full(10, 1.0)])
    failed = np.arange(len(s)) < 20 * MOST
    news = (np.arange(len(s)) < 20 * MOST) | (np.arange(len(s)) >= 40 * MOST)
    assert chosen(s, np.arange(len(s)), failed, news) >= set(range(40 * MOST, len(s)))
