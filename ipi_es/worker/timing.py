"""Measure how long the steps of a job's work take, with this process's stopwatch, and report it to a callback."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Literal, TypeAlias, TypeVar

Step: TypeAlias = Literal["load", "read", "score", "write", "renormalize", "incidents"]
"""``load``: snapshot, history and levels, after a start or a training. ``read``: waiting for the next bucket's events,
which are read ahead. ``score``: a batch, with its documents. ``write``: a batch, during the scoring of the next one.
``renormalize``: a window of results. ``incidents``: making those of changed results."""
OnStep: TypeAlias = Callable[[Step, float], None]
"""Called with (step, seconds); from any thread."""
Item = TypeVar("Item")


def ignore_step(_step: Step, _seconds: float) -> None:
    """Do nothing: an OnStep callback where durations aren't needed."""


@contextmanager
def timed(took: OnStep, step: Step) -> Iterator[None]:
    """Report how long the block took, also if it failed."""
    began = time.perf_counter()
    try:
        yield
    finally:
        took(step, time.perf_counter() - began)


def each_timed(took: OnStep, step: Step, items: Generator[Item, None, None]) -> Generator[Item, None, None]:
    """Yield the items, and report how long each took to get; closing it closes ``items``."""
    with closing(items):
        while True:
            began = time.perf_counter()
            try:
                item = next(items)
            except StopIteration:
                return
            took(step, time.perf_counter() - began)
            yield item
