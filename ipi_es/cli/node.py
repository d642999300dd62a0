"""`ipi-es node`: a local server for trying things out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ipi_es.cli.shared.shell import progress_bar
from ipi_es.errors import NodeError

if TYPE_CHECKING:
    from ipi_es.node import NodeStatus


@click.group()
def node() -> None:
    """Start, stop or look at a local OpenSearch for trying things out.

    It listens on this machine only, without a password; it is no server for production.

    Example: ipi-es node start
    """


@node.command()
@click.option("--port", type=click.IntRange(1, 65_535), help="HTTP port; by default a free one.")
@click.option("--heap", default="512m", show_default=True, help="Upper bound of the server's heap.")
@click.option("--keep", is_flag=True, help="Keep the data when the server stops.")
def start(port: int | None, heap: str, keep: bool) -> None:
    """Start it in the background; the first time downloads about 62 MB.

    Example: ipi-es node start --port 9200
    """
    from ipi_es.node import start_detached

    with node_progress() as progress:
        started = start_detached(http_port=port, heap=heap, keep=keep, progress=progress)
    _say(started)
    click.echo(f"Use it: ipi-es init --url {started.url}")


@node.command()
def stop() -> None:
    """Stop it. Its data are deleted, unless it was started with --keep.

    Example: ipi-es node stop
    """
    from ipi_es.node import status as find
    from ipi_es.node import stop_detached

    running = find()
    if not stop_detached():
        click.echo("No local server runs.")
        return
    kept = running is not None and running.keep
    click.echo("Stopped. Its data are kept for the next start." if kept else "Stopped. Its data are deleted.")


@node.command()
def status() -> None:
    """Say whether it runs, and where; exit code 1 if not.

    Example: ipi-es node status
    """
    from ipi_es.node import status as find

    found = find()
    if found is None:
        raise NodeError("no local server runs", hint="start one: ipi-es node start")
    _say(found)


def _say(running: NodeStatus) -> None:
    """Print where the server listens, and whether its data are kept when it stops."""
    click.echo(f"{running.server} listens at {running.url} (process {running.pid}, log {running.log})")
    if running.keep:
        click.echo("Its data stay when it stops, for the next start; one without --keep deletes them at its end.")
    else:
        click.echo("Its data are deleted when it stops; `ipi-es node start --keep` keeps them.")


class node_progress:  # noqa: N801  (a context manager that is used like a function)
    """A context manager that shows the download and the start as progress bars."""

    def __enter__(self) -> node_progress:
        self._bar = progress_bar()
        self._bar.start()
        self._tasks: dict[str, int] = {}
        return self

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Update a bar from a report of ``ipi_es.node``: ``download`` in bytes, ``start`` in steps."""
        unit = 1 << 20 if stage == "download" else 1
        what = {"download": "Downloading (MB)", "start": "Starting the server"}.get(stage, stage)
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(what, total=max(total // unit, 1), note="")
        self._bar.update(self._tasks[stage], completed=done // unit)  # type: ignore[arg-type]

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()
