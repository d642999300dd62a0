"""Tables that are too small for what was seen are told of, with SageMaker's advice."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from ipinsights_parts import a_history, small_company

from ipi_es.ipinsights.history.sketches import MIN_EXPONENT, Sketch, cells_exponent
from ipi_es.ipinsights.network.table_size import CROWDED, entity_table, history_tables, used
from ipi_es.worker.training.job_training import warn_of_entity_table


def test_two_rows_an_entity_are_enough_and_one_fewer_is_not() -> None:
    assert entity_table(200, 100) is None
    found = entity_table(199, 100, about=True)
    assert found is not None
    assert found[0] == "199 rows for about 100 entities: 39 % of them share one"
    assert "to auto, or to 200 and more" in found[1]


@pytest.mark.parametrize(("rows", "entities"), [(1, 2), (5_000, 10_000), (10_000, 10_000), (19_000, 10_000)])
def test_the_share_that_shares_a_row_is_what_hashing_gives(rows: int, entities: int) -> None:
    at = np.bincount(np.random.default_rng(0).integers(0, rows, entities), minlength=rows)
    shared = at[at > 1].sum() / entities
    text = entity_table(rows, entities)
    assert text is not None
    said = float(text[0].split(": ")[1].split(" %")[0]) / 100
    assert said == pytest.approx(shared, abs=0.02 if entities > 2 else 0.5)


def test_the_training_log_has_the_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_entity_table("sign-ins", None, 1_000)
        warn_of_entity_table("sign-ins", 2_000, 1_000)
        assert not caplog.records
        warn_of_entity_table("sign-ins", 500, 1_000)
    assert "job sign-ins: num_entity_vectors: 500 rows for 1,000 entities: 86 % of them share one" in caplog.text
    assert "to 2,000 and more" in caplog.text


def test_a_history_as_it_is_sized_is_not_crowded() -> None:
    assert list(history_tables(a_history(small_company(seed=1)))) == []
    keys = np.random.default_rng(0).integers(0, 2**64, 1 << MIN_EXPONENT, dtype=np.uint64)
    sketch = Sketch.empty(cells_exponent(len(keys)), members=False)
    sketch.add(sketch.cells(keys), np.ones(len(keys), dtype=np.float32), 1)
    assert used(sketch) == pytest.approx(1 - np.exp(-0.25), abs=0.01)


def test_a_crowded_history_is_told_of() -> None:
    history = a_history(small_company(seed=1))
    history.pairs.count[0, : int(history.pairs.count.shape[1] * (CROWDED + 0.1))] = 1.0
    [(text, hint)] = history_tables(history)
    assert "by (entity, network) are in use" in text
    assert "train again" in hint
