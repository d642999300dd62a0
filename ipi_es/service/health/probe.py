"""Ask the worker in this container for `/healthz`: the image's health check, ``python -m ipi_es.service.health.probe``.

An image has no curl, and one health check for whatever command a container runs. So the first process decides what is
asked: a worker that serves `/healthz` must answer; any other command is healthy as long as it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from pathlib import Path

FIRST_PROCESS = Path("/proc/1/cmdline")
"""The command line of the container's command, or of its init process, which ends with the command."""

TIMEOUT = 5.0
"""Seconds for the response, which takes milliseconds; the Dockerfile's time limit is longer."""

LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  (nothing is bound here)
"""Where a server answers that listens on all addresses."""


def main(first_process: Path = FIRST_PROCESS) -> int:
    """Print what is wrong; return the exit code: 0 healthy, 1 not."""
    place = listen_of(first_process.read_text(encoding="utf-8").rstrip("\0").split("\0"))
    if place is None:
        return 0
    mistake = ask(place)
    if mistake is not None:
        print(f"http://{place}/healthz: {mistake}")  # noqa: T201  (Docker keeps what a health check prints)
    return int(mistake is not None)


def listen_of(words: Sequence[str]) -> str | None:
    """Return ``HOST:PORT`` where the command with these words serves `/healthz`; None: it serves nothing.

    Raises ConfigError where that is said in `ipi-es.yml`, which has mistakes.
    """
    if "run" not in words or "--once" in words:
        return None
    return _option("--listen", words) or _of_settings(_option("--config", words))


def _option(name: str, words: Sequence[str]) -> str | None:
    for word, following in pairwise([*words, ""]):
        if word == name:
            return following
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def _of_settings(file: str | None) -> str | None:
    from ipi_es.config.files.loading import load_settings

    return load_settings(None if file is None else Path(file)).worker.listen


def ask(place: str) -> str | None:
    """Ask for `/healthz` at ``HOST:PORT``, never by a proxy; return what is wrong, or None."""
    host, _, port = place.rpartition(":")
    host = host.strip("[]")
    try:
        with closing(HTTPConnection(LOOPBACK_OF.get(host, host), int(port), timeout=TIMEOUT)) as connection:
            connection.request("GET", "/healthz")
            status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return str(error) or type(error).__name__
    return None if status == 200 else f"answers {status}"


if __name__ == "__main__":
    sys.exit(main())
