"""Operators and countries of an event bucket's addresses: from the events' own fields and from files of networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import Addresses
from ipi_es.config.job_config import Job
from ipi_es.datafeed.event_bucket import EventBucket
from ipi_es.datafeed.numbering import MALFORMED, Numbers
from ipi_es.ipinsights.address_context import AddressContext
from ipi_es.networks.network_file import NetworkFile
from ipi_es.networks.network_table import NetworkTable
from ipi_es.networks.network_values import country_number, operator_number


def context_of_ips(
    n: int, ip: Numbers, operators: list[Any] | None, countries: list[Any] | None
) -> tuple[AddressContext | None, bool]:
    """Return the context of n addresses from that of the rows, and whether rows of one address differ in it.

    ``ip`` int32[rows] is each row's address; ``operators``, ``countries`` [rows] are as the cluster returned them, None
    where they weren't read. The largest number of an address is kept, so that a known value replaces an unknown one (0)
    in any order of rows.
    """
    if operators is None and countries is None:
        return None, False
    context, changing = AddressContext.none(n), False
    rows = ip != MALFORMED
    known = ip[rows]
    for target, values, number in (
        (context.operator, operators, operator_number),
        (context.country, countries, country_number),
    ):
        if values is not None:
            each = _numbers(values, number)[rows].astype(target.dtype)
            np.maximum.at(target, known, each)
            changing = changing or bool((target[known] != each).any())
    return context, changing


def _numbers(values: list[Any], number: Callable[[object], int]) -> NDArray[np.uint32]:
    """Convert values to uint32[rows]; each distinct value is converted once."""
    place = {value: number(value) for value in dict.fromkeys(values)}
    return np.fromiter(map(place.__getitem__, values), dtype=np.uint32, count=len(values))


def looked_up(bucket: EventBucket, networks: NetworkTable | None) -> EventBucket:
    """Add context and types of its addresses from the files; the events' own fields fill in where these have none."""
    if networks is None or not len(bucket.addresses):
        return bucket
    operator, country, types = networks.look_up(bucket.addresses)
    if bucket.context is not None:
        operator = np.where(operator == 0, bucket.context.operator, operator)
        country = np.where(country == 0, bucket.context.country, country)
    return replace(bucket, context=AddressContext(operator, country) or None, network_types=types)


def networks_of(job: Job) -> NetworkTable | None:
    """Return the job's files of networks, opened once per process. Raises UsageError for an unusable file."""
    files = network_files(job)
    return _opened(files) if files else None


def network_files(job: Job) -> tuple[NetworkFile, ...]:
    """Return the files of networks that the job names."""
    return tuple(NetworkFile(Path(file.path), file.type) for file in job.datafeed_config.networks_files)


@lru_cache(maxsize=4)
def _opened(files: tuple[NetworkFile, ...]) -> NetworkTable:
    return NetworkTable.load(files)


def context_from(networks: NetworkTable, addresses: Addresses) -> AddressContext:
    """Return the context of addresses uint8[n, 16] from the files."""
    found = networks.look_up(addresses)
    return AddressContext(found.operator, found.country)
