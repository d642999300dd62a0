"""The locks: exact, hashed, free of hosts, and within pyproject's bounds; no tracked file names a host or a machine."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = {
    "requirements.lock": ["train", "notify", "aws", "pseudonyms", "dask"],
    "requirements-scorer.lock": ["notify", "aws", "pseudonyms", "dask"],
    "requirements-demo.lock": ["demo"],
    "requirements-dev.lock": ["dev"],
}
"""Lock → the extras that are in it."""

_DOT = "."
REGISTRIES = [
    _DOT.join(parts)
    for parts in (
        ("pypi", "org"), ("pythonhosted", "org"), ("maven", "org"), ("maven", "apache", "org"), ("repo1", "maven"),
        ("sonatype", "org"), ("docker", "elastic", "co"), ("docker", "io"), ("artifacts", "elastic", "co"),
        ("artifacts", "opensearch", "org"), ("npmjs", "org"), ("npmjs", "com"), ("ghcr", "io"), ("quay", "io"),
        ("gcr", "io"), ("conda", "anaconda", "org"), ("proxy", "golang", "org"), ("crates", "io"),
    )
]  # fmt: skip
"""In parts, so that this file isn't its own finding. Registries are the clients' settings, not ours."""
MACHINE_PATHS = re.compile(r"(?<![\w.$}])/(?:work|root)/")


def entries(lock: str) -> list[tuple[Requirement, list[str]]]:
    """(requirement, hashes) of each entry of a lock."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        if requirement and not requirement.startswith("#"):
            found.append((Requirement(requirement), hashes))
    return found


def versions(lock: str) -> dict[str, list[str]]:
    """Package → its versions; a universal lock may have several, apart by their markers."""
    found: dict[str, list[str]] = {}
    for requirement, _ in entries(lock):
        (only,) = requirement.specifier
        found.setdefault(canonicalize_name(requirement.name), []).append(only.version)
    return found


def asked_by(extra: str) -> list[str]:
    """The requirements of an extra, and of those that it includes."""
    found: list[str] = []
    for line in PROJECT["project"]["optional-dependencies"][extra]:
        requirement = Requirement(line)
        found += [each for name in requirement.extras for each in asked_by(name)] if requirement.extras else [line]
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_is_exact_and_has_hashes(lock: str) -> None:
    assert len(entries(lock)) > 20
    for requirement, hashes in entries(lock):
        assert [each.operator for each in requirement.specifier] == ["=="], requirement
        assert requirement.url is None
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_host_and_no_option(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert set(re.findall(r"(?<=\s)--?[a-z][\w-]*", f"\n{text}")) == {"--hash"}


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_what_pyproject_asks_for(lock: str) -> None:
    locked = versions(lock)
    for line in [*PROJECT["project"]["dependencies"], *(line for extra in LOCKS[lock] for line in asked_by(extra))]:
        requirement = Requirement(line)
        found = locked.get(canonicalize_name(requirement.name))
        assert found, f"{line} is not in {lock}: regenerate it (CONTRIBUTING.md)"
        assert all(requirement.specifier.contains(version) for version in found), f"{line}: {lock} has {found}"


@pytest.mark.parametrize("lock", LOCKS)
def test_tests_run_what_is_shipped(lock: str) -> None:
    shipped, tested = versions(lock), versions("requirements-dev.lock")
    assert {name: tested.get(name) for name in shipped} == shipped


def test_scorer_has_no_tensorflow_and_full_image_has() -> None:
    assert "tensorflow" not in versions("requirements-scorer.lock")
    assert "tensorflow" in versions("requirements.lock")


@pytest.mark.parametrize("lock", ["requirements-demo.lock", "requirements-dev.lock"])
def test_build_needs_only_what_the_lock_has(lock: str) -> None:
    locked = versions(lock)
    for line in PROJECT["build-system"]["requires"]:
        requirement = Requirement(line)
        assert all(requirement.specifier.contains(version) for version in locked[requirement.name])


def tracked() -> dict[str, str]:
    """Text of every file that git tracks, by path."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    found = {}
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file():
            found[name] = path.read_bytes().decode("utf-8", errors="ignore")
    return found


def test_no_tracked_file_names_a_registry_or_a_path_of_a_machine() -> None:
    wrong = []
    for name, text in tracked().items():
        wrong += [f"{name}: {host}" for host in REGISTRIES if host in text]
        wrong += [f"{name}: {found}" for found in MACHINE_PATHS.findall(text)]
    assert not wrong
