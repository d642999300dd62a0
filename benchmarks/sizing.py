"""What a job needs: memory, processor and storage in the cluster, by its entities and its events a day.

    nice python benchmarks/sizing.py [--sizes 1000:10000,10000:100000] [--history 14] [--days 2] [--url URL]

For each size (entities:events a day) simulated sign-ins are put into a cluster (a local OpenSearch without ``--url``).
Then `ipi-es train` learns from ``--history`` days and `ipi-es backfill` scores ``--days`` days in buckets of an hour,
with all defaults, each as a process of its own. Memory is the peak of the process. Storage is that of the results'
index after a flush, one copy, and of the snapshot, the history and a day's delta as written. The rows are those of
docs/sizing.md; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import urllib3
from streams import DAY, SPAN, START, Stream, drop, load

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.node.local import LocalNode
from ipi_es.results.words import ALIAS, RESULT_KINDS
from ipi_es.setup import setup_plan
from ipi_es.state.cluster_blobs import ClusterBlobs
from ipi_es.times import iso
from ipi_es.worker.job_resources import JobResources

SIZES = "1000:10000,10000:100000,100000:300000"
ADDRESSES = 5
"""Regular addresses of an entity."""
SHARES = (0.45, 0.3, 0.12, 0.08, 0.05)
"""Share of the events from each of them: office, home, phone, …"""
AN_OFFICE = 200
"""Entities behind an office's address."""
NEW = 0.01
"""Share of the events from an address without earlier events: hotels, new homes, mistakes."""
LIVELINESS = 0.8
"""Shape of the gamma distribution of an entity's events: a few entities have most of them."""
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; memory and storage in MiB, times in seconds of processor time."""

    entities: int
    events_a_day: int
    pairs_a_day: int
    train_memory: float
    train_seconds: float
    score_memory: float
    score_seconds_a_day: float
    cluster_seconds_a_day: float
    results_a_day: float
    documents_a_day: int
    delta_a_day: float
    snapshot: float


def make_signins(entities: int, events_a_day: int, days: int, seed: int) -> Stream:
    """Draw sign-ins of ``days`` days from :data:`START` on."""
    rng = np.random.default_rng(seed)
    events = events_a_day * days
    weights = rng.gamma(LIVELINESS, size=entities)
    who = rng.choice(entities, size=events, p=weights / weights.sum())
    which = rng.choice(ADDRESSES, size=events, p=SHARES)
    offices = entities // AN_OFFICE + 1
    own = offices + who * (ADDRESSES - 1) + which - 1
    address = np.where(which == 0, who % offices, own)
    fresh = rng.random(events) < NEW
    address[fresh] = offices + entities * (ADDRESSES - 1) + np.arange(int(fresh.sum()))
    times = np.sort(rng.integers(START * 1_000, (START + days * DAY) * 1_000, events))
    return Stream(times, who, address, days * DAY // SPAN, START)


def measured(folder: Path, *args: str) -> tuple[float, float]:
    """Run `ipi-es ARGS`; return (peak memory in MiB, seconds of processor time). Raises SystemExit if it fails."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ipi_es", *args], cwd=folder, stdout=log, stderr=subprocess.STDOUT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"ipi-es {args[0]} failed:\n{(folder / 'log').read_text()[-3_000:]}")
    return usage.ru_maxrss / 1_024, usage.ru_utime + usage.ru_stime


def measure(url: str, cluster: Cluster, entities: int, events: int, options: argparse.Namespace, folder: Path) -> Row:
    """Measure one size: load the events, train, score."""
    name = f"sizing-{entities}"
    stream = make_signins(entities, events, options.history + options.days, options.seed)
    drop(url, name)
    load(url, name, stream)
    job = {
        "job_id": name,
        "results_index_name": name,
        "datafeed_config": {"indices": [name]},
        "training": {"window": f"{options.history}d"},
    }
    (folder / "ipi-es.yml").write_text(f"elasticsearch: {{hosts: ['{url}']}}\nlogging: {{level: warning}}\n")
    (folder / "job.json").write_text(json.dumps(job))
    begin, end = START + options.history * DAY, stream.end
    train = measured(folder, "train", "job.json", "--end", iso(begin))
    there = _cluster_cpu(url)
    score = measured(folder, "backfill", "job.json", "--start", iso(begin), "--end", iso(end))
    there = _cluster_cpu(url) - there
    blobs = ClusterBlobs(cluster).list(name)
    deltas = [each.size for each in blobs if each.kind == "history_delta"]
    documents, size = _results(url, cluster, folder)
    hour = stream.milliseconds // (SPAN * 1_000) * entities + stream.entity
    pairs = np.unique(hour * (int(stream.address.max()) + 1) + stream.address)
    _forget(cluster, name, url)
    return Row(
        entities, events, int(len(pairs) / (options.history + options.days)),
        train_memory=train[0], train_seconds=train[1], score_memory=score[0],
        score_seconds_a_day=score[1] / options.days, cluster_seconds_a_day=there / options.days,
        results_a_day=size / MIB / options.days, documents_a_day=documents // options.days,
        delta_a_day=sum(deltas) / MIB / max(len(deltas), 1),
        snapshot=sum(each.size for each in blobs if each.kind in {"network", "history_base"}) / MIB,
    )  # fmt: skip


def _results(url: str, cluster: Cluster, folder: Path) -> tuple[int, int]:
    """Return (result documents, bytes of one copy of their index)."""
    from ipi_es.config.files.loading import load_job

    job = load_job(folder / "job.json")
    store = JobResources(cluster, job).stores.results
    store.show()
    pattern = f"{ALIAS}-{job.results_index_name}-*"
    urllib3.request("POST", f"{url}/{pattern}/_flush?wait_if_ongoing=true")
    time.sleep(1.0)  # the server updates its disk statistics periodically
    answer = json.loads(urllib3.request("GET", f"{url}/{pattern}/_stats/store").data)
    return sum(store.count(kind) for kind in RESULT_KINDS), int(answer["_all"]["primaries"]["store"]["size_in_bytes"])


def _forget(cluster: Cluster, name: str, url: str) -> None:
    drop(url, name)
    for index in cluster.indices(f"{ALIAS}-{name}-*"):
        cluster.delete_index(index)
    store = ClusterBlobs(cluster)
    for info in store.list(name):
        store.delete(name, info.id)
    cluster.delete("ipi-es-state", f"state:{name}")


def _cluster_cpu(url: str) -> float:
    """Return the CPU seconds that the cluster's nodes have used."""
    nodes = json.loads(urllib3.request("GET", f"{url}/_nodes/stats/process").data)["nodes"].values()
    return float(sum(node["process"]["cpu"]["total_in_millis"] for node in nodes)) / 1_000


def table(rows: list[Row]) -> str:
    """Format the rows as a Markdown table, as in docs/sizing.md."""
    head = (
        "| entities | events a day | memory: training | scoring | CPU: training | scoring a day | in the cluster a day "
        "| storage: results a day | history a day | snapshot |"
    )
    lines = [head, "|" + "---:|" * 10]
    lines += [
        f"| {row.entities:,} | {row.events_a_day:,} | {row.train_memory:,.0f} MiB | {row.score_memory:,.0f} MiB "
        f"| {row.train_seconds:,.0f} s | {row.score_seconds_a_day:,.1f} s | {row.cluster_seconds_a_day:,.1f} s "
        f"| {row.results_a_day:,.2f} MiB | {row.delta_a_day:,.2f} MiB | {row.snapshot:,.1f} MiB |"
        for row in rows
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=SIZES, help="entities:events a day, several with commas")
    parser.add_argument("--history", type=int, default=14, help="days that the training learns from")
    parser.add_argument("--days", type=int, default=2, help="days that are scored")
    parser.add_argument("--url", help="an existing cluster; by default a local OpenSearch is started")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    sizes = [tuple(int(part) for part in each.split(":")) for each in options.sizes.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        if options.url:
            rows = _all(options.url.rstrip("/"), sizes, options, Path(folder))
        else:
            with LocalNode.start(heap="1g") as node:
                rows = _all(node.url, sizes, options, Path(folder))
    print(table(rows))
    print(json.dumps([{key: round(value, 3) for key, value in asdict(row).items()} for row in rows]))
    return 0


def _all(url: str, sizes: list[tuple[int, ...]], options: argparse.Namespace, folder: Path) -> list[Row]:
    cluster = connect(Connection(hosts=(url,)))
    setup_plan.apply(cluster, setup_plan.plan(cluster), force=True)
    print(f"{cluster.info.text}, {os.cpu_count()} processors, {options.history} days learned from", flush=True)
    rows = []
    for entities, events in sizes:
        rows.append(measure(url, cluster, entities, events, options, folder))
        print(rows[-1], flush=True)
    cluster.close()
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
