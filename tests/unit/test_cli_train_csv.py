"""`ipi-es train --csv`: its options and their mistakes; nothing is trained here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_run import run
from sagemaker_metrics import METRICS

from ipi_es.config.files.hyperparameter_files import COUNTERPARTS, SAGEMAKER, read_hyperparameters
from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.errors import ConfigError
from ipi_es.ipinsights.network.network_fitting import TrainingProgress
from ipi_es.ipinsights.sagemaker.embeddings import metric_lines


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ipi-es.yml around."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)


def test_sagemakers_file_of_strings_is_taken(tmp_path: Path) -> None:
    given = {
        "num_entity_vectors": "20000",
        "vector_dim": "128",
        "epochs": "5",
        "learning_rate": "0.01",
        "mini_batch_size": "1000",
        "num_ip_encoder_layers": "1",
        "random_negative_sampling_rate": "5",
        "shuffled_negative_sampling_rate": "1",
        "weight_decay": "0.00001",
        "batch_metrics_publish_interval": "1000",
        "_tuning_objective_metric": "validation:discriminator_auc",
    }
    assert set(SAGEMAKER) == {name for name in given if not name.startswith("_")}
    (tmp_path / "h.json").write_text(json.dumps(given))
    found = read_hyperparameters(tmp_path / "h.json", {"epochs": "7"})
    used = found.used
    assert (used.num_entity_vectors, used.vector_dim, used.epochs) == (20_000, 128, 7)
    assert (used.learning_rate, used.weight_decay, used.architecture) == (0.0889, 0.01, "ip_insights")
    [note] = found.notes
    assert note.startswith("learning_rate 0.01 becomes 0.0889 and weight_decay 1e-05 becomes 0.01: SageMaker's is for")


def test_sagemakers_defaults_for_its_optimizer_mean_our_defaults_and_others_are_named() -> None:
    plain = read_hyperparameters(None, {})
    adam = read_hyperparameters(None, {name: by.adam for name, by in COUNTERPARTS.items()})
    assert plain.used == adam.used
    [note] = plain.notes
    assert "epochs 20 (SageMaker: 10), random_negative_sampling_rate 2 (SageMaker: 1), shuffled_" in note


@pytest.mark.parametrize("name", COUNTERPARTS)
@pytest.mark.parametrize("value", [0.0, 1e-6, 10.0])
def test_all_of_sagemakers_range_is_taken(name: str, value: float) -> None:
    if name == "learning_rate" and not value:
        return  # outside of its range
    assert getattr(read_hyperparameters(None, {name: str(value)}).used, name) <= 10


def test_every_sagemaker_hyperparameter_has_an_option_under_its_name() -> None:
    text = run("train", "--help").stdout
    assert all(f"--{name} " in text for name in SAGEMAKER)
    assert set(SAGEMAKER) <= set(Hyperparameters.model_fields)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"vector_dim": "3"}, "vector_dim"),
        ({"vector_dims": "32"}, "vector_dim"),
        ({"epochs": "many"}, "epochs"),
        ({"random_negative_sampling_rate": "0", "shuffled_negative_sampling_rate": "0"}, "add up to 0"),
        (["epochs"], "mapping"),
    ],
)
def test_a_wrong_hyperparameter_is_named_with_its_file(tmp_path: Path, values: object, said: str) -> None:
    (tmp_path / "h.json").write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=said) as caught:
        read_hyperparameters(tmp_path / "h.json", {})
    assert "h.json" in str(caught.value)


def test_the_log_lines_are_what_sagemakers_metric_definitions_find() -> None:
    settings = Hyperparameters().replaced(architecture="ip_insights")
    inside = metric_lines(TrainingProgress("network", 2, 4, 1_000, 1_500, 3.5, 900.0), settings)
    end = metric_lines(TrainingProgress("network", 2, 4, 1_500, 1_500, 3.5, 1_234.5, 0.987), settings)
    found = {
        name: re.search(pattern, line).group(1)  # type: ignore[union-attr]
        for name, pattern in METRICS.items()
        for line in [*inside, *end]
        if re.search(pattern, line)
    }
    assert set(found) == set(METRICS)
    assert found["validation:discriminator_auc"] == "0.987"
    assert found["train:throughput"] == "1234.5"
    assert found["train:progress"] == "50"
    assert float(found["train:binary_classification_cross_entropy:epoch"]) == pytest.approx(3.5 / 7)
    assert end[1] == "#quality_metric: host=algo-1, epoch=1, validation discriminator_auc <score>=0.987"
    assert metric_lines(TrainingProgress("done", discriminator_auc=0.9), settings) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--csv", "f"], "--csv needs a directory"),
        (["--csv", "nothing.csv", "--snapshots", "out"], "there is no nothing.csv"),
        (["--csv", "f", "--snapshots", "out", "--start", "now-1d"], "--start is of no use"),
        (["--csv", "f", "--snapshots", "out", "--vector_dim", "1"], "vector_dim"),
        (["a/b", "--csv", "f", "--snapshots", "out"], "can't be the name"),
        (["--csv", "f", "--snapshots", "f/below"], "can't be made"),
        (["--csv", "f", "--snapshots", "out", "--hyperparameters", "h.json"], "no such file"),
        (["job", "--epochs", "3"], "--epochs goes with --csv only"),
        (["job", "--deterministic"], "--deterministic goes with --csv only"),
        (["job", "--snapshots", "out"], "--snapshots goes with --csv only"),
        ([], "which job?"),
    ],
)
def test_mistakes_are_said_before_anything_is_trained(tmp_path: Path, options: list[str], said: str) -> None:
    (tmp_path / "f").write_text("a,192.0.2.1\n")
    result = run("train", *options)
    assert result.exit_code in (1, 2)
    assert said in result.stderr


def test_hybrid_is_refused_where_rows_have_no_times(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a,192.0.2.1\n")
    (tmp_path / "h.json").write_text('{"architecture": "hybrid"}')
    result = run("train", "--csv", "f", "--snapshots", "out", "--hyperparameters", "h.json")
    assert result.exit_code == 2
    assert "rows without times" in result.stderr
    assert "third column" in result.stderr


@pytest.mark.parametrize(
    ("validation", "options", "said"),
    [
        (None, ["--end", "2026-05-01"], "--end is of no use: the rows have times"),
        ("a,192.0.2.1,2026-05-02\n", [], "begin at 2026-05-02T00:00:00Z, before the last day of the training rows"),
        ("a,192.0.2.1\n", [], "without exactly three columns"),
        (None, [], "3 sign-ins"),
        (None, [], "the rows are of 3 days: of fewer than 4"),
    ],
)
def test_mistakes_with_times_are_said(tmp_path: Path, validation: str | None, options: list[str], said: str) -> None:
    (tmp_path / "f").write_text("".join(f"a,192.0.2.{day},2026-05-0{day}T08:00:00Z\n" for day in (1, 2, 3)))
    if validation is not None:
        (tmp_path / "v").write_text(validation)
        options = [*options, "--validation", "v"]
    result = run("train", "--csv", "f", "--snapshots", "out", *options)
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert "→" in result.stderr


def test_too_few_rows_are_said_with_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a,192.0.2.1\n" * 50)
    result = run("train", "--csv", "f", "--snapshots", "out")
    assert result.exit_code == 1
    assert "30 rows to train on, beside 20 to validate on; at least 100 are needed" in result.stderr
