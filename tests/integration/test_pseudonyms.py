"""A job with pseudonyms on real servers: no document has a name, and commands find by names what is stored without."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from cli_run import run
from late_parts import live
from servers.pool import Server
from worker_company import DAY

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.pseudonyms import is_pseudonym
from ipi_es.results.words import ALIAS
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.state.verdict_store import VERDICTS_INDEX

KEY = Path(__file__).parents[1] / "samples" / "pseudonyms.key"
ALL = (ALIAS, STATE_INDEX, SNAPSHOT_INDEX, VERDICTS_INDEX)


@pytest.fixture
def job(cluster: Cluster, index: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A job of its own, trained, with two days scored."""
    made = company.make_job(
        f"pseudonyms-{uuid.uuid4().hex[:8]}", index, entity_pseudonyms={"key_file": str(KEY)}, hold_probability=0
    )
    company.fill(cluster, index, score_days=3)
    parts.train_by(monkeypatch)
    with live(cluster, made, parts.NOW - 3_600) as session:
        session.train(company.LEARN_FROM, company.SCORED_FROM)
        session.catch_up(company.SCORED_FROM + 2 * DAY, lambda _: None)
    yield made
    parts.remove(cluster, made.job_id)


def documents(cluster: Cluster, job: Job) -> list[dict[str, Any]]:
    found = []
    for index in ALL:
        cluster.refresh(index)
        found += [dict(each.source) for each in cluster.scan(index, {"term": {"job_id": job.job_id}})]
    return found


def test_names_are_asked_for_and_never_stored(
    server: Server, cluster: Cluster, index: str, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ipi-es.yml").write_text(json.dumps({"elasticsearch": {"hosts": [server.url]}}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    data = company.job_data(job.job_id, index, entity_pseudonyms={"key_file": str(KEY)}, hold_probability=0)
    file = tmp_path / "job.json"
    file.write_text(json.dumps(data))
    pseudonym = job.stored_entity(company.VICTIM)
    given = run("verdict", "compromised", file, company.VICTIM, "101.7.0.9")
    assert given.exit_code == 0, given.output
    stored = documents(cluster, job)
    assert {"record", "bucket", "job_state", "manifest"} <= {
        each.get("result_type", each.get("type")) for each in stored
    }
    assert "person" not in json.dumps(stored)
    found = [
        run("results", "records", file, "--format", "json", "--entity", name) for name in (company.VICTIM, pseudonym)
    ]
    rows = json.loads(found[0].stdout)
    assert rows == json.loads(found[1].stdout) != []
    assert {each["partition_field_value"] for each in rows} == {pseudonym}
    assert is_pseudonym(pseudonym)
    erased = run("entity", "erase", company.VICTIM, "--yes", "--job", file)
    assert erased.exit_code == 0, erased.output
    assert pseudonym not in json.dumps(documents(cluster, job))
