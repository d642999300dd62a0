"""`ipi-es results`: what is new comes first, an event has one line, and nothing is claimed that isn't so."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from cli_run import connect_to, run, work_in

from ipi_es.cli.shared.csv_output import RESULT_FIELDS
from ipi_es.cli.shared.influencer_lines import joined, who
from ipi_es.pages.text import counted
from ipi_es.results.reading.listing import Pair
from ipi_es.results.words import ALIAS, NO_ALARM
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import iso

JOB = company.make_job()
QUIET = NO_ALARM


@pytest.fixture(scope="module")
def scored() -> Iterator[MemoryCluster]:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
        parts.backfill(cluster, JOB)
        cluster.refresh(ALIAS)
        yield cluster


@pytest.fixture
def cluster(scored: MemoryCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    made = parts.copy_of(scored)
    work_in(monkeypatch, tmp_path, made)
    (tmp_path / "signins.json").write_text(json.dumps(company.job_data()))
    return made


def rows_of(*asked: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("results", *asked, "--size", "10000", "--format", "json").stdout)
    return found


@pytest.mark.parametrize("kind", ["records", "influencers"])
def test_a_table_shows_what_is_new_and_counts_what_it_leaves_out(cluster: MemoryCluster, kind: str) -> None:
    rows = rows_of(kind, "signins.json")
    new = [row for row in rows if not any(row.get(name) for name in QUIET)]
    repeats = sum(bool(row.get("repeat_of")) for row in rows)
    allowed = len(rows) - len(new) - repeats
    assert repeats > 0
    assert (allowed > 0) == (kind == "records")
    shown = run("results", kind, "signins.json", "--size", "10000")
    assert shown.exit_code == 0
    assert shown.stderr.startswith(f"{len(new)} {kind}")
    too = f" and {allowed} that the allow list allows" if allowed else ""
    assert f"Left out: {counted(repeats, 'repeat')}{too}; --all shows them." in shown.stderr
    assert dated(shown.stdout) <= len(new)
    everything = run("results", kind, "signins.json", "--size", "10000", "--all")
    assert everything.stderr.startswith(f"{len(rows)} {kind}")
    assert f"{repeats + allowed:,} of them raise no alarm; --new leaves those out." in everything.stderr
    if kind == "records":
        assert dated(everything.stdout) > dated(shown.stdout)
    else:  # an address that is a repeat may join lines, and says what it is
        assert "  repeat  " in everything.stdout
        assert "  repeat  " not in shown.stdout


def dated(text: str) -> int:
    """Lines of a table that begin a row."""
    return sum(line.startswith("20") for line in text.splitlines())


def test_new_is_what_a_table_shows_anyway(cluster: MemoryCluster) -> None:
    assert run("results", "records", "signins.json", "--new").output == run("results", "records", "signins.json").output


def test_programs_get_everything_unless_they_say_otherwise(cluster: MemoryCluster) -> None:
    rows = rows_of("records", "signins.json")
    assert any(row.get("repeat_of") for row in rows)
    assert rows == rows_of("records", "signins.json", "--all")
    assert rows_of("records", "signins.json", "--new") == [
        row for row in rows if not any(row.get(name) for name in QUIET)
    ]
    lines = run("results", "records", "signins.json", "--size", "10000", "--format", "ndjson").stdout.splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_buckets_are_all_shown(cluster: MemoryCluster) -> None:
    asked = ("results", "buckets", "signins.json", "--size", "10000")
    assert run(*asked).stderr.startswith(f"{len(rows_of('buckets', 'signins.json'))} buckets: ")
    assert "Left out" not in run(*asked).stderr


def test_repeats_alone_are_not_nothing(cluster: MemoryCluster) -> None:
    rows = rows_of("records", "signins.json")
    only = next(row for row in rows if row.get("repeat_of"))
    start = only["timestamp"] // 1_000
    asked = ("--start", iso(start), "--end", iso(start + 3_600), "--entity", only["partition_field_value"])
    done = run("results", "records", "signins.json", *asked)
    assert done.stdout.startswith("No new records; job signins is scored up to")
    assert done.stdout.rstrip().endswith("Left out: 1 repeat; --all shows them.")


def test_what_is_in_a_scheduled_event_is_left_out_and_counted(cluster: MemoryCluster) -> None:
    rows = [row for row in rows_of("records", "signins.json") if not any(row.get(name) for name in QUIET)]
    where = {"term": {"result_type": "record"}}
    changed = [each for each in cluster.scan(ALIAS, where) if not any(name in each.source for name in QUIET)][:2]
    for each in changed:
        cluster.put(each.index, each.id, {**each.source, "scheduled_events": ["move"]}, refresh=True)
    shown = run("results", "records", "signins.json", "--size", "10000")
    assert shown.stderr.startswith(f"{len(rows) - 2} records")
    assert "and 2 in scheduled events; --all shows them." in shown.stderr
    everything = run("results", "records", "signins.json", "--size", "10000", "--all")
    assert "In the scheduled event move," in " ".join(everything.stdout.split())
    for each in changed:
        cluster.put(each.index, each.id, each.source, refresh=True)


def test_an_overall_bucket_names_the_scheduled_events_that_count_as_0(cluster: MemoryCluster) -> None:
    worst = rows_of("overall", "signins.json")[0]
    where = {"bool": {"filter": [{"term": {"result_type": "bucket"}}, {"term": {"timestamp": worst["timestamp"]}}]}}
    (each,) = cluster.scan(ALIAS, where)
    cluster.put(each.index, each.id, {**each.source, "scheduled_events": ["move"]}, refresh=True)
    time = worst["timestamp"] // 1_000
    asked = ("overall", "signins.json", "--start", iso(time), "--end", iso(time + worst["bucket_span"]))
    assert "signins 0 (scheduled: move)" in run("results", *asked).stdout
    assert [row["overall_score"] for row in rows_of(*asked)] == [0.0]
    assert rows_of("overall", "signins.json")[0]["timestamp"] != worst["timestamp"]


def test_an_entity_and_its_addresses_of_one_event_share_a_line(cluster: MemoryCluster) -> None:
    rows = rows_of("influencers", "signins.json", "--new", "--min-score", "5")
    sprayer = [row for row in rows if row["influencer_field_value"] == company.SPRAYER]
    victim = [row for row in rows if row["influencer_field_value"] == company.VICTIM]
    assert sprayer
    assert victim
    assert sprayer[0]["timestamp"] == victim[0]["timestamp"]  # and yet two events: the account has other addresses too
    shown = run("results", "influencers", "signins.json", "--min-score", "5")
    lines = [line for line in shown.stdout.splitlines() if line.startswith("20")]
    assert len(lines) < len(rows)
    assert shown.stderr.startswith(f"{len(rows)} influencers in {len(lines)} lines: ")
    for row in (*sprayer, *victim):
        name, time = row["influencer_field_value"], iso(row["timestamp"] // 1_000)
        assert any(line.startswith(time) and name in line for line in lines)
    text = " ".join(shown.stdout.split())
    assert f"{company.SPRAYER} was used by " in text
    worst = max(row["influencer_score"] for row in rows)
    assert f"{worst:5.1f}" in lines[0]


def influencer(field: str, value: str, score: float, timestamp: int = 1) -> dict[str, Any]:
    return {
        "timestamp": timestamp,
        "influencer_field_name": field,
        "influencer_field_value": value,
        "influencer_score": score,
    }


def test_only_records_that_are_there_connect_influencers() -> None:
    rows = [
        influencer("source.ip", "192.0.2.1", 90.0),
        influencer("user.name", "alice", 95.0),
        influencer("user.name", "bob", 80.0),
        influencer("user.name", "carol", 70.0),
        influencer("user.name", "alice", 60.0, timestamp=2),
        influencer("user.name", "dave", 50.0),
        influencer("user.name", "alice", 40.0, timestamp=3),
        influencer("source.ip", "192.0.2.1", 30.0, timestamp=3),
        influencer("source.ip", "192.0.2.2", 20.0, timestamp=3),
    ]
    pairs = [
        Pair(1, "alice", "192.0.2.1"),
        Pair(1, "eve", "192.0.2.1"),
        Pair(1, "bob", "198.51.100.7"),
        Pair(1, "carol", "198.51.100.7"),
        Pair(2, "alice", "192.0.2.1"),
        Pair(3, "alice", "192.0.2.1"),
        Pair(3, "alice", "192.0.2.2"),
        Pair(3, "bob", "192.0.2.1"),
    ]
    lines = joined(rows, pairs, "user.name")
    assert [(line["influencer_score"], who(line)) for line in lines] == [
        (95.0, "alice, eve from 192.0.2.1"),  # one event, of the worst of both scores
        (80.0, "bob from 198.51.100.7"),  # that address is no influencer: it makes no event of those who share it
        (70.0, "carol from 198.51.100.7"),
        (60.0, "alice from 192.0.2.1"),  # another bucket
        (50.0, "dave"),  # its records were beyond the bucket's limit
        (40.0, "alice from 192.0.2.2, 192.0.2.1"),  # two events: alice and that address each have others, too
        (30.0, "alice, bob from 192.0.2.1"),
    ]
    many = joined([influencer("source.ip", "a", 1.0)], [Pair(1, f"u{n}", "a") for n in range(7)], "user.name")
    assert who(many[0]) == "u0, u1, u2, u3 and 3 more from a"
    counted_all = influencer("source.ip", "a", 1.0) | {"entity_count": 60, "reason": "a was used by 60."}
    pairs = [Pair(1, f"u{n}", "a") for n in range(5)]
    (line,) = joined([influencer("user.name", "u0", 9.0), counted_all], pairs, "user.name")
    assert (who(line), line["reason"]) == ("u0, u1, u2, u3 and 56 more from a", "a was used by 60.")


def test_an_entity_and_an_address_of_one_name_are_two_influencers() -> None:
    rows = [influencer("user.name", "192.0.2.1", 90.0), influencer("source.ip", "192.0.2.1", 80.0)]
    pairs = [Pair(1, "192.0.2.1", "198.51.100.7"), Pair(1, "alice", "192.0.2.1")]
    assert [who(line) for line in joined(rows, pairs, "user.name")] == [
        "192.0.2.1 from 198.51.100.7",
        "alice from 192.0.2.1",
    ]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["influencers", "signins.json", "--entity", "a", "--ip", "192.0.2.1"], "an entity or an address, and never"),
        (["records", "signins.json", "--all", "--new"], "contradict each other"),
        (["overall", "signins.json", "--all"], "know no repeats"),
        (["buckets", "signins.json", "--network", "192.0.2.0/24"], "buckets are of all networks"),
        (["overall", "signins.json", "--network", "192.0.2.0/24"], "buckets are of all networks"),
        (["influencers", "signins.json", "--network", "AS64500"], "influencers have no operator"),
        (["records", "signins.json", "--network", "192.0.2.0/33"], "is no network"),
        (["records", "nowhere"], "there is no job “nowhere”"),
    ],
)
def test_what_can_have_no_answer_is_refused(cluster: MemoryCluster, asked: list[str], says: str) -> None:
    done = run("results", *asked)
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr


def test_results_are_narrowed_to_a_network(cluster: MemoryCluster) -> None:
    network = f"{company.SPRAYER}/30"
    for kind in ("records", "influencers", "incidents"):
        every, found = (
            rows_of(kind, "signins.json", "--all"),
            rows_of(kind, "signins.json", "--all", "--network", network),
        )
        assert 0 < len(found) < len(every) + (kind == "incidents"), kind
        assert all(company.SPRAYER in json.dumps(row) for row in found), kind
    assert rows_of("records", "signins.json", "--network", "AS64999") == []


@pytest.mark.parametrize("output", ["table", "json", "csv"])
@pytest.mark.parametrize("kind", ["records", "influencers", "buckets", "overall"])
def test_results_that_are_gone_are_not_taken_for_a_quiet_time(cluster: MemoryCluster, kind: str, output: str) -> None:
    for index in cluster.indices("ipi-es-anomalies*"):
        cluster.delete_index(index)
    done = run("results", kind, "signins.json", "--format", output)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert f"job signins is scored up to {iso(company.SCORED_TO)}, but none of its results can be found" in done.stderr
    assert "ipi-es check signins" in done.stderr


def test_a_month_that_is_gone_is_told(cluster: MemoryCluster) -> None:
    cluster.delete_index(max(cluster.indices("ipi-es-anomalies*")))
    done = run("results", "buckets", "signins.json")
    assert done.exit_code == 0
    assert "but its results can be found up to 2025-09-01T00:00:00Z only" in done.stderr


def test_a_job_that_was_trained_alone_has_no_results_yet(cluster: MemoryCluster) -> None:
    with pytest.MonkeyPatch.context() as patch:
        trained = parts.trained_cluster(JOB, patch)
        connect_to(patch, trained)
        done = run("results", "records", "signins.json")
    assert (done.exit_code, done.stdout) == (0, "No records: nothing of job signins was scored yet.\n")


def test_a_name_that_is_unknown_is_told_with_the_nearest_one(cluster: MemoryCluster) -> None:
    known = rows_of("records", "signins.json")[0]["partition_field_value"]
    typo = known.replace("person", "preson")
    for output in ("table", "json"):
        done = run("explain", "signins.json", typo, "192.0.2.1", "--format", output)
        assert done.exit_code == 1
        assert f"job signins knows no entity “{typo}”" in done.stderr
        assert f"did you mean “{known[:6]}" in done.stderr
    assert run("explain", "signins.json", known, "192.0.2.1").exit_code == 0
    strange = run("explain", "signins.json", "\x1b[2J", "192.0.2.1")
    assert strange.exit_code == 1
    assert "\x1b" not in strange.output
    assert "`ipi-es results records signins.json` shows known names" in strange.stderr
    assert "Did you mean “person" in run("results", "records", "signins.json", "--entity", typo).stdout


def test_a_name_that_only_records_know_is_known(cluster: MemoryCluster) -> None:
    record = next(iter(cluster.scan(ALIAS, {"term": {"result_type": "record"}})))
    cluster.put(record.index, "new", record.source | {"partition_field_value": "newcomer"})
    cluster.refresh(ALIAS)
    assert run("explain", "signins.json", "newcomer", "192.0.2.1").exit_code == 0


def test_an_entity_whose_name_is_an_address_is_not_that_address(cluster: MemoryCluster) -> None:
    records = list(cluster.scan(ALIAS, {"term": {"result_type": "record"}}))
    named = "192.0.2.66"  # an address of the company's attacker
    other = next(each for each in records if each.source["by_field_value"] != named)
    cluster.put(other.index, "odd", other.source | {"partition_field_value": named})
    cluster.refresh(ALIAS)
    asked = ("results", "records", "signins.json", "--format", "json", "--size", "1000")
    of_entity = json.loads(run(*asked, "--entity", named).stdout)
    assert [each["partition_field_value"] for each in of_entity] == [named]
    of_ip = json.loads(run(*asked, "--ip", named).stdout)
    assert {each["by_field_value"] for each in of_ip} == {named}
    assert len(of_ip) == sum(each.source["by_field_value"] == named for each in records) > 1
    asked = ("results", "influencers", "signins.json", "--format", "json", "--size", "1000")
    assert {each["influencer_field_name"] for each in json.loads(run(*asked, "--ip", named).stdout)} == {"source.ip"}
    assert json.loads(run(*asked, "--entity", named).stdout) == []


@pytest.mark.parametrize("kind", ["records", "influencers", "buckets"])
def test_results_as_csv_have_what_json_has(cluster: MemoryCluster, kind: str) -> None:
    asked = ("results", kind, "signins.json", "--size", "1000", "--format")
    rows = json.loads(run(*asked, "json").stdout)
    done = run(*asked, "csv")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = list(csv.DictReader(io.StringIO(done.stdout, newline="")))
    assert len(lines) == len(rows) > 10
    assert tuple(lines[0]) == RESULT_FIELDS[kind]
    of_this_job = {"user.name", "source.ip"}
    constant = {"detector_index", "function", "function_description"}
    technical = {"events_digest", "events_seq_no", "partition_field_name", "partition_field_value"}
    left_out = {name for row in rows for name in row} - set(RESULT_FIELDS[kind])
    assert left_out <= of_this_job | constant | technical
    score = {"records": "record_score", "influencers": "influencer_score", "buckets": "anomaly_score"}[kind]
    for row, line in zip(rows, lines, strict=True):
        assert float(line[score]) == row[score]
        assert line["timestamp"] == iso(row["timestamp"] // 1_000)
        assert line["is_interim"] == "false"


@pytest.mark.parametrize(
    "asked",
    [
        ("results", "overall", "signins.json"),
        ("results", "records", "signins.json", "--entity", "nobody"),
        ("verdict", "list", "signins.json"),
        ("snapshots", "list", "signins.json"),
        ("status", "signins.json"),
        ("explain", "signins.json", "person20", "192.0.2.200"),
        ("check", "signins.json"),
    ],
)
def test_every_command_writes_a_table_with_headings(cluster: MemoryCluster, asked: tuple[str, ...]) -> None:
    done = run(*asked, "--format", "csv")
    heads, *lines = list(csv.reader(io.StringIO(done.stdout, newline=""), strict=True))
    assert len(heads) > 3
    assert all(len(line) == len(heads) for line in lines)


@pytest.mark.parametrize("command", [["renormalize"], ["report", "-o", "page.html"]])
def test_no_command_takes_results_that_are_gone_for_a_quiet_time(cluster: MemoryCluster, command: list[str]) -> None:
    for index in cluster.indices("ipi-es-anomalies*"):
        cluster.delete_index(index)
    done = run(command[0], "signins.json", *command[1:])
    assert done.exit_code == 1
    assert "none of its results can be found" in done.stderr
    assert not Path("page.html").exists()


def test_a_snapshot_that_is_in_use_and_gone_is_no_empty_list(cluster: MemoryCluster) -> None:
    assert run("snapshots", "list", "signins.json").exit_code == 0
    for index in cluster.indices("ipi-es-snapshots*"):
        cluster.delete_index(index)
    done = run("snapshots", "list", "signins.json")
    assert done.exit_code == 1
    assert "which job signins uses, is not there" in done.stderr


def test_a_backfill_without_any_event_says_so(cluster: MemoryCluster) -> None:
    later = company.SCORED_TO + 2 * company.DAY
    done = run("backfill", "signins.json", "--start", iso(company.SCORED_TO), "--end", iso(later))
    assert done.exit_code == 0
    assert done.stdout.startswith("Scored 0 events in 16 buckets")
    assert "there was no event in any of them; `ipi-es check signins.json` says what" in done.stderr
