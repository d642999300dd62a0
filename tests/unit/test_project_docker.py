"""Dockerfile and docker-compose.yml, linted without an engine: nobody runs them on the machines of the tests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ipi_es.cli.sagemaker import sagemaker
from ipi_es.config.files.loading import find_job, load_settings
from ipi_es.config.files.sagemaker_container import SagemakerContainer
from ipi_es.extras import IMAGE_VARIABLE
from ipi_es.service.health import probe
from ipi_es.service.health.probe import listen_of

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SIDECARS = {name: service for name, service in SERVICES.items() if name.startswith("ipi-es-")}
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SERVERS = ("elasticsearch", "opensearch")
CONSOLES = ("kibana", "dashboards")
INSTRUCTIONS = {
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN", "SHELL",
    "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}  # fmt: skip
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)([:?+-]*)([^}]*)\}")
IMAGES = {"scorer": "requirements-scorer.lock", "full": "requirements.lock"}
"""Target of the Dockerfile → its lock."""
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|API_KEY", re.IGNORECASE)


def strings(value: Any) -> list[str]:
    """All texts in a value, however deep."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [str(value)]


def documented() -> set[str]:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return {line.partition("=")[0] for line in lines if line and not line.startswith("#")}


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) of the Dockerfile, lines joined that a backslash breaks, comments left out."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#")).replace("\\\n", " ")
    return [
        (word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)
    ]


def of_stage(name: str) -> list[tuple[str, str]]:
    """The instructions of one stage, without its FROM."""
    found, inside = list[tuple[str, str]](), False
    for word, rest in instructions():
        if word == "FROM":
            inside = rest.split()[-1] == name
        elif inside:
            found.append((word, rest))
    return found


@pytest.mark.parametrize("image", [*IMAGES])
def test_each_image_says_its_name_and_has_what_its_lock_names(image: str) -> None:
    assert of_stage(image) == [
        ("ENV", f"{IMAGE_VARIABLE}={image}"),
        ("COPY", f"--from=build-{image} /opt/ipi-es /opt/ipi-es"),
    ]
    assert any(IMAGES[image] in rest.split() for _, rest in of_stage(f"build-{image}"))
    assert image in (ROOT / "docs" / "docker.md").read_text(encoding="utf-8")


def test_compose_is_what_the_engine_would_take() -> None:
    """Where the docker command has the compose plugin; this needs no engine."""
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker command with the compose plugin")
    command = [docker, "compose", "--profile", "elasticsearch", "--profile", "opensearch", "config", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_compose_has_no_keys_that_nobody_reads() -> None:
    assert {key for key in COMPOSE if not key.startswith("x-")} == {"services", "volumes"}
    known = {
        "build", "cap_drop", "command", "depends_on", "entrypoint", "environment", "healthcheck", "image", "init",
        "ports", "profiles", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "ulimits",
        "volumes",
    }  # fmt: skip
    for name, service in SERVICES.items():
        assert set(service) <= known, name


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_belongs_to_one_profile(name: str) -> None:
    assert SERVICES[name]["profiles"] in (["elasticsearch"], ["opensearch"])


@pytest.mark.parametrize("name", SERVERS + CONSOLES)
def test_what_stays_up_has_a_health_check(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD-SHELL"
    assert "curl -f" in check["test"][1]
    assert {"interval", "timeout", "retries"} <= set(check)


@pytest.mark.parametrize("name", SERVICES)
def test_dependencies_wait_for_what_they_need_in_their_own_profile(name: str) -> None:
    service = SERVICES[name]
    for other, how in service.get("depends_on", {}).items():
        needed = SERVICES[other]
        assert needed["profiles"] == service["profiles"]
        wanted = "service_healthy" if "healthcheck" in needed else "service_completed_successfully"
        assert how == {"condition": wanted}
    assert name in SERVERS or service["depends_on"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_written_into_the_file(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if SECRET.search(variable):
            assert re.fullmatch(r"\$\{[A-Z_]+:-\}", str(value)), variable
    for text in strings({key: value for key, value in SERVICES[name].items() if key != "environment"}):
        # on a command line only as a variable that the container's own shell replaces
        assert not re.search(r"(?:-u|--user)\s+\"?\w+:(?!\$\$)", text), text


def test_every_variable_is_in_the_example_and_the_example_has_no_value() -> None:
    used = {match[0] for text in strings(SERVICES) for match in VARIABLE.findall(text)}
    assert used == documented()
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") or line.endswith("=") for line in lines)
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert ".env" in (ROOT / ".dockerignore").read_text(encoding="utf-8").split()


def test_a_variable_of_the_other_profile_may_be_missing() -> None:
    # Compose reads the variables of all profiles; ${X:?} would refuse one profile for want of the other's password
    assert {match[1] for text in strings(SERVICES) for match in VARIABLE.findall(text)} == {":-"}


@pytest.mark.parametrize("name", SERVERS + CONSOLES)
def test_ports_are_open_on_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])


def test_ports_of_the_two_profiles_differ() -> None:
    ports = [port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == len(set(ports))


@pytest.mark.parametrize("name", SERVICES)
def test_images_have_a_version_and_named_volumes_are_declared(name: str) -> None:
    service = SERVICES[name]
    assert re.search(r":(\d+\.\d+\.\d+|local)$", service["image"])
    for volume in service.get("volumes", []):
        source = volume.partition(":")[0]
        assert (ROOT / source).is_dir() if source.startswith("./") else source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SIDECARS)
def test_the_sidecar_can_write_nothing_and_has_no_rights(name: str) -> None:
    sidecar = SIDECARS[name]
    assert sidecar["read_only"] is True
    assert sidecar["cap_drop"] == ["ALL"]
    assert sidecar["security_opt"] == ["no-new-privileges:true"]
    assert sidecar["init"] is True
    assert all(volume.endswith(":ro") for volume in sidecar["volumes"])
    assert "ports" not in sidecar


@pytest.mark.parametrize("kind", SERVERS)
def test_the_worker_waits_for_setup_and_is_started_again(kind: str) -> None:
    setup, worker = SERVICES[f"ipi-es-setup-{kind}"], SERVICES[f"ipi-es-{kind}"]
    assert setup["command"] == ["setup"]
    assert "restart" not in setup
    assert worker["command"][0] == "run"
    assert worker["restart"] == "unless-stopped"
    listens = worker["command"][-1]
    assert listens.startswith("127.0.0.1:"), "the container's own loopback"
    assert "healthcheck" not in worker, "the image's asks where the command says that it listens"
    assert listen_of(["ipi-es", *worker["command"]]) == ("http", listens)
    assert listen_of(["ipi-es", *setup["command"]]) is None
    assert worker["environment"] == setup["environment"]


@pytest.mark.parametrize("kind", SERVERS)
def test_the_explorer_is_published_to_this_machine_only_and_asks_for_a_login(kind: str) -> None:
    explorer = SERVICES[f"explorer-{kind}"]
    assert explorer["command"] == ["serve", "--listen", "0.0.0.0:9275"]
    assert all(port.startswith("127.0.0.1:") and port.endswith(":9275") for port in explorer["ports"])
    assert listen_of(["ipi-es", *explorer["command"]]) == ("http", "0.0.0.0:9275")
    assert explorer["environment"] == SERVICES[f"ipi-es-setup-{kind}"]["environment"]
    assert explorer["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SIDECARS)
def test_the_sidecars_settings_and_jobs_are_found_and_valid(name: str) -> None:
    given = {key: VARIABLE.sub("Some-Password-1", str(value)) for key, value in SIDECARS[name]["environment"].items()}
    folder = ROOT / "deploy" / "compose"
    settings = load_settings(environ=given, directory=folder)  # as in the container, whose folder this is
    cluster = settings.elasticsearch
    assert cluster.hosts == (given["IPI_ES_HOST"],)
    assert cluster.password is not None
    assert cluster.password.get_secret_value() == "Some-Password-1"
    assert cluster.verify_certs is (given.get("IPI_ES_VERIFY_CERTS") != "false")
    assert f"//{SIDECARS[name]['profiles'][0]}:9200" in cluster.hosts[0]
    job = find_job("sign-ins", settings, environ=given)
    assert job.warnings() == []
    text = (folder / "ipi-es.yml").read_text(encoding="utf-8")
    assert set(given) <= set(re.findall(r"\$\{(\w+)", text))


def test_dockerfile_has_known_instructions_and_begins_with_from() -> None:
    words = [word for word, _ in instructions()]
    assert words[:2] == ["ARG", "FROM"], "the base is named once"
    assert set(words) <= INSTRUCTIONS
    assert "ADD" not in words, "COPY says what it does"


def test_image_runs_as_a_user_without_rights() -> None:
    final = of_stage("base")
    assert all(("FROM", f"base AS {image}") in instructions() for image in IMAGES)
    assert instructions()[-1][0] == "COPY", "the last stage, which is the default, sets no other user"
    users = [rest for word, rest in final if word == "USER"]
    assert users
    assert int(users[-1].partition(":")[0]) > 0, "a number, so that an orchestrator can see that it isn't root"
    assert ("ENTRYPOINT", '["ipi-es"]') in final


def test_the_image_of_sagemakers_contract_runs_its_commands_and_is_not_the_default() -> None:
    stage = dict(of_stage("sagemaker"))
    assert ("FROM", "base AS sagemaker") in instructions()
    assert stage["ENTRYPOINT"] == '["ipi-es", "sagemaker"]'
    assert json.loads(stage["CMD"])[0] in sagemaker.commands
    assert "train" in sagemaker.commands
    assert stage["COPY"] == dict(of_stage("full"))["COPY"]
    assert stage["EXPOSE"] == SagemakerContainer(environ={}).listen.partition(":")[2]
    assert [rest for word, rest in instructions() if word == "FROM"][-1].endswith(" AS full")


def test_image_base_has_a_digest_and_a_readable_version_that_the_project_takes() -> None:
    (base,) = (rest for word, rest in instructions() if word == "ARG")
    found = re.fullmatch(r"PYTHON_IMAGE=python:(\d+\.\d+)\.\d+-slim@sha256:[0-9a-f]{64}", base)
    assert found, base
    assert Version(found[1]) in SpecifierSet(PROJECT["requires-python"])
    stages = {rest.split()[-1] for word, rest in instructions() if word == "FROM"}
    outside = {rest.split()[0] for word, rest in instructions() if word == "FROM"} - stages
    assert outside == {"${PYTHON_IMAGE}"}


def test_page_says_how_to_pin_each_image_of_compose() -> None:
    page = (ROOT / "docs" / "docker.md").read_text(encoding="utf-8")
    pinned = set(re.findall(r'^  ([\w-]+): \{image: "(\S+)@sha256:…"\}$', page, re.MULTILINE))
    unpinned = {(name, each["image"]) for name, each in SERVICES.items() if "build" not in each}
    assert pinned == unpinned


def test_the_image_asks_its_worker_without_any_other_program() -> None:
    (check,) = (rest for word, rest in of_stage("base") if word == "HEALTHCHECK")
    options, _, command = check.partition(" CMD ")
    words = json.loads(command)
    assert words == ["python", "-m", probe.__name__]
    given = dict(each.removeprefix("--").split("=") for each in options.split())
    assert set(given) == {"interval", "timeout", "start-period", "retries"}
    assert float(given["timeout"].removesuffix("s")) > probe.TIMEOUT


def test_copied_files_exist_and_are_in_the_build_context() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and "--from=" not in rest]
    sources = {source for each in copied for source in each}
    assert {*IMAGES.values(), "pyproject.toml", "ipi_es", "templates", "kibana"} <= sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source not in ignored, source


def test_image_installs_locked_and_hashed_dependencies() -> None:
    runs = " && ".join(rest for word, rest in instructions() if word == "RUN")
    installs = [part for part in runs.split("&&") if "pip install" in part]
    for lock in IMAGES.values():
        assert any("--require-hashes" in part and lock in part.split() for part in installs)
    assert all("--require-hashes" in part or "--no-deps" in part for part in installs)
    assert all("--no-cache-dir" in part for part in installs)
