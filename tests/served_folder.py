"""A directory of snapshots that an endpoint serves, and requests for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from saved_snapshot import save_snapshot
from signin_events import make_job
from starlette.types import ASGIApp

from ipi_es.serve.application import endpoint_application
from ipi_es.serve.endpoint.directory_scorers import DirectoryScorers
from ipi_es.state.directory_blobs import DirectoryBlobs

CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"
PAIRS = [("user1", "203.0.113.1"), ("user2", "192.0.2.7"), ("nobody here", "198.51.100.7")]
BODIES = {
    CSV: "".join(f"{entity}, {ip}\n" for entity, ip in PAIRS),
    JSON: json.dumps({"instances": [{"features": pair} for pair in PAIRS]}),
    LINES: "".join(json.dumps({"features": pair}) + "\n" for pair in PAIRS),
}
AWS_EXAMPLES = {
    CSV: "user1, 203.0.113.1\nuser2, 192.0.2.7",
    JSON: '{"instances": [{"data": {"features": {"values": ["user1", "203.0.113.1"]}}}, '
    '{"features": ["user2", "192.0.2.7"]}]}',
    LINES: '{"data": {"features": {"values": ["user1", "203.0.113.1"]}}},\n{"features": ["user2", "192.0.2.7"]}]',
}
"""The forms of the service's documentation, the stray brackets of its JSON lines included."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with the snapshot of one job."""
    save_snapshot(DirectoryBlobs(tmp_path / "model"), make_job())
    return tmp_path / "model"


def app_of(scorers: DirectoryScorers, *, strict: bool = False) -> ASGIApp:
    return endpoint_application(scorers, strict=strict)
