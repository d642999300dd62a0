"""The shipped templates: found in a wheel and in the repository, and compared as servers mean them."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ipi_es import resources
from ipi_es.errors import IpiEsError
from ipi_es.setup import templates

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f"ipi-es-{name}" for name in ("calendars", "results", "rules", "snapshots", "state", "verdicts")]


def test_templates_are_found_in_the_repository() -> None:
    assert [each.name for each in templates.load()] == NAMES


def test_templates_are_found_in_a_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        assert {f"ipi_es/_data/templates/{name}.json" for name in NAMES} <= set(archive.namelist())
        policies = {f"ipi_es/_data/templates/policies/ipi-es-results.{form}.json" for form in ("ilm", "ism")}
        assert policies <= set(archive.namelist())
        archive.extractall(site)
    code = (
        "import ipi_es; from ipi_es.setup import templates; print(ipi_es.__file__, *(t.name for t in templates.load()))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    file, *names = answer.stdout.split()
    assert file.startswith(str(site))
    assert names == NAMES


def test_missing_folder_says_what_to_do() -> None:
    with pytest.raises(IpiEsError, match="install it again"):
        resources.folder("no-such-folder")


@pytest.mark.parametrize("template", templates.load(), ids=lambda each: each.name)
def test_template_is_complete(template: templates.Template) -> None:
    others = {templates.schema_version(each.body) for each in templates.load()}
    assert others == {templates.schema_version(template.mappings)}
    assert 0 not in others
    assert template.mappings["dynamic"] is False
    settings = templates.flat(template.body)
    assert settings["template.settings.index.auto_expand_replicas"] == "0-1"
    assert not any("lifecycle" in path for path in settings), "OpenSearch refuses lifecycle settings"


def test_results_template_fences_deletions_and_has_the_alias() -> None:
    (body,) = (each.body for each in templates.load() if each.name == "ipi-es-results")
    assert body["index_patterns"] == ["ipi-es-anomalies-*"]
    assert body["template"]["settings"]["index"]["gc_deletes"] == "1h"
    assert body["template"]["aliases"] == {"ipi-es-anomalies": {}}
    assert body["template"]["mappings"]["properties"]["@timestamp"] == {"type": "alias", "path": "timestamp"}


@pytest.mark.parametrize("template", templates.load(), ids=lambda each: each.name)
def test_servers_spelling_makes_no_difference(template: templates.Template) -> None:
    theirs = copy.deepcopy(template.body)
    settings = theirs["template"]["settings"]["index"]
    theirs["template"]["settings"] = {"index": {key: str(value).lower() for key, value in settings.items()}}
    theirs["template"]["mappings"]["dynamic"] = "false"
    theirs |= {"composed_of": [], "created_date_millis": 1, "data_stream": None}
    assert templates.flat(theirs) == templates.flat(template.body)
    dotted = copy.deepcopy(template.body)
    dotted["template"]["settings"] = {f"index.{key}": value for key, value in settings.items()}
    assert templates.fingerprint(dotted) == templates.fingerprint(template.body)
    assert templates.untouched(templates.stamped(template.body))
    assert not templates.untouched(template.body)


def test_pages_say_how_many_templates_there_are_and_name_each_where_they_name_one() -> None:
    number = {3: "three", 4: "four", 5: "five", 6: "six"}[len(NAMES)]
    counted = 0
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        said = re.findall(r"(\w+) index templates", text)
        counted += number in said
        assert not {*said} & ({"two", "three", "four", "five", "six"} - {number}), page
        for before in ("create index template ", "_index_template/"):
            named = set(re.findall(rf"{before}(ipi-es-[a-z]+)", text))
            assert not named or named == set(NAMES), page
    assert counted >= 2
