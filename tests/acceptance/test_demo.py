"""`ipi-es demo`, whole: on a server of its own, as a stranger runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SEED = 1


def test_the_demo_finds_its_incidents_and_says_so_in_json() -> None:
    command = [sys.executable, "-m", "ipi_es", "demo", "--seed", str(SEED), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=850)
    assert done.returncode == 0, done.stderr[-3_000:]
    *shown, last = done.stdout.strip().splitlines()
    summary = json.loads(last)
    assert set(summary) == {
        "events",
        "buckets",
        "records",
        "influencers",
        "incidents",
        "other_critical",
        "other_critical_buckets",
        "seconds",
        "results_index",
        "url",
    }
    assert set(summary["seconds"]) == {"server", "index", "train", "backfill"}
    assert summary["buckets"] == 240
    assert summary["incidents"]["planted"] == 3
    assert set(summary["incidents"]["scores"]) == set("ABCD")
    # one seed is one draw: benchmarks/demo.py has the figures over many
    assert summary["incidents"]["found"] >= 2
    text = "\n".join(shown)
    assert "What was hidden, and what an alert would have said" in text
    assert "usually comes from" in text
    report = Path(text.partition("telephone and paper: ")[2].partition("\n")[0])
    assert "Unusual sign-ins of" in report.read_text(encoding="utf-8")
    assert "oneDNN" not in done.stderr
