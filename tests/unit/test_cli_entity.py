"""`ipi-es entity`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import worker_company as company
import worker_parts as parts
from cli_run import at_a_terminal, clock_at, connect_to, run
from rule_parts import JOB, score, stored, trained_copy
from verdict_parts import said

from ipi_es.state.job_state import StateStore
from ipi_es.state.rule_store import RuleStore
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.verdicts.job_verdicts import JobVerdicts

NAME = company.VICTIM


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    cluster = trained_copy()
    score(
        JobResources(cluster, JOB, clock=parts.TestClock(parts.NOW)),
        company.SCORED_FROM,
        company.SCORED_FROM + 2 * company.DAY,
    )
    JobVerdicts(cluster, JOB, parts.NOW).give([said(NAME, "101.7.0.9", time=company.SCORED_FROM + company.DAY)])
    connect_to(monkeypatch, cluster)
    clock_at(monkeypatch, parts.NOW + 60)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "signins.json").write_text(json.dumps(company.job_data() | {"allow_list": []}))
    return cluster


def add_rules(cluster: MemoryCluster) -> None:
    store = RuleStore(cluster)
    store.add_rule(stored(f"{NAME}-home", rule={"entity": NAME}))
    store.add_rule(stored("everyone-0", rule={"entity": "person0*", "cidr": "198.18.0.0/16"}))


def test_it_exports_erases_and_then_knows_nothing(here: MemoryCluster) -> None:
    add_rules(here)
    exported = run("entity", "export", "Person07")
    assert exported.exit_code == 0, exported.output
    rows = json.loads(exported.stdout)
    assert {"record", "mention", "verdict", "rule", "rule_pattern", "history"} <= {each["kind"] for each in rows}
    assert all(each["stored_in"] and each["id"] for each in rows)
    lines = run("entity", "export", NAME, "--format", "ndjson").stdout.splitlines()
    assert [json.loads(line) for line in lines] == rows

    erased = run("entity", "erase", NAME, "--yes")
    assert erased.exit_code == 0, erased.output
    assert "Job signins: removed" in erased.stdout
    assert "1 verdicts" in erased.stdout
    assert f"Rules: removed 1: {NAME}-home." in erased.stdout
    stays = erased.stdout.partition("What stays:")[2]
    assert "job signins: its events in test-signins" in stays
    assert "the next is due 2025-" in stays
    assert "rules that match it by a pattern: everyone-0" in stays
    assert "backups" in stays
    (row,) = json.loads(run("entity", "export", NAME).stdout)
    assert row["kind"] == "rule_pattern"

    again = run("entity", "erase", NAME, "--yes")
    assert again.exit_code == 1
    assert f"nothing that the job signins stored names “{NAME}”, but for the rules everyone-0" in again.stderr


@pytest.mark.parametrize("command", [("export",), ("erase", "--yes")])
def test_an_unknown_name_is_said(here: MemoryCluster, command: tuple[str, ...]) -> None:
    result = run("entity", *command, "person")
    assert result.exit_code == 1
    assert "nothing that the job signins stored names “person”" in result.stderr
    assert "What stays" not in result.stdout


def test_it_asks_first(here: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = run("entity", "erase", NAME)
    assert refused.exit_code == 2
    assert "stdin is not a terminal; pass --yes" in refused.stderr
    at_a_terminal(monkeypatch)
    asked = run("entity", "erase", NAME, stdin="n\n")
    assert asked.exit_code == 1
    assert f"“{NAME}” is erased from the job signins: " in asked.stderr
    assert " records, " in asked.stderr
    assert "1 verdicts" in asked.stderr
    assert json.loads(run("entity", "export", NAME).stdout)
    assert run("entity", "erase", NAME, stdin="y\n").exit_code == 0


@pytest.mark.parametrize(("jobs", "removed"), [((), False), (("signins",), True)])
def test_a_rule_of_other_jobs_stays(here: MemoryCluster, jobs: tuple[str, ...], removed: bool) -> None:
    RuleStore(here).add_rule(stored("home", rule={"entity": NAME}, jobs=jobs))
    erased = run("entity", "erase", NAME, "--job", "signins", "--yes")
    assert erased.exit_code == 0
    assert (RuleStore(here).all().rules == ()) is removed
    assert ("rules that act in other jobs too: home" in erased.stdout) is not removed


def test_what_the_jobs_own_file_says_is_said(here: MemoryCluster, tmp_path: Path) -> None:
    own = {"allow_list": [{"entity": NAME, "id": "mine"}], "entity_groups": {"file": str(tmp_path / "groups.csv")}}
    (tmp_path / "groups.csv").write_text(f"entity,group\n{NAME},staff\n")
    (tmp_path / "jobs" / "signins.json").write_text(json.dumps(company.job_data() | own))
    erased = run("entity", "erase", NAME, "--yes")
    assert erased.exit_code == 0, erased.output
    assert "the rule “mine” of its file: change the file" in erased.stdout
    assert "its line in the file of entity_groups, which has it in staff" in erased.stdout


def test_a_month_that_may_not_be_written_is_an_error_at_the_end(here: MemoryCluster) -> None:
    RuleStore(here).add_rule(stored("home", rule={"entity": NAME}))
    here.admin.set("ipi-es-anomalies-signins-2025.08", {"index.blocks.write": True})
    erased = run("entity", "erase", NAME, "--yes")
    assert erased.exit_code == 1
    assert (
        "results stay in ipi-es-anomalies-signins-2025.08, which may not be written to, and with them the rules home"
        in erased.stderr
    )
    here.admin.set("ipi-es-anomalies-signins-2025.08", {"index.blocks.write": None})
    assert run("entity", "erase", NAME, "--yes").exit_code == 0
    assert run("entity", "export", NAME).exit_code == 1


def test_a_verdict_on_another_that_names_it_is_said(here: MemoryCluster) -> None:
    other = said("person01", "192.0.2.7", time=company.SCORED_FROM, comment=f"like {NAME}")
    JobVerdicts(here, JOB, parts.NOW).give([other])
    assert "its name as the author of other verdicts, or in their comments: " in run(
        "entity", "erase", NAME, "--yes"
    ).stdout  # fmt: skip


def test_a_job_that_never_ran_is_left_as_it_is(here: MemoryCluster, tmp_path: Path) -> None:
    (tmp_path / "jobs" / "other.json").write_text(json.dumps(company.job_data("other") | {"allow_list": []}))
    erased = run("entity", "erase", NAME, "--yes")
    assert erased.exit_code == 0, erased.output
    assert JobResources(here, company.make_job("other")).stores.states.read("other") is None
    assert run("entity", "export", NAME).exit_code == 1


def test_no_jobs_and_no_name_are_mistakes(here: MemoryCluster, tmp_path: Path) -> None:
    assert run("entity", "export", "").exit_code == 2
    (tmp_path / "jobs" / "signins.json").unlink()
    assert run("entity", "export", NAME).exit_code == 2


def test_jobs_without_a_file_are_named(here: MemoryCluster) -> None:
    StateStore(here).pause("elsewhere", True, parts.NOW)
    for command in (("export", NAME), ("erase", NAME, "--yes")):
        assert "note: jobs that have no file here are not searched: elsewhere" in run("entity", *command).stderr


def test_a_job_whose_state_was_deleted_is_searched_too(here: MemoryCluster) -> None:
    StateStore(here).delete("signins")
    kinds = {each["kind"] for each in json.loads(run("entity", "export", NAME).stdout)}
    assert kinds >= {"record", "verdict", "history_base"}
    assert run("entity", "erase", NAME, "--yes").exit_code == 0
    assert run("entity", "export", NAME).exit_code == 1


KEYS = {"signins": "0123456789abcdef" * 8, "others": "fedcba9876543210" * 8}


@pytest.fixture
def keyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of two jobs, each with a key of its own, and of one without; there is no cluster."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "jobs").mkdir(exist_ok=True)
    steps = {"indices": [company.EVENTS], "entity_normalize": ["lowercase", "strip_domain"]}
    for job_id, key in {**KEYS, "plain": None}.items():
        data = company.job_data(job_id, datafeed_config=steps)
        if key is not None:
            (tmp_path / f"{job_id}.key").write_text(key)
            data["entity_pseudonyms"] = {"key_file": f"../{job_id}.key"}
        (tmp_path / "jobs" / f"{job_id}.json").write_text(json.dumps(data))
    return tmp_path


def test_names_have_pseudonyms_and_these_their_names(keyed: Path) -> None:
    made = run("entity", "pseudonym", "CORP\\Alice", "bob", "--format", "json")
    assert made.exit_code == 0, made.output
    rows = json.loads(made.stdout)
    assert [(each["entity"], each["jobs"]) for each in rows] == [
        ("alice", ["others"]), ("alice", ["signins"]), ("bob", ["others"]), ("bob", ["signins"]),
    ]  # fmt: skip
    pseudonyms = [each["pseudonym"] for each in rows]
    assert len(set(pseudonyms)) == 4
    back = run("entity", "reveal", "--format", "json", *pseudonyms)
    assert json.loads(back.stdout) == [{"pseudonym": each["pseudonym"], "entity": each["entity"]} for each in rows]
    lines = run("entity", "reveal", "-", "--job", "signins", stdin=f"{pseudonyms[1]}\n\n{pseudonyms[3]}\r\n")
    assert "alice" in lines.stdout
    assert "bob" in lines.stdout
    old = run("entity", "reveal", pseudonyms[0], "--key-file", keyed / "others.key")
    assert "alice" in old.stdout


def test_jobs_with_one_key_have_the_same_pseudonyms(keyed: Path) -> None:
    (keyed / "others.key").write_text(KEYS["signins"])
    file = json.loads((keyed / "jobs" / "others.json").read_text())
    file["entity_pseudonyms"] = {"key_file": "../signins.key"}
    (keyed / "jobs" / "others.json").write_text(json.dumps(file))
    (row,) = json.loads(run("entity", "pseudonym", "alice", "--format", "json").stdout)
    assert row["jobs"] == ["others", "signins"]


def test_what_was_not_made_with_the_key_is_named_and_nothing_is_revealed(keyed: Path) -> None:
    rows = json.loads(run("entity", "pseudonym", "alice", "--format", "json").stdout)
    pseudonyms = [each["pseudonym"] for each in rows]
    wrong = run("entity", "reveal", *pseudonyms, "--job", "signins")
    assert wrong.exit_code == 2
    assert f"not made with the key: {pseudonyms[0]}" in wrong.stderr
    assert "alice" not in wrong.output
    several = run("entity", "reveal", "pseudo-what", *pseudonyms)
    assert several.exit_code == 2
    assert "not made with any of the 2 keys: pseudo-what" in several.stderr


def test_a_job_without_pseudonyms_or_a_key_says_so(keyed: Path) -> None:
    for command in (("reveal", "pseudo-x"), ("pseudonym", "alice")):
        done = run("entity", *command, "--job", "plain")
        assert done.exit_code == 2
        assert "job plain has no pseudonyms: results have the names of entities" in done.stderr
    (keyed / "signins.key").write_text("secret")
    done = run("entity", "pseudonym", "alice", "--job", "signins")
    assert done.exit_code == 2
    assert "the key of pseudonyms has other characters than hexadecimal digits" in done.stderr
    assert "secret" not in done.output
    both = run("entity", "reveal", "x", "--job", "signins", "--key-file", "signins.key")
    assert both.exit_code == 2


def test_a_rule_has_the_pseudonym_where_its_jobs_have_one(
    here: MemoryCluster, keyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(name: str, *more: str) -> str:
        done = run("rule", "add", name, "--cidr", "198.18.0.0/16", "--reason", "why", *more)
        assert done.exit_code == 0, done.output
        return done.stderr

    pseudonym = json.loads(run("entity", "pseudonym", "alice", "--job", "signins", "--format", "json").stdout)[0]
    assert f"has {pseudonym['pseudonym']} in place" in add("one", "--entity", "CORP\\Alice", "--job", "signins")
    assert add("same", "--entity", pseudonym["pseudonym"], "--job", "signins") == ""
    assert "the rule's document has “alice” as you wrote it" in add("all", "--entity", "alice")
    assert "the rule's document has “ali*” as you wrote it" in add("some", "--entity", "ali*", "--job", "signins")
    assert add("names", "--entity", "ali*", "--job", "plain") == ""
    entities = {each.name: each.rule.entity for each in RuleStore(here).all().rules}
    assert entities == {
        "one": pseudonym["pseudonym"], "same": pseudonym["pseudonym"], "all": "alice", "some": "ali*", "names": "ali*",
    }  # fmt: skip
