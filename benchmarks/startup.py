"""Processor time of `ipi-es --help` and `ipi-es status` against a Python that does nothing, in one run.

    python benchmarks/startup.py [--rounds 5]

`status` asks a local OpenSearch that was set up and has no job. The best round counts. The goals: `--help` below
0.4 s and `status` below 1.5 s. Last line: JSON with the seconds and how many times the empty Python's they are.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from ipi_es.node.local import LocalNode

GOALS = {"--help": 0.4, "status": 1.5}
"""Seconds of processor time, user and system."""


def main(arguments: list[str]) -> int:
    """Measure, print a table and the JSON line; 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured; the best counts")
    options = parser.parse_args(arguments)
    python, ipi_es = [sys.executable, "-c", "pass"], [sys.executable, "-m", "ipi_es"]
    with tempfile.TemporaryDirectory() as folder, LocalNode.start(heap="512m") as node:
        settings = Path(folder) / "ipi-es.yml"
        settings.write_text(f"elasticsearch:\n  hosts: [{node.url}]\n", encoding="utf-8")
        subprocess.run([*ipi_es, "--config", str(settings), "setup"], check=True, capture_output=True)
        commands = {
            "python": python,
            "--help": [*ipi_es, "--help"],
            "status": [*ipi_es, "--config", str(settings), "status"],
        }
        seconds = {name: min(_seconds(command) for _ in range(options.rounds)) for name, command in commands.items()}
    for name, took in seconds.items():
        goal = f"   goal {GOALS[name]} s" if name in GOALS else ""
        print(f"{name:<8} {took:.2f} s   {took / seconds['python']:.1f} times an empty Python{goal}")
    print(json.dumps({name: round(took, 3) for name, took in seconds.items()}))
    return int(any(seconds[name] > goal for name, goal in GOALS.items()))


def _seconds(command: list[str]) -> float:
    """Run a command; return the processor seconds that it used."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
