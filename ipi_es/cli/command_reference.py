"""The command reference as Markdown, generated from the commands' own help.

python -m ipi_es.cli.command_reference > docs/commands.md
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from ipi_es.cli.main import cli

_INTRODUCTION = """\
# Commands

<!-- Made of the commands' help by `python -m ipi_es.cli.command_reference`; a test compares. -->

Exit codes: 0 done, 1 failed (or, with `check` and `node status`, a “no”), 2 wrong usage or configuration, 130 ended by
Ctrl-C. Times are ISO 8601 (`2026-05-01`, `2026-05-01T08:00:00Z`) or date math (`now-7d`), always UTC. JOB is a job's
file, or the `job_id` of one that `ipi-es.yml` names. What the settings mean is in [configuration.md](configuration.md),
what `train` makes and how `train --csv` and `score` stand in for SageMaker's IP Insights in [network.md](network.md).
"""
_EXAMPLE = "Example:"


def render() -> str:
    """Return the whole reference: the program, then each command in the order of `ipi-es --help`."""
    sections = [_INTRODUCTION.rstrip()]
    with click.Context(cli, info_name="ipi-es", **cli.context_settings) as context:
        sections.append(_section(cli, context, heading="## For every command"))
        for name in cli.list_commands(context):
            sections.extend(_command(context, name, depth=2))
    return "\n\n".join(sections) + "\n"


def _command(parent: click.Context, name: str, depth: int) -> Iterator[str]:
    """Yield the section of a command, then the sections of its subcommands."""
    group = parent.command
    command = group.get_command(parent, name) if isinstance(group, click.Group) else None
    if command is None:
        return
    with click.Context(command, info_name=name, parent=parent) as context:
        yield _section(command, context, heading=f"{'#' * depth} {context.command_path}")
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                yield from _command(context, inner, depth + 1)


def _section(command: click.Command, context: click.Context, heading: str) -> str:
    pieces = " ".join(command.collect_usage_pieces(context))
    parts = [heading, f"```\n{context.command_path} {pieces}\n```", *_paragraphs(inspect.cleandoc(command.help or ""))]
    # every command has --help: listed once, for the program
    shown = command.get_params(context) if context.parent is None else command.params
    options = [
        record
        for parameter in shown
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context))
    ]
    parts.append("\n".join(f"- `{names}`: {help_}" for names, help_ in options))
    return "\n\n".join(part for part in parts if part)


def _paragraphs(help_: str) -> Iterator[str]:
    """Yield the paragraphs of a help text, its example as a code block that can be copied."""
    for paragraph in help_.split("\n\n"):
        if paragraph.startswith(_EXAMPLE):
            yield f"```\n{' '.join(paragraph.removeprefix(_EXAMPLE).split())}\n```"
        elif paragraph.strip():
            yield paragraph.strip()


if __name__ == "__main__":
    import sys

    sys.stdout.write(render())
