"""Collect the events that the datafeed reads into the rows of a training."""

from __future__ import annotations

from array import array
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses
from ipi_es.config.job_config import Job
from ipi_es.config.rules.allow_list import AllowList
from ipi_es.datafeed.event_bucket import Dropped, EventBucket
from ipi_es.datafeed.row_use import PairHolds, row_use
from ipi_es.index_pairs import packed_pairs, unpacked_pairs
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.ipinsights.training.training_events import TrainingEvents


class TrainingRowsCollector:
    """Collects event buckets in order and returns :class:`TrainingEvents` with one vocabulary.

    Held events aren't learned, but used for calibration: they were scored, and some of them are normal surprises.
    Without them the next probabilities would be too small, and more events would be held.
    """

    def __init__(self, job: Job, allow: AllowList, holds: PairHolds | None = None) -> None:
        self.job, self._allow, self._holds = job, allow, holds
        self._entities: dict[str, int] = {}
        self._ips: dict[str, int] = {}
        self._addresses: list[Addresses] = []
        self._operator, self._country = array("I"), array("H")  # of each address
        self._columns = {name: array(code) for name, code in (("entity", "i"), ("ip", "i"), ("count", "q"))}
        self._flags = {"learns": bytearray(), "calibrates": bytearray(), "succeeded": bytearray()}
        self._times = array("q")
        self.dropped = Dropped()
        self.event_count = 0

    def take(self, bucket: EventBucket) -> None:
        """Add the rows of one event bucket: one row for each (entity, IP), however many outcomes it has."""
        self.dropped += bucket.dropped
        self.event_count += bucket.event_count
        if not len(bucket.entity):
            return
        entities = np.array([self._entities.setdefault(name, len(self._entities)) for name in bucket.entities])
        known = len(self._ips)
        ips = np.array([self._ips.setdefault(ip, len(self._ips)) for ip in bucket.ips])
        self._addresses.append(bucket.addresses[ips >= known])
        self._take_context(ips, bucket.context)
        use = row_use(bucket, self.job, self._allow, self._holds)
        pairs, back = np.unique(packed_pairs(bucket.entity, bucket.ip, len(bucket.ips)), return_inverse=True)
        entity, ip = unpacked_pairs(pairs, len(bucket.ips))
        # events that aren't learned must not count as history
        count = np.bincount(back, weights=bucket.count * use.learned, minlength=len(pairs)).astype(np.int64)
        rows = {
            "entity": entities[entity].astype(np.int32),
            "ip": ips[ip].astype(np.int32),
            "count": np.maximum(count, 1),
        }
        for name, values in rows.items():
            self._columns[name].frombytes(values.tobytes())
        flags = {"learns": use.learned, "calibrates": use.calibrates, "succeeded": use.succeeded}
        for name, flag in flags.items():
            self._flags[name] += (np.bincount(back, weights=flag, minlength=len(pairs)) > 0).tobytes()
        self._times.frombytes(np.full(len(pairs), bucket.start, dtype=np.int64).tobytes())

    def _take_context(self, ips: NDArray[np.int64], context: AddressContext | None) -> None:
        """Store the operators and countries of addresses: the last known one of each."""
        new = len(self._ips) - len(self._operator)
        self._operator.frombytes(bytes(4 * new))
        self._country.frombytes(bytes(2 * new))
        if context is not None:
            for column, values in ((self._operator, context.operator), (self._country, context.country)):
                whole = np.frombuffer(column, dtype=values.dtype)
                whole[ips[values > 0]] = values[values > 0]

    def events(self, end: int, look_up: Callable[[Addresses], AddressContext] | None = None) -> TrainingEvents:
        """Return all rows collected so far; ``end`` is the exclusive end of the range, epoch seconds.

        ``look_up`` returns the context of any address, if the job names files of networks.
        """
        empty = np.zeros((0, 16), dtype=np.uint8)
        context = AddressContext(np.array(self._operator, dtype=np.uint32), np.array(self._country, dtype=np.uint16))
        return TrainingEvents(
            time=np.array(self._times, dtype=np.int64),
            entities=list(self._entities),
            entity=np.array(self._columns["entity"], dtype=np.int32),
            addresses=np.concatenate([empty, *self._addresses]),
            ip=np.array(self._columns["ip"], dtype=np.int32),
            count=np.array(self._columns["count"], dtype=np.int64),
            learns=np.frombuffer(bytes(self._flags["learns"]), dtype=np.bool_),
            calibrates=np.frombuffer(bytes(self._flags["calibrates"]), dtype=np.bool_),
            end=end,
            context=context or None,
            look_up=look_up,
            failures_only=~np.frombuffer(bytes(self._flags["succeeded"]), dtype=np.bool_),
        )
