"""Retries: the only mechanism for both adapters (the clients' own retries are switched off).

Delays grow exponentially and are drawn at random from their upper half, so that workers that failed together don't all
retry at the same time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from ipi_es.cluster.transport.pressure import PRESSURE, Pressure
from ipi_es.errors import ClusterError

FIRST_DELAY = 0.5  # seconds; a rejected bulk queue drains in about that time
LONGEST_DELAY = 20.0  # seconds; a node's restart takes longer than one delay, but not than several
_log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


@dataclass(slots=True)
class Retry:
    """Up to ``max_retries`` further attempts after the first, with sleeps between; ``sleep`` takes seconds.

    The default generator is unseeded on purpose: jitter must differ from worker to worker and decides no result.
    """

    max_retries: int = 5
    sleep: Callable[[float], None] = time.sleep
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    pressure: Pressure = PRESSURE

    def pause(self, attempt: int, why: str) -> None:
        """Sleep before attempt number ``attempt + 1`` (the first attempt is 0), and log ``why``."""
        longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0**attempt)
        delay = longest * (0.5 + 0.5 * float(self.rng.random()))
        _log.warning("trying again in %.1f s (%d of %d): %s", delay, attempt + 1, self.max_retries, why)
        self.sleep(delay)

    def run(self, action: Callable[[], Answer], seen: list[ClusterError] | None = None) -> Answer:
        """Return the action's answer; raise its last error when no attempt is left, or at once if it isn't retryable.

        ``seen`` collects the errors that were followed by another attempt: a caller that writes under a condition must
        know whether an earlier attempt may have succeeded.
        """
        for attempt in range(self.max_retries):
            try:
                return action()
            except ClusterError as error:
                if not error.retryable:
                    raise
                if seen is not None:
                    seen.append(error)
                self.pressure.request_again()
                self.pause(attempt, error.message)
        return action()
