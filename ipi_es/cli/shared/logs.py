"""Log set-up: text for people, or one ECS JSON object per line (`logging.format: ecs`). Always on stderr."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

import ipi_es

TEXT = "%(asctime)s %(levelname)-7s %(message)s"

SILENT = ("elastic_transport", "elasticsearch", "opensearch", "urllib3")
"""Clients' loggers: the error that follows repeats their messages, with a hint."""

QUIET = ("apscheduler", "uvicorn", "asyncio", "tensorflow", "h5py")
"""Libraries that log every step; only their warnings are shown."""


class ForMachines(logging.Filter):
    """Adds the job's id to records that are about a job. A handler that has it writes lines for machines."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the job's id; let every record pass."""
        from ipi_es.service.log_context import current_job

        job_id = current_job()
        if job_id is not None:
            record.labels = {"job_id": job_id}
        return True


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to the current ``sys.stderr``; while progress bars are drawn, this prints above them."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._follows = True

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if self._follows and sys.stderr is not None:
            self.stream = sys.stderr
        super().emit(record)

    def setStream(self, stream: TextIO) -> TextIO | None:  # noqa: N802  (logging's name)
        """Write to this stream from now on instead of ``sys.stderr``."""
        self._follows = False
        return super().setStream(stream)


class TextFormatter(logging.Formatter):
    """Lines for people, with this machine's time and its offset: ``2026-05-31T14:00:00.123+02:00``."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        """Return the record's time in ISO 8601; UTC ends with ``Z``."""
        moment = datetime.fromtimestamp(record.created, tz=UTC).astimezone()
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def set_up(level: str, log_format: Literal["text", "ecs"], *, verbose: bool = False) -> None:
    """Let the root logger write to stderr; if it already has handlers, these stay."""
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
    """Log the error that ends the process if log lines are for machines; else return False: the caller prints it."""
    machines = any(
        isinstance(each, ForMachines) for handler in logging.getLogger().handlers for each in handler.filters
    )
    if machines:
        logging.getLogger("ipi_es").error(text)
    return machines


def formatter(log_format: Literal["text", "ecs"]) -> logging.Formatter:
    """Return the formatter of a log format."""
    if log_format == "text":
        return TextFormatter(TEXT)
    from ecs_logging import StdlibFormatter

    about = {"service.name": "ipi-es", "service.version": ipi_es.__version__, "event.dataset": "ipi-es.log"}
    # log.original only repeats the message
    return StdlibFormatter(extra=about, exclude_fields=["log.original"])
