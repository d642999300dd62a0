"""Everything from an empty clone: ``python3.11 run.py demo`` or ``python3.11 run.py tests``.

Needs Python 3.11 (or later) with pip and nothing else: makes ``.venv``, installs what requirements-dev.lock names
(exact versions, hashes checked), then runs the demo, or the checks and the tests. Further words are handed on:
``python3.11 run.py demo --keep``, ``python3.11 run.py tests tests/unit -k calibration``.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
LOCK = ROOT / "requirements-dev.lock"
WITHOUT_SERVERS = ("tests/unit", "tests/ml", "tests/adversary")
"""Tests that start no server: they run in parallel to the tests that mostly wait for a server."""
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
)


def call(*command: str) -> None:
    """Run a command of the virtual environment; exit with its exit code if it fails."""
    print(f"$ {' '.join(command)}", flush=True)
    code = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, check=False).returncode
    if code:
        sys.exit(code)


def install() -> None:
    """Make the virtual environment and install into it; again only if the lock or the project's settings changed."""
    wanted = hashlib.sha256(LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = VENV / "installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    if not (BIN / "python").exists():
        venv.create(VENV, with_pip=True)
    pip = ("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    call(*pip, "--require-hashes", "--requirement", str(LOCK))
    call(*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    stamp.write_text(wanted)


def all_tests() -> int:
    """Run all tests in two parallel processes; print their outputs one after the other, return the worse exit code."""
    with tempfile.TemporaryFile("w+") as printed:
        pytest = str(BIN / "pytest")
        apart = [pytest, *WITHOUT_SERVERS, "-o", "cache_dir=.pytest_cache/without-servers"]
        print(f"$ pytest {' '.join(WITHOUT_SERVERS)} (printed at the end)", flush=True)
        beside = subprocess.Popen(apart, cwd=ROOT, stdout=printed, stderr=subprocess.STDOUT)
        try:
            ignored = [f"--ignore={each}" for each in WITHOUT_SERVERS]
            print("$ pytest, all others", flush=True)
            codes = [subprocess.run([pytest, *ignored], cwd=ROOT, check=False).returncode, beside.wait()]
        finally:
            beside.kill()  # has an effect only after an error here or Ctrl-C
        printed.seek(0)
        print(printed.read(), flush=True)
    return max(codes, key=abs)


def main() -> None:
    """Install, then run the task that the first argument names."""
    if sys.version_info < (3, 11):
        sys.exit("ipi-es needs Python 3.11 or later")
    task, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    if task not in ("demo", "tests"):
        sys.exit(__doc__)
    install()
    if task == "demo":
        os.execv(BIN / "ipi-es", ["ipi-es", "demo", *rest])
    if not rest:
        for check in CHECKS:
            call(*check)
        sys.exit(all_tests())
    call("pytest", *rest)


if __name__ == "__main__":
    main()
