"""OpenSearch 2.19.4 with security on: TLS, log-in, users and roles, to prove rights one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from ipi_es.extras import DEMO, require
from ipi_es.node.checks import available_memory, require_memory
from ipi_es.node.child import Spec
from ipi_es.node.data import open_data_dir
from ipi_es.node.jars import ensure_jars, read_jar_list
from ipi_es.node.process import ServerProcess
from servers.certificates import Certificates
from servers.plain_http import call
from servers.secured_child import USERNAME

KIND = "opensearch-2.19.4"
PASSWORD = "admin pass/%:1"
HEAP = "512m"


class SecuredOpenSearch:
    """A running server with one user, ``username``/``password``, who may do everything."""

    kind = KIND
    username = USERNAME
    password = PASSWORD

    def __init__(self, process: ServerProcess, certificates: Certificates) -> None:
        self._process = process
        self.ca = certificates.ca
        self.wrong_ca = certificates.wrong_ca
        self.ca_fingerprint = certificates.ca_fingerprint
        # 503 "not initialized" for some seconds, until the plugin has made its index
        self.url = process.wait_ready(probe=self._is_ready, scheme="https")

    @classmethod
    def start(cls, certificates: Certificates) -> Self:
        """Start the server and wait until it takes the log-in.

        Raises:
            NodeError: whatever prevents it.
        """
        require("the local server", DEMO)
        require_memory(HEAP, available_memory())
        jars = ensure_jars(read_jar_list(Path(__file__).with_name("secured_jars.json"), KIND))
        data = open_data_dir()
        files = {"ca": certificates.ca, "chain": certificates.chain, "key": certificates.key}
        spec = Spec(
            data_dir=str(data.path),
            jars=[str(path) for path in jars],
            heap=HEAP,
            options={name: str(path) for name, path in files.items()},
        )
        return cls(ServerProcess.spawn(["-m", "servers.secured_child"], spec, data), certificates)

    def _is_ready(self, port: int) -> bool:
        try:
            return self._call(f"https://127.0.0.1:{port}", "GET", "/", None, None)[0] == 200
        except OSError:
            return False

    def _call(self, url: str, method: str, path: str, body: Any, auth: tuple[str, str] | None) -> tuple[int, Any]:
        return call(url, method, path, body, auth=auth or (self.username, self.password), ca=str(self.ca))

    def call(self, method: str, path: str, body: Any = None, *, auth: tuple[str, str] | None = None) -> tuple[int, Any]:
        """Send one plain request, as the administrator unless ``auth`` (user, password) says otherwise."""
        return self._call(self.url, method, path, body, auth)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
