"""`ipi-es evaluate` on small files, with TensorFlow; and the reference network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_run import run
from evaluation_events import company_csv

from ipi_es.addresses import parse
from ipi_es.evaluation.evaluation import SCORERS
from ipi_es.ipinsights.roc_auc import roc_auc
from ipi_es.ipinsights.tf.sagemaker_like import SageMakerLike, random_of_family

NETWORKS = "prefix,asn,organisation,country\n" + "".join(
    f"{first}.0.0.0/8,{64_500 + first % 5},x,{'DE' if first % 2 else 'FR'}\n" for first in range(1, 224)
)


@pytest.fixture
def small_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two windows instead of eight, and a combiner that is trained for less long: they cost a training each."""
    monkeypatch.setattr("ipi_es.evaluation.protocol.WINDOWS", 2)
    monkeypatch.setattr("ipi_es.ipinsights.tf.combiner_trainer._MIN_STEPS", 300)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ipi-es.yml around."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)


@pytest.mark.usefixtures("small_trial")
def test_injected_attacks_are_measured_by_all_scorers_and_drawn(tmp_path: Path) -> None:
    (tmp_path / "networks.csv").write_text(NETWORKS)
    (tmp_path / "attackers.txt").write_text("8.8.8.8\n8.8.4.4\n")
    company_csv(tmp_path / "events.csv")
    places = ("--networks", "networks.csv", "--attackers", "attackers.txt", "--plot", "roc.png")
    result = run("evaluate", "events.csv", *places, "--trainings", "1", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout.splitlines()[-1])
    assert list(found) == ["models", "calibration"]
    assert tuple(found["models"]) == SCORERS
    for scorer in found["models"].values():
        assert list(scorer) == ["mean_auc", "mean_recall_at_1pct", "attacks"]
        assert list(scorer["attacks"]) == ["random", "shuffled", "country", "asn", "group", "attacker", "neighbour"]
        for figures in scorer["attacks"].values():
            assert list(figures) == ["auc", "recall_at_1pct", "recall_at_0.1pct"]
            assert all(0 <= value <= 1 for value in figures.values())
    assert found["models"]["seen"]["attacks"]["attacker"]["auc"] > 0.9
    assert list(found["calibration"]) == ["0.1", "0.01", "0.001"]
    assert "sagemaker_like" in result.stdout
    assert "window 2: train 2026-03-" in result.stdout
    assert (tmp_path / "roc.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("small_trial")
def test_labelled_events_are_measured_by_their_labels(tmp_path: Path) -> None:
    company_csv(tmp_path / "events.csv", attacks=True)
    result = run("evaluate", "events.csv", "--state", "frozen", "--trainings", "2", "--json")
    assert result.exit_code == 0, result.output
    assert "sagemaker_like is the mean of 2 trainings: " in result.stdout
    assert "seen is the mean" not in result.stdout
    found = json.loads(result.stdout.splitlines()[-1])
    assert {kind for scorer in found["models"].values() for kind in scorer["attacks"]} == {"attack"}
    assert found["models"]["hybrid"]["mean_auc"] > 0.9
    assert "labelled as attacks" in result.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timestamp,user,ip\n1,a,192.0.2.1\n", "lacks entity"),
        ("timestamp,entity,ip\nsoon,a,192.0.2.1\n", "line 2: “soon” is no time"),
        ("timestamp,entity,ip\n1,a,192.0.2.1\n2,b,192.0.2.2\n", "at least 3 are needed"),
        (
            "timestamp,entity,ip\n" + "".join(f"{day * 86400},new{day},192.0.2.{day}\n" for day in range(30)),
            "none of the 8 windows can be measured",
        ),
        (
            "timestamp,entity,ip\n" + "".join(f"{day * 86400},a,192.0.2.{day}\n" for day in range(30)),
            "all normal events are of one entity",
        ),
        ("timestamp,entity,ip,label\n1,a,192.0.2.1,1\n2,b,192.0.2.1,spray\n", "all 2 rows are labelled as attacks"),
        ("timestamp,entity,ip,label\n1,a,192.0.2.1,benign\n", "none names an attack"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "events.csv").write_text(text)
    result = run("evaluate", "events.csv")
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert "→" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "a file of events or --job"),
        (("events.csv", "--networks-for-attacks-only"), "needs --networks"),
        (("events.csv", "--plot", "picture.doc"), "no known picture format"),
        (("events.csv", "--plot", "nowhere/picture.png"), "no folder nowhere"),
    ],
)
def test_wrong_arguments_are_refused_before_any_work(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    company_csv(tmp_path / "events.csv", days=1)
    result = run("evaluate", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_the_reference_network_learns_who_is_where_and_repeats_itself() -> None:
    homes = [f"{who + 1}.{who * 7 % 256}.3.{at}" for who in range(50) for at in range(4)]
    addresses, _ = parse(homes)
    entity = np.repeat(np.arange(50, dtype=np.int32), 4)
    scores = []
    for _ in range(2):
        network = SageMakerLike(50, rng=np.random.default_rng(3))
        network.fit(np.tile(entity, 10), np.tile(addresses, (10, 1)), batch=64)
        scores.append(network.log_odds(entity, addresses))
    strange = network.log_odds(entity, random_of_family(addresses, np.random.default_rng(4)))
    assert roc_auc(scores[1], strange) > 0.9
    assert np.allclose(scores[0], scores[1], atol=1e-4)
    assert network.log_odds(entity[:0], addresses[:0]).shape == (0,)


def test_a_random_address_stays_in_its_family() -> None:
    addresses, _ = parse(["192.0.2.1", "2001:db8::1"])
    found = random_of_family(np.repeat(addresses, 100, axis=0), np.random.default_rng(0))
    assert np.array_equal(found[:100, :12], np.repeat(addresses[:1, :12], 100, axis=0))
    assert len(np.unique(found[100:, 0])) > 50
