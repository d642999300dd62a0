"""How log lines look: text for people, or one ECS JSON object a line (`logging.format: ecs`). Always on stderr."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

import ipi_es

TEXT = "%(asctime)s %(levelname)-7s %(message)s"

SILENT = ("elastic_transport", "elasticsearch", "opensearch", "urllib3")
"""Clients' loggers: what they say is said once more by the error that follows, with a hint."""

QUIET = ("apscheduler", "uvicorn", "asyncio", "tensorflow", "h5py")
"""Libraries that log what they do all the time; their warnings count."""


class ForMachines(logging.Filter):
    """Gives each line the job that it is about, where it is about one; where it is, log lines are for machines."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets everything pass."""
        from ipi_es.service.log_context import current_job

        job_id = current_job()
        if job_id is not None:
            record.labels = {"job_id": job_id}
        return True


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what ``sys.stderr`` is at that moment: while progress bars are drawn, to what prints above them."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._follows = True

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if self._follows and sys.stderr is not None:
            self.stream = sys.stderr
        super().emit(record)

    def setStream(self, stream: TextIO) -> TextIO | None:  # noqa: N802  (logging's name)
        """Write to this stream from now on, whatever ``sys.stderr`` is."""
        self._follows = False
        return super().setStream(stream)


class TextFormatter(logging.Formatter):
    """Lines for people, with this machine's time and its offset: ``2026-05-31T14:00:00.123+02:00``."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        """The record's time; UTC ends with ``Z``."""
        moment = datetime.fromtimestamp(record.created, tz=UTC).astimezone()
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def set_up(level: str, log_format: Literal["text", "ecs"], *, verbose: bool = False) -> None:
    """Let the root logger write to stderr; where somebody has set up logging already, nothing is changed."""
    handler = StderrHandler()
    handler.setFormatter(formatter(log_format))
    if log_format == "ecs":
        handler.addFilter(ForMachines())
    least = logging.DEBUG if verbose else logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[handler], level=least)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(least, logging.WARNING))


def say_error(text: str) -> bool:
    """Log what ends the process where log lines are for machines; False: they aren't, somebody else must say it."""
    machines = any(
        isinstance(each, ForMachines) for handler in logging.getLogger().handlers for each in handler.filters
    )
    if machines:
        logging.getLogger("ipi_es").error(text)
    return machines


def formatter(log_format: Literal["text", "ecs"]) -> logging.Formatter:
    """What makes a line of a record."""
    if log_format == "text":
        return TextFormatter(TEXT)
    from ecs_logging import StdlibFormatter

    about = {"service.name": "ipi-es", "service.version": ipi_es.__version__, "event.dataset": "ipi-es.log"}
    # log.original is the message once more
    return StdlibFormatter(extra=about, exclude_fields=["log.original"])
