"""A year of real sign-ins, the next three months with planted attacks, on every server: does scoring keep its promises?

The year to 2021-04-01 is the densest of the data, the one in which a class of history has 500 points of its own. What
is measured is printed at the end of the run, under “real events”. Bounds lie below what ten trainings gave.

An attacker's address lies in a network that nobody has used, and so do those of 2 % of the normal pairs of known
entities: prefixes alone can't put it below p = 0.02, hence its lower bounds. Colleagues' addresses are as unusual as
strangers' here, because they are homes and not offices.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from calibration_shares import Share, shares
from numpy.typing import NDArray
from real_events import DAY, EVENTS, KINDS, MISSING, Event, load, plant
from real_events_run import Run, TrainedOnce, clean, run_on, scores_of
from scipy.stats import rankdata
from servers.pool import Server

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.results.words import CRITICAL
from ipi_es.scoring.probability import LN_TAKES_PART

pytestmark = [pytest.mark.real_events, pytest.mark.skipif(not EVENTS.is_file(), reason=MISSING)]

BEGIN = int(datetime(2021, 4, 1, tzinfo=UTC).timestamp())
TRAIN, TEST = (BEGIN - 365 * DAY, BEGIN), (BEGIN, BEGIN + 91 * DAY)
SEED = 7
SEVERITIES = (25, 50, 75)

LEAST_AUC = {"attacker": 0.93, "organisation": 0.97, "colleague": 0.95}
LEAST_UNUSUAL = {"attacker": 0.8, "organisation": 0.9, "colleague": 0.9}
"""Share of the planted pairs with p ≤ 0.1."""
LEAST_MINOR = {"attacker": 0.0, "organisation": 0.15, "colleague": 0.15}
"""Share of the planted pairs with a record of 25 or more."""
ATTACKS = ("sprays", "many")
"""One address over many accounts, seen by the address's influencer; one account from many, seen by its entity's."""
LEAST_INFLUENCER_AUC = 0.9


class Table:
    """Lines for the end of the whole run."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("real events")
        for line in self.lines:
            terminalreporter.line(line)


@pytest.fixture(scope="session")  # tests are ordered by server: the module is left and come back to
def table(request: pytest.FixtureRequest) -> Table:
    made = Table()
    request.config.pluginmanager.register(made, "real-events-table")
    return made


@pytest.fixture(scope="session")
def events() -> list[Event]:
    return load()


@pytest.fixture(scope="session")
def once() -> TrainedOnce:
    return TrainedOnce()


@pytest.fixture(scope="session")
def first() -> dict[tuple[int, str, str], float]:
    """ln p of every pair, as the first server gave it."""
    return {}


@pytest.fixture(scope="module")
def run(server: Server, events: list[Event], once: TrainedOnce, table: Table) -> Iterator[Run]:
    cluster = connect(Connection(hosts=(server.url,)))
    planted = plant(events, TRAIN, TEST, SEED)
    made = run_on(cluster, events, planted, train=TRAIN, test=TEST, once=once)
    table.lines += [f"{server.kind}: {line}" for line in described(made)]
    yield made
    clean(made)
    cluster.close()


def auc(normal: NDArray[np.float64], planted: NDArray[np.float64]) -> float:
    """P(a planted one has a lower ln p than a normal one); ties count half."""
    ranks = rankdata(np.concatenate([normal, planted]))[len(normal) :]
    n = len(planted)
    return 1.0 - float((ranks.sum() - n * (n + 1) / 2) / (n * len(normal)))


def normal_ln_p(run: Run) -> NDArray[np.float64]:
    """Of the normal pairs of entities with history."""
    return np.array(run.ln_ps)[run.is_normal() & run.has_history()]


def recall(run: Run, kind: str, threshold: float) -> float:
    """The share of the takeovers of a kind with a record of at least this score."""
    return float(np.mean([run.score("record", *pair) >= threshold for pair in run.planted.takeovers[kind]]))


def influencer_auc(run: Run, what: str) -> float:
    """Of the planted influencers against all IPs (entities) of the days without attacks; ties count half."""
    quiet = quiet_days(run)
    normal = {(start, entity if what == "many" else ip) for start, entity, ip in run.pairs if start in quiet}
    scores = [[run.score("influencer", *each) for each in some] for some in (normal, getattr(run.planted, what))]
    return auc(-np.array(scores[0]), -np.array(scores[1]))


def normal_shares(run: Run) -> list[Share]:
    normal = run.is_normal()
    assert run.calibration is not None
    classes = np.array(run.classes, dtype=np.int8)
    return shares(np.array(run.ln_ps)[normal], classes[normal], run.calibration)


def quiet_days(run: Run) -> set[int]:
    """The days of the backfilled range on which nothing was planted."""
    return set(range(*run.test, DAY)) - {day for day, _, _ in run.planted.pairs}


def described(run: Run) -> Iterator[str]:
    """What is measured, as lines of a table."""
    normal = normal_ln_p(run)
    days = (run.test[1] - run.test[0]) // DAY
    yield f"{len(run.pairs):,} unique pairs in {days} days, {len(normal):,} of them normal and with history"
    moved = sum("renormalized_at" in each.source for each in run.stored.values())
    yield f"correlations: {run.correlations}; {len(run.stored):,} results, {moved:,} of them renormalized on the way"
    for each in normal_shares(run):
        yield (
            f"{each.name:<21} p ≤ {each.alpha:<5}  {each.events:>4} of {each.of:>5,} = {each.share:.4f}"
            f"  [{each.low:.4f}, {each.high:.4f}]{'' if each.within else '  OUTSIDE ITS BAND'}"
        )
    for kind in KINDS:
        ln_p = run.ln_p_of(run.planted.takeovers[kind])
        scores = ", ".join(f"{recall(run, kind, at):.2f} ≥ {at}" for at in SEVERITIES)
        yield (
            f"takeover, {kind:<13} AUC {auc(normal, ln_p):.3f}  median p {np.exp(np.median(ln_p)):.1e}"
            f"  p ≤ 0.1: {(ln_p <= np.log(0.1)).mean():.2f}  record score {scores}"
        )
    for what in ATTACKS:
        found: list[tuple[int, str]] = getattr(run.planted, what)
        scores = ", ".join(
            f"{run.score('influencer', *each):.0f} ({run.score('bucket', each[0]):.0f})" for each in found
        )
        yield f"{what}: AUC {influencer_auc(run, what):.3f}, influencer (bucket) scores {scores}"
    quiet = sorted((run.score("bucket", day) for day in quiet_days(run)), reverse=True)
    yield f"buckets of {len(quiet)} days without attacks: {', '.join(f'{score:.0f}' for score in quiet[:3])}, …"
    yield ", ".join(f"{what} {seconds:.1f} s" for what, seconds in run.seconds.items())


@pytest.mark.parametrize("kind", KINDS)
def test_planted_takeovers_rank_above_the_normal_days(run: Run, kind: str) -> None:
    ln_p = run.ln_p_of(run.planted.takeovers[kind])
    assert auc(normal_ln_p(run), ln_p) >= LEAST_AUC[kind]
    assert (ln_p <= np.log(0.1)).mean() >= LEAST_UNUSUAL[kind]
    assert recall(run, kind, SEVERITIES[0]) >= LEAST_MINOR[kind]


@pytest.mark.parametrize("what", ATTACKS)
def test_planted_influencers_rank_above_the_normal_days(run: Run, what: str) -> None:
    assert influencer_auc(run, what) >= LEAST_INFLUENCER_AUC
    assert max(run.score("influencer", *each) for each in getattr(run.planted, what)) >= CRITICAL


def test_shares_of_normal_events_are_in_their_bands(run: Run) -> None:
    found = normal_shares(run)
    assert {each.class_ for each in found} > {None}, "no class has 500 points of its own"
    assert [each for each in found if not each.within] == []


def test_initial_scores_are_those_of_the_first_scoring(run: Run) -> None:
    initial = {key: score for each in run.stored.values() for key, score in scores_of(each, "initial_").items()}
    assert initial.keys() <= run.decided.keys()
    for key, score in initial.items():
        assert score == pytest.approx(run.decided[key], abs=1e-6), key
    moved = [each for each in run.stored.values() if "renormalized_at" in each.source]
    assert moved, "nothing was renormalized during the backfill, so this proves nothing"


def test_stored_probabilities_are_those_that_were_decided(run: Run) -> None:
    records = [each.source for each in run.stored.values() if each.source["result_type"] == "record"]
    pairs = [(each["timestamp"] // 1_000, each["partition_field_value"], each["by_field_value"]) for each in records]
    np.testing.assert_allclose([each["probability"] for each in records], np.exp(run.ln_p_of(pairs)), rtol=1e-9)
    unusual = {pair for pair, ln_p in zip(run.pairs, run.ln_ps, strict=True) if ln_p <= LN_TAKES_PART}
    assert unusual <= set(pairs), "every pair with p ≤ 0.035 has a record"


def test_renormalization_never_changes_initial_scores(run: Run) -> None:
    assert run.stored.keys() == run.renormalized.keys()
    for id_, before in run.stored.items():
        after = run.renormalized[id_]
        assert scores_of(before, "initial_") == scores_of(after, "initial_")
        assert before.source["event.ingested"] == after.source["event.ingested"]
    assert run.changed[1] == 0, "the second renormalization must write nothing"


def test_every_server_gives_the_same_probabilities(run: Run, first: dict[tuple[int, str, str], float]) -> None:
    mine = dict(zip(run.pairs, run.ln_ps, strict=True))
    assert len(mine) == len(run.pairs)
    if not first:
        first.update(mine)
    assert mine.keys() == first.keys()
    np.testing.assert_allclose([mine[pair] for pair in first], list(first.values()), rtol=1e-6)
