"""The parent's side of a server process: spawn it, wait until it answers, stop it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from ipi_es.node.checks import explain_failure
from ipi_es.node.child import CLOSE_PATIENCE_SECONDS, DETACH, LOG_FILE, READY_FILE, Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ipi_es.errors import NodeError
    from ipi_es.node.data import DataDir

START_PATIENCE_SECONDS = 180.0
"""Time limit of a start. Seen: 6 to 8 s; a busy small machine takes several times that."""

POLL_SECONDS = 0.1
"""Time between two checks of a waiting parent."""

ANSWER_SECONDS = 5.0
"""Time limit of one health request."""

LAST_FAILURE = "last-failed-start.log"
"""The whole log of the last failed start, in the cache beside the data directories."""


class ServerProcess:
    """A server in a child process. Make it with :meth:`spawn`; only this object may hold the child's pipe."""

    def __init__(self, process: subprocess.Popen[bytes], data: DataDir, spec: Spec) -> None:
        self._process = process
        self._data = data
        self._spec = spec

    @classmethod
    def spawn(cls, module: Sequence[str], spec: Spec, data: DataDir) -> ServerProcess:
        """Start ``python MODULE SPEC`` with its output in the data directory's log file.

        Args:
            module: arguments to the interpreter, such as ``["-m", "ipi_es.node"]``.
            spec: the child's instructions.
            data: the locked data directory; the child inherits the lock.
        """
        (data.path / READY_FILE).unlink(missing_ok=True)
        with (data.path / LOG_FILE).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, *module, str(spec.write())],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # the child finds the same modules; its unwritten output must not be lost when it dies
                env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYTHONUNBUFFERED": "1"},
                # Ctrl-C in the terminal must reach the parent only, which then stops the child in order
                start_new_session=True,
                pass_fds=[data.lock.fileno()],
            )
        data.release()
        return cls(process, data, spec)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def log(self) -> Path:
        """The file with the server's output."""
        return self._data.path / LOG_FILE

    def alive(self) -> bool:
        """Decide whether the child still runs."""
        return self._process.poll() is None

    def wait_ready(
        self,
        patience: float = START_PATIENCE_SECONDS,
        *,
        probe: Callable[[int], bool] | None = None,
        scheme: str = "http",
    ) -> str:
        """Wait until the cluster's health is at least yellow and return the server's URL.

        Args:
            patience: seconds.
            probe: decides whether the server on a port is ready; by default its health over plain HTTP.
            scheme: of the URL.

        Raises:
            NodeError: the child ended, or nothing answered within ``patience`` seconds; it is stopped then.
        """
        give_up = time.monotonic() + patience
        url = None
        try:
            while self.alive() and time.monotonic() < give_up:
                if (port := self._port()) is not None and (probe or is_healthy)(port):
                    url = f"{scheme}://127.0.0.1:{port}"
                    return url
                time.sleep(POLL_SECONDS)
            failure = self._failure()
        finally:
            if url is None:  # also when interrupted by Ctrl-C
                self.stop(patience=1.0)
        raise failure

    def stop(self, patience: float = 1.5 * CLOSE_PATIENCE_SECONDS) -> None:
        """End the child by SIGTERM, after ``patience`` seconds by SIGKILL; then remove its data unless kept."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self.alive():
            self._process.terminate()
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._data.remove()

    def detach(self) -> None:
        """Let the child continue without this process."""
        if self._process.stdin is not None:
            self._process.stdin.write(DETACH)
            self._process.stdin.close()
        # without this, the garbage collector would warn of a process that was never waited for
        self._process.returncode = 0

    def _port(self) -> int | None:
        try:
            return int(json.loads((self._data.path / READY_FILE).read_text(encoding="utf-8"))["http_port"])
        except FileNotFoundError:
            return None

    def _failure(self) -> NodeError:
        log = self.log.read_text(encoding="utf-8", errors="replace")
        error = explain_failure(self._process.poll(), log, port=self._spec.http_port or None)
        # data directories in the cache are removed, so the log is saved beside them
        if not self._data.keep:
            saved = self._data.path.parent / LAST_FAILURE
            shutil.copyfile(self.log, saved)
            error.hint = error.hint or f"The whole log is in {saved}."
        else:
            error.hint = error.hint or f"The whole log is in {self.log}."
        return error


def is_healthy(port: int) -> bool:
    """Decide whether a server on the loopback ``port`` reports a yellow or green health."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
