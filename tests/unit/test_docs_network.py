"""The numbers in docs/network.md are the code's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from sagemaker_metrics import METRICS

from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.history.profiles import Profiles
from ipi_es.ipinsights.history.sketches import CELLS_A_KEY, MAX_EXPONENT, MIN_EXPONENT, Sketch
from ipi_es.ipinsights.network.table_size import CROWDED, ROWS_PER_ENTITY, entity_table
from ipi_es.worker.pairs.score_rows import json_row

TEXT = (Path(__file__).parents[2] / "docs" / "network.md").read_text(encoding="utf-8")
PLAIN = " ".join(TEXT.split())


def bytes_a_cell(sketch: Sketch) -> int:
    arrays = sketch.to_arrays("x").values()
    return sum(array.nbytes for array in arrays) // sketch.count.shape[1]


def test_sizes_of_the_history() -> None:
    history = History.empty(0, pair_keys=1, network_keys=1)
    pairs, networks = history.pairs, history.networks
    for sketch, name in ((pairs, "(entity, network)"), (networks, "network")):
        size = bytes_a_cell(sketch)
        most = size * 2**MAX_EXPONENT / 1e6
        assert f"| history, by {name} | cells · {size} | {most:.0f} MB at most |" in TEXT
    assert f"2¹⁶ to 2²⁴ cells, {['', 'one', 'two', 'three', 'four'][CELLS_A_KEY]} for each key" in PLAIN
    assert (MIN_EXPONENT, MAX_EXPONENT, CROWDED) == (16, 24, 0.5)


def test_sizes_of_tables_and_profiles() -> None:
    columns = Profiles.empty()
    names = [name for name in columns.__slots__ if isinstance(getattr(columns, name), np.ndarray)]
    an_entity = sum(
        getattr(columns, name).dtype.itemsize * int(np.prod(getattr(columns, name).shape[1:])) for name in names
    )
    said = re.search(r"\| profiles \| about (\d+) an entity \| (\d+) MB \|", TEXT)
    assert said is not None
    assert an_entity == pytest.approx(int(said[1]), rel=0.1)
    assert int(said[1]) / 10 == pytest.approx(int(said[2]), abs=1)
    row = 4 * (Hyperparameters().vector_dim + 1)
    assert f"| {ROWS_PER_ENTITY * 100_000 * row / 1e6:.0f} MB |" in TEXT
    assert f"| {100_000 * row / 1e6:.0f} MB for 100,000 networks |" in TEXT


def test_shares_of_entities_that_share_a_row() -> None:
    rows = re.findall(r"^\| ([\d.]+) \| (\d+) % \|", TEXT, flags=re.MULTILINE)
    assert [float(row) for row, _ in rows] == [0.1, 0.5, 1, 2]
    for row, share in rows:
        # 2 rows an entity are enough: the text is asked of one row fewer
        said = entity_table(round(float(row) * 1_000_000) - 1, 1_000_000)
        assert said is not None
        assert f": {share} % of them" in said[0]


def test_log_lines_are_found_by_sagemakers_definitions() -> None:
    for name, value in (("validation:discriminator_auc", "0.987"), ("train:throughput", "41234.5")):
        assert re.search(METRICS[name], TEXT).group(1) == value  # type: ignore[union-attr]


def test_the_example_of_a_request_is_one() -> None:
    body = next(line for line in TEXT.splitlines() if line.startswith('{"instances"'))
    rows = [json_row(1, each) for each in json.loads(body)["instances"]]
    assert [(row.entity, row.ip, row.error) for row in rows] == [("alice", "192.0.2.1", ""), ("bob", "192.0.2.2", "")]
