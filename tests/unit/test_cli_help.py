"""Every command has help with an example, and help costs no heavy import."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from cli_run import run

from ipi_es.cli.main import COMMANDS, cli
from ipi_es.errors import IpiEsError

HEAVY = (
    *("tensorflow", "elasticsearch", "opensearchpy", "scipy", "apscheduler", "jinja2", "apprise", "requests", "rich"),
    *("prometheus_client", "starlette", "uvicorn"),
)


def _walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for inner in command.list_commands(context):
                found = command.get_command(context, inner)
                assert found is not None
                yield from _walk(f"{name} {inner}", found)


def all_commands() -> list[tuple[str, click.Command]]:
    with click.Context(cli) as context:
        made = [(name, cli.get_command(context, name)) for name in COMMANDS]
    return [pair for name, command in made if command is not None for pair in _walk(name, command)]


@pytest.mark.parametrize(("name", "command"), all_commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_has_help_with_an_example_of_itself(name: str, command: click.Command) -> None:
    text = run(*name.split(), "--help").stdout
    assert "Example:" in text
    example = " ".join(text.partition("Example:")[2].split())
    assert f"ipi-es {name}" in example
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts[0]} has no help"


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["score", "--help"], ["check", "--help"], ["report", "--help"], ["run", "--help"], ["--version"]],
)
def test_help_leaves_heavy_libraries_alone(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from ipi_es.cli.main import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "[]"


def test_wrong_command_gets_the_nearest_right_one() -> None:
    result = run("chekc")
    assert result.exit_code == 2
    assert "Did you mean “check”?" in result.stderr


def test_the_programs_help_imports_no_command_and_cuts_no_line() -> None:
    code = (
        "import sys\n"
        "from ipi_es.cli.main import COMMANDS, main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "heavy = {'numpy', 'pydantic', 'yaml', *(f'ipi_es.cli.{name}' for name in COMMANDS)}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    *lines, imported = done.stdout.splitlines()
    assert imported == "[]"
    assert [
        name for name, line in COMMANDS.items() if not any(each.split() == [name, *line.split()] for each in lines)
    ] == []


def test_only_the_programs_own_option_shows_where_an_error_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest", "-v"])  # of the process that calls it
    refused = ("job", "validate", "there/is/none.yml")
    assert run(*refused).exit_code == 2
    assert isinstance(run("-v", *refused).exception, IpiEsError)
    assert isinstance(run("--verbose", *refused).exception, IpiEsError)
