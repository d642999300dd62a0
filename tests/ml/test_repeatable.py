"""The same events, hyperparameters and seed, in processes of their own and on one or two threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).parents[1] / "training_process.py"
TOLERANCE = 1e-5
"""Of a log-odds; what is promised of one machine."""


def train(architecture: str, *, deterministic: bool, threads: int, out: Path) -> tuple[str, np.ndarray]:
    """(checksum of all bytes a training leaves, the compatibilities of its calibration sample)."""
    environment = os.environ | {"TF_NUM_INTRAOP_THREADS": str(threads), "PYTHONHASHSEED": str(threads)}
    command = [sys.executable, str(SCRIPT), architecture, str(deterministic).lower(), str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout.strip(), np.frombuffer(out.read_bytes(), dtype=np.float64)


def test_the_same_seed_gives_the_same_scores_in_every_process(tmp_path: Path) -> None:
    found = [train("hybrid", deterministic=False, threads=each, out=tmp_path / str(each))[1] for each in (1, 2)]
    assert len(found[0]) > 100
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=TOLERANCE)


def test_deterministic_training_leaves_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    found = [train("hybrid", deterministic=True, threads=threads, out=tmp_path / str(threads))[0] for threads in (1, 2)]
    assert len(found[0]) == 64
    assert found[0] == found[1]
