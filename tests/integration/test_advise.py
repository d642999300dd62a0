"""`ipi-es advise` on real servers counts the messages that the worker would have sent."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from advice_parts import DAY, END, HOUR, START, Results, write
from cli_run import run
from servers.pool import Server

from ipi_es.alerts.found_alerts import find
from ipi_es.alerts.incident_messages import incidents
from ipi_es.cluster.port import Cluster
from ipi_es.config.files.loading import check_job
from ipi_es.results.documents.result_documents import ResultContext
from ipi_es.results.words import ALIAS


@pytest.fixture
def context(cluster: Cluster) -> Iterator[ResultContext]:
    name = f"advise-{uuid.uuid4().hex[:8]}"
    yield ResultContext(name, HOUR, "user.name", "source.ip", ("user.name", "source.ip"), results_index_name=name)
    for index in cluster.indices(f"{ALIAS}-{name}*"):
        cluster.delete_index(index)


def test_it_counts_what_the_worker_would_have_sent(
    cluster: Cluster, server: Server, context: ResultContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Results(context)
    for name in ("ann", "bob", "eve"):
        made.record(START + HOUR, name, "203.0.113.9", 80.5)
    made.judge("compromised")
    made.record(START + 2 * DAY, "max", "192.0.2.1", 78.0)
    made.judge("safe")
    made.record(START + 2 * DAY, "tom", "192.0.2.2", 76.0)
    made.record(START + 3 * DAY, "amy", "192.0.2.3", 99.0, suppressed_by="vpn")
    made.record(START + 4 * DAY, "amy", "192.0.2.3", 99.0, repeat_of="x")
    made.address(START + HOUR, "203.0.113.9", ("ann", "bob", "eve"), 91.0)
    made.entity(START + HOUR, "bob", ("203.0.113.9",), 77.0)
    made.bucket(START + 2 * DAY, 90.0)
    blind = made.annotation(END - DAY, END - HOUR, "blind", fields={"blind_state": "ended"})
    write(cluster, context, [*made.documents(without=[END - HOUR]), blind])
    data = {
        "job_id": context.job_id,
        "results_index_name": context.results_index_name,
        "analysis_config": {"bucket_span": "1h"},
        "datafeed_config": {"indices": ["logs"]},
        "alerts": {"on": ["records", "influencers"], "max_age": "5000w"},
    }
    (tmp_path / "job.json").write_text(json.dumps(data))
    (tmp_path / "ipi-es.yml").write_text(f"elasticsearch: {{hosts: ['{server.url}']}}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)

    def counted(*options: str) -> dict[str, tuple[int, int, int]]:
        done = run("advise", "job.json", "--at-most", "0.2", "--format", "json", *options)
        assert done.exit_code == 0, done.output
        numbers = ("alarms", "alarms_with_verdict", "alarms_compromised")
        rows = [row for row in json.loads(done.stdout) if row["threshold"] == 75]
        assert {(row["counted_days"], row["missing_buckets"]) for row in rows} == {(9.0, 0)}
        return {row["level"]: tuple(row[name] for name in numbers) for row in rows}

    assert counted() == {
        "buckets": (1, 0, 0), "influencers": (1, 0, 0), "records": (3, 2, 1), "influencers+records": (3, 2, 1),
    }  # fmt: skip
    assert counted("--consoles") == {
        "buckets": (1, 0, 0), "influencers": (2, 0, 0), "records": (5, 2, 1), "influencers+records": (7, 2, 1),
    }  # fmt: skip
    alerts = find(cluster, check_job(data), 0, END)
    # all but one, which a verdict has closed since
    assert (len(alerts), len(incidents(each.message for each in alerts))) == (6, 2)
    said = run("advise", "job.json", "--at-most", "0.2").stdout
    assert "Counted: 9 days of results" in said
    assert "Not counted: 0.9 days in which the job was blind or half blind." in said
