"""`ipi-es sagemaker`: a container's files and environment; nothing is trained or served here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_run import run

from ipi_es.config.files.sagemaker_container import LONGEST_REASON, SagemakerContainer
from ipi_es.errors import ConfigError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ipi-es.yml around."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)


@pytest.fixture
def ml(tmp_path: Path) -> Path:
    """What SageMaker mounts, with too few rows to train on."""
    (tmp_path / "ml/input/config").mkdir(parents=True)
    (tmp_path / "ml/input/data/train").mkdir(parents=True)
    (tmp_path / "ml/input/data/train/part.csv").write_text("a,192.0.2.1\n" * 50)
    return tmp_path / "ml"


def failure(ml: Path) -> str:
    return (ml / "output/failure").read_text(encoding="utf-8")


def test_a_training_that_fails_writes_its_reason(ml: Path) -> None:
    result = run("sagemaker", "train", "--root", ml)
    assert result.exit_code == 1
    assert "at least 100 are needed" in result.stderr
    assert "at least 100 are needed" in failure(ml)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("hyperparameters.json", '{"vector_dims": "3"}', "vector_dim"),
        ("hyperparameters.json", '{"architecture": "hybrid"}', "architecture"),
        ("resourceconfig.json", json.dumps({"hosts": ["algo-1", "algo-2"]}), "2 machines"),
    ],
)
def test_mistakes_are_the_failures_reason(ml: Path, file: str, text: str, said: str) -> None:
    (ml / "input/config" / file).write_text(text)
    result = run("sagemaker", "train", "--root", ml)
    assert result.exit_code == 2
    assert said in failure(ml)


def test_a_channel_that_is_missing_is_the_failures_reason(tmp_path: Path) -> None:
    result = run("sagemaker", "train", "--root", tmp_path)
    assert result.exit_code == 2
    assert "no channel" in failure(tmp_path)
    assert "→" in failure(tmp_path)


def test_a_reason_is_cut_to_what_is_shown(tmp_path: Path) -> None:
    SagemakerContainer(tmp_path).write_failure("x" * 5_000)
    assert failure(tmp_path) == "x" * LONGEST_REASON


def test_serving_without_a_model_is_an_error(tmp_path: Path) -> None:
    assert "there is no" in run("sagemaker", "serve", "--root", tmp_path).stderr
    (tmp_path / "model").mkdir()
    result = run("sagemaker", "serve", "--root", tmp_path)
    assert result.exit_code == 1
    assert "has no snapshot" in result.stderr


def test_the_environment_says_port_and_strictness(tmp_path: Path) -> None:
    plain = SagemakerContainer(tmp_path, {})
    assert (plain.listen, plain.strict) == ("0.0.0.0:8080", None)
    given = SagemakerContainer(tmp_path, {"SAGEMAKER_BIND_TO_PORT": "9000", "IPI_ES_STRICT": "1"})
    assert (given.listen, given.strict) == ("0.0.0.0:9000", True)
    for port in ("0", "x", "70000", "²"):
        with pytest.raises(ConfigError, match="is no port"):
            _ = SagemakerContainer(tmp_path, {"SAGEMAKER_BIND_TO_PORT": port}).listen


def test_the_prefix_is_sagemakers() -> None:
    assert SagemakerContainer().model == Path("/opt/ml/model")
