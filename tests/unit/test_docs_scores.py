"""The numbers in docs/scores.md are the code's."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from ipi_es.config import Job
from ipi_es.results.documents.explanation import COLD_START
from ipi_es.results.words import CRITICAL, RESULT_KINDS, SCORE_FIELDS
from ipi_es.scoring.calibration import ENOUGH_POINTS
from ipi_es.scoring.normalizer import probability_cap, rank_cap
from ipi_es.scoring.probability import P_TAKES_PART
from ipi_es.scoring.quantiles import WARM_COUNT, Quantiles
from ipi_es.scoring.warm_up import MODEST, YOUNG_DAYS

TEXT = (Path(__file__).parents[2] / "docs" / "scores.md").read_text(encoding="utf-8")
PLAIN = " ".join(TEXT.split())


def test_one_bucket_in_so_many_passes_each_threshold_by_chance() -> None:
    rows = re.findall(r"^\| (\d+) \| ([\d,]+) \| (\d+) days \|", TEXT, flags=re.MULTILINE)
    assert [row[0] for row in rows] == ["25", "50", "75"]
    for threshold, one_in, days in rows:
        buckets = int(one_in.replace(",", ""))
        assert float(probability_cap(np.array([-math.log(buckets)]))[0]) == pytest.approx(float(threshold), abs=0.05)
        assert buckets / 24 == pytest.approx(int(days), abs=0.5)


def test_probabilities_that_scores_need() -> None:
    for score, probability in ((75, "0.0005"), (50, "0.0026"), (25, "0.0135")):
        assert f"{score} of {probability}" in PLAIN or f"{score} needs a probability of {probability}" in PLAIN
        assert float(probability_cap(np.array([math.log(float(probability))]))[0]) == pytest.approx(score, abs=0.5)


def test_what_one_pair_in_a_million_does_to_a_bucket() -> None:
    assert "one in a million makes a bucket of up to about 500 entities critical, and one of 5,000 entities 40" in PLAIN
    few, many = probability_cap(np.log(1 - (1 - 1e-6) ** np.array([500.0, 5_000.0])))
    assert CRITICAL <= few < CRITICAL + 1
    assert round(many) == 40


def test_the_largest_result_while_warming_up() -> None:
    assert "at most 19 with no history, 50 after 10 results of its kind, 72 after 50, 88 after 168" in PLAIN
    assert f"Below {WARM_COUNT:.0f} the explanation says" in PLAIN
    for results, score in ((0, 19), (10, 50), (50, 72), (168, 88)):
        history = Quantiles.empty().added([], zeros=results)
        assert float(rank_cap(np.array([5.0]), history, counted=False)[0]) == pytest.approx(score, abs=1)


def test_names_and_defaults() -> None:
    assert all(f"`{kind}`" in TEXT and f"`{SCORE_FIELDS[kind]}`" in TEXT for kind in RESULT_KINDS)
    assert f"at most {P_TAKES_PART}" in PLAIN
    assert f"`max_records_per_bucket` ({Job.model_fields['max_records_per_bucket'].default})" in PLAIN
    assert "`repeat_window` (24 h" in PLAIN
    assert Job.model_fields["repeat_window"].default == 24 * 3600


def test_holds_and_warm_up_are_as_the_settings_and_the_code_say() -> None:
    fields = Job.model_fields
    assert f"below `hold_probability` ({fields['hold_probability'].default})" in PLAIN
    assert f"`hold_days` ({fields['hold_days'].default})" in PLAIN
    assert f"a probability of at least {MODEST}" in PLAIN
    assert f"until its history has {YOUNG_DAYS} days" in PLAIN
    assert f"fewer than {ENOUGH_POINTS} such sign-ins" in PLAIN
    assert all(f"| `{name}` |" in TEXT for name in COLD_START)
