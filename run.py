"""Everything from an empty clone: ``python3.11 run.py demo`` or ``python3.11 run.py tests``.

Needs Linux and Python 3.11 (or later) with pip, and nothing else: makes ``.venv``, installs what requirements-demo.lock
(for the demo) or requirements-dev.lock names (exact versions, hashes checked), then does what the first word says:

    demo          the demo on a local server, with its results
    tests         the checks, then every test
    lint          the checks alone: ruff, mypy, import contracts
    unit          tests without a server and without TensorFlow
    integration   tests on real servers

Further words are handed on: ``python3.11 run.py demo --keep``, ``python3.11 run.py unit -k calibration``.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
DEMO_LOCK, DEV_LOCK = "requirements-demo.lock", "requirements-dev.lock"
"""All that the second one has, and the same versions as in the first one."""
WITHOUT_SERVERS = ("tests/unit", "tests/ml", "tests/adversary")
"""Tests that start no server: they run in parallel to the tests that mostly wait for a server."""
WITH_SERVERS = ("tests/integration", "tests/acceptance", "tests/faults")
KINDS = ("unit", "ml", "adversary", "integration", "acceptance", "faults")
"""Kinds of tests that must have run: the folders of tests."""
OPTIONAL_KINDS = {
    "browser": "no Chromium on this machine: the report was not opened in a browser",
    "elasticsearch": "no JDK 21 to 25 on this machine: nothing was tried on Elasticsearch",
}
"""Kinds that need a program of the machine; what to say where none of them ran."""
OUTCOMES = ("passed", "failed", "error", "skipped")
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


def install(task: str) -> None:
    """Make the virtual environment and install what the task needs; only if that, or pyproject.toml, changed."""
    lock = DEMO_LOCK if task == "demo" else DEV_LOCK
    stamp = VENV / "installed"
    if stamp.is_file() and stamp.read_text() in {fingerprint(lock), fingerprint(DEV_LOCK)}:
        return
    if not (BIN / "python").exists():
        venv.create(VENV, with_pip=True)
    pip = ("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    call(*pip, "--require-hashes", "--requirement", str(ROOT / lock))
    call(*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    stamp.write_text(fingerprint(lock))


def fingerprint(lock: str) -> str:
    """Return the lock's name with a digest of what it installs."""
    return f"{lock} {hashlib.sha256((ROOT / lock).read_bytes() + (ROOT / 'pyproject.toml').read_bytes()).hexdigest()}"


def all_tests() -> int:
    """Run all tests in two parallel processes; print their outputs one after the other, return the worse exit code."""
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryDirectory() as counts:
        pytest, environ = str(BIN / "pytest"), {**os.environ, "IPI_ES_TEST_KINDS": counts}
        apart = [pytest, *WITHOUT_SERVERS, "-o", "cache_dir=.pytest_cache/without-servers"]
        print(f"$ pytest {' '.join(WITHOUT_SERVERS)} (printed at the end)", flush=True)
        beside = subprocess.Popen(apart, cwd=ROOT, env=environ, stdout=printed, stderr=subprocess.STDOUT)
        try:
            ignored = [f"--ignore={each}" for each in WITHOUT_SERVERS]
            print("$ pytest, all others", flush=True)
            codes = [subprocess.run([pytest, *ignored], cwd=ROOT, env=environ, check=False).returncode, beside.wait()]
        finally:
            beside.kill()  # has an effect only after an error here or Ctrl-C
        printed.seek(0)
        print(printed.read(), flush=True)
        return summary(Path(counts)) or max(codes, key=abs)


def summary(folder: Path) -> int:
    """Print how many tests of each kind ran; 1 where a kind that must run ran none."""
    counts: Counter[str] = Counter()
    for file in folder.iterdir():
        counts.update(json.loads(file.read_text(encoding="utf-8")))
    print(f"{'kind':<14}" + "".join(f"{outcome:>9}" for outcome in OUTCOMES))
    for kind in (*KINDS, *OPTIONAL_KINDS):
        print(f"{kind:<14}" + "".join(f"{counts[f'{kind} {outcome}']:>9,}" for outcome in OUTCOMES))
    for kind, why in OPTIONAL_KINDS.items():
        if not counts[f"{kind} passed"]:
            print(f"NOT RUN: {kind}: {why}")
    silent = [kind for kind in KINDS if not counts[f"{kind} passed"]]
    if silent:
        print(f"FAILED: no test passed of: {', '.join(silent)}")
    sys.stdout.flush()
    return int(bool(silent))


def main() -> None:
    """Install, then run the task that the first argument names."""
    if sys.version_info < (3, 11):
        sys.exit("ipi-es needs Python 3.11 or later")
    task, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    if task not in ("demo", "tests", "lint", "unit", "integration"):
        sys.exit(__doc__)
    install(task)
    if task == "demo":
        os.execv(BIN / "ipi-es", ["ipi-es", "demo", *rest])
    if task == "lint" or (task == "tests" and not rest):
        for check in CHECKS:
            call(*check)
    if task == "tests":
        if not rest:
            sys.exit(all_tests())
        call("pytest", *rest)
    elif task in ("unit", "integration"):
        call("pytest", *(WITH_SERVERS if task == "integration" else ["tests/unit"]), *rest)


if __name__ == "__main__":
    main()
