"""What a start of the local server refuses, and how a failed one is explained."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ipi_es.errors import NodeError, UsageError
from ipi_es.node import checks
from ipi_es.node.cache import MEBIBYTE

JVM_STARTS = "[INFO ][o.o.n.Node] JVM arguments [-Xmx512m, -XX:+ExitOnOutOfMemoryError, -XX:+UseSerialGC]"
NOT_LOCKED = "[WARN ][o.o.b.Natives] Unable to lock JVM Memory: error=12, reason=Cannot allocate memory"


@pytest.mark.parametrize(("heap", "expected"), [("512m", 512 * MEBIBYTE), ("2G", 2048 * MEBIBYTE), ("64k", 65536)])
def test_heap_is_read_with_its_unit(heap: str, expected: int) -> None:
    assert checks.heap_bytes(heap) == expected


@pytest.mark.parametrize("heap", ["", "512", "0m", "half", "1.5g", "-1g", "512mb"])
def test_heap_without_sense_is_a_usage_error(heap: str) -> None:
    with pytest.raises(UsageError, match="no heap size"):
        checks.heap_bytes(heap)


def test_too_little_memory_is_refused_with_both_numbers() -> None:
    with pytest.raises(NodeError, match="needs 768 MiB of memory; 300 MiB are free"):
        checks.require_memory("512m", 300 * MEBIBYTE)


@pytest.mark.parametrize("available", [None, 768 * MEBIBYTE])
def test_enough_or_unknown_memory_goes_on(available: int | None) -> None:
    checks.require_memory("512m", available)


def test_available_memory_is_the_lesser_of_machine_and_container(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    assert checks.available_memory(meminfo, tmp_path) == 8000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    assert checks.available_memory(meminfo, tmp_path) == 8000 * 1024
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert checks.available_memory(meminfo, tmp_path) == 4000


def test_unknown_memory_is_none(tmp_path: Path) -> None:
    assert checks.available_memory(tmp_path / "nothing", tmp_path) is None


def test_taken_port_is_refused() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(NodeError, match=f"Port {port} on 127.0.0.1 can't be used"):
            checks.require_port(port)
    checks.require_port(port)


def test_impossible_port_is_refused() -> None:
    with pytest.raises(NodeError, match="Port 70000"):
        checks.require_port(70000)


@pytest.mark.parametrize(
    ("returncode", "log", "message"),
    [
        (1, "BindHttpException: Failed to bind to 127.0.0.1:[9200]", "Port 9200 on 127.0.0.1"),
        (1, "java.io.IOException: No space left on device", "disk is full"),
        (3, "Terminating due to java.lang.OutOfMemoryError: Java heap space", "out of memory"),
        (1, "There is insufficient memory for the Java Runtime Environment", "out of memory"),
        (1, f"{JVM_STARTS}\njava.security.cert.CertificateException: no cert", "(?s)exit code 1.*CertificateException"),
        (1, f"{NOT_LOCKED}\njava.nio.file.AccessDeniedException: /data", "(?s)exit code 1.*AccessDeniedException"),
        (3, f"{JVM_STARTS}\nTerminating due to java.lang.OutOfMemoryError: Java heap space", "out of memory"),
        (-9, "", r"killed \(signal 9\)"),
        (1, "java.lang.IllegalStateException: bad", r"(?s)exit code 1\. Its last log lines:.*bad"),
        (None, "still at it", "(?s)did not answer in time.*still at it"),
    ],
)
def test_failed_start_is_explained(returncode: int | None, log: str, message: str) -> None:
    with pytest.raises(NodeError, match=message):
        raise checks.explain_failure(returncode, log, port=9200)


def test_log_tail_prefers_errors_to_information_and_stack_frames() -> None:
    log = "main INFO starting\njava.lang.X: the cause\n\tat a.b.C.d(C.java:1)\nmain INFO stopped\n"
    assert checks.log_tail(log) == "    java.lang.X: the cause"


def test_log_tail_of_information_only_shows_that() -> None:
    assert checks.log_tail("main INFO starting\n") == "    main INFO starting"


def test_empty_log_is_said() -> None:
    assert "nothing was written" in checks.log_tail("")


def test_log_tail_is_short() -> None:
    assert len(checks.log_tail("\n".join(f"line {i}" for i in range(1000))).splitlines()) == checks.LOG_TAIL_LINES
