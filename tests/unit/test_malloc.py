"""How a worker keeps its memory: few pools for many threads, and what is free goes back."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from ipi_es import malloc

POOLS = """
import ctypes, sys, threading
from ipi_es.malloc import few_arenas

if sys.argv[2] == "few":
    few_arenas()
here = threading.Barrier(12)

def work():
    here.wait()
    for _ in range(2_000):
        bytearray(5_000)
    here.wait()

threads = [threading.Thread(target=work) for _ in range(12)]
for each in threads:
    each.start()
for each in threads:
    each.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""

glibc = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_info"), reason="the C library isn't glibc"
)


def pools(folder: Path, how: str) -> int:
    told = folder / f"{how}.xml"
    subprocess.run([sys.executable, "-c", POOLS, str(told), how], check=True, timeout=60)
    return told.read_text().count("<heap nr=")


@glibc
def test_many_threads_share_few_pools(tmp_path: Path) -> None:
    assert pools(tmp_path, "few") <= malloc.ARENAS < pools(tmp_path, "as it is")


def test_giving_back_does_no_harm_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    malloc.collect()
    monkeypatch.setattr(sys, "platform", "elsewhere")
    malloc.collect()
    malloc.few_arenas()
