"""Ask the server in this container for `/healthz`: the image's health check, ``python -m ipi_es.service.health.probe``.

An image has no curl, and one health check for whatever command a container runs. So the first process decides what is
asked: a worker that serves `/healthz`, and `ipi-es serve`, must answer; other commands are healthy as long as they run.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias

Scheme: TypeAlias = Literal["http", "https"]

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
    mistake = ask(*place)
    if mistake is not None:
        print(f"{place[1]}, /healthz: {mistake}")  # noqa: T201  (Docker keeps what a health check prints)
    return int(mistake is not None)


def listen_of(words: Sequence[str]) -> tuple[Scheme, str] | None:
    """Return (scheme, ``HOST:PORT``) where the command with these words serves `/healthz`; None: it serves nothing.

    Raises ConfigError where that is said in `ipi-es.yml`, which has mistakes.
    """
    from ipi_es.config.files.loading import load_settings

    given = _option("--listen", words)
    if "run" in words and "--once" not in words:
        listen = given or load_settings(_config(words)).worker.listen
        return None if listen is None else ("http", listen)
    if "serve" in words:
        settings = load_settings(_config(words)).serve
        encrypted = settings.tls is not None or _option("--tls-certificate", words) is not None
        return "https" if encrypted else "http", given or settings.listen
    return None


def _config(words: Sequence[str]) -> Path | None:
    file = _option("--config", words)
    return None if file is None else Path(file)


def _option(name: str, words: Sequence[str]) -> str | None:
    for word, following in pairwise([*words, ""]):
        if word == name:
            return following
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def ask(scheme: Scheme, place: str) -> str | None:
    """Ask for `/healthz` at ``HOST:PORT``, never by a proxy; return what is wrong, or None."""
    host, _, port = place.rpartition(":")
    host = host.strip("[]")
    host, number = LOOPBACK_OF.get(host, host), int(port)
    try:
        made = HTTPConnection(host, number, timeout=TIMEOUT) if scheme == "http" else _encrypted(host, number)
        with closing(made) as connection:
            connection.request("GET", "/healthz")
            status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return str(error) or type(error).__name__
    return None if status == 200 else f"answers {status}"


def _encrypted(host: str, port: int) -> HTTPSConnection:
    """Connect without a look at the certificate, which names another host; nothing secret is asked."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=TIMEOUT, context=context)


if __name__ == "__main__":
    sys.exit(main())
