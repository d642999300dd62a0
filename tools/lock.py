"""Write the lock files again: `python tools/lock.py [--upgrade]`. Needs `uv`, which is no dependency.

Versions of an existing lock are kept where they still fit; ``--upgrade`` takes the newest ones. The other locks have
the versions of requirements-dev.lock, so that the tests run what is shipped.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEV = "requirements-dev.lock"
SCORER = ("--extra", "notify", "--extra", "aws", "--extra", "pseudonyms", "--extra", "dask")
LOCKS = {
    DEV: ("--extra", "dev", "--group", "build"),
    "requirements-demo.lock": ("--extra", "demo", "--group", "build"),
    "requirements.lock": (
        "--extra",
        "train",
        "--extra",
        "notify",
        "--extra",
        "aws",
        "--extra",
        "pseudonyms",
        "--extra",
        "dask",
    ),
    "requirements-scorer.lock": ("--extra", "notify", "--extra", "aws", "--extra", "pseudonyms", "--extra", "dask"),
}
"""Lock → what is in it besides the dependencies. The last two are those of the images."""
CLIENTS = "requirements-clients.lock"
NEWER_CLIENT = "elasticsearch[async]>=9,<10"
"""A further version of Elastic's client, which a test installs beside the one that the package uses."""
OPTIONS = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate", "--quiet")


def main() -> None:
    """Compile each lock, the one of the tests first."""
    for lock, extras in LOCKS.items():
        same = () if lock == DEV else ("--constraint", DEV)
        command = ["uv", "pip", "compile", "pyproject.toml", *OPTIONS, *same, *extras, *sys.argv[1:], "-o", lock]
        subprocess.run(command, cwd=ROOT, check=True)
        _report(lock)
    command = ["uv", "pip", "compile", "-", *OPTIONS, *sys.argv[1:], "-o", CLIENTS]
    subprocess.run(command, cwd=ROOT, check=True, input=NEWER_CLIENT, text=True)
    _report(CLIENTS)


def _report(lock: str) -> None:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    print(f"{lock}: {sum('==' in line and not line.startswith(' ') for line in lines)} packages")


if __name__ == "__main__":
    main()
