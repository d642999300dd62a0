"""The child process that holds the server's JVM: it starts the server, reports its port, waits, and ends it.

The kind of server is given as a function; all duties of a child process are here. The child ends

- on SIGTERM, SIGINT and SIGHUP,
- when its parent closes the pipe on its standard input, also by dying, or when its parent process changes,
  unless the parent has detached it by a byte on that pipe,
- when the server itself fails.

The JVM must neither handle signals (``-Xrs``) nor be shut down by the main thread's end, so the main thread stays here
until the end and leaves by ``os._exit``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ipi_es.node.checks import heap_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WATCH_SECONDS = 0.5
"""Time between two checks whether the child should end."""

CLOSE_PATIENCE_SECONDS = 20.0
"""Time for closing a server; after that the end of the process ends it."""

SPEC_FILE = "node.json"
READY_FILE = "ready.json"
LOG_FILE = "server.log"

DETACH = b"d"
"""The byte on the pipe that lets the child continue without its parent."""


@dataclass(frozen=True, slots=True)
class Spec:
    """The parent's instructions to the child. ``http_port`` 0 means any free one; ``jars`` is the class path."""

    data_dir: str
    jars: list[str]
    http_port: int = 0
    heap: str = "512m"
    keep: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    def write(self) -> Path:
        """Write the file that the child reads, and return its path."""
        path = Path(self.data_dir) / SPEC_FILE
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Spec:
        """Read the file that the parent wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Running:
    """A started server: its HTTP port and how to close it."""

    http_port: int
    close: Callable[[], None]


def jvm_options(heap: str) -> list[str]:
    """Return the options that every server's JVM gets.

    The serial collector and a fixed upper heap limit: one small server on a machine that also runs other programs.
    """
    return [
        f"-Xmx{heap}",
        # network buffers: without a limit, as much again as the heap
        f"-XX:MaxDirectMemorySize={heap_bytes(heap) // 2}",
        # netty's own pools are for servers with hundreds of connections
        "-Dio.netty.noUnsafe=true",
        "-Dio.netty.allocator.numDirectArenas=0",
        "-Dio.netty.recycler.maxCapacityPerThread=0",
        "-Xrs",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        "-Djava.awt.headless=true",
        "-Dfile.encoding=UTF-8",
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dlog4j2.disable.jmx=true",
        "-Dorg.apache.logging.log4j.level=INFO",
        "--enable-native-access=ALL-UNNAMED",
    ]


def run(spec_path: Path, start: Callable[[Spec], Running]) -> None:
    """Run as the child: start the server, serve until asked to end, and leave the process."""
    parent = os.getppid()
    spec = Spec.read(spec_path)
    ending, detached = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ending.set())
    threading.Thread(target=_watch_pipe, args=(ending, detached), daemon=True).start()
    code = 0
    try:
        running = start(spec)
        _say_ready(spec, running.http_port)
        # the wait has a time limit so that Python can run its signal handlers
        while not ending.wait(WATCH_SECONDS):
            # the pipe alone is not enough: other children of a killed parent may have inherited its end.
            # The second wait is for the byte of a parent that has just detached this child and ended.
            if os.getppid() != parent and not detached.wait(WATCH_SECONDS):
                break
        _close(running)
    except BaseException:  # noqa: BLE001 - the last frame of the process: everything goes to the log
        traceback.print_exc()
        code = 1
    _leave(spec, code)


def _watch_pipe(ending: threading.Event, detached: threading.Event) -> None:
    """Wait until the parent detaches the child or closes the pipe; also while the JVM is still starting."""
    with contextlib.suppress(OSError):
        if os.read(0, 1) == DETACH:
            detached.set()
            return
    ending.set()
    # a server that hangs in its start never checks the event
    threading.Event().wait(2 * CLOSE_PATIENCE_SECONDS)
    os._exit(1)


def _say_ready(spec: Spec, port: int) -> None:
    temporary = Path(spec.data_dir) / f"{READY_FILE}.new"
    temporary.write_text(json.dumps({"http_port": port, "pid": os.getpid()}), encoding="utf-8")
    temporary.replace(Path(spec.data_dir) / READY_FILE)


def _close(running: Running) -> None:
    closer = threading.Thread(target=running.close, daemon=True)
    closer.start()
    closer.join(CLOSE_PATIENCE_SECONDS)


def _leave(spec: Spec, code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    if code == 0 and not spec.keep:
        shutil.rmtree(spec.data_dir, ignore_errors=True)
    # not sys.exit: the JVM's own threads would keep the process, and its shutdown can hang
    os._exit(code)
