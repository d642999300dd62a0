"""The `ipi-es` command: a group that imports a command only when it is called."""

from __future__ import annotations

import errno
import importlib
import sys
from typing import Any

import click

import ipi_es
from ipi_es.cli.shared.logs import say_error
from ipi_es.errors import IpiEsError

COMMANDS = {
    "demo": "Find incidents hidden in a simulated company's sign-ins.",
    "init": "Write ipi-es.yml for a cluster, and set it up.",
    "setup": "Put index templates, a lifecycle policy, or dashboards.",
    "parse": "Let the cluster read accounts and addresses from raw log lines.",
    "check": "Show what is wrong with a job, and what to do about it.",
    "train": "Learn who uses which addresses.",
    "backfill": "Score a range of past events and write the results.",
    "run": "Score new events of all jobs on schedule.",
    "serve": "Serve the results over HTTP.",
    "status": "Show the state of the jobs.",
    "renormalize": "Score stored results again in today's context.",
    "results": "Print records, influencers, buckets or overall buckets.",
    "explain": "Explain how usual an address is for an entity.",
    "report": "Write a job's findings as one HTML page.",
    "verdict": "Confirm a finding as harmless, or take that back.",
    "rule": "Allow pairs of entity and address for a time, in all jobs.",
    "calendar": "Plan changes in which nothing is alerted or learned.",
    "entity": "Export or erase what is stored of one entity.",
    "score": "Score pairs of entity and address on standard input.",
    "sagemaker": "Train and serve as a container of SageMaker does.",
    "evaluate": "Measure detection on real events, beside references.",
    "snapshots": "List, delete and revert to trained snapshots.",
    "job": "Create, import, validate, pause, reset and delete jobs.",
    "advise": "Show how many alarms a day each threshold gives.",
    "alerts": "Render, install and test alerts.",
    "node": "Start and stop a local OpenSearch server.",
    "completion": "Print or install the completion of the shell.",
}
"""Command name → its line in `ipi-es --help`. The command is the object of that name in the module of that name."""

INTERRUPTED = 130  # the shell's code for a process ended by Ctrl-C


class LazyGroup(click.Group):
    """A group whose commands are in :data:`COMMANDS`; `ipi-es --help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """Return the names in the order in which a new user needs them, not alphabetically."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command's module and return the command; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"ipi_es.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write each command's line, without importing the command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve as click does; the error for an unknown name suggests the nearest known one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from ipi_es.config.files.nearest import nearest

            guess = nearest(args[0], COMMANDS)
            hint = f" Did you mean “{guess}”?" if guess else ""
            raise click.UsageError(f"There is no command “{args[0]}”.{hint}", ctx) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--config", "config_path", type=click.Path(dir_okay=False), help="Default: $IPI_ES_CONFIG or ./ipi-es.yml."
)
@click.option("-v", "--verbose", is_flag=True, help="Say more; with an error, show where it came from.")
@click.version_option(ipi_es.__version__, prog_name="ipi-es")
@click.pass_context
def cli(ctx: click.Context, config_path: str | None, verbose: bool) -> None:
    """Find sign-ins from unusual IP addresses, beside an Elasticsearch or OpenSearch cluster.

    Start with `ipi-es demo`: a local server, a simulated company, hidden incidents, found.
    """
    ctx.ensure_object(dict).update(config_path=config_path, verbose=verbose)


def main(args: list[str] | None = None) -> Any:
    """Run the program. An IpiEsError becomes a message and an exit code; Ctrl-C exits with code 130."""
    parsed: dict[str, Any] = {}
    try:
        code = cli.main(args=args, prog_name="ipi-es", standalone_mode=False, obj=parsed)
    except click.exceptions.Abort:
        click.secho("Stopped. What was finished is kept; run the same command again to go on.", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except IpiEsError as error:
        if not say_error(str(error)):
            click.secho(f"ipi-es: {error}", fg="red", err=True)
        if parsed.get("verbose"):
            raise
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        # from writing files or the output; writing snapshots raises its own error
        click.secho(f"ipi-es: can't write: {error.strerror}", fg="red", err=True)
        if parsed.get("verbose"):
            raise
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
