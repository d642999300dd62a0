"""`check` of a job with pseudonyms: a key that is missing, too short, another one, or readable by everybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from check_parts import NOW, findings, healthy, only
from signin_events import make_job

from ipi_es.config.job_config import Job, PseudonymsSource
from ipi_es.config.setting_rules import made_with
from ipi_es.setup import setup_plan
from ipi_es.setup.checks.judge import judge
from ipi_es.setup.facts.gather import gather
from ipi_es.state.details import JobDetails
from ipi_es.state.job_state import StateStore
from ipi_es.testing.memory_cluster import MemoryCluster

KEY = "0123456789abcdef" * 8


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    setup_plan.apply(made, setup_plan.plan(made))
    healthy(made)
    return made


def keyed(file: Path, text: str | None = KEY, mode: int = 0o600) -> Job:
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    return make_job().model_copy(update={"entity_pseudonyms": PseudonymsSource(key_file=file)})


def trained(cluster: MemoryCluster, job: Job) -> None:
    states = StateStore(cluster)
    lease = states.acquire_lease(job.job_id, "test", NOW, 60, alive=lambda _: False)
    states.release(lease.advanced(snapshot_id="s", details=JobDetails(made_with=made_with(job))))


def test_a_good_key_is_named_by_its_check_digits(cluster: MemoryCluster, tmp_path: Path) -> None:
    job = keyed(tmp_path / "key")
    trained(cluster, job)
    assert findings(cluster, job) == []
    said = [each.message for each in judge(job, gather(cluster, job, NOW)) if each.check == "pseudonyms"]
    assert job.pseudonyms is not None
    assert said == [f"results have pseudonyms in place of names, under the key {job.pseudonyms.check}"]
    plain = [each.check for each in judge(make_job(), gather(cluster, make_job(), NOW))]
    assert "pseudonyms" not in plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "can't be read: No such file"),
        ("ab", "too short: 2 hexadecimal digits"),
        ("secret", "other characters than hexadecimal digits"),
    ],
)
def test_a_key_that_is_none_is_a_problem(
    cluster: MemoryCluster, tmp_path: Path, text: str | None, message: str
) -> None:
    bad = [each for each in findings(cluster, keyed(tmp_path / "key", text)) if each.check == "pseudonyms"]
    assert [each.level for each in bad] == ["problem"]
    assert message in bad[0].message
    assert "secret" not in str(bad[0])


def test_another_key_than_that_of_the_results_is_a_problem(cluster: MemoryCluster, tmp_path: Path) -> None:
    trained(cluster, keyed(tmp_path / "key"))
    found = only(cluster, keyed(tmp_path / "other", "ab" * 64))
    assert (found.check, found.level) == ("pseudonyms", "problem")
    assert "entity_pseudonyms was key " in found.message
    assert f"ipi-es train {make_job().job_id}" in str(found.hint)
    assert "abab" not in str(found)


def test_a_key_that_everybody_can_read_is_a_warning(cluster: MemoryCluster, tmp_path: Path) -> None:
    found = only(cluster, keyed(tmp_path / "key", mode=0o644))
    assert (found.check, found.level) == ("pseudonyms", "warning")
    assert "chmod o-r" in str(found.hint)
