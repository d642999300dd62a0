"""A local OpenSearch for the demo and the tests, stopped when its owner ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from ipi_es.extras import DEMO, require
from ipi_es.node.cache import node_dir, require_space
from ipi_es.node.checks import (
    DATA_SPACE_BYTES,
    available_memory,
    require_memory,
    require_port,
)
from ipi_es.node.child import Spec
from ipi_es.node.data import open_data_dir
from ipi_es.node.jars import Progress, ensure_jars, read_jar_list
from ipi_es.node.opensearch_node import SERVER
from ipi_es.node.process import ServerProcess

if TYPE_CHECKING:
    from types import TracebackType

DEFAULT_HEAP = "512m"
"""Upper limit of the JVM's heap; the demo's events and searches stay well below."""

JAR_LIST = Path(__file__).with_name("jars.json")


class LocalNode:
    """A running OpenSearch in a child process, on the loopback address only.

    The child ends with :meth:`stop`, with the ``with`` block, and when this process ends in any way.
    """

    def __init__(self, process: ServerProcess, url: str, data_dir: Path) -> None:
        self._process = process
        self.url = url
        self.data_dir = data_dir

    @classmethod
    def start(
        cls,
        *,
        data_dir: Path | None = None,
        http_port: int | None = None,
        heap: str = DEFAULT_HEAP,
        keep: bool = False,
        progress: Progress | None = None,
    ) -> LocalNode:
        """Download missing jars, start a server and wait until it answers.

        Args:
            data_dir: where to keep the data; never removed. ``None``: a directory in the cache.
            http_port: the port on 127.0.0.1; ``None`` for any free one.
            heap: upper limit of the JVM's heap, such as ``512m``.
            keep: leave the directory in the cache when the server stops.
            progress: called during the download and the start.

        Raises:
            NodeError: anything that prevents the start, with what to do about it.
            UsageError: ``heap`` can't be read.
        """
        process = launch(data_dir=data_dir, http_port=http_port, heap=heap, keep=keep, progress=progress)
        url = process.wait_ready()
        if progress:
            progress("start", 1, 1)
        return cls(process, url, process.log.parent)

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._process.pid

    @property
    def log(self) -> Path:
        """The file with the server's output."""
        return self._process.log

    def alive(self) -> bool:
        """Decide whether the server still runs."""
        return self._process.alive()

    def stop(self) -> None:
        """Stop the server and remove its data unless kept; a second call does nothing."""
        self._process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def launch(
    *,
    data_dir: Path | None,
    http_port: int | None,
    heap: str,
    keep: bool,
    progress: Progress | None,
    data_name: str | None = None,
) -> ServerProcess:
    """Check all preconditions, download, and spawn the server; the caller waits for it.

    Raises:
        NodeError, UsageError: as :meth:`LocalNode.start`.
    """
    require("the local server", DEMO)
    require_memory(heap, available_memory())
    if http_port is not None:
        require_port(http_port)
    jars = ensure_jars(read_jar_list(JAR_LIST, SERVER), progress=progress)
    require_space(node_dir(), DATA_SPACE_BYTES, purpose="the local server's data")
    if progress:
        progress("start", 0, 1)
    data = open_data_dir(data_dir, keep=keep, name=data_name)
    spec = Spec(
        data_dir=str(data.path),
        jars=[str(path) for path in jars],
        http_port=http_port or 0,
        heap=heap,
        keep=data.keep,
    )
    return ServerProcess.spawn(["-m", "ipi_es.node"], spec, data)
