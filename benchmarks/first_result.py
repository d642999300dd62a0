"""How long a stranger takes from ``pip install .`` to the first result, and with how many commands.

    python benchmarks/first_result.py

Plays the commands that each command's own output names next, in a new virtual environment and an empty folder, beside
a local server that holds real events of ``../shared/data``: sign-ins of sshd as raw lines, as Filebeat ships them
without a module; and events under odd field names (``actor``, ``client_ip``, ``ts``, ``result``). Prints each command
with its seconds, the first lines of the result, and JSON with the counts; exit code 1 where one needs more than six.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ipi_es.node.local import LocalNode

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
MOST_COMMANDS = 6
CHUNK = 5_000


def rows(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a file of real events."""
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as opened:
        yield from csv.DictReader(opened)


def raw_lines() -> Iterator[dict[str, Any]]:
    """Yield sshd's sign-ins as Filebeat ships them without a module: one line of text a document."""
    for row in rows("ssh_authlogs.csv.gz"):
        at = time.strptime(row["timestamp"], "%Y-%m-%dT%H:%M:%SZ")
        verb = "Failed" if row["label"] == "attack" else "Accepted"
        text = f"{verb} password for {row['entity']} from {row['ip']} port 40022 ssh2"
        yield {
            "@timestamp": row["timestamp"],
            "message": f"{time.strftime('%b %e %H:%M:%S', at)} host-1 sshd[4242]: {text}",
            "log": {"file": {"path": "/var/log/auth.log"}, "offset": 0},
            "host": {"name": "host-1", "ip": ["10.0.0.5", "fe80::5"]},
            "agent": {"type": "filebeat", "version": "8.19.0", "name": "host-1"},
            "input": {"type": "filestream"},
        }


def odd_names() -> Iterator[dict[str, Any]]:
    """Yield events whose fields follow no standard."""
    for row in rows("events_a.csv.gz"):
        yield {
            "ts": row["timestamp"],
            "actor": row["entity"],
            "client_ip": row["ip"],
            "result": "ok",
            "team": row["group"],
        }


def load(url: str, index: str, documents: Iterator[dict[str, Any]]) -> int:
    """Index the documents; return their number."""
    chunk, number = [], 0
    for document in documents:
        chunk.append(f'{{"create":{{"_index":"{index}"}}}}\n{json.dumps(document)}\n')
        number += 1
        if len(chunk) == CHUNK:
            send(url, chunk)
            chunk = []
    send(url, chunk)
    return number


def send(url: str, chunk: list[str]) -> None:
    """Send one bulk request."""
    body = "".join(chunk).encode()
    headers = {"Content-Type": "application/x-ndjson"}
    request = urllib.request.Request(f"{url}/_bulk?refresh=true", data=body, headers=headers)
    with urllib.request.urlopen(request) as answer:
        if json.load(answer)["errors"]:
            sys.exit("the server refused documents")


class Stranger:
    """Plays commands in an empty folder, and counts and times them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        self.work = folder / "work"
        self.work.mkdir()
        self.commands: list[dict[str, Any]] = []
        venv.create(folder / "venv", with_pip=True)

    def play(self, *command: str, ok: tuple[int, ...] = (0,)) -> str:
        """Run a command of the virtual environment; return what it printed. Exits where it fails."""
        start = time.monotonic()
        environment = {**os.environ, "HOME": str(self.folder), "COLUMNS": "100"}
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.work,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = round(time.monotonic() - start, 1)
        self.commands.append({"command": " ".join(command), "seconds": seconds})
        print(f"{seconds:7.1f} s  {' '.join(command)}", flush=True)
        if done.returncode not in ok:
            sys.exit(f"exit code {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout


def sign_in_lines(stranger: Stranger) -> str:
    """Play what each command names next, from raw lines to results."""
    found = stranger.play("ipi-es", "job", "suggest", ok=(1,))
    assert "ipi-es job suggest --parse --write" in found, found
    return named_jobs(stranger, stranger.play("ipi-es", "job", "suggest", "--parse", "--write"))


def odd_events(stranger: Stranger) -> str:
    """Play what each command names next, from events under odd names to results."""
    written = stranger.play("ipi-es", "job", "suggest", "--write")
    return named_jobs(stranger, written, with_check=True)


def named_jobs(stranger: Stranger, written: str, *, with_check: bool = False) -> str:
    """Score the job whose file was written, and show its results."""
    file = written.rpartition("ipi-es check ")[2].split()[0]
    if with_check:
        stranger.play("ipi-es", "check", file)
    stranger.play("ipi-es", "backfill", file)
    return stranger.play("ipi-es", "results", "records", file)


def main() -> None:
    """Play both, each on a server of its own."""
    if not DATA.is_dir():
        sys.exit(f"SKIPPED: {DATA} is not there")
    summary = {}
    for name, documents, index, play in (
        ("sshd, raw lines", raw_lines(), "filebeat-2026.12.02", sign_in_lines),
        ("odd names", odd_names(), "app-audit", odd_events),
    ):
        with LocalNode.start(heap="1g") as node, tempfile.TemporaryDirectory() as folder:
            print(f"{name}: {load(node.url, index, documents):,} events")
            stranger = Stranger(Path(folder))
            stranger.play("pip", "install", "--quiet", f"{ROOT}[train]")
            stranger.play("ipi-es", "init", "--url", node.url, "--yes")
            result = play(stranger)
            print("\n".join(result.splitlines()[:6]))
            seconds = round(sum(each["seconds"] for each in stranger.commands), 1)
            summary[name] = {"commands": len(stranger.commands), "seconds": seconds}
    print(json.dumps(summary))
    if any(each["commands"] > MOST_COMMANDS for each in summary.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
