"""Dask's processes of one command show nothing to other users of the machine, and two commands may run at once."""

from __future__ import annotations

import urllib3

from ipi_es.config.settings.dask_settings import DaskSettings
from ipi_es.worker.distributed.dask_client import dask_client

PATHS = ("/health", "/metrics", "/json/counts.json", "/info/main/workers.html", "/status")


def test_local_processes_serve_no_pages() -> None:
    with dask_client(DaskSettings(workers=1)) as first, dask_client(DaskSettings(workers=1)) as second:
        assert first.submit(int, 7).result() == second.submit(int, 7).result() == 7
        for client in (first, second):
            ports = [client.cluster.scheduler.http_server.port]
            ports += client.run(lambda dask_worker: dask_worker.http_server.port).values()
            for port in ports:
                for path in PATHS:
                    answer = urllib3.request("GET", f"http://127.0.0.1:{port}{path}", retries=False)
                    assert answer.status == 404, (port, path)
