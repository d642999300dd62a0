"""`ipi-es report` and the other commands that show results, on a scored company in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import worker_company as company
import worker_parts as parts
from cli_run import run, work_in

from ipi_es.report.learned import read_learned
from ipi_es.report.report_findings import read_findings
from ipi_es.results.words import ALIAS
from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.times import iso, parse_time
from ipi_es.worker.job_resources import JobResources

JOB = company.make_job()


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


def test_report_is_of_the_seven_days_up_to_the_newest_bucket_unless_told(cluster: MemoryCluster) -> None:
    done = run("report", "signins.json")
    assert done.exit_code == 0, done.output
    assert "Written to report-signins.html" in done.stdout
    text = Path("report-signins.html").read_text(encoding="utf-8")
    assert f"{iso(company.SCORED_TO)[:10]} 00:00 UTC</p>" in text
    assert "critical" in text
    assert "How much the job knows" in text


def test_report_of_given_times_in_another_zone_to_standard_output(cluster: MemoryCluster) -> None:
    start, end = iso(company.SCORED_FROM), iso(company.SCORED_FROM + company.DAY)
    done = run("report", "signins.json", "--start", start, "--end", end, "-o", "-", "--time-zone", "Asia/Tokyo")
    assert done.stdout.startswith("<!DOCTYPE html>")
    assert "09:00 +09:00" in done.stdout


def test_report_of_a_job_that_never_ran_says_what_is_missing(cluster: MemoryCluster) -> None:
    Path("new.json").write_text(json.dumps(company.job_data("new")))
    assert run("report", "new.json", "-o", "new.html").exit_code == 0
    text = Path("new.html").read_text(encoding="utf-8")
    assert "Nothing was scored in this time" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-o", "missing/page.html"], "can't be written"),
        (["--start", "2026-01-02", "--end", "2026-01-01"], "not after its start"),
        (["--start", "1971-01-01", "--end", "2026-01-01"], "at most 50,000 buckets"),
        (["--time-zone", "Mars/Base"], "isn't known here"),
    ],
)
def test_mistakes_are_said_with_what_to_do(cluster: MemoryCluster, arguments: list[str], says: str) -> None:
    done = run("report", "signins.json", *arguments)
    assert done.exit_code == 2
    assert says in done.stderr
    assert "→" in done.stderr


def test_findings_are_final_and_leading_names_have_their_records(cluster: MemoryCluster) -> None:
    work = JobResources(cluster, JOB)
    found = read_findings(work.stores.results, JOB, company.SCORED_FROM, company.SCORED_TO)
    assert not any(each["is_interim"] for each in (*found.buckets, *found.influencers, *found.records))
    assert [each["timestamp"] for each in found.buckets] == sorted(each["timestamp"] for each in found.buckets)
    scores = [each["record_score"] for each in found.records]
    assert scores == sorted(scores, reverse=True)
    named = {each["partition_field_value"] for each in found.records} | {
        each["by_field_value"] for each in found.records
    }
    assert {each["influencer_field_value"] for each in found.influencers[:5]} <= named


def test_learned_says_how_old_the_history_is_and_what_calibration_rests_on(cluster: MemoryCluster) -> None:
    learned = read_learned(JobResources(cluster, JOB))
    assert learned.trouble is None
    assert learned.history_days is not None
    assert len(learned.classes) == 5
    for each in learned.classes:
        assert each.points >= each.own
        assert bool(each.borrowed_from) != each.stands_alone


def test_a_snapshot_that_is_gone_stops_no_report(cluster: MemoryCluster) -> None:
    cluster.delete_index(SNAPSHOT_INDEX)
    learned = read_learned(JobResources(cluster, JOB))
    assert learned.trouble is not None
    assert "can't be read" in learned.trouble
    assert run("report", "signins.json", "-o", "page.html").exit_code == 0


def test_results_show_local_times_on_request_and_json_never(cluster: MemoryCluster) -> None:
    shown = run("results", "records", "signins.json", "--size", "3", "--time-zone", "Asia/Tokyo")
    assert "+09:00" in shown.stdout
    assert "There may be more" in shown.stderr
    time = shown.stdout.splitlines()[1].split()[0]
    rows = json.loads(run("results", "records", "signins.json", "--size", "3", "--format", "json").stdout)
    assert rows[0]["timestamp"] == parse_time(time, now=0) * 1_000


def test_results_say_how_many_of_each_severity(cluster: MemoryCluster) -> None:
    done = run("results", "influencers", "signins.json", "--min-score", "75")
    assert "critical" in done.stderr
    assert "influencer" in done.stderr
    assert run("results", "buckets", "signins.json").exit_code == 0


def test_results_leave_out_repeats_on_request(cluster: MemoryCluster) -> None:
    everything = json.loads(run("results", "records", "signins.json", "--size", "1000", "--format", "json").stdout)
    new = json.loads(run("results", "records", "signins.json", "--size", "1000", "--new", "--format", "json").stdout)
    wanted = [each for each in everything if not each.get("repeat_of") and not each.get("suppressed_by")]
    assert new == wanted != everything
    refused = run("results", "overall", "signins.json", "--new")
    assert (refused.exit_code, "know no repeats" in refused.stderr) == (2, True)


def test_nothing_found_says_up_to_when_anybody_looked(cluster: MemoryCluster) -> None:
    scored = iso(company.SCORED_TO)
    quiet = run("results", "records", "signins.json", "--entity", "nobody").stdout
    assert quiet == f"No records; job signins is scored up to {scored}.\n"
    after = run("results", "buckets", "signins.json", "--start", "2030-01-01").stdout
    assert after == f"No buckets, but job signins is scored up to {scored} only.\n"
    Path("new.json").write_text(json.dumps(company.job_data("new")))
    assert "nothing of job new was scored yet" in run("results", "influencers", "new.json").stdout
    assert "Of job new nothing was scored yet" in run("report", "new.json", "-o", "new.html").stdout
    page = run("report", "signins.json", "--start", "2030-01-01", "--end", "2030-01-02", "-o", "later.html").stdout
    assert page.startswith("0 buckets from 2030-01-01 00:00 UTC to 2030-01-02 00:00 UTC. ")
    assert f"Of job signins everything up to {scored[:10]} 00:00 UTC is scored." in page
    assert run("results", "records", "signins.json", "--entity", "nobody", "--format", "json").stdout == "[]\n"


def test_times_that_are_the_wrong_way_round_are_refused(cluster: MemoryCluster) -> None:
    done = run("results", "records", "signins.json", "--start", "now", "--end", "now-7d")
    assert done.exit_code == 2
    assert "--end now-7d is not after --start now" in done.stderr


def test_explain_says_what_it_could_score_and_shows_shares_and_records(cluster: MemoryCluster) -> None:
    worst = json.loads(run("results", "records", "signins.json", "--size", "1", "--format", "json").stdout)[0]
    done = run(
        "explain", "signins.json", worst["partition_field_value"], worst["by_field_value"], "--time-zone", "Asia/Tokyo"
    )
    assert "  seen now it " in done.stdout
    assert "never used" not in done.stdout.partition("Records of this pair")[0]
    assert re.search(r"  \d+ records? of this pair, the first of \d{4}-", done.stdout)
    assert "█" in done.stdout
    assert "+09:00" in done.stdout.partition("Records of this pair")[2]


def test_explain_as_json_has_what_the_sentences_say_under_keys_that_are_always_there(cluster: MemoryCluster) -> None:
    worst = json.loads(run("results", "records", "signins.json", "--size", "1", "--format", "json").stdout)[0]
    pair = (worst["partition_field_value"], worst["by_field_value"])
    (found,) = json.loads(run("explain", "signins.json", *pair, "--format", "json").stdout)
    assert (found["job_id"], found["entity"], found["ip"]) == ("signins", *pair)
    assert found["records"][0]["record_score"] == worst["record_score"]
    assert found["network"] == worst["anomaly_score_explanation"]["network"]
    assert 0.0 < found["calibrated_probability"] <= found["probability"] <= 1.0
    text = run("explain", "signins.json", *pair).stdout
    assert f"probability {found['probability']:.2g}: " in text
    assert (f"({found['severity_cap']})" in text) == (found["score_cap"] > 0)
    assert all(f"{each['network']:<24} {each['share']:6.1%}" in text for each in found["usual_networks"])
    line = run("explain", "signins.json", "nobody", "2001:db8::7", "--format", "ndjson").stdout
    nobody = json.loads(line)
    assert line.count("\n") == 1
    assert set(nobody) == set(found)
    assert (nobody["entity_seen"], nobody["usual_networks"], nobody["records"]) == (False, [], [])
    assert nobody["typical_compatibility"] is nobody["shared_prefix_with"] is None
    assert "unseen_entity" in nobody["cold_start"]


def test_explain_says_of_a_usual_pair_that_it_would_score_nothing(cluster: MemoryCluster) -> None:
    asked = ("explain", "signins.json", "person20")
    (unusual,) = json.loads(run(*asked, "192.0.2.200", "--format", "json").stdout)
    text = run(*asked, unusual["usual_networks"][0]["last_address"]).stdout
    assert "seen now it would score 0: nothing unusual" in text
    assert "(warning)" not in text


def test_explain_says_that_a_pair_is_allowed_and_not_that_nobody_used_its_network(cluster: MemoryCluster) -> None:
    worst = json.loads(run("results", "records", "signins.json", "--size", "1", "--format", "json").stdout)[0]
    pair = (worst["partition_field_value"], worst["by_field_value"])
    data = company.job_data() | {"allow_list": [{"cidr": pair[1], "entity": pair[0][0] + "*", "id": "vpn"}]}
    Path("allowing.json").write_text(json.dumps(data))
    text = run("explain", "allowing.json", *pair).stdout
    assert "the allow list allows it (vpn): it is recorded, and raises no alarm" in text
    assert "never used" not in text.partition("Records of this pair")[0]
    for job, rule in (("allowing.json", "vpn"), ("signins.json", None)):
        (found,) = json.loads(run("explain", job, *pair, "--format", "json").stdout)
        assert found["suppressed_by"] == rule
    assert "allow list" not in run("explain", "signins.json", *pair).stdout


def test_explain_takes_an_operator_that_only_the_events_know_from_the_addresses_last_record(
    cluster: MemoryCluster,
) -> None:
    worst = next(iter(cluster.scan(ALIAS, {"term": {"result_type": "record"}})))
    pair = (worst.source["partition_field_value"], worst.source["by_field_value"])
    known = {"timestamp": 4_000_000_000_000, "source.as.number": 64_500, "source.geo.country_iso_code": "SG"}
    cluster.put(worst.index, "again", worst.source | known)
    cluster.refresh(ALIAS)
    (found,) = json.loads(run("explain", "signins.json", *pair, "--format", "json").stdout)
    assert (found["operator"], found["country"]) == (64_500, "SG")
    assert "the network is of AS64500, SG" in run("explain", "signins.json", *pair).stdout


def test_times_beyond_all_calendars_are_refused(cluster: MemoryCluster) -> None:
    for time in ("now-99999999999999d", "now+3000000d"):
        done = run("results", "records", "signins.json", "--start", time)
        assert done.exit_code == 2
        assert "outside of the years 1 to 9999" in done.stderr


def test_results_of_a_pair_are_found_however_it_is_spelled(cluster: MemoryCluster) -> None:
    data = company.job_data()
    data["datafeed_config"]["entity_normalize"] = ["lowercase", "strip_domain"]
    Path("folding.json").write_text(json.dumps(data))
    (first, *_) = json.loads(run("results", "records", "signins.json", "--size", "1", "--format", "json").stdout)
    entity, ip = first["partition_field_value"], first["by_field_value"]
    asked = ("results", "records", "folding.json", "--size", "1", "--format", "json")
    found = json.loads(run(*asked, "--entity", f"CORP\\{entity.upper()}", "--ip", f"::ffff:{ip}").stdout)
    assert [(each["partition_field_value"], each["by_field_value"]) for each in found] == [(entity, ip)]


def test_a_score_that_is_no_number_is_refused(cluster: MemoryCluster) -> None:
    done = run("results", "records", "signins.json", "--min-score", "nan")
    assert (done.exit_code, "nan is not a number from 0 to 100" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["results", "records", "signins.json", "--ip", "1.2.3"], "“1.2.3” is no IP address"),
        (["results", "records", "signins.json", "--entity", ""], "the entity is empty"),
        (["results", "overall", "signins.json", "--entity", "alice"], "have no entity"),
        (["results", "overall", "signins.json", "--sort", "timestamp"], "are sorted by their score"),
        (["explain", "signins.json", "", "192.0.2.1"], "the entity is empty"),
        (["explain", "signins.json", "alice", "192.0.2"], "“192.0.2” is no IP address"),
    ],
)
def test_what_no_result_can_have_is_refused(cluster: MemoryCluster, arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert says in done.stderr
    assert "→" in done.stderr
