"""A job with pseudonyms: whatever it writes has no name of an entity, and what people ask by names is found."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import live_parts
import pytest
import worker_company as company
import worker_parts as parts
from cli_run import clock_at, connect_to, run
from late_parts import add_events
from service_parts import FixedClock

from ipi_es.alerts.message import Notification
from ipi_es.cluster.port import Put
from ipi_es.config.job_config import Job
from ipi_es.config.settings.settings_file import Settings
from ipi_es.ipinsights.entity_hashing import entity_hashes
from ipi_es.pseudonyms import is_pseudonym, of_key_file
from ipi_es.results.words import ALIAS
from ipi_es.service.health.metrics import exposition, registry
from ipi_es.service.tick_outcome import TickResult
from ipi_es.service.worker import Worker
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.entity.learned_parts import learned_parts
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session

KEY = "0123456789abcdef" * 8
DAYS = company.SCORED_FROM + 3 * company.DAY
"""When the worker runs first: after spraying and takeover."""
LATER = DAYS + 12 * company.HOUR
GROUPS = "person07,admins\nperson1?,nomads\n"
RULES = [
    {"entity": "Person07", "cidr": "102.7.1.0/24"},
    {"entity": "person3?", "cidr": "101.7.0.0/24"},
    {"group": "nomads", "cidr": "198.18.2.0/24", "id": "third-home"},
]


def spelled(name: str) -> str:
    """A company's name as the events have it."""
    return f"CORP\\{name.capitalize()}"


EVENTS = [(time, spelled(who), ip, outcome) for time, who, ip, outcome in company.events()]
NAMES = {each for _, who, _, _ in EVENTS for each in (who, who.partition("\\")[2])}


class Company(NamedTuple):
    cluster: MemoryCluster
    job: Job
    folder: Path
    sent: list[Notification]
    texts: list[str]
    """What a person or a machine got: messages, metrics, logs, outputs of commands."""

    @property
    def file(self) -> Path:
        return self.folder / "signins.json"


def job_data(folder: Path) -> dict[str, Any]:
    (folder / "key").write_text(f"{KEY}\n")
    (folder / "key").chmod(0o600)
    (folder / "groups.csv").write_text(GROUPS)
    steps = {"indices": [company.EVENTS], "entity_normalize": ["lowercase", "strip_domain"], "query_delay": "60s"}
    return company.job_data(
        datafeed_config=steps,
        allow_list=RULES,
        hold_probability=0.03,
        entity_groups={"file": str(folder / "groups.csv")},
        entity_pseudonyms={"key_file": str(folder / "key")},
        alerts={
            "on": ["records", "influencers", "buckets"],
            "threshold": 5,
            "notify": [{"name": "ops", "webhook": "http://127.0.0.1:9/x"}],
            "console": "https://kibana.example.org:5601",
        },
    )


def work(made: Company, time: int) -> None:
    """Let a worker do what is due at ``time``, and keep what it says."""

    class Post:
        def send(self, notification: Notification) -> None:
            made.sent.append(notification)

    jobs, stopping = [made.job], threading.Event()
    worker = Worker(Settings(), jobs, lambda: made.cluster, FixedClock(time), stopping, sender_of=lambda _: Post())
    assert worker.once()["signins"].did is TickResult.WORKED


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A company that was worked on for days, with verdicts, rules, late events and alerts."""
    folder = tmp_path_factory.mktemp("company")
    with pytest.MonkeyPatch.context() as patch:
        parts.critical_from(patch, 5.0)
        data = job_data(folder)
        (folder / "signins.json").write_text(json.dumps(data))
        job = Job.model_validate(data)
        heard: list[str] = []

        class Ear(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                heard.append(self.format(record))

        log, ear = logging.getLogger("ipi_es"), Ear(level=logging.DEBUG)
        level = log.level
        log.addHandler(ear)
        log.setLevel(logging.DEBUG)
        cluster = parts.trained_cluster(job, patch, EVENTS)
        found = Company(cluster, job, folder, [], [])
        connect_to(patch, cluster)
        clock_at(patch, DAYS)
        patch.chdir(folder)
        work(found, DAYS + 90)
        file, victim = str(found.file), spelled(company.VICTIM)
        said = run("verdict", "compromised", file, victim.upper(), "101.7.0.9", "--comment", "phoned")
        assert said.exit_code == 0, said.output
        added = run(
            "rule", "add", "home", "--entity", "Person11", "--cidr", "198.18.0.0/24", "--reason", "moved", "--job", file
        )
        assert added.exit_code == 0, added.output
        add_events(cluster, [(DAYS - 1_000, spelled("person30"), "100.64.9.9")])
        add_events(cluster, [(DAYS + 40_000, spelled("person31"), "101.7.0.8")])
        clock_at(patch, LATER)
        work(found, LATER + 90)
        live = live_parts.Worker(cluster, job)
        live.tick(LATER + 3 * company.HOUR)
        found.texts.append(exposition(registry(live.fleet, live.clock), "")[0].decode())
        found.texts.extend([said.output, added.output])
        for kind in ("records", "influencers", "buckets", "incidents"):
            for form in ("table", "csv", "json"):
                found.texts.append(run("results", kind, file, "--format", form, "--all").output)
        for command in (("report", file, "-o", "-"), ("status",), ("verdict", "list", file), ("rule", "list")):
            found.texts.append(run(*command).output)
        found.texts.append(run("explain", file, company.VICTIM, "101.7.0.9").output)
        found.texts.append(run("entity", "export", company.VICTIM, "--job", file).output)
        log.removeHandler(ear)
        log.setLevel(level)
        found.texts.append("\n".join(heard))
        yield found


def documents(cluster: MemoryCluster) -> list[tuple[str, str, dict[str, Any]]]:
    """All documents but the events."""
    found = []
    for index in sorted(set(cluster.indices("*")) - {company.EVENTS}):
        cluster.refresh(index)
        found += [(each.index, each.id, dict(each.source)) for each in cluster.scan(index, {"match_all": {}})]
    return found


def named_in(text: str) -> set[str]:
    """The names that a text has, in any case, and as JSON has them."""
    text = text.casefold()
    return {name for name in NAMES if name.casefold() in text or json.dumps(name)[1:-1].casefold() in text}


def test_no_document_has_a_name(made: Company) -> None:
    found = documents(made.cluster)
    kinds = {each.get("result_type", each.get("type", index)) for index, _, each in found}
    assert kinds >= {"record", "influencer", "bucket", "annotation", "job_state", "quantiles", "ipi-es-verdicts"}
    assert kinds >= {"ipi-es-rules", "manifest"}
    assert any(each.get("revision") for _, _, each in found), "a bucket with late events was scored again"
    for index, place, source in found:
        assert not named_in(place + json.dumps(source)), (index, place)
    records = [each for _, _, each in found if each.get("result_type") == "record"]
    assert len(records) > 30
    assert all(is_pseudonym(each["partition_field_value"]) for each in records)
    ends = {
        each["endangered_by"]["entity"]
        for one in records
        if "endangered_by" in (each := one["anomaly_score_explanation"])
    }
    assert ends
    assert all(map(is_pseudonym, ends)), "the compromised account"


def test_nothing_that_was_learned_knows_a_name(made: Company) -> None:
    blobs, pseudonym = ClusterBlobs(made.cluster), made.job.stored_entity(company.VICTIM)
    assert list(learned_parts(blobs, "signins", company.VICTIM)) == []
    assert {each.info.kind for each in learned_parts(blobs, "signins", pseudonym)} >= {"network", "history_base"}
    assert entity_hashes([pseudonym]) != entity_hashes([company.VICTIM])


def test_no_message_metric_log_or_output_has_a_name(made: Company) -> None:
    assert made.sent
    for each in made.sent:
        assert not named_in(repr(each))
    logs = made.texts[-1]
    assert "signins" in logs
    for text in made.texts:
        assert text
        assert KEY not in text
        assert not named_in(text), text[:2_000]


def test_rules_and_groups_match_names(made: Company) -> None:
    records = parts.of_kind(parts.results(made.cluster, made.job), "record")
    name = of_key_file(made.folder / "key").name
    hidden: dict[str, set[str | None]] = {}
    for each in records:
        if "suppressed_by" in each:
            hidden.setdefault(each["suppressed_by"], set()).add(name(each["partition_field_value"]))
    assert hidden["home"] == {"person11"}
    assert hidden["third-home"] == {"person13"}
    hidden_by = {}  # what is named by a rule's conditions has a pseudonym of the entity, or of its pattern
    for rule, names in hidden.items():
        entity, _, cidr = rule.removeprefix("entity:").partition(" ")
        hidden_by[name(entity), cidr] = names
    assert hidden_by["person07", "cidr:102.7.1.0/24"] == {"person07"}
    assert hidden_by["person3?", "cidr:101.7.0.0/24"] == {"person31"}
    groups = {name(each["partition_field_value"]): each["entity_groups"] for each in records if "entity_groups" in each}
    assert groups["person07"] == ["admins"]
    assert groups["person11"] == ["nomads"]
    assert "person08" not in groups


def test_it_finds_what_a_job_with_names_finds(made: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores are those of another seed: which row of the network an entity has follows from its name's hash."""
    data = job_data(made.folder) | {"entity_pseudonyms": None, "alerts": {}}
    plain = Job.model_validate(data)
    keyed = Job.model_validate(job_data(made.folder) | {"alerts": {}})
    name, found = of_key_file(made.folder / "key").name, []
    for job in (plain, keyed):
        cluster = parts.trained_cluster(job, monkeypatch, EVENTS)
        parts.backfill(cluster, job, end=DAYS)
        found.append(parts.of_kind(parts.results(cluster, job), "record"))
    pairs, others = (
        {(each["timestamp"], named(each["partition_field_value"]), each["by_field_value"]) for each in records}
        for records, named in zip(found, (str, name), strict=True)
    )
    assert len(pairs & others) > 0.8 * len(pairs | others) > 20


def test_a_name_and_its_pseudonym_ask_for_the_same(made: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_to(monkeypatch, made.cluster)
    clock_at(monkeypatch, LATER)
    file, pseudonym = str(made.file), made.job.stored_entity(company.VICTIM)
    for command in (
        ("results", "records", file, "--format", "json", "--entity"),
        ("results", "incidents", file, "--format", "json", "--entity"),
        ("entity", "export", "--job", file),
    ):
        by_name, by_pseudonym = run(*command, spelled(company.VICTIM)), run(*command, pseudonym)
        assert by_name.exit_code == 0, by_name.output
        assert json.loads(by_name.stdout)
        assert by_name.stdout == by_pseudonym.stdout


def test_a_misspelled_name_gets_a_name_proposed(made: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_to(monkeypatch, made.cluster)
    clock_at(monkeypatch, LATER)
    found = run("results", "records", str(made.file), "--entity", "persn07")
    assert "Did you mean “person07”?" in found.stdout


def test_another_key_is_refused_before_anything_is_said(
    made: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connect_to(monkeypatch, made.cluster)
    clock_at(monkeypatch, LATER)
    other = job_data(tmp_path)
    (tmp_path / "key").write_text("ab" * 64)
    (tmp_path / "signins.json").write_text(json.dumps(other))
    file = str(tmp_path / "signins.json")
    for command in (
        ("results", "records", file, "--entity", company.VICTIM),
        ("explain", file, company.VICTIM, "101.7.0.9"),
        ("verdict", "safe", file, company.VICTIM, "101.7.0.9"),
        ("entity", "erase", company.VICTIM, "--yes", "--job", file),
        ("backfill", file, "--start", "2025-08-30", "--end", "2025-08-31", "--again"),
    ):
        done = run(*command)
        assert done.exit_code == 2, done.output
        assert "entity_pseudonyms was key " in done.stderr
        assert "ab" * 8 not in done.output
    theirs = made.job.stored_entity(company.VICTIM)
    done = run("results", "records", file, "--entity", theirs)
    assert done.exit_code == 2
    assert "was not made with the key of job signins" in done.stderr


def test_without_the_key_pseudonyms_are_found_and_names_are_refused(
    made: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connect_to(monkeypatch, made.cluster)
    clock_at(monkeypatch, LATER)
    data = job_data(tmp_path)
    (tmp_path / "key").unlink()
    (tmp_path / "signins.json").write_text(json.dumps(data))
    file, pseudonym = str(tmp_path / "signins.json"), made.job.stored_entity(company.VICTIM)
    found = run("results", "records", file, "--entity", pseudonym, "--format", "json")
    assert json.loads(found.stdout)
    assert run("verdict", "list", file).exit_code == 0
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "signins.json").write_text(json.dumps(data))
    monkeypatch.chdir(tmp_path)
    status = run("status", "--format", "json")
    assert [(each["job_id"], each["configured"]) for each in json.loads(status.stdout)] == [("signins", True)]
    connect_to(monkeypatch, parts.copy_of(made.cluster))
    for command in (
        ("verdict", "compromised", file, pseudonym, "104.7.3.9"),
        ("rule", "add", "r", "--entity", pseudonym, "--cidr", "198.18.7.0/24", "--reason", "why", "--job", file),
    ):
        assert run(*command).exit_code == 0, run(*command).output
    named = run("results", "records", file, "--entity", company.VICTIM)
    assert named.exit_code == 2
    assert "the key of pseudonyms can't be read: No such file or directory" in named.stderr
    assert "openssl rand -hex 64" in named.stderr
    run_once = run("backfill", file, "--start", "2025-08-30", "--end", "2025-08-31", "--again")
    assert run_once.exit_code == 2
    assert "the key of pseudonyms can't be read" in run_once.stderr


def test_an_erasure_by_name_leaves_no_pseudonym(made: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = parts.copy_of(made.cluster, own_events=True)
    pseudonym = made.job.stored_entity(company.VICTIM)
    note = {"job_id": "signins", "result_type": "annotation", "annotation": f"Called {company.VICTIM}: on holiday."}
    index = next(each for each in cluster.indices(f"{ALIAS}-*"))
    cluster.bulk([Put(index, "note", note)], refresh=True)
    connect_to(monkeypatch, cluster)
    clock_at(monkeypatch, LATER + 90)
    done = run("entity", "erase", spelled(company.VICTIM), "--yes", "--job", str(made.file))
    assert done.exit_code == 0, done.output
    left = [place for _, place, each in documents(cluster) if pseudonym in json.dumps(each) or place == "note"]
    assert left == ["alerts:signins:ops"], "what was sent is remembered for two days"
    assert list(learned_parts(ClusterBlobs(cluster), "signins", pseudonym)) == []


def test_after_a_training_with_another_key_the_job_goes_on(
    made: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cluster = parts.copy_of(made.cluster, own_events=True)
    data = job_data(tmp_path)
    (tmp_path / "key").write_text("ab" * 64)
    (tmp_path / "signins.json").write_text(json.dumps(data))
    other = Job.model_validate(data)
    parts.train_by(monkeypatch)
    connect_to(monkeypatch, cluster)
    clock_at(monkeypatch, LATER)
    file, first = str(tmp_path / "signins.json"), made.job.stored_entity(company.VICTIM)
    (snapshot,) = [each.id for each in ClusterBlobs(cluster).list("signins", "network")]
    assert run("train", file, "--from-scratch").exit_code == 0
    with open_session(JobResources(cluster, other, clock=parts.TestClock(LATER + company.DAY))) as session:
        session.catch_up(LATER + company.DAY, lambda _: None)
        known = session.resources.verdicts()
    new = {each["partition_field_value"] for each in parts.of_kind(parts.results(cluster, other), "record")}
    name, old_name = of_key_file(tmp_path / "key").name, of_key_file(made.folder / "key").name
    assert {name(each) or old_name(each) for each in new} <= {each.lower() for each in NAMES}
    assert len({name(each) is None for each in new}) == 2, "of both keys"
    assert first not in {each.entity for each in known.verdicts}, "a pseudonym of the old key is of no entity"
    back = run("snapshots", "revert", file, snapshot, "--yes")
    assert back.exit_code == 2
    assert "entity_pseudonyms was key " in back.stderr
    shown = run("entity", "reveal", first, "--key-file", str(made.folder / "key"), "--format", "json")
    assert json.loads(shown.stdout) == [{"pseudonym": first, "entity": company.VICTIM}]
