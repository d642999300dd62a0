"""Simulated streams of sign-ins for the benchmarks, and loading them into a cluster.

Every event bucket of an hour has its (entity, IP) pairs drawn without repetition from the entities' own addresses;
each pair then occurs ``repeats`` times within that hour. Everything is determined by the seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import urllib3
from numpy.typing import NDArray

SPAN = 3_600
"""Seconds of an event bucket."""

START = 1_772_323_200
"""2026-03-01T00:00:00Z, the start of the first event bucket."""

DAY = 86_400
"""Seconds."""

NEW_PAIRS = 0.02
"""Share of all pairs that are new each day: new homes, travel, new employees."""

BULK_EVENTS = 10_000
"""Events per bulk request: about 4 MB."""

ADDRESSES_AN_ENTITY = 6
"""Addresses that an entity uses: home, mobile, office, …"""

ENTITIES_AN_ADDRESS = 1.5
"""Mean number of entities that share an address (offices, households)."""

MAPPINGS: dict[str, Any] = {
    "dynamic": False,
    "properties": {
        "@timestamp": {"type": "date"},
        "event": {"properties": {"category": {"type": "keyword"}, "outcome": {"type": "keyword"}}},
        "user": {"properties": {"name": {"type": "keyword"}}},
        "source": {"properties": {"ip": {"type": "ip"}}},
        "host": {"properties": {"name": {"type": "keyword"}}},
    },
}


@dataclass(frozen=True, slots=True)
class Stream:
    """Events in the order of time; all arrays have one entry per event."""

    milliseconds: NDArray[np.int64]  # since the epoch
    entity: NDArray[np.int64]  # number of the entity
    address: NDArray[np.int64]  # number of the address
    buckets: int  # event buckets from ``start`` on, SPAN seconds each
    start: int = START  # epoch seconds

    @property
    def end(self) -> int:
        """Exclusive end of the last event bucket, epoch seconds."""
        return self.start + self.buckets * SPAN

    def __len__(self) -> int:
        return len(self.entity)


def make_stream(events: int, *, repeats: int, buckets: int, seed: int) -> Stream:
    """Draw ``events`` sign-ins over ``buckets`` hours, each pair ``repeats`` times in each hour in which it occurs."""
    random = np.random.default_rng(seed)
    pairs = -(-events // (buckets * repeats))
    entities = max(1, int(pairs * 1.5) // ADDRESSES_AN_ENTITY + 1)
    addresses = max(ADDRESSES_AN_ENTITY, int(entities * ADDRESSES_AN_ENTITY / ENTITIES_AN_ADDRESS))
    times, chosen = [], []
    for bucket in range(buckets):
        size = min(pairs * repeats, events - bucket * pairs * repeats)
        drawn = random.choice(entities * ADDRESSES_AN_ENTITY, size=pairs, replace=False)
        chosen.append(random.permutation(np.repeat(drawn, repeats))[:size])
        times.append(np.sort(random.integers(0, SPAN * 1_000, size)) + (START + bucket * SPAN) * 1_000)
    pair = np.concatenate(chosen)
    return Stream(np.concatenate(times), pair // ADDRESSES_AN_ENTITY, pair % addresses, buckets)


def make_past(stream: Stream, *, events: int, days: int, seed: int) -> Stream:
    """Draw ``events`` sign-ins of the same entities in the ``days`` before a stream, for training.

    Each day, the stream's first day too, :data:`NEW_PAIRS` of all pairs occur for the first time.
    """
    random = np.random.default_rng(seed)
    addresses = int(stream.address.max()) + 1
    pairs = random.permutation(np.unique(stream.entity * addresses + stream.address))
    start = stream.start - days * DAY
    times = np.sort(random.integers(start * 1_000, stream.start * 1_000, events))
    days_before = -(-(stream.start * 1_000 - times) // (DAY * 1_000))
    known = (len(pairs) * (1.0 - NEW_PAIRS * days_before)).astype(np.int64)
    pair = pairs[random.integers(0, known)]
    return Stream(times, pair // addresses, pair % addresses, days * DAY // SPAN, start)


def address_text(number: int) -> str:
    """Return the IPv4 address of a number; numbers are spread over many networks (by a permutation of 2^24)."""
    spread = number * 0x9E3779 % (1 << 24)
    return f"{60 + (spread >> 16) % 100}.{spread >> 8 & 255}.{spread & 255}.{1 + number % 250}"


def documents(stream: Stream) -> Iterator[dict[str, object]]:
    """Yield the events as ECS documents."""
    names = [f"user{number:06d}" for number in range(int(stream.entity.max()) + 1)]
    ips = [address_text(number) for number in range(int(stream.address.max()) + 1)]
    columns = (stream.milliseconds.tolist(), stream.entity.tolist(), stream.address.tolist())
    for time, entity, address in zip(*columns, strict=True):
        yield {
            "@timestamp": time,
            "event": {"category": "authentication", "action": "logged-in", "outcome": "success"},
            "user": {"name": names[entity]},
            "source": {"ip": ips[address]},
            "host": {"name": f"host-{address % 50}"},
        }


def load(url: str, index: str, stream: Stream) -> None:
    """Put the stream into a new index of one shard, and make it searchable. Uses plain HTTP, for any server.

    Raises SystemExit if the server refuses something.
    """
    http = urllib3.PoolManager()
    settings = {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "-1"}
    _ask(http, "PUT", f"{url}/{index}", orjson.dumps({"settings": settings, "mappings": MAPPINGS}))
    lines: list[bytes] = []
    for document in documents(stream):
        lines.append(orjson.dumps(document))
        if len(lines) == BULK_EVENTS:
            _bulk(http, url, index, lines)
            lines.clear()
    if lines:
        _bulk(http, url, index, lines)
    _ask(http, "POST", f"{url}/{index}/_refresh", b"")


def drop(url: str, index: str) -> None:
    """Delete the index of an earlier run; a missing one is no error. Raises SystemExit for any other answer."""
    answer = urllib3.request("DELETE", f"{url}/{index}")
    if answer.status not in {200, 404}:
        raise SystemExit(f"can't delete {index}: {answer.status} {answer.data[:300]!r}")


def _bulk(http: urllib3.PoolManager, url: str, index: str, lines: list[bytes]) -> None:
    action = b'{"create":{}}\n'
    body = action + (b"\n" + action).join(lines) + b"\n"
    answer = _ask(http, "POST", f"{url}/{index}/_bulk?filter_path=errors", body)
    if orjson.loads(answer)["errors"]:
        raise SystemExit(f"the cluster refused some of the benchmark's events in {index}")


def _ask(http: urllib3.PoolManager, method: str, url: str, body: bytes) -> bytes:
    kind = "application/x-ndjson" if "_bulk" in url else "application/json"
    answer = http.request(method, url, body=body or None, headers={"Content-Type": kind})
    if answer.status >= 300:
        raise SystemExit(f"{method} {url}: {answer.status} {answer.data[:300]!r}")
    return answer.data
