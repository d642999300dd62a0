"""`ipi-es completion`: complete commands and options in the shell."""

from __future__ import annotations

from pathlib import Path

import click

from ipi_es.cli.shared.new_file import write_file

SHELLS = ("bash", "zsh", "fish")
FISH = Path(".config/fish/completions/ipi-es.fish")
"""fish reads this folder by itself."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.option("--install", is_flag=True, help="Write it below your home, and let the shell read it at its start.")
@click.pass_context
def completion(ctx: click.Context, shell: str, install: bool) -> None:
    """Print the script that completes commands, options and their choices in SHELL, or install it.

    After an upgrade, install it again.

    Example: ipi-es completion bash --install
    """
    script = _script(ctx, shell)
    if not install:
        click.echo(script, nl=False)
        return
    home = Path.home()
    if shell == "fish":
        path = home / FISH
        write_file(path, script)
    else:
        path, start = home / f".ipi-es-complete.{shell}", home / f".{shell}rc"
        write_file(path, script)
        before = start.read_text(encoding="utf-8") if start.exists() else ""
        line = f". ~/{path.name}"
        if line not in before.splitlines():
            gap = "" if not before or before.endswith("\n") else "\n"
            write_file(start, f"{before}{gap}{line}\n")
    click.echo(f"{path} is written: it counts in each new {shell}.")


def _script(ctx: click.Context, shell: str) -> str:
    from click.shell_completion import ShellComplete, get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    # not its own source(): that of bash starts a bash to look at its version
    made = found(ctx.find_root().command, {}, "ipi-es", "_IPI_ES_COMPLETE")
    return ShellComplete.source(made) + "\n"
