"""Odd names and malformed addresses on real servers: no request is refused, and names come back as they were."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import odd_events
import pytest
import worker_parts as parts
from cli_run import run
from servers.pool import Server
from signin_events import write_job
from worker_company import DAY, SCORED_FROM, job_data

from ipi_es.cluster.port import Cluster
from ipi_es.times import iso


def test_odd_input_from_the_events_to_the_results(
    cluster: Cluster, index: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd_events.fill(cluster, index)
    name = f"odd-{uuid.uuid4().hex[:8]}"
    learned, (first, again) = odd_events.run_job(cluster, name, index, monkeypatch)
    counts = learned.collected.dropped.counts()
    assert counts["malformed_ip"] == 10 * (len(odd_events.MALFORMED) + 1)
    assert counts["missing_entity"] == 10
    day = [each for each in parts.of_kind(first, "record") if each["timestamp"] >= (SCORED_FROM + DAY) * 1_000]
    strange = {each["partition_field_value"] for each in day if each["by_field_value"].startswith("198.51.100.")}
    assert strange == set(odd_events.NAMES)
    assert first == again

    config = tmp_path / "ipi-es.yml"
    config.write_text(json.dumps({"elasticsearch": {"hosts": [server.url]}}))
    data = job_data(name, index)
    data["datafeed_config"]["entity_normalize"] = []
    job = write_job(tmp_path / "job.json", data)
    check = run("--config", config, "check", job)
    assert "something else than an address" in check.output
    shown = run("--config", config, "results", "records", job, "--start", iso(SCORED_FROM), "--format", "json")
    assert shown.exit_code == 0, shown.stderr
    assert set(odd_events.NAMES) <= {each["partition_field_value"] for each in json.loads(shown.stdout)}
    assert run("--config", config, "results", "influencers", job, "--start", iso(SCORED_FROM)).exit_code == 0
    assert run("--config", config, "renormalize", job).exit_code == 0
