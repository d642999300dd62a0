"""`ipi-es alerts`: what it prints, writes, puts and tries, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_run import connect_to, run
from kibana_rules import KibanaRules, kibana_rules

from ipi_es.testing.memory_cluster import MemoryCluster

SECRET = "https://hooks.example.org/services/T0/B0/s3cr3t"


@pytest.fixture
def kibana() -> Iterator[KibanaRules]:
    with kibana_rules() as server:
        yield server


@pytest.fixture
def job_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "jobs").mkdir()
    path = tmp_path / "jobs" / "logins.json"
    path.write_text(json.dumps({"job_id": "logins", "datafeed_config": {"indices": ["logs"]}}))
    return path


def test_render_prints_what_would_be_put(job_file: Path, tmp_path: Path) -> None:
    printed = json.loads(run("alerts", "render", "logins", "--stack", "watcher", "--on", "records").stdout)
    assert set(printed) == {"ipi-es-logins-records", "ipi-es-logins-blind", "ipi-es-logins-silent"}
    run("alerts", "render", "logins", "--stack", "kibana", "--index", "alerts", "-o", tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.json"))) == 4
    nowhere = run("alerts", "render", "logins", "--stack", "opensearch")
    assert nowhere.exit_code == 2
    assert "goes nowhere" in nowhere.stderr


@pytest.mark.parametrize("stack", ["watcher", "kibana"])
def test_a_webhook_from_a_file_is_the_same_as_one_that_is_said(job_file: Path, tmp_path: Path, stack: str) -> None:
    (tmp_path / "hook").write_text(f"{SECRET}\n")
    said = run("alerts", "render", "logins", "--stack", stack, "--webhook", SECRET)
    assert SECRET in said.stdout
    assert (
        run("alerts", "render", "logins", "--stack", stack, "--webhook-file", tmp_path / "hook").stdout == said.stdout
    )


@pytest.mark.parametrize("text", ["", "s3cr3t", f"{SECRET} {SECRET}", f"url = {SECRET}", "https://[s3cr3t"])
def test_what_is_no_webhook_is_refused_without_quoting_it(job_file: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "hook").write_text(text)
    done = run("alerts", "render", "logins", "--stack", "watcher", "--webhook-file", tmp_path / "hook")
    assert done.exit_code == 2
    assert "has no URL with http:// or https://" in done.stderr
    assert "s3cr3t" not in done.output
    assert run("alerts", "render", "logins", "--stack", "watcher", "--webhook", text or "-").exit_code == 2


def test_files_that_hold_a_secret_are_their_owners_alone(job_file: Path, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(SECRET)
    out = tmp_path / "out"
    out.mkdir()
    (out / "ipi-es-logins-blind.json").touch(mode=0o644)
    where = ("--stack", "watcher", "-o", out)
    done = run("alerts", "render", "logins", *where, "--webhook-file", tmp_path / "hook")
    assert {each.stat().st_mode & 0o777 for each in out.iterdir()} == {0o600}
    assert "3 of these files hold the webhook's URL" in done.stderr
    assert f"{out}/ipi-es-logins-blind.json  ipi-es logins: no events" in done.stdout
    assert SECRET not in done.output
    channel = run("alerts", "render", "logins", "--stack", "opensearch", "-o", out, "--webhook-file", tmp_path / "hook")
    assert "hold" not in channel.stderr


@pytest.mark.parametrize(
    ("stack", "options", "said"),
    [
        ("watcher", ("--channel", "c"), "takes no --channel"),
        ("kibana", ("--index", "a", "--channel", "c"), "takes no --channel"),
        ("opensearch", ("--channel", "c", "--index", "a"), "takes no --index"),
        ("watcher", ("--index", "Bad Name"), "can't be the name of an index"),
        ("watcher", ("--index", "a*"), "can't be the name of an index"),
        ("watcher", ("--index", "_a"), "can't be the name of an index"),
        ("kibana", ("--index", "ipi-es-anomalies-alerts"), "what ipi-es itself writes"),
        ("watcher", ("--index", "a", "--threshold", "nan"), "is no score"),
    ],
)
def test_what_would_never_be_seen_is_refused(job_file: Path, stack: str, options: tuple[str, ...], said: str) -> None:
    done = run("alerts", "render", "logins", "--stack", stack, *options)
    assert done.exit_code == 2
    assert said in done.stderr
    assert run("alerts", "render", "logins", "--stack", "watcher", "--index", "ipi-es-alerts").exit_code == 0
    put = run("alerts", "install", "logins", "--stack", "watcher", "--index", "a", "--space", "soc")
    assert (put.exit_code, "takes no --space" in put.stderr) == (2, True)


def test_links_lead_to_a_console_or_nowhere(job_file: Path) -> None:
    done = run("alerts", "render", "logins", "--stack", "watcher", "--console", "kibana.example.org")
    assert done.exit_code == 2
    assert "the console's URL must be a URL with http:// or https://" in done.stderr


def test_two_webhooks_are_refused(job_file: Path, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(SECRET)
    both = ("--webhook", "https://a.example.org", "--webhook-file", tmp_path / "hook")
    done = run("alerts", "render", "logins", "--stack", "opensearch", *both)
    assert done.exit_code == 2
    assert "keep one of them" in done.stderr


def test_install_puts_it_and_says_so(job_file: Path, monkeypatch: pytest.MonkeyPatch, kibana: KibanaRules) -> None:
    cluster = MemoryCluster()
    cluster.alerting.there = True
    connect_to(monkeypatch, cluster)
    done = run("alerts", "install", "logins", "--stack", "opensearch", "--channel", "c1")
    assert "created monitor: ipi-es logins: unusual buckets" in done.stdout
    assert "replaced" in run("alerts", "install", "logins", "--stack", "opensearch", "--channel", "c1").stdout
    put = run("alerts", "install", "logins", "--stack", "kibana", "--kibana", kibana.url, "--index", "a")
    assert "created index of alerts: a" in put.stdout
    assert "created connector: ipi-es logins: index" in put.stdout
    assert "created rule: ipi-es logins: no results" in put.stdout
    assert "--kibana" in run("alerts", "install", "logins", "--stack", "kibana", "--index", "a").stderr


def test_without_the_cluster_kibanas_rules_are_put_and_the_missing_mapping_is_said(
    job_file: Path, kibana: KibanaRules, tmp_path: Path
) -> None:
    (tmp_path / "ipi-es.yml").write_text("elasticsearch: {hosts: ['http://127.0.0.1:9'], request_timeout: 1s}\n")
    done = run("alerts", "install", "logins", "--stack", "kibana", "--kibana", kibana.url, "--index", "a")
    assert done.exit_code == 0, done.output
    assert "created rule" in done.stdout
    assert "the index a has no mapping from here" in done.stderr


def links(kibana: KibanaRules) -> set[str]:
    """What the rules' links begin with."""
    texts = [json.dumps(body) for path, body in kibana.things.items() if "/rule/" in path]
    return {re.search(r'"link": "([^"?#]*)', text.replace("\\", ""))[1] for text in texts}  # type: ignore[index]


def test_links_of_rules_lead_into_their_space_unless_the_jobs_file_or_the_option_says_where(
    job_file: Path, kibana: KibanaRules
) -> None:
    put = ("alerts", "install", "logins", "--stack", "kibana", "--index", "a", "--kibana")
    assert run(*put, kibana.url.removeprefix("http://")).exit_code == 0
    assert links(kibana) == {f"{kibana.url}/app/dashboards"}
    kibana.things = {"/api/status": {}}
    assert run(*put, kibana.url, "--space", "soc").exit_code == 0
    assert links(kibana) == {f"{kibana.url}/s/soc/app/dashboards"}
    public = {"console": "https://kibana.example.org/s/soc"}
    job_file.write_text(json.dumps({**json.loads(job_file.read_text()), "alerts": public}))
    assert run(*put, kibana.url, "--space", "soc").exit_code == 0
    assert links(kibana) == {"https://kibana.example.org/s/soc/app/dashboards"}
    assert run(*put, kibana.url, "--space", "soc", "--console", "https://other.example.org").exit_code == 0
    assert links(kibana) == {"https://other.example.org/app/dashboards"}


def test_rules_can_be_put_into_more_than_one_space(job_file: Path, kibana: KibanaRules) -> None:
    put = ("alerts", "install", "logins", "--stack", "kibana", "--index", "a", "--kibana", kibana.url)
    for space in ((), ("--space", "soc"), ("--space", "audit")):
        done = run(*put, *space)
        assert done.exit_code == 0, done.output
        assert "created rule" in done.stdout
        assert "created" not in run(*put, *space).stdout


def test_rules_are_not_put_into_a_space_that_does_not_exist(job_file: Path, kibana: KibanaRules) -> None:
    put = ("alerts", "install", "logins", "--stack", "kibana", "--index", "a", "--kibana", kibana.url)
    done = run(*put, "--space", "nope")
    assert done.exit_code == 1
    assert "has no space “nope”" in done.stderr
    assert kibana.things == {"/api/status": {}}


def test_the_jobs_file_says_which_score_alerts_unless_the_option_does(job_file: Path) -> None:
    job_file.write_text(json.dumps({**json.loads(job_file.read_text()), "alerts": {"score": "current"}}))
    render = ("alerts", "render", "logins", "--stack", "watcher", "--on", "records", "--on", "buckets")
    assert "initial_" not in run(*render).stdout
    assert '"record_score"' in run(*render).stdout
    asked = run(*render[:-2], "--score-field", "initial_record_score").stdout
    assert '"initial_record_score"' in asked
    assert '"record_score"' not in asked


def test_alerts_test_says_what_came_of_it(job_file: Path, kibana: KibanaRules) -> None:
    assert run("alerts", "test", "logins").exit_code == 2
    config = json.loads(job_file.read_text())
    ways = [{"name": "here", "webhook": f"{kibana.url}/hook"}, {"name": "nowhere", "webhook": "http://127.0.0.1:9/x"}]
    job_file.write_text(json.dumps({**config, "alerts": {"notify": ways}}))
    done = run("alerts", "test", "logins")
    assert done.exit_code == 1
    assert "not sent: nowhere" in done.stderr
    assert done.stdout == "sent to here\n"
    assert run("alerts", "test", "logins", "--destination", "there").exit_code == 2


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ({"notify": [{"name": "a", "webhook": "ftp://x"}]}, "http:// or https://"),
        ({"notify": [{"name": "a"}]}, "must have one of"),
        ({"notify": [{"name": "a", "webhook": "http://x", "webhook_file": "logins.json"}]}, "must have one of"),
        ({"notify": [{"name": "a", "webhook_file": "nowhere"}]}, "webhook_file: can't be read"),
        ({"notify": [{"name": "a", "apprise": "x"}]}, "as Apprise has them"),
        ({"notify": [{"name": "a", "webhook": "http://x"}, {"name": "a", "webhook": "http://y"}]}, "same name"),
        ({"on": ["events"]}, "buckets"),
    ],
)
def test_mistakes_in_the_jobs_file_are_said(job_file: Path, alerts: dict[str, Any], said: str) -> None:
    config = json.loads(job_file.read_text())
    job_file.write_text(json.dumps({**config, "alerts": alerts}))
    done = run("job", "validate", job_file)
    assert done.exit_code == 2
    assert said in done.stderr
