"""Users of a web site as in AWS's tutorial of IP Insights: log-ins from the networks of one or two operators.

Each operator has address ranges; each user one operator or two (home and work), whose addresses are drawn anew for
every log-in; each day has a Poisson number of log-ins of each user.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import V4_WORD, Addresses, from_words

DAY = 86_400
START = 1_777_593_600
"""Epoch seconds of the first day, 2026-05-01."""
OPERATORS = 40
RANGES = (1, 5)
"""Ranges of an operator, [least, most)."""
RANGE_BITS = (16, 21)
"""Length of a range's prefix, [shortest, longest)."""
TWO_OPERATORS = 0.5
"""Share of the users with two operators."""
LOG_INS_A_DAY = (1.0, 5.0)
"""Mean number of a user's log-ins on a day, [least, most)."""
FIRST_BYTE = (11, 224)
"""First byte of a public address, [least, most), without the few reserved ones between."""


@dataclass(frozen=True, slots=True, eq=False)
class LogIns:
    """n log-ins, in time order."""

    time: NDArray[np.int64]  # [n] epoch seconds
    user: NDArray[np.int64]  # [n]
    ip: NDArray[np.int64]  # [n] IPv4 as a number

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: NDArray[np.bool_]) -> LogIns:
        """Return some of the log-ins."""
        return LogIns(self.time[rows], self.user[rows], self.ip[rows])


def simulate(users: int, days: int, rng: np.random.Generator) -> LogIns:
    """Return the log-ins of ``users`` on ``days`` days from :data:`START` on."""
    ranges = [_ranges(rng) for _ in range(OPERATORS)]
    time, user, ip = [], [], []
    for one in range(users):
        own = rng.choice(OPERATORS, 1 + int(rng.random() < TWO_OPERATORS), replace=False)
        number = rng.poisson(rng.uniform(*LOG_INS_A_DAY) * days)
        time.append(START + rng.integers(0, days * DAY, number))
        user.append(np.full(number, one))
        ip.append(_addresses([ranges[operator] for operator in own], number, rng))
    order = np.argsort(np.concatenate(time), kind="stable")
    return LogIns(*(np.concatenate(each)[order] for each in (time, user, ip)))


def uniform(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw n addresses, uniform over IPv4's unicast space."""
    return rng.integers(FIRST_BYTE[0] << 24, FIRST_BYTE[1] << 24, n)


def text(ip: int) -> str:
    """Return an IPv4 number as text."""
    return ".".join(str(ip >> shift & 255) for shift in (24, 16, 8, 0))


def packed(ip: NDArray[np.int64]) -> Addresses:
    """Return uint8[n, 16] of IPv4 numbers."""
    return from_words(np.zeros(len(ip), dtype=np.uint64), ip.astype(np.uint64) | V4_WORD)


def _ranges(rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the ranges of an operator, int64[m, 2]: first address and number of addresses."""
    bits = rng.integers(*RANGE_BITS, rng.integers(*RANGES))
    size = 1 << (32 - bits)
    return np.stack([uniform(len(bits), rng) // size * size, size], axis=1)


def _addresses(own: list[NDArray[np.int64]], number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw addresses of the operators with the given ranges: each operator as often, each of its ranges by its size."""
    found = np.empty(number, dtype=np.int64)
    operator = rng.integers(0, len(own), number)
    for index, ranges in enumerate(own):
        rows = np.flatnonzero(operator == index)
        at = rng.choice(len(ranges), len(rows), p=ranges[:, 1] / ranges[:, 1].sum())
        found[rows] = ranges[at, 0] + rng.integers(0, ranges[at, 1])
    return found
