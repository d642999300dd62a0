"""The lifecycle policy and the roles that Elasticsearch gets, read and decided on by its own classes.

The bare server of the other tests has neither lifecycle management nor security; `x-pack-core` has the classes that
read both, and the ones that decide what a role may do.
"""

from __future__ import annotations

import copy
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from servers import elastic_reader
from servers.elastic_reader import Answers, Asked, Read
from servers.elasticsearch import VERSIONS, NoJdk

from ipi_es import resources
from ipi_es.errors import NodeError
from ipi_es.setup.lifecycle_policy import made
from ipi_es.setup.roles import ANALYST, READER, SETUP, VERDICT_AUTHOR, WORKER, WRITER

DAYS = (None, 30, 400)
EVENTS, STATE, SNAPSHOTS = "logs-auth.2026", "ipi-es-state", "ipi-es-snapshots"
RULES, VERDICTS = "ipi-es-rules", "ipi-es-verdicts"
CALENDARS = "ipi-es-calendars"
ALIAS, RESULTS = "ipi-es-anomalies", "ipi-es-anomalies-shared-2026.11"
PERSONS = "payroll"

READS = ("indices:data/read/search", "indices:data/read/open_point_in_time")
WRITES = (
    "indices:data/write/bulk[s]",
    "indices:data/write/index",
    "indices:data/write/index:op_type/create",
    "indices:data/write/index:op_type/index",
    "indices:data/write/delete",
    "indices:admin/auto_create",
    "indices:admin/create",
)
KEEPS = (*READS, *WRITES, "indices:data/read/get", "indices:admin/mappings/get", "indices:admin/refresh")
LIFECYCLE = ("cluster:admin/ilm/get", "cluster:admin/ilm/put", "cluster:admin/ilm/operation_mode/get")
SIMULATED = "indices:admin/index_template/simulate_index"
TEMPLATES = ("indices:admin/index_template/get", "indices:admin/index_template/put")

NEEDED: dict[str, dict[str | None, tuple[str, ...]]] = {
    READER: {None: ("cluster:monitor/main",), EVENTS: (*READS, "indices:data/read/field_caps")},
    WRITER: {
        None: ("cluster:monitor/main", "indices:admin/index_template/get"),
        STATE: KEEPS,
        SNAPSHOTS: KEEPS,
        RULES: KEEPS,
        VERDICTS: KEEPS,
        CALENDARS: KEEPS,
        ALIAS: (*READS, "indices:admin/refresh"),
        RESULTS: (*KEEPS, "indices:admin/mapping/put", "indices:monitor/settings/get", "indices:admin/delete"),
    },
    SETUP: {
        # the last: before an index is deleted, lifecycle management asks whether others follow it
        None: ("cluster:monitor/main", *TEMPLATES, SIMULATED, *LIFECYCLE, "cluster:monitor/xpack/info/ccr"),
        STATE: ("indices:data/read/search", "indices:admin/refresh", "indices:admin/mapping/put"),
        **dict.fromkeys(
            (SNAPSHOTS, RULES, VERDICTS, CALENDARS), ("indices:admin/mappings/get", "indices:admin/mapping/put")
        ),
        ALIAS: ("indices:data/read/search", "indices:admin/refresh", "indices:admin/aliases", "indices:admin/get"),
        RESULTS: (
            "indices:admin/mapping/put",
            "indices:admin/mappings/get",
            "indices:admin/aliases",
            "indices:admin/get",
            "indices:monitor/settings/get",
            "indices:admin/settings/update",
            "indices:admin/ilm/explain",
            "indices:admin/delete",
            "indices:monitor/stats",
        ),
    },
    ANALYST: {
        None: ("cluster:monitor/main", "indices:admin/index_template/get"),
        STATE: (*READS, "indices:data/read/get", "indices:admin/refresh"),
        **dict.fromkeys((ALIAS, RESULTS), (*READS, "indices:admin/refresh")),
        **dict.fromkeys(
            (RULES, VERDICTS, CALENDARS), tuple(each for each in KEEPS if each != "indices:data/write/delete")
        ),
    },
    VERDICT_AUTHOR: {
        VERDICTS: (
            "indices:data/write/bulk[s]",
            "indices:data/write/index:op_type/create",
            "indices:admin/auto_create",
        ),
    },
}
"""The transport actions behind the requests that each role is for, by index; None: of the cluster."""

REFUSED = [
    Asked(WORKER, "indices:data/write/index", EVENTS),
    Asked(WORKER, "indices:data/write/delete", EVENTS),
    Asked(WORKER, "indices:admin/delete", EVENTS),
    Asked(WORKER, "indices:admin/delete", STATE),
    Asked(WORKER, "indices:data/read/search", PERSONS),
    Asked(WORKER, "indices:admin/settings/update", RESULTS),
    Asked(WORKER, "cluster:admin/ilm/put"),
    Asked(WORKER, "indices:admin/index_template/put"),
    Asked((READER,), "indices:data/read/search", RESULTS),
    Asked((WRITER,), "indices:data/read/search", EVENTS),
    Asked((SETUP,), "indices:data/read/search", EVENTS),
    Asked((SETUP,), "indices:data/write/index", RESULTS),
    Asked((SETUP,), "indices:admin/delete", STATE),
    Asked((ANALYST,), "indices:data/write/index", RESULTS),
    Asked((ANALYST,), "indices:data/write/index", STATE),
    Asked((ANALYST,), "indices:data/write/delete", VERDICTS),
    Asked((ANALYST,), "indices:data/read/search", EVENTS),
    Asked((VERDICT_AUTHOR,), "indices:data/write/index:op_type/index", VERDICTS),
    Asked((VERDICT_AUTHOR,), "indices:data/read/search", VERDICTS),
    Asked((VERDICT_AUTHOR,), "indices:data/write/index:op_type/create", RULES),
    Asked((VERDICT_AUTHOR,), "indices:admin/create", VERDICTS),
]


@dataclass(frozen=True)
class Said:
    """What Elasticsearch says of everything, by what it is."""

    policies: dict[int | None, Read]
    wrong: dict[str, Read]
    roles: dict[str, Read]
    granted: dict[Asked, bool]


def shipped() -> dict[str, dict[str, Any]]:
    return {name: json.loads(body) for name, body in resources.json_files("templates/roles/elasticsearch").items()}


def mistaken() -> dict[str, dict[str, Any]]:
    """The policy with one mistake each."""
    text = json.dumps({"policy": made("elasticsearch", 30)})
    changes = {
        "key": ('"phases"', '"phasses"'),
        "phase": ('"delete": {"min_age"', '"dellete": {"min_age"'),
        "action": ('{"delete": {}}', '{"delet": {}}'),
        "option": ('{"delete": {}}', '{"delete": {"when": 1}}'),
        "age": ('"30d"', '"30 days"'),
        "outside": ('{"policy"', '{"polizy"'),
    }
    assert all(old in text for old, _ in changes.values())
    return {name: json.loads(text.replace(*change)) for name, change in changes.items()}


def lessened() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(a role's name, what was taken away, the role without it) for each right of each."""
    for name, body in shipped().items():
        for right in body["cluster"]:
            less = copy.deepcopy(body)
            less["cluster"].remove(right)
            yield name, f"{name} without {right}", less
        for place, entry in enumerate(body["indices"]):
            for right in entry["privileges"]:
                less = copy.deepcopy(body)
                less["indices"][place]["privileges"].remove(right)
                less["indices"] = [each for each in less["indices"] if each["privileges"]]
                yield name, f"{name} without {right} on {entry['names'][0]}", less


def needs(name: str, of: str) -> list[Asked]:
    """What the role ``name`` is for, asked of the role ``of``."""
    return [Asked((of,), action, index) for index, actions in NEEDED[name].items() for action in actions]


@cache
def everything(version: str) -> Said:
    wrong, roles = mistaken(), shipped()
    asked = [*REFUSED, *(each for name in roles for each in needs(name, name))]
    for name, less, body in lessened():
        roles[less] = body
        asked += needs(name, less)
    roles |= {"unknown": {"indices": [{"names": ["a"], "privileges": ["raed"]}]}, "misspelt": {"indexes": []}}
    policies: list[Any] = [*({"policy": made("elasticsearch", days)} for days in DAYS), *wrong.values()]
    try:
        read: Answers = elastic_reader.ask(version, policies, roles, asked)
    except (NoJdk, NodeError) as reason:
        pytest.skip(f"NOT TESTED: Elasticsearch's classes can't be had: {reason}")
    return Said(
        dict(zip(DAYS, read.policies, strict=False)),
        dict(zip(wrong, read.policies[len(DAYS) :], strict=True)),
        dict(zip(roles, read.roles, strict=True)),
        dict(zip(asked, read.granted, strict=True)),
    )


@pytest.fixture(params=VERSIONS)
def said(request: pytest.FixtureRequest) -> Said:
    return everything(request.param)


@pytest.mark.parametrize("days", DAYS)
def test_elasticsearch_takes_the_policy_and_drops_nothing_of_it(said: Said, days: int | None) -> None:
    read = said.policies[days]
    assert read.stored is not None, read.refused
    ours = made("elasticsearch", days)
    assert read.stored["_meta"] == ours["_meta"]
    assert set(read.stored["phases"]) == set(ours["phases"])
    assert read.stored["phases"]["hot"] == {"min_age": "0ms", "actions": {}}
    if days is not None:
        delete = read.stored["phases"]["delete"]
        assert (delete["min_age"], list(delete["actions"])) == (f"{days}d", ["delete"])


@pytest.mark.parametrize("mistake", list(mistaken()))
def test_elasticsearch_refuses_a_policy_with_a_mistake(said: Said, mistake: str) -> None:
    assert said.wrong[mistake].stored is None
    assert said.wrong[mistake].refused


@pytest.mark.parametrize("name", list(NEEDED))
def test_elasticsearch_takes_each_role_and_knows_each_of_its_rights(said: Said, name: str) -> None:
    read, ours = said.roles[name], shipped()[name]
    assert read.stored is not None, read.refused
    assert (read.stored["cluster"], read.stored["metadata"]) == (ours["cluster"], ours["metadata"])
    kept = [{key: entry[key] for key in ("names", "privileges")} for entry in read.stored["indices"]]
    assert kept == ours["indices"]


@pytest.mark.parametrize(("name", "why"), [("unknown", "unknown index privilege"), ("misspelt", "unexpected field")])
def test_elasticsearch_refuses_a_role_with_a_mistake(said: Said, name: str, why: str) -> None:
    assert said.roles[name].stored is None
    assert why in said.roles[name].refused


@pytest.mark.parametrize("name", [READER, WRITER, SETUP])
def test_each_role_suffices_for_what_it_is_for(said: Said, name: str) -> None:
    assert not [each for each in needs(name, name) if not said.granted[each]]


def test_each_role_needs_every_right_that_it_has(said: Said) -> None:
    idle = [less for name, less, _ in lessened() if all(said.granted[each] for each in needs(name, less))]
    assert not idle


def test_no_role_may_do_what_is_not_its_business(said: Said) -> None:
    assert not [each for each in REFUSED if said.granted[each]]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_actions_that_are_asked_for_are_elasticsearchs_own(version: str) -> None:
    everything(version)  # skips without a JDK, and has the classes by now
    known = {name for jar in elastic_reader.jars_of(version) for name in actions_in(jar)}
    wanted = {action for indices in NEEDED.values() for actions in indices.values() for action in actions}
    plain = {action.split(":op_type")[0].removesuffix("[s]").removesuffix("ccr") for action in wanted}
    assert not plain - known  # that of followers is put together: its beginning, and what is asked of


def actions_in(jar: Path) -> Iterator[str]:
    """The names of actions that stand in a jar's classes."""
    if not jar.name.startswith(("elasticsearch-8", "elasticsearch-9", "x-pack-core")):
        return
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if name.endswith(".class"):
                for found in re.findall(rb"(?:cluster|indices):[a-z_/]+", archive.read(name)):
                    yield found.decode()
