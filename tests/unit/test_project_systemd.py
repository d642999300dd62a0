"""deploy/systemd: the unit says what the worker keeps to, and its page has settings that the worker reads."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from ipi_es.cli.main import COMMANDS, cli
from ipi_es.cli.stopping import LEAVES_WITHIN
from ipi_es.config.files.loading import load_settings
from ipi_es.errors import ConfigError, UsageError

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "systemd" / "ipi-es.service"
PAGE = (ROOT / "docs" / "systemd.md").read_text(encoding="utf-8")
PROGRAM = "/opt/ipi-es/bin/ipi-es"
EXPOSURE = 20
"""Ten times the highest exposure level; 96 is that of a service without any restriction."""


def unit() -> dict[str, dict[str, list[str]]]:
    """{section: {setting: values, in order}}."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            section.setdefault(name, []).append(value)
    return found


SERVICE = unit()["Service"]


def one(name: str) -> str:
    (value,) = SERVICE[name]
    return value


def seconds(text: str) -> float:
    assert text.endswith("s")
    return float(text[:-1])


def installed(tmp_path: Path) -> Path:
    """A copy of the unit whose program exists."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true"), encoding="utf-8")
    return path


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on this machine")
    return subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60)


def test_systemd_finds_no_mistake(tmp_path: Path) -> None:
    done = analyze("verify", str(installed(tmp_path)))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_would_find_a_mistake(tmp_path: Path) -> None:
    path = installed(tmp_path)
    path.write_text(path.read_text("utf-8").replace("ProtectHome=yes", "ProtectHomes=yes"), encoding="utf-8")
    assert "ProtectHomes" in analyze("verify", str(path)).stderr


def test_systemd_takes_the_service_for_little_exposed(tmp_path: Path) -> None:
    done = analyze("security", "--no-pager", "--offline=true", f"--threshold={EXPOSURE}", str(installed(tmp_path)))
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze judges running services only")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["ExecStartPre", "ExecStart"])
def test_commands_exist_with_their_options(name: str, tmp_path: Path) -> None:
    program, *words = shlex.split(one(name).removeprefix("-").replace("/etc/ipi-es/jobs", str(tmp_path)))
    assert program == PROGRAM
    command: click.Command | None = cli
    assert words[0] in COMMANDS
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None
    command.make_context(command.name, words)


def test_a_job_with_mistakes_is_reported_before_the_start_and_stops_no_other() -> None:
    assert one("ExecStartPre").startswith("-"), "its exit code must not stop the service"
    assert "job validate" in one("ExecStartPre")


def test_the_worker_has_time_to_stop() -> None:
    assert seconds(one("TimeoutStopSec")) >= 2 * LEAVES_WITHIN


def test_it_starts_again_after_a_crash_but_not_with_a_mistake_in_the_configuration() -> None:
    assert one("Restart") == "on-failure"
    assert {ConfigError("x").exit_code, UsageError("x").exit_code} == {int(one("RestartPreventExitStatus"))}
    assert seconds(one("RestartSec")) * 5 > 10, "systemd gives up after five starts within ten seconds"


def test_it_runs_without_rights_and_writes_only_its_own_folder() -> None:
    yes = ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictSUIDSGID")
    assert {name: one(name) for name in yes} == dict.fromkeys(yes, "yes")
    assert one("ProtectSystem") == "strict"
    assert one("CapabilityBoundingSet") == ""
    assert not {"User", "ReadWritePaths", "AmbientCapabilities"} & set(SERVICE)
    assert f"HOME=/var/lib/{one('StateDirectory')}" in one("Environment").split()


def test_what_the_process_reads_of_itself_is_not_hidden() -> None:
    """`process_start_time_seconds` needs /proc/stat, and an alert needs that."""
    assert "ProcSubset" not in SERVICE
    assert "process_start_time_seconds" in (ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8")


def test_no_secret_is_in_the_unit_or_in_a_variable() -> None:
    name, _, path = one("LoadCredential").partition(":")
    assert (name, path) == ("api_key", "/etc/ipi-es/secrets/api_key")
    assert not re.search(r"KEY=|PASSWORD=|TOKEN=", one("Environment"))


def test_the_settings_of_the_page_are_read_with_the_credentials_of_the_unit(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    credential = one("LoadCredential").partition(":")[0]
    for name in ("ca.crt", credential):
        (tmp_path / name).write_text("a secret\n", encoding="utf-8")
    (tmp_path / "ipi-es.yml").write_text(re.sub(r"^    ", "", block, flags=re.MULTILINE), encoding="utf-8")
    environ = dict(each.split("=", 1) for each in one("Environment").split())
    assert environ["IPI_ES_CONFIG"] == f"{one('WorkingDirectory')}/ipi-es.yml"
    settings = load_settings(tmp_path / "ipi-es.yml", environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert settings.elasticsearch.api_key is not None
    assert settings.elasticsearch.api_key.get_secret_value() == "a secret"


def test_the_page_has_the_seconds_of_the_unit() -> None:
    assert f"after {one('TimeoutStopSec')[:-1]} s it would be killed" in PAGE
    assert f"It starts again after {one('RestartSec')[:-1]} s" in PAGE
    assert "exit code 2" in PAGE
