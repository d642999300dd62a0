"""The command line as tests call it: in this process, with its error messages and exit codes."""

from __future__ import annotations

from typing import Any

from click.testing import CliRunner, Result

from ipi_es.cli.main import main


class _Entry:
    """What CliRunner takes for a command: the real entry point, which turns errors into messages."""

    name = "ipi-es"

    def main(self, args: list[str], prog_name: str = "", **extra: Any) -> Any:
        return main(list(args))


def run(*args: Any, stdin: str | bytes = "") -> Result:
    """Result of `ipi-es ARGS`: ``exit_code``, ``stdout``, ``stderr``, ``output`` (both)."""
    return CliRunner().invoke(_Entry(), [str(arg) for arg in args], input=stdin)  # type: ignore[arg-type]
