"""Elasticsearch for the compatibility tests, on a full JDK that the machine must have."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Self

from ipi_es.extras import DEMO, require
from ipi_es.node.checks import available_memory, require_memory
from ipi_es.node.child import Spec
from ipi_es.node.data import open_data_dir
from ipi_es.node.jars import Progress, ensure_jars, read_jar_list
from ipi_es.node.process import ServerProcess

VERSIONS = ("9.5.3", "8.19.5")
HEAP = "512m"
OLDEST_JAVA, NEWEST_JAVA = 21, 25
JVM_FOLDER = Path("/usr/lib/jvm")


class NoJdk(Exception):
    """No full JDK of a version that Elasticsearch runs on; the message lists what was looked at."""


def java_major(home: Path) -> int | None:
    """Return the major Java version of a full JDK in ``home``; ``None`` if it is none."""
    try:
        release = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return None
    version = re.search(r'^JAVA_VERSION="(\d+)', release, re.MULTILINE)
    # a cut-down runtime lacks this module, which the server's modules ask for
    full = re.search(r'^MODULES=".*\bjdk\.jlink\b', release, re.MULTILINE)
    return int(version[1]) if version and full and libjvm(home).exists() else None


def libjvm(home: Path) -> Path:
    return home / "lib" / "server" / "libjvm.so"


def find_jdk(folder: Path = JVM_FOLDER) -> Path:
    """Return the home of a full JDK 21 to 25: JAVA_HOME, then the path's, then the newest under /usr/lib/jvm.

    Raises:
        NoJdk: there is none.
    """
    candidates: list[Path] = []
    if java_home := os.environ.get("JAVA_HOME"):
        candidates.append(Path(java_home))
    if java := shutil.which("java"):
        candidates.append(Path(java).resolve().parent.parent)
    candidates += sorted(folder.glob("*"), key=lambda home: java_major(home) or 0, reverse=True)
    looked_at = []
    for home in candidates:
        major = java_major(home)
        if major is not None and OLDEST_JAVA <= major <= NEWEST_JAVA:
            return home
        looked_at.append(f"{home} ({f'Java {major}' if major else 'no full JDK'})")
    raise NoJdk(
        f"Elasticsearch needs a full JDK {OLDEST_JAVA} to {NEWEST_JAVA} (JAVA_HOME, the path or {folder}); "
        f"looked at: {', '.join(looked_at) or 'nothing there'}"
    )


class LocalElasticsearch:
    """A running Elasticsearch in a child process, on the loopback address only."""

    def __init__(self, process: ServerProcess, url: str) -> None:
        self._process = process
        self.url = url

    @classmethod
    def start(cls, version: str, *, heap: str = HEAP, progress: Progress | None = None) -> Self:
        """Start Elasticsearch ``version`` (one of ``VERSIONS``) and wait until it answers.

        Raises:
            NoJdk: no fitting JDK.
            NodeError: anything else that prevents it.
        """
        home = find_jdk()
        require("the local server", DEMO)
        require_memory(heap, available_memory())
        jars = ensure_jars(
            read_jar_list(Path(__file__).with_name("jars.json"), f"elasticsearch-{version}"), progress=progress
        )
        data = open_data_dir()
        spec = Spec(
            data_dir=str(data.path),
            jars=[str(path) for path in jars],
            heap=heap,
            options={"jvm": str(libjvm(home)), "version": version},
        )
        process = ServerProcess.spawn(["-m", "servers.elasticsearch_child"], spec, data)
        return cls(process, process.wait_ready())

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.stop()
