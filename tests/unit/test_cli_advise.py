"""`ipi-es advise`: what it prints is true of the stored results, and it proposes nothing without enough of them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from advice_parts import DAY, END, HOUR, START, Results, write
from cli_run import connect_to, run
from notifying_parts import CONTEXT, ready_cluster

from ipi_es.cli.advise import FIELDS
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import iso

JOB = {
    "job_id": CONTEXT.job_id,
    "analysis_config": {"bucket_span": "1h"},
    "datafeed_config": {"indices": ["logs"]},
}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    made = ready_cluster()
    connect_to(monkeypatch, made)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    configure({})
    return made


def configure(alerts: dict[str, Any]) -> None:
    Path("job.json").write_text(json.dumps(JOB | {"alerts": alerts}))


def spray() -> Results:
    """Three accounts from one address in one hour, one of them judged, and a bucket of two days later."""
    made = Results(CONTEXT)
    for name in ("ann", "bob", "eve"):
        made.record(START + HOUR, name, "203.0.113.9", 80.5)
    made.judge("compromised")
    made.bucket(START + 2 * DAY, 60.0)
    made.record(START + 2 * DAY, "max", "192.0.2.1", 60.0)
    return made


def rows_of(*options: str) -> dict[tuple[str, float], dict[str, Any]]:
    done = run("advise", "job.json", "--format", "json", *options)
    assert done.exit_code == 0, done.output
    return {(row["level"], row["threshold"]): row for row in json.loads(done.stdout)}


def test_each_level_has_its_counts_and_a_proposal(cluster: MemoryCluster) -> None:
    write(cluster, CONTEXT, spray().documents())
    rows = rows_of("--at-most", "0.1")
    assert {level for level, _ in rows} == {"records", "influencers", "buckets"}
    seen = rows["records", 75]
    assert seen == {
        "job_id": "logins", "level": "records", "threshold": 75.0, "configured": True, "proposed": False,
        "alarms_per_day": 0.1, "worst_day": iso(START)[:10], "worst_day_alarms": 1, "alarms": 1,
        "alarms_with_verdict": 1, "alarms_compromised": 1, "precision": 1.0, "precision_low": seen["precision_low"],
        "precision_high": 1.0, "merged": True, "start": iso(END - 30 * DAY), "end": iso(END), "counted_days": 10.0,
        "missing_buckets": 0,
    }  # fmt: skip
    assert 0.02 < seen["precision_low"] < 0.03
    assert rows["records", 50]["alarms"] == 2
    assert [each for each, row in rows.items() if row["proposed"]] == [
        ("buckets", 1.0), ("influencers", 1.0), ("records", 61.0),
    ]  # fmt: skip
    assert rows["influencers", 50]["precision"] is None


def test_consoles_count_each_entity_of_an_event(cluster: MemoryCluster) -> None:
    write(cluster, CONTEXT, spray().documents())
    rows = rows_of("--at-most", "0.3", "--consoles")
    assert rows["records", 75]["alarms"] == 3
    assert rows["records", 61]["proposed"]
    assert rows["records", 61]["merged"] is False
    said = run("advise", "job.json", "--consoles").stdout
    assert "An alarm is one alert of a console" in said
    assert "`ipi-es alerts install logins --stack …`, run again, puts it into the definitions." in said


def test_the_table_says_what_was_counted_and_how_to_set_the_threshold(cluster: MemoryCluster) -> None:
    configure({"on": ["records", "buckets"], "threshold": 62.5})
    made = spray()
    blind = made.annotation(END - DAY, END - DAY + 2 * HOUR, "blind", fields={"blind_state": "half_blind"})
    write(cluster, CONTEXT, [*made.documents(without=[END - 5 * HOUR]), blind])
    said = run("advise", "job.json", "--at-most", "0.2").stdout
    assert "62.5  configured" in said
    assert f"1 on {iso(START)[:10]}" in said
    assert "100% (3% to 100%)" in said
    assert f"Counted: 9.8 days of results from {iso(END - 30 * DAY)} to {iso(END)}." in said
    assert "Not counted: 2 hours in which the job was blind or half blind; 1 bucket that is missing." in said
    assert (
        "For at most 0.2 a day: buckets from 1 on, influencers from 1 on (no alarm at all), records from 61 on, "
        in said
    )
    assert "buckets+records from 61 on." in said
    assert "To set it: `alerts: {on: [buckets, records], threshold: 61}` in the job's file." in said


def test_a_table_without_verdicts_has_no_columns_for_them(cluster: MemoryCluster) -> None:
    write(cluster, CONTEXT, Results(CONTEXT).documents())
    assert "verdict" not in run("advise", "job.json").stdout


def test_other_formats_have_only_rows_on_standard_output(cluster: MemoryCluster) -> None:
    write(cluster, CONTEXT, spray().documents())
    done = run("advise", "job.json", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert tuple(rows[0]) == FIELDS
    assert "Counted: 10 days" in done.stderr
    lines = run("advise", "job.json", "--format", "ndjson").stdout.splitlines()
    assert len(lines) == len(rows)
    assert {json.loads(each)["level"] for each in lines} == {"records", "influencers", "buckets"}


def test_few_days_are_shown_and_nothing_is_proposed(cluster: MemoryCluster) -> None:
    write(cluster, CONTEXT, spray().documents(without=range(START + 3 * DAY, END, HOUR)))
    done = run("advise", "job.json")
    assert done.exit_code == 0
    assert "configured" in done.stdout
    assert "proposed" not in done.stdout
    assert "Counted: 3 days" in done.stdout
    assert "That is not enough to propose a threshold: 7 days of results are needed." in done.stdout
    assert "To set it" not in done.stdout
    assert not any(row["proposed"] for row in rows_of().values())


def test_a_job_without_results_says_so(cluster: MemoryCluster) -> None:
    done = run("advise", "job.json")
    assert done.exit_code == 0
    assert "Job logins has no results from " in done.stdout
    assert "nothing was scored yet." in done.stdout
    assert rows_of() == {}


def test_a_period_without_results_says_what_is_scored(cluster: MemoryCluster) -> None:
    write(cluster, CONTEXT, spray().documents())
    said = run("advise", "job.json", "--start", "2020-01-01", "--end", "2020-02-01").stdout
    assert f"no results from 2020-01-01T00:00:00Z to 2020-02-01T00:00:00Z; everything up to {iso(END)} is" in said


def test_a_time_that_was_all_warm_up_is_not_counted(cluster: MemoryCluster) -> None:
    made = spray()
    warming = made.annotation(
        START - DAY, START - DAY + HOUR, "warm_up", "The job warms up: its history is 1 day long."
    )
    write(cluster, CONTEXT, [*made.documents(), warming])
    said = run("advise", "job.json").stdout
    assert "has no results that count from" in said
    assert "Not counted: 10 days in which the job warmed up, so that scores were held back." in said
    assert "not enough to propose" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--at-most", "0"), "0.0 is not in the range x>0"),
        (("--at-most", "-1"), "not in the range"),
        (("--at-most", "nan"), "nan is no number of alarms a day"),
        (("--at-most", "inf"), "inf is no number of alarms a day"),
        (("--at-most", "few"), "not a valid float"),
        (("--start", "soon"), "“soon” is not a time"),
        (
            ("--start", "2026-05-02", "--end", "2026-05-02"),
            "is not after its start, 2026-05-02T00:00:00Z",
        ),
        (("--start", "2126-05-02"), "is not after its start, 2126-05-02T00:00:00Z"),
        (("--format", "xml"), "xml"),
    ],
)
def test_wrong_options_are_clear_errors(cluster: MemoryCluster, options: tuple[str, ...], said: str) -> None:
    done = run("advise", "job.json", *options)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout == ""
