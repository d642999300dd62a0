"""What README.md and docs/faults.md say of how many faults were tried is what this folder has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from servers.pool import URL_VARIABLE
from write_points import write_points

ROOT = Path(__file__).parents[2]
FIGURES = re.compile(r"(\d+) faults tried, (\d+) survived")
KILLS = "test_faults_write_points.py"


def cases() -> list[str]:
    """Every case that is marked as a fault, on all kinds of servers; each of them is run with the other tests."""
    plain = {name: value for name, value in os.environ.items() if name != URL_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "faults", str(Path(__file__).parent)],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_pages_say_how_many_faults_were_tried_and_survived() -> None:
    found = cases()
    kills = sum(KILLS in each for each in found)
    assert 0 < kills <= len(write_points())
    for page in ("README.md", "docs/faults.md"):
        text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        ((tried, survived),) = FIGURES.findall(text)
        # a case that fails doesn't land, so what is in the folder was survived
        assert int(tried) == int(survived) == len(found), page
        assert f"{kills} places" in text, page
