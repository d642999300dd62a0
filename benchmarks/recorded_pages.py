"""A cluster in memory whose events are pages recorded on disk: reading costs what parsing the answers costs, no more.

Recorded days repeat, with their own times; :data:`NEW_PAIRS` of a day's rows have a network that only that day has.
Results are encoded as a client does, and dropped. Everything else is as in
:class:`ipi_es.testing.memory_cluster.MemoryCluster`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from streams import ADDRESSES_AN_ENTITY, DAY, ENTITIES_AN_ADDRESS, MAPPINGS, NEW_PAIRS, SPAN, address_text

from ipi_es.cluster.port import BulkOutcome, Drop, Json, Put
from ipi_es.cluster.transport.bulk import encode_action
from ipi_es.testing.memory_cluster import MemoryCluster

INDEX = "recorded-signins"

HOURS = DAY // SPAN

EVENTS_A_ROW = 4
"""Occurrences of a pair within an event bucket."""

_TIME, _NETWORK = b"@time", b"@day"
"""Placeholders in the rows: of the event bucket's start, and of the network that only that day has."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The recorded rows of some days, in a directory, and how many events they stand for."""

    directory: Path
    days: int
    rows_an_hour: int

    @classmethod
    def make(cls, directory: Path, *, entities: int, events_a_day: int, days: int, seed: int) -> Recording:
        """Draw and record days of sign-ins: each hour, distinct pairs of ``entities`` and their own addresses."""
        rows = events_a_day // (HOURS * EVENTS_A_ROW)
        addresses = int(entities * ADDRESSES_AN_ENTITY / ENTITIES_AN_ADDRESS)
        random = np.random.default_rng(seed)
        made = cls(directory, days, rows)
        for day in range(days):
            for hour in range(HOURS):
                pair = np.unique(random.integers(0, entities * ADDRESSES_AN_ENTITY, rows + rows // 8))
                pair = np.sort(random.choice(pair, rows, replace=False))
                new = random.random(rows) < NEW_PAIRS
                made.hour(day, hour).write_bytes(b"\n".join(map(_row, pair.tolist(), [addresses] * rows, new.tolist())))
        return made

    @property
    def events_a_day(self) -> int:
        """Documents of a day."""
        return self.rows_an_hour * EVENTS_A_ROW * HOURS

    def hour(self, day: int, hour: int) -> Path:
        """Return the file of an hour of a recorded day."""
        return self.directory / f"{day}-{hour:02d}.rows"

    def rows(self, start: int) -> list[bytes]:
        """Return the rows of the event bucket that starts at ``start``, epoch seconds."""
        day, second = divmod(start, DAY)
        found = self.hour(day % self.days, second // SPAN).read_bytes()
        found = found.replace(_TIME, b"%d" % (start * 1_000)).replace(_NETWORK, b"%d" % (day % 250))
        return found.split(b"\n")


def _row(pair: int, addresses: int, new: bool) -> bytes:
    entity, address = pair // ADDRESSES_AN_ENTITY, address_text(pair % addresses)
    if new:
        address = f"{200 + pair % 20}.{_NETWORK.decode()}.{pair % 251}.{pair % 249}"
    key = f'{{"t":{_TIME.decode()},"e":"user{entity:07d}","i":"{address}","o":"success"}}'
    return f'{{"key":{key},"doc_count":{EVENTS_A_ROW}}}'.encode()


class RecordedCluster(MemoryCluster):
    """Answers the datafeed's searches from a recording; of each event bucket, one row of ``thinned``."""

    def __init__(self, recording: Recording, thinned: int = 1) -> None:
        super().__init__()
        self.recording = recording
        self.thinned = thinned
        self._ends: dict[tuple[int, str, str], int] = {}
        """How many rows of its event bucket come up to the row that ended a page, by time, entity and address."""
        self._recorded = lru_cache(2)(recording.rows)
        self.create_index(INDEX, {"mappings": MAPPINGS})

    def thin(self, thinned: int) -> None:
        """Give one row of ``thinned`` from now on."""
        self.thinned = thinned

    def bulk(self, actions: Iterable[Put | Drop], **how: Any) -> BulkOutcome:
        """See the port."""
        batch = list(actions)
        if not batch or not isinstance(batch[0], Put) or "result_type" not in batch[0].source:
            return super().bulk(batch, **how)
        for action in batch:
            encode_action(action)
        return BulkOutcome(written=len(batch))

    def search(self, index: str | Sequence[str], body: Mapping[str, Any], **how: Any) -> Json:
        """See the port."""
        if tuple(index) != (INDEX,) or "aggs" not in body:
            return super().search(index, body, **how)
        limits = _range_of(body["query"])
        starts = range(limits["gte"] // 1_000, limits["lt"] // 1_000, SPAN)
        if "pairs" in body["aggs"]:
            return {"aggregations": {"pairs": self._page(starts, body["aggs"]["pairs"]["composite"])}}
        return self._counts(starts)

    def _counts(self, starts: range) -> Json:
        events = len(self._rows(starts[0])) * EVENTS_A_ROW
        buckets = [{"key": at * 1_000, "doc_count": events} for at in starts]
        none = {"doc_count": 0, "buckets": {"buckets": []}}
        return {
            "hits": {"total": {"value": events * len(starts)}},
            "aggregations": {
                "buckets": {"buckets": buckets},
                "unreadable": {**none, "missing_entity": none, "missing_ip": none},
            },
        }

    def _rows(self, start: int) -> list[bytes]:
        return self._recorded(start)[:: self.thinned]

    def _page(self, starts: range, asked: Mapping[str, Any]) -> Json:
        after = asked.get("after")
        skip = 0 if after is None else self._ends[after["t"], after["e"], after["i"]]
        rows: list[bytes] = []
        for at in starts:
            missing = asked["size"] - len(rows)
            rows += self._rows(at)[skip : skip + missing]
            end = skip + missing
            skip = 0
            if len(rows) == asked["size"]:
                break
        found = orjson.loads(b"[" + b",".join(rows) + b"]")
        if not found:
            return {"buckets": []}
        last = found[-1]["key"]
        self._ends[last["t"], last["e"], last["i"]] = end
        return {"buckets": found, "after_key": last}


def _range_of(query: Any) -> Mapping[str, Any]:
    if "range" in query:
        (limits,) = query["range"].values()
        return limits  # type: ignore[no-any-return]
    return next(_range_of(each) for each in query["bool"]["filter"] if "range" in json.dumps(each))
