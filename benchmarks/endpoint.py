"""How many pairs a second `ipi-es serve --model-dir` scores, and how long one pair waits beside them.

    python benchmarks/endpoint.py [--rounds 3] [--seconds 6]

A snapshot of 100,000 entities with vectors of 32 is served. In each round a client sends requests of 1,000 pairs (JSON,
one after the other, on one connection), and another one requests of a single pair with 5 ms between them; each is a
process of its own. The reference takes turns with it: `predict` of a SageMaker-like network in Keras (vectors of 128,
`ipi_es.ipinsights.tf.sagemaker_like`), its batch as large as the request, behind the same HTTP server. Figures are the
medians of the rounds. The goals: at least 50,000 pairs a second, and a p99 of single pairs below 10 ms beside them, on
two cores. The last line is JSON; ``ratio`` is the reference's pairs a second in ours. The exit code is 1 if a goal was
missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # must be set before TensorFlow is imported
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `ipi-es` sets it

import numpy as np
import orjson
from network import ENTITIES, FIRST_DAY, company, texts
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from dataclasses import replace

from ipinsights_parts import a_snapshot

from ipi_es.addresses import parse_many
from ipi_es.http.listener import HttpListener
from ipi_es.ipinsights.history.history import History
from ipi_es.scoring.calibration import Calibration
from ipi_es.scoring.references import Correlations, References
from ipi_es.serve.endpoint_server import LIMITS
from ipi_es.state.directory_blobs import DirectoryBlobs
from ipi_es.worker.scoring.normalizer_state import NormalizerState
from ipi_es.worker.training.job_snapshot import JobSnapshot
from ipi_es.worker.training.job_training import store_parts

PAIRS, LEAST, LONGEST_MS = 1_000, 50_000, 10.0
PAUSE = 0.005
"""Seconds between two requests of a single pair."""


def save(folder: Path) -> None:
    """Store a snapshot of random weights; how fast it scores does not depend on them."""
    rng = np.random.default_rng(0)
    events = company(rng)
    snapshot = JobSnapshot(
        job_id="company",
        trained_to=(FIRST_DAY + 10) * 86_400,
        network=replace(a_snapshot(0, events, dim=32, layers=0), combiner=None),
        references=References.alike(
            Calibration.fit(rng.standard_normal(3_000) * 3, rng.integers(0, 5, 3_000)),
            Correlations((0.1, 0.1), (0.1, 0.1)),
        ),
        levels=NormalizerState.empty(("user.name", "source.ip")),
    )
    history = History.empty(FIRST_DAY + 10, pair_keys=1_000, network_keys=1_000)
    store_parts(DirectoryBlobs(folder), snapshot, history, 1_000)


def serve_reference(port: int) -> None:
    """Serve Keras's `predict` until the process is ended."""
    from ipi_es.ipinsights.tf.sagemaker_like import SageMakerLike

    reference = SageMakerLike(ENTITIES, rng=np.random.default_rng(0))

    def answer(body: bytes) -> Response:
        pairs = [each["features"] for each in orjson.loads(body)["instances"]]
        entity = np.array([int(name[4:10]) for name, _ in pairs], dtype=np.int32)
        addresses, _ = parse_many([ip for _, ip in pairs])
        dots = reference.log_odds(entity, addresses, batch=len(pairs)).tolist()
        return Response(orjson.dumps({"predictions": [{"dot_product": dot} for dot in dots]}))

    async def invocations(request: Request) -> Response:
        return await run_in_threadpool(answer, await request.body())

    app = Starlette(routes=[Route("/invocations", invocations, methods=["POST"])])
    with HttpListener(f"127.0.0.1:{port}", app, LIMITS, setting="none", paths="/invocations"):
        threading.Event().wait()


def ask(port: int, pairs: int, seconds: float) -> None:
    """Send requests of so many pairs for a while; print their number and the p99 of their times in ms, as JSON."""
    names, ips = texts(50 * pairs, 1, np.random.default_rng(pairs))
    instances = [{"features": pair} for pair in zip(names, ips, strict=True)]
    bodies = [orjson.dumps({"instances": instances[at : at + pairs]}) for at in range(0, len(instances), pairs)]
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    times: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() < began + seconds:
        sent = time.perf_counter()
        connection.request("POST", "/invocations", bodies[len(times) % 50], {"content-type": "application/json"})
        answer = connection.getresponse()
        predictions = answer.read()
        times.append(time.perf_counter() - sent)
        assert answer.status == 200, predictions
        if pairs == 1:
            time.sleep(PAUSE)
    took = time.perf_counter() - began
    print(json.dumps({"pairs_a_second": pairs * len(times) / took, "p99_ms": 1e3 * float(np.quantile(times, 0.99))}))


def measured(port: int, seconds: float) -> tuple[float, float]:
    """Return (pairs a second of large requests, p99 in ms of single pairs beside them)."""
    command = [sys.executable, __file__, "--port", str(port), "--seconds", str(seconds), "--ask"]
    clients = [subprocess.Popen([*command, str(pairs)], stdout=subprocess.PIPE, text=True) for pairs in (PAIRS, 1)]
    large, single = (json.loads(client.communicate()[0]) for client in clients)
    return large["pairs_a_second"], single["p99_ms"]


def started(command: list[str], port: int) -> subprocess.Popen[Any]:
    """Start a server, and wait until it answers."""
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            body = b'{"instances": [{"features": ["user000001", "192.0.2.1"]}]}'
            connection.request("POST", "/invocations", body, {"content-type": "application/json"})
            if connection.getresponse().status == 200:
                return server
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"{command} does not answer")


def main(arguments: list[str]) -> int:
    """Print the rounds and the JSON line; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--port", type=int, default=9_380, help="of the server; the reference has the next one")
    parser.add_argument("--ask", type=int, metavar="PAIRS", help=argparse.SUPPRESS)
    parser.add_argument("--reference", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.ask:
        ask(chosen.port, chosen.ask, chosen.seconds)
        return 0
    if chosen.reference:
        serve_reference(chosen.port)
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder))
        ours = [sys.executable, "-m", "ipi_es", "serve", "--model-dir", folder, "--listen", f"127.0.0.1:{chosen.port}"]
        reference = [sys.executable, __file__, "--reference", "--port", str(chosen.port + 1)]
        servers = {"ipi-es": started(ours, chosen.port), "predict": started(reference, chosen.port + 1)}
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
        try:
            for turn in range(chosen.rounds):
                for at, name in enumerate(servers):
                    found[name].append(measured(chosen.port + at, chosen.seconds))
                    speed, p99 = found[name][-1]
                    print(f"round {turn + 1}, {name}: {speed:,.0f} pairs/s, single pairs p99 {p99:.1f} ms", flush=True)
        finally:
            for server in servers.values():
                server.send_signal(signal.SIGTERM)
                server.wait()
    speed, p99 = (median(each[column] for each in found["ipi-es"]) for column in (0, 1))
    other, other_p99 = (median(each[column] for each in found["predict"]) for column in (0, 1))
    print(
        json.dumps(
            {
                "benchmark": "endpoint",
                "pairs_a_second": round(speed),
                "single_p99_ms": round(p99, 1),
                "reference_pairs_a_second": round(other),
                "reference_single_p99_ms": round(other_p99, 1),
                "ratio": round(speed / other, 2),
            }
        )
    )
    return int(speed < LEAST or p99 >= LONGEST_MS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
