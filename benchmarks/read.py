"""Events a second of the datafeed against ``helpers.scan`` reading the same fields, in one run.

    python benchmarks/read.py [--events 1000000] [--url http://localhost:9200] [--rounds 2]

There are two streams: in one, a pair repeats 10 times within an event bucket; in the other it never does. Scan and
datafeed take turns, the best round of each counts, and the server's request cache is cleared before each. Scan reads
pages of the client's default size and returns documents; the datafeed returns normalized event buckets. Without
``--url`` a local OpenSearch is started. The last line is JSON with ``ratio_repeating`` and ``ratio_unique``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import elasticsearch.helpers
import opensearchpy.helpers
import urllib3
from streams import SPAN, START, Stream, drop, load, make_stream

from ipi_es.cluster.connect import connect
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster
from ipi_es.datafeed.reader import READERS, Datafeed
from ipi_es.datafeed.spec import DEFAULT_PAGE_SIZE, FeedSpec
from ipi_es.node.local import LocalNode

BUCKETS = 24
"""Event buckets of a stream: a day in hours, 42,000 events an hour."""

REPEATS = {"repeating": 10, "unique": 1}
"""Stream's name → occurrences of a pair within an event bucket."""

TARGETS = {"repeating": 8.0, "unique": 3.0}
"""Stream's name → required speed of the datafeed, as a multiple of scan's."""

FIELDS = ["@timestamp", "user.name", "source.ip", "event.outcome"]
QUERY = {"bool": {"filter": [{"term": {"event.category": "authentication"}}]}}
OUTCOMES = ("success",)


def main(arguments: list[str]) -> int:
    """Measure, print a table and the JSON line; return 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000, help="events of each stream")
    parser.add_argument("--url", help="an existing cluster; by default a local OpenSearch is started")
    parser.add_argument("--rounds", type=int, default=2, help="how often each is measured; the best counts")
    parser.add_argument("--page-size", type=int, default=DEFAULT_PAGE_SIZE, help="rows a page of the datafeed")
    parser.add_argument("--readers", type=int, default=READERS, help="searches at a time of the datafeed")
    options = parser.parse_args(arguments)
    with _server(options.url) as url:
        cluster = connect(Connection(hosts=(url,)))
        print(f"{cluster.info.text}, {options.events:,} events a stream, pages of {options.page_size:,} rows")
        ratios = {name: _compare(name, url, cluster, options) for name in REPEATS}
        cluster.close()
    print(json.dumps({f"ratio_{name}": round(ratio, 2) for name, ratio in ratios.items()}))
    return int(any(ratios[name] < TARGETS[name] for name in TARGETS))


def _compare(name: str, url: str, cluster: Cluster, options: argparse.Namespace) -> float:
    """Return the datafeed's events per second, as a multiple of scan's."""
    index = f"ipi-es-benchmark-{name}"
    stream = make_stream(options.events, repeats=REPEATS[name], buckets=BUCKETS, seed=1)
    drop(url, index)
    load(url, index, stream)
    spec = FeedSpec((index,), query=QUERY, outcomes=OUTCOMES, page_size=options.page_size)
    feed = Datafeed(cluster, spec, readers=options.readers)
    ways: dict[str, Callable[[], int]] = {
        "scan": lambda: _scan(url, index, cluster),
        "datafeed": lambda: _read(feed, stream),
    }
    rates = dict.fromkeys(ways, 0.0)
    for _ in range(options.rounds):
        for way, run in ways.items():
            rates[way] = max(rates[way], _rate(run, len(stream), url, index))
    drop(url, index)
    ratio = rates["datafeed"] / rates["scan"]
    print(
        f"{name:<10} scan {rates['scan']:>10,.0f}/s   datafeed {rates['datafeed']:>10,.0f}/s   {ratio:.1f}×", flush=True
    )
    return ratio


def _rate(run: Callable[[], int], events: int, url: str, index: str) -> float:
    urllib3.request("POST", f"{url}/{index}/_cache/clear?request=true&query=true")
    begin = time.perf_counter()
    seen = run()
    seconds = time.perf_counter() - begin
    if seen != events:
        raise SystemExit(f"read {seen:,} events of {events:,}")
    return events / seconds


def _scan(url: str, index: str, cluster: Cluster) -> int:
    body = {"query": QUERY, "_source": FIELDS}
    if cluster.info.distribution == "elasticsearch":
        client = elasticsearch.Elasticsearch(url, request_timeout=60)
        hits = elasticsearch.helpers.scan(client, index=index, query=body)
    else:
        client = opensearchpy.OpenSearch(url, timeout=60)
        hits = opensearchpy.helpers.scan(client, index=index, query=body)
    return sum(hit["_source"]["event"]["outcome"] in OUTCOMES for hit in hits)


def _read(feed: Datafeed, stream: Stream) -> int:
    return sum(int(bucket.count.sum()) for bucket in feed.read(START, stream.end, SPAN))


@contextmanager
def _server(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url.rstrip("/")
        return
    with LocalNode.start(heap="1g") as node:
        yield node.url


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
