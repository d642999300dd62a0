"""The same servers from images, where a container engine answers."""

from __future__ import annotations

import gc
import os
import time
import warnings
from pathlib import Path
from typing import Any

from servers.plain_http import call

IMAGES = {
    "opensearch-3.8.0": "opensearchproject/opensearch:3.8.0",
    "elasticsearch-9.5.3": "elasticsearch:9.5.3",
    "elasticsearch-8.19.5": "elasticsearch:8.19.5",
}
ENVIRONMENT = {
    "opensearch": {
        "DISABLE_SECURITY_PLUGIN": "true",
        "DISABLE_INSTALL_DEMO_CONFIG": "true",
        "OPENSEARCH_JAVA_OPTS": "-Xms512m -Xmx512m",
    },
    "elasticsearch": {"xpack.security.enabled": "false", "ES_JAVA_OPTS": "-Xms512m -Xmx512m"},
}
HTTP_PORT = 9200
START_SECONDS = 180.0
ENGINE_SECONDS = 5


def engine_answers() -> bool:
    """Tell whether a container engine can be used; quick where there is none."""
    if not os.environ.get("DOCKER_HOST") and not Path("/var/run/docker.sock").exists():
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a refused connection leaves its socket to the garbage collector
        answer = _ping()
        gc.collect()
    return answer


def _ping() -> bool:
    try:
        import docker

        client = docker.from_env(timeout=ENGINE_SECONDS)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except Exception:  # noqa: BLE001 - whatever it says, it can't be used
        return False


class Container:
    """A running server in a container, with ``url`` and ``stop()`` as the local ones have."""

    def __init__(self, kind: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from testcontainers.core.container import DockerContainer

        self._container: Any = DockerContainer(IMAGES[kind]).with_exposed_ports(HTTP_PORT)
        shared = {"discovery.type": "single-node", "cluster.routing.allocation.disk.threshold_enabled": "false"}
        for key, value in {**shared, **ENVIRONMENT[kind.partition("-")[0]]}.items():
            self._container = self._container.with_env(key, value)
        self._container.start()
        try:
            host, port = self._container.get_container_host_ip(), self._container.get_exposed_port(HTTP_PORT)
            self.url = f"http://{host}:{port}"
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            try:
                if call(self.url, "GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.5)
        raise RuntimeError(f"the container at {self.url} did not answer within {START_SECONDS:.0f} s")

    def stop(self) -> None:
        self._container.stop()
