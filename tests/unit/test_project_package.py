"""What an installation holds: the wheel, built offline, and the editable install that the tests run in."""

from __future__ import annotations

import configparser
import email
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import ipi_es

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    # proxies that nobody answers: a build that asked for anything would fail
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(command, cwd=ROOT, env=offline, capture_output=True, text=True, check=False, timeout=120)
    assert built.returncode == 0, built.stderr
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file)


@pytest.mark.parametrize("name", ["templates", "kibana"])
def test_wheel_carries_all_files_of(wheel: zipfile.ZipFile, name: str) -> None:
    beside = {path.relative_to(ROOT).as_posix() for path in (ROOT / name).rglob("*") if path.is_file()}
    assert beside
    assert {f"ipi_es/_data/{path}" for path in beside} <= set(wheel.namelist())


def test_wheel_is_typed_and_holds_the_package_alone(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert "ipi_es/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {"ipi_es", f"ipi_es-{ipi_es.__version__}.dist-info"}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ipi_es").rglob("*.py")}
    assert modules <= set(names)


def test_wheel_has_the_command_and_the_dependencies(wheel: zipfile.ZipFile) -> None:
    about = f"ipi_es-{ipi_es.__version__}.dist-info"
    entries = configparser.ConfigParser()
    entries.read_string(wheel.read(f"{about}/entry_points.txt").decode())
    assert dict(entries["console_scripts"]) == {"ipi-es": "ipi_es.cli.main:main"}
    metadata = email.message_from_bytes(wheel.read(f"{about}/METADATA"))
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert len(needed) == len(PROJECT["dependencies"])
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert f"{about}/licenses/LICENSE" in wheel.namelist()


NEEDED_BY_THE_DEMO = """
import sys
from pathlib import Path

import ipi_es
from ipi_es.cli.demo import demo
from ipi_es.config.files.loading import check_job
from ipi_es.demo.demo_run import JOB
from ipi_es.ipinsights.combiner.pretrained import pretrained_combiner
from ipi_es.node.jars import read_jar_list
from ipi_es.node.local import JAR_LIST, SERVER
from ipi_es.setup import templates
from jinja2 import PackageLoader

assert Path(ipi_es.__file__).is_relative_to(sys.argv[1])
check_job(JOB)
assert templates.load() and read_jar_list(JAR_LIST, SERVER) and pretrained_combiner()
assert "report.html" in PackageLoader("ipi_es.report", "templates").list_templates()
"""
"""Reads the demo's files: templates, the server's list of jars, the shipped combiner, the page."""


def test_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "ipi_es"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert set(listed) <= set(wheel.namelist())


def test_demo_finds_its_files_in_a_wheel_far_from_a_clone(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "installed")
    place = str(tmp_path / "installed")
    code = f"import sys; sys.path.insert(0, sys.argv[1])\n{NEEDED_BY_THE_DEMO}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, place],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["templates", "kibana"])
def test_editable_install_finds(name: str, tmp_path: Path) -> None:
    code = f"from ipi_es import resources; print(sorted(x.name for x in resources.folder({name!r}).iterdir()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(sorted(path.name for path in (ROOT / name).iterdir()))


def test_command_of_the_install_says_its_version(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("ipi-es")
    if not command.exists():
        pytest.skip(f"{command} is not there: the package is not installed, only importable")
    done = subprocess.run([str(command), "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(ipi_es.__version__)
