"""Commands that the docs and the hints name exist, with those options; the command reference is what the help says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ipi_es.cli.command_reference import render
from ipi_es.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("kibana/*.md")])
COMMENTED = [ROOT / "docker-compose.yml", *ROOT.glob("docs/*.yml"), *ROOT.glob("deploy/**/*.y*ml")]
SOURCES = sorted([*ROOT.glob("ipi_es/**/*.py"), *COMMENTED])

INLINE = re.compile(r"`{1,2}(ipi-es [a-z-][^`]*)`{1,2}")
COMPOSE = re.compile(r"docker compose .* run --rm ipi-es-(?:elasticsearch|opensearch) (.*)")
PLACEHOLDER = re.compile(r"\{[^{}]*\}")
ENDS = ("…", "...", "|", "&&", ">", "#", "\\")
"""What follows these is not (or not wholly) a command's arguments."""
ANY = ("COMMAND", "[OPTIONS]", "[ARGS]...")
"""Stand for something that isn't named."""


def test_the_command_reference_is_what_the_help_says() -> None:
    written = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert written == render(), "run: python -m ipi_es.cli.command_reference > docs/commands.md"


def test_the_reference_has_every_command_once() -> None:
    headings = [line for line in render().splitlines() if re.match(r"#+ ipi-es ", line)]
    assert len(headings) == len(set(headings))
    assert {heading.split()[2] for heading in headings} == set(COMMANDS)


def fenced(text: str) -> Iterator[str]:
    """The lines of the blocks between fences; a backslash at the end goes on."""
    inside = False
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip().startswith("```"):
            inside = not inside
        elif inside:
            yield line.strip()


def commands_in(page: Path) -> Iterator[str]:
    """Everything on a page that begins with `ipi-es COMMAND`, or hands one to the compose service."""
    text = page.read_text(encoding="utf-8")
    yield from (" ".join(found.split()) for found in INLINE.findall(text))
    if page.suffix == ".md":
        for line in fenced(text):
            plain = re.sub(r"^(\$ |\.venv/bin/)", "", line)
            if plain.startswith("ipi-es "):
                yield plain
    for found in COMPOSE.findall(text):
        yield f"ipi-es {found.strip(' `')}"


def mistake(text: str) -> str | None:
    """What is wrong with a command line; None: nothing. Values and arguments are not looked at."""
    command: click.Command = cli
    context = click.Context(cli)
    words = iter(shlex.split(text.replace("'", ""), comments=True)[1:])
    for word in words:
        if word in ENDS:
            return None
        option, _, value = word.partition("=")
        if word.startswith("-") and len(word) > 1:
            known = {name: each for each in command.get_params(context) for name in (*each.opts, *each.secondary_opts)}
            if option not in known:
                return f"{command.name} has no {option}"
            found = known[option]
            if isinstance(found, click.Option) and not (found.is_flag or value or option in ("--help", "-h")):
                next(words, None)
        elif isinstance(command, click.Group) and word not in ANY:
            names = word.split("|")
            inner = [command.get_command(context, name) for name in names]
            if not all(inner):
                return f"{command.name} has no command {word}"
            if len(names) > 1 or inner[0] is None:
                return None
            command = inner[0]
            context = click.Context(command, info_name=command.name, parent=context)
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_on_a_page_exist_with_their_options(page: Path) -> None:
    wrong = {text: found for text in commands_in(page) if (found := mistake(text))}
    assert not wrong


def test_commands_in_hints_and_comments_exist_with_their_options() -> None:
    wrong = {}
    for source in SOURCES:
        for text in commands_in(source):
            plain = PLACEHOLDER.sub("X", text)
            if found := mistake(plain):
                wrong[f"{source.relative_to(ROOT)}: {text}"] = found
    assert not wrong


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ipi-es frobnicate", "no command frobnicate"),
        ("ipi-es node restart", "no command restart"),
        ("ipi-es backfill JOB --from now", "no --from"),
        ("ipi-es node start|restart", "no command start|restart"),
        ("ipi-es backfill JOB --start now-7d --end now", None),
        ("ipi-es --config x.yml check JOB", None),
        ("ipi-es node start|stop|status", None),
        ("ipi-es COMMAND --help", None),
    ],
)
def test_wrong_commands_are_noticed(text: str, said: str | None) -> None:
    found = mistake(text)
    assert (said is None) == (found is None)
    assert said is None or said in str(found)


def test_every_page_with_commands_was_read() -> None:
    read = {page.name: len(list(commands_in(page))) for page in PAGES}
    assert read["docker.md"] >= 5
    assert read["troubleshooting.md"] >= 5
