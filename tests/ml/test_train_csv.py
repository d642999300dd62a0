"""`ipi-es train --csv`, from a file to scores."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from cli_run import run
from sagemaker_metrics import METRICS

QUICK = ("--epochs", "4", "--vector_dim", "8")


def rows(seed: int, number: int) -> str:
    """Pairs of 60 people, each with a home network and one of three offices."""
    rng = np.random.default_rng(seed)
    lines = []
    for who, at, office in zip(
        rng.integers(0, 60, number), rng.integers(1, 5, number), rng.random(number), strict=True
    ):
        network = f"203.0.{who % 3}" if office < 0.4 else f"{20 + who}.{who}.7"
        lines.append(f"user{who}, {network}.{at}\n")
    return "".join(lines)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ipi-es.yml around."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)


def metrics(log: str) -> dict[str, list[float]]:
    return {name: [float(found) for found in re.findall(pattern, log)] for name, pattern in METRICS.items()}


def dots(shelf: Path, body: str, *options: str) -> list[float]:
    result = run("score", *options, "--snapshot", shelf, "--accept", "application/json", stdin=body)
    assert result.exit_code == 0, result.stderr
    return [one["dot_product"] for one in json.loads(result.stdout)["predictions"]]


def test_from_channels_to_predictions(tmp_path: Path) -> None:
    """SageMaker's folders, its file of hyperparameters, its log lines, and a snapshot that `score` takes."""
    train, validation = tmp_path / "train", tmp_path / "validation"
    train.mkdir()
    validation.mkdir()
    (train / "1.csv").write_text(rows(1, 1_500) + "user0,nowhere\n,192.0.2.1\n")
    (train / "2.csv.gz").write_bytes(gzip.compress(rows(2, 1_500).encode()))
    (validation / "1.csv").write_text(rows(3, 400))
    (tmp_path / "hyperparameters.json").write_text('{"epochs": "4", "vector_dim": "8", "num_entity_vectors": "200"}')
    result = run(
        *("train", "--csv", train, "--validation", validation),
        *("--hyperparameters", "hyperparameters.json", "--model-dir", tmp_path / "out"),
    )
    assert result.exit_code == 0, result.stderr
    found = metrics(result.stdout)
    assert len(found["validation:discriminator_auc"]) == len(found["train:throughput"]) == 4
    assert found["validation:discriminator_auc"][-1] > 0.95
    assert found["train:binary_classification_cross_entropy:epoch"][-1] < 0.5
    assert "Trained on 3,000 rows: 60 entities" in result.stdout
    assert "on 400 rows of the validation channel" in result.stdout
    assert "2 rows are left out: 1 with a malformed address, 1 with an empty entity" in result.stderr
    own, other = dots(tmp_path / "out", "user5, 25.5.7.1\nuser5, 33.13.7.1\n")
    assert own > other + 2
    plain = run("score", "ip-insights", "--snapshot", tmp_path / "out", stdin="user5,25.5.7.1\n").stdout
    negatives = 2 + 40 + 1 + 1  # the defaults of the network alone
    assert float(plain.split(",")[2]) + np.log(negatives) == pytest.approx(own, abs=1e-5)


def test_a_container_trains_into_its_model_folder(tmp_path: Path) -> None:
    (tmp_path / "ml/input/data/train").mkdir(parents=True)
    (tmp_path / "ml/input/config").mkdir()
    (tmp_path / "ml/input/data/train/part-0").write_text(rows(1, 1_000))
    (tmp_path / "ml/input/config/hyperparameters.json").write_text(json.dumps({"epochs": "2", "vector_dim": "8"}))
    result = run("sagemaker", "train", "--root", tmp_path / "ml")
    assert result.exit_code == 0, result.stderr
    assert len(metrics(result.stdout)["validation:discriminator_auc"]) == 2
    assert len(dots(tmp_path / "ml/model", "user5, 25.5.7.1\n")) == 1
    assert not (tmp_path / "ml/output").exists()


def test_standard_input_and_rows_held_out_by_chance(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = ("--snapshots", tmp_path / "out", "--num_entity_vectors", "30", *QUICK)
    result = run("train", "mine", "--csv", "-", *options, stdin=rows(1, 1_000))
    assert result.exit_code == 0, result.stderr
    assert "on 100 rows held out by chance" in result.stdout
    assert "later events will score lower" in result.stderr
    assert "30 rows for 60 entities" in caplog.text
    assert len(dots(tmp_path / "out", "user1,192.0.2.1\n", "mine")) == 1


def test_the_same_rows_seed_and_day_give_the_same_bytes_when_deterministic(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(rows(1, 1_000))
    options = ("--csv", "f", "--end", "2026-05-01", "--deterministic", *QUICK)
    for folder in ("one", "two"):
        assert run("train", *options, "--snapshots", tmp_path / folder).exit_code == 0
    blobs = [
        {path.name: path.read_bytes() for path in (tmp_path / folder).rglob("*.blob")} for folder in ("one", "two")
    ]
    assert len(blobs[0]) == 2
    assert blobs[0] == blobs[1]
    assert run("train", *options, "--seed", "5", "--snapshots", tmp_path / "three").exit_code == 0
    assert {path.name for path in (tmp_path / "three").rglob("*.blob")}.isdisjoint(blobs[0])


def test_odd_names_and_one_entity_with_most_rows_are_trained_on(tmp_path: Path) -> None:
    odd = ["x" * 10_000, "nul\x00inside", "Ünïcode ☃", "{guid}", '"quoted, name"', "=1+1"]
    few = "".join(f"{name},198.51.100.{place}\n" for place, name in enumerate(odd) for _ in range(3))
    most = "".join(f"service,192.0.2.{place % 9}\n" for place in range(9_000))
    (tmp_path / "f").write_text(rows(1, 900) + few + most)
    result = run("train", "--csv", "f", "--snapshots", tmp_path / "out", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert "left out" not in result.stderr
    found = dots(tmp_path / "out", few)
    assert np.isfinite(found).all()
    unknown = dots(tmp_path / "out", "nobody,198.51.100.0\n")
    assert dots(tmp_path / "out", few)[0] != unknown[0]
    own, other = dots(tmp_path / "out", "user5,25.5.7.1\nuser5,192.0.2.1\n")
    assert own > other


def timed(seed: int, number: int, days: range) -> str:
    """The pairs of :func:`rows`, each at a time within the days."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(days.start * 86_400, days.stop * 86_400, number))
    lines = rows(seed, number).splitlines()
    return "".join(f"{line},{time}\n" for line, time in zip(lines, times.tolist(), strict=True))


@pytest.mark.parametrize("validation", [False, True])
def test_rows_with_times_train_the_hybrid(tmp_path: Path, validation: bool) -> None:
    (tmp_path / "f").write_text(timed(1, 2_000, range(20_000, 20_010)))
    (tmp_path / "v").write_text(timed(2, 500, range(20_010, 20_012)))
    options = ["--validation", "v"] if validation else []
    result = run("train", "--csv", "f", *options, "--snapshots", tmp_path / "out", "--vector_dim", "8")
    assert result.exit_code == 0, result.stderr
    assert ("rows of the validation channel" if validation else "rows of the last days") in result.stdout
    assert "will score lower" not in result.stderr
    assert len(metrics(result.stdout)["validation:discriminator_auc"]) == 10
    scored = run("score", "--snapshot", tmp_path / "out", stdin="user5,25.5.7.1\nuser5,33.13.7.1\n").stdout
    own, other = (line.split(",") for line in scored.splitlines())
    assert float(own[2]) > float(other[2]) + 2
    assert float(own[3]) > 0.05 > float(other[3])


def test_rows_with_times_train_the_network_alone_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(timed(1, 2_000, range(20_000, 20_010)))
    options = ("--architecture", "ip_insights", *QUICK)
    result = run("train", "--csv", "f", "--snapshots", tmp_path / "out", *options)
    assert result.exit_code == 0, result.stderr
    assert "rows of the last days" in result.stdout
    scored = run("score", "--snapshot", tmp_path / "out", stdin="user5,25.5.7.1\n").stdout
    assert float(scored.split(",")[2]) + np.log(44) == pytest.approx(
        dots(tmp_path / "out", "user5,25.5.7.1\n")[0], abs=1e-5
    )
