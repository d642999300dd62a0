from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from ipinsights_events import FIRST_DAY, small_company
from ipinsights_parts import a_history, a_snapshot

from ipi_es.addresses import packed, parse, parse_many
from ipi_es.ipinsights.combiner.features import FEATURES
from ipi_es.ipinsights.day_scorer import DayScorer
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.ipinsights.hashing import joined
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.ipinsights.pair_explanation import Explainer, explain, explain_all, unlearned
from ipi_es.ipinsights.prefixes import prefix_keys
from ipi_es.ipinsights.scorer import Scorer
from ipi_es.ipinsights.storage import history_to_bytes, snapshot_to_bytes

EVENTS = small_company(seed=5)


@pytest.fixture(scope="module", params=["hybrid", "ip_insights"])
def scorer(request: pytest.FixtureRequest) -> Scorer:
    snapshot = a_snapshot(3, EVENTS, layers=2)
    if request.param == "ip_insights":
        snapshot = dataclasses.replace(snapshot, combiner=None)
    return Scorer(snapshot, a_history(EVENTS))


def blob(text: str) -> bytes:
    result = packed(text)
    assert result is not None
    return result


def test_a_score_depends_on_nothing_but_its_pair(scorer: Scorer) -> None:
    whole = scorer.score(EVENTS.entities, EVENTS.addresses, EVENTS.entity, EVENTS.ip).log_odds
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 100, 1001):
        rows = rng.integers(0, len(EVENTS), size)
        people, entity = np.unique(EVENTS.entity[rows], return_inverse=True)
        places, ip = np.unique(EVENTS.ip[rows], return_inverse=True)
        part = scorer.score(
            [EVENTS.entities[i] for i in people],
            EVENTS.addresses[places],
            entity.astype(np.int32),
            ip.astype(np.int32),
        )
        assert (part.log_odds == whole[rows]).all()


def test_a_day_scorer_gives_what_a_scorer_gives_until_history_moves_and_after(scorer: Scorer) -> None:
    rng = np.random.default_rng(2)
    history = scorer.history.copy()
    remembering = DayScorer(scorer.snapshot, history)
    for day in (FIRST_DAY + 12, FIRST_DAY + 13):
        for size in (0, 1, 300, 300, 900):
            rows = rng.integers(0, len(EVENTS), size)
            addresses = EVENTS.addresses[rng.permutation(len(EVENTS.addresses))]
            of = (EVENTS.entities, addresses, EVENTS.entity[rows], EVENTS.ip[rows])
            expected, found = Scorer(scorer.snapshot, history).score(*of), remembering.score(*of)
            for name in ("log_odds", "network_log_odds", "prior_events"):
                assert (getattr(found, name) == getattr(expected, name)).all()
        history.apply(DayDelta.of(day, entity_hashes(EVENTS.entities[:9]), EVENTS.addresses[:9], np.full(9, 3)))
    assert len(np.unique(found.log_odds)) > 100


def test_a_day_scorer_remembers_a_bounded_number_of_pairs(scorer: Scorer) -> None:
    remembering = DayScorer(scorer.snapshot, scorer.history, remembered=10)
    expected = scorer.score(EVENTS.entities, EVENTS.addresses, EVENTS.entity, EVENTS.ip).log_odds
    for rows in np.array_split(np.arange(len(EVENTS)), 30):
        found = remembering.score(EVENTS.entities, EVENTS.addresses, EVENTS.entity[rows], EVENTS.ip[rows])
        assert (found.log_odds == expected[rows]).all()


def test_scoring_changes_neither_snapshot_nor_history(scorer: Scorer) -> None:
    before = snapshot_to_bytes(scorer.snapshot), history_to_bytes(scorer.history)
    scorer.score([*EVENTS.entities, "new"], EVENTS.addresses, EVENTS.entity, EVENTS.ip)
    explain(scorer, "user1", blob("192.0.2.1"))
    assert before == (snapshot_to_bytes(scorer.snapshot), history_to_bytes(scorer.history))


def test_unseen_entities_are_alike_and_have_no_prior_events(scorer: Scorer) -> None:
    names = ["new one", "", "x" * 10_000, "\ud800"]
    result = scorer.score(names, EVENTS.addresses[:1], np.arange(4, dtype=np.int32), np.zeros(4, dtype=np.int32))
    assert len(set(result.log_odds.tolist())) == 1
    assert (result.prior_events == 0).all()


def test_prior_events_are_those_of_the_history(scorer: Scorer) -> None:
    result = scorer.score(EVENTS.entities, EVENTS.addresses, EVENTS.entity, EVENTS.ip)
    expected = np.bincount(EVENTS.entity, weights=EVENTS.count, minlength=len(EVENTS.entities))
    assert (result.prior_events == expected).all()


def test_nothing_to_score_gives_nothing(scorer: Scorer) -> None:
    none = np.zeros(0, dtype=np.int32)
    result = scorer.score([], np.zeros((0, 16), dtype=np.uint8), none, none)
    assert result.log_odds.shape == (0,)
    assert result.prior_events.shape == (0,)


def test_scoring_never_imports_tensorflow() -> None:
    script = (
        "import sys; import ipi_es.ipinsights.training.training, ipi_es.ipinsights.scorer, ipi_es.ipinsights.storage;"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_an_own_address_is_explained(scorer: Scorer) -> None:
    row = len(EVENTS) - 1
    name, address = EVENTS.entities[EVENTS.entity[row]], EVENTS.addresses[EVENTS.ip[row]].tobytes()
    result = explain(scorer, name, address)
    assert result.entity_seen
    assert not result.first_occurrence
    assert not result.network_first_occurrence
    assert not result.network_new_to_everybody
    assert result.relative_rarity < 1
    assert result.network in [usual.network for usual in result.usual]
    assert [usual.weight for usual in result.usual] == sorted((usual.weight for usual in result.usual), reverse=True)
    assert sum(usual.share for usual in result.usual) == pytest.approx(1.0, abs=0.01)
    assert max(usual.last_day for usual in result.usual) < FIRST_DAY + 12
    own = scorer.score([name], EVENTS.addresses[EVENTS.ip[row]][None], np.zeros(1, np.int32), np.zeros(1, np.int32))
    assert result.compatibility == own.log_odds[0]
    assert result.typical_compatibility is not None


def test_a_strange_address_is_explained(scorer: Scorer) -> None:
    result = explain(scorer, "user1", blob("203.0.113.250"))
    assert result.first_occurrence
    assert result.shared_prefix_length >= 24
    strange = explain(scorer, "user1", blob("100.100.100.100"))
    assert strange.network_first_occurrence
    assert strange.network_new_to_everybody
    assert strange.entities_on_network == 0
    assert strange.relative_rarity == 1.0


def test_an_unseen_entity_is_explained(scorer: Scorer) -> None:
    result = explain(scorer, "nobody", blob("203.0.113.1"))
    assert not result.entity_seen
    assert result.usual == ()
    assert result.typical_compatibility is None
    assert result.shared_prefix_with is None


def test_nothing_is_learned_of_an_entity_without_events_whatever_the_sketch_holds() -> None:
    history, address = a_history(EVENTS), EVENTS.addresses[EVENTS.ip[-1:]]
    known, stranger = entity_hashes([EVENTS.entities[EVENTS.entity[-1]], "nobody"])[:, None]
    assert not unlearned(history, known, address).any()
    keys = joined(stranger[:, None], prefix_keys(address))
    history.pairs.add(history.pairs.cells(keys), np.ones(keys.shape, dtype=np.float32), 1)  # as by a collision
    assert unlearned(history, stranger, address).all()


def test_of_many_pairs_as_of_few_it_is_known_whether_they_were_learned() -> None:
    history, rng = a_history(EVENTS), np.random.default_rng(2)
    hashes = entity_hashes([EVENTS.entities[i] for i in rng.choice(EVENTS.entity, 40_000)])
    addresses = EVENTS.addresses[rng.choice(EVENTS.ip, 40_000)]
    few = [unlearned(history, hashes[i : i + 900], addresses[i : i + 900]) for i in range(0, 40_000, 900)]
    found = unlearned(history, hashes, addresses)
    assert 0 < np.count_nonzero(found) < len(found)
    np.testing.assert_array_equal(found, np.concatenate(few))
    assert unlearned(history, hashes[:0], addresses[:0]).shape == (0,)


def test_many_pairs_are_explained_as_one_by_one(scorer: Scorer) -> None:
    rng = np.random.default_rng(1)
    rows = rng.integers(0, len(EVENTS), 50)
    names = ["nobody", *(EVENTS.entities[i] for i in EVENTS.entity[rows])]
    addresses = EVENTS.addresses[EVENTS.ip[rng.integers(0, len(EVENTS), 51)]]
    alone = [explain(scorer, name, address.tobytes()) for name, address in zip(names, addresses, strict=True)]
    assert explain_all(scorer, names, addresses) == alone
    assert explain_all(scorer, [], addresses[:0]) == []


def test_an_explainer_explains_anew_when_history_has_moved(scorer: Scorer) -> None:
    moving = Scorer(scorer.snapshot, scorer.history.copy())
    explainer = Explainer(moving)
    names, addresses = ["user1", "nobody", "user1"], np.repeat(EVENTS.addresses[:1], 3, axis=0)
    before = explain_all(scorer, names, addresses)
    assert explainer.explain_all(names, addresses) == before
    assert explainer.explain_all(names[1:], addresses[1:]) == before[1:]
    moving.history.apply(DayDelta.of(FIRST_DAY + 12, entity_hashes(["nobody"]), addresses[:1], np.ones(1, np.int64)))
    after = explainer.explain_all(names, addresses)
    assert after == explain_all(moving, names, addresses)
    assert after[1].entity_seen


def test_feature_names_are_unique() -> None:
    assert len(set(FEATURES)) == len(FEATURES)


def test_a_combiner_of_fewer_features_scores_the_same_among_more() -> None:
    combiner = a_snapshot(3, EVENTS).combiner
    assert combiner is not None
    columns = np.random.default_rng(0).standard_normal((20, len(FEATURES))).astype(np.float32)
    now = ["new", *FEATURES[::-1], "newer"]
    wider = np.concatenate([columns[:, :1], columns[:, ::-1], columns[:, :1]], axis=1)
    assert combiner.for_features(FEATURES, now).log_odds(wider) == pytest.approx(combiner.log_odds(columns), abs=1e-5)
    with pytest.raises(KeyError):
        combiner.for_features(FEATURES, FEATURES[1:])


def test_pairs_as_text_score_as_they_do_as_arrays_repeated_or_not(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, together, and cut into blocks for threads: a score doesn't depend on what stands beside it."""
    names = [*EVENTS.entities[:3], "nobody", "", "Ünï", EVENTS.entities[0]]
    ips = ["192.0.2.1", "2001:db8::1", "10.0.0.1", "198.51.100.7", "::ffff:192.0.2.1", "192.0.2.200"]
    pairs = [(name, ip) for name in names for ip in ips]
    entities, addresses = [name for name, _ in pairs], [ip for _, ip in pairs]
    found = scorer.score_pairs(entities, addresses)
    alone = [scorer.score_pairs([name], [ip])[0] for name, ip in pairs]
    assert found.tolist() == alone
    blobs, _ = parse(addresses)
    assert (parse_many(addresses)[0] == blobs).all()
    each = np.arange(len(pairs), dtype=np.int32)
    assert found.tolist() == scorer.score(entities, blobs, each, each).log_odds.tolist()
    assert found[0] == found[4]
    for limit in ("_MANY_PAIRS", "_BLOCK_PAIRS", "_BLOCK_ADDRESSES"):
        monkeypatch.setattr(f"ipi_es.ipinsights.scorer.{limit}", 5)
    assert scorer.score_pairs(entities * 2, addresses * 2).tolist() == found.tolist() * 2
    odd = scorer.score_pairs([*EVENTS.entities[:1] * 2, "a\ud800"], ["192.0.2.1", "nowhere", "192.0.2.1"])
    assert odd[0] == found[0]
    assert np.isnan(odd[1])
    assert np.isfinite(odd[2])
