"""Groups of entities: the file, rules that name a group, and results that show the groups."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import worker_company as company
import worker_parts as parts
from cli_run import connect_to, run
from group_parts import require_groups

from ipi_es.addresses import parse
from ipi_es.config import NO_RULE, AllowList, check_job
from ipi_es.config.files.entity_groups import GROUPS_FIELD, read_groups
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import Matchable
from ipi_es.errors import ConfigError, UsageError
from ipi_es.results.words import ALIAS
from ipi_es.testing.memory_cluster import MemoryCluster
from ipi_es.worker.job_resources import JobResources
from ipi_es.worker.open_session import open_session

NAMES = ["alice", "bob", "carol", "svc-backup"]
ADDRESSES = ["10.1.2.3", "192.0.2.1"]


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "groups.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def job(file: Path, *rules: dict[str, str], normalize: tuple[str, ...] = ("lowercase",)) -> Job:
    feed = {"indices": "a", "entity_normalize": list(normalize)}
    return check_job(
        {"job_id": "x", "datafeed_config": feed, "entity_groups": {"file": str(file)}, "allow_list": list(rules)}
    )


def test_an_entity_has_all_groups_of_its_name_and_of_patterns(tmp_path: Path) -> None:
    text = '\ufeffentity,group\n# people\nalice,admins\n\n Alice , "sales, east"\nsvc-*,services\nsvc-b?ckup,admins\n'
    found = job(written(tmp_path, text)).read_entity_groups()
    assert found is not None
    assert found.of("alice") == ("admins", "sales, east")
    assert found.of("svc-backup") == ("admins", "services")
    assert found.of("bob") == ()
    assert found.names == ["admins", "sales, east", "services"]
    assert found.members("admins", NAMES).tolist() == [True, False, False, True]
    assert found.members("none", NAMES).tolist() == [False] * 4


def test_names_are_normalized_as_the_events_are(tmp_path: Path) -> None:
    file = written(tmp_path, "CORP\\Alice,admins\nCORP\\svc-*,services\n")
    found = job(file, normalize=("lowercase", "strip_domain")).read_entity_groups()
    assert found is not None
    assert (found.of("alice"), found.of("svc-x")) == (("admins",), ("services",))


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = written(tmp_path, "alice,admins\n")
    made = job(file)
    written(tmp_path, "alice,people\n")
    os.utime(file, ns=(1, 1))
    found = made.read_entity_groups()
    assert found is not None
    assert found.of("alice") == ("people",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alice,admins\nbob\n", "line 2 has 1 value instead of an entity and a group"),
        ("alice,admins\n\n#\nbob,a,b\n", "line 4 has 3 values instead"),
        ("alice,\n", "line 1 has no group"),
        (",admins\n", "line 1 has no entity"),
        ("alice," + "x" * 257, "line 1 has a group's name of more than 256 characters"),
        ('alice,"ad\nmins"\n', "line 2 has a group's name of more than 256 characters, or with a control character"),
        ('alice,"admins\n', "line 1 can't be read: unexpected end of data"),
        (b"alice,\xff\n", "can't be read: 'utf-8' codec"),
        ("# nothing\n", "names no entity"),
        ("a\n" * 7, "line 5 has 1 value instead of an entity and a group; and 2 more"),
    ],
)
def test_a_bad_file_is_refused_with_its_lines(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        job(written(tmp_path, text))
    assert "entity_groups.file: " in str(caught.value)
    assert said in str(caught.value)
    assert "write one `entity,group` a line" in str(caught.value)


def test_a_file_that_went_away_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"groups.csv can't be read"):
        read_groups(tmp_path / "groups.csv", ())


def test_a_rule_allows_a_group_and_only_from_its_network(tmp_path: Path) -> None:
    file = written(tmp_path, "alice,admins\nsvc-*,services\n")
    made = job(file, {"group": "admins", "cidr": "10.0.0.0/8"}, {"group": "services"})
    addresses, _ = parse(ADDRESSES)
    entity, ip = (np.array(each, dtype=np.int32) for each in ([0, 0, 1, 3], [0, 1, 0, 1]))
    rules = AllowList.of(made)
    assert rules.match(Matchable(NAMES, addresses), entity, ip).tolist() == [0, NO_RULE, NO_RULE, 1]
    assert [rules.name(0), rules.name(1)] == ["group:admins cidr:10.0.0.0/8", "group:services"]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([{"group": "admin"}], "no entity is in a group “admin”; entity_groups has admins, all, services"),
        ([{"group": "admins", "entity": "bob"}], "has an entity and a group: write a rule for each"),
        ([{"group": "all"}], "“group:all” would allow 100 %"),
        ([{"group": "all", "cidr": "0.0.0.0/1"}, {"cidr": "128.0.0.0/1"}], "would allow"),
        ([{"id": "x"}], "needs entity, group, cidr, operator"),
    ],
)
def test_rules_with_wrong_groups_are_refused(tmp_path: Path, rules: list[dict[str, str]], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        job(written(tmp_path, "alice,admins\nsvc-*,services\n*,all\n"), *rules)
    assert said in str(caught.value)


def test_a_group_without_a_file_names_the_setting() -> None:
    with pytest.raises(ConfigError, match="“admins” needs entity_groups"):
        check_job({"job_id": "x", "datafeed_config": {"indices": "a"}, "allow_list": [{"group": "admins"}]})


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MemoryCluster, dict[str, Any]]]:
    """A scored company, and the job's file; a rule allows the nomads, who are added between two sessions."""
    lines, folder = ["person0?,early", f"{company.VICTIM},admins", "nomad,nomads"], tmp_path_factory.mktemp("groups")
    file = written(folder, "\n".join(lines))
    data = company.job_data() | {"entity_groups": {"file": str(file)}, "allow_list": [{"group": "nomads"}]}
    made = Job.model_validate(data)
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(made, patch)
        resources = JobResources(cluster, made, clock=parts.TestClock(parts.NOW))
        added = company.SCORED_FROM + 3 * company.DAY
        for start, end in ((company.SCORED_FROM, added), (added, company.SCORED_TO)):
            with open_session(resources) as session:
                session.backfill(session.plan(start, end), lambda _: None)
            written(folder, "\n".join([*lines, *(f"{who},nomads" for who in company.NOMADS)]))
        cluster.refresh(ALIAS)
        yield cluster, data


def test_results_have_the_groups_of_their_entity(scored: tuple[MemoryCluster, dict[str, Any]]) -> None:
    require_groups(parts.results(scored[0], Job.model_validate(scored[1])), "admins", "early")


def test_report_results_and_explain_show_the_groups(
    scored: tuple[MemoryCluster, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_to(monkeypatch, scored[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
    (tmp_path / "signins.json").write_text(json.dumps(scored[1]))
    assert run("report", "signins.json").exit_code == 0
    assert "admins, early" in Path("report-signins.html").read_text(encoding="utf-8")
    victim = ("--entity", company.VICTIM)
    for kind in ("records", "influencers"):
        said = run("results", kind, "signins.json", *victim, "--format", "csv").stdout
        rows = list(csv.DictReader(io.StringIO(said)))
        assert rows
        assert all(json.loads(row[GROUPS_FIELD]) == ["admins", "early"] for row in rows)
    (found,) = json.loads(run("explain", "signins.json", company.VICTIM, "192.0.2.1", "--format", "json").stdout)
    assert found[GROUPS_FIELD] == ["admins", "early"]
    assert (
        f"{company.VICTIM} is in the groups admins, early"
        in run("explain", "signins.json", company.VICTIM, "192.0.2.1").stdout
    )
