"""One training in a process of its own: `python training_process.py ARCHITECTURE DETERMINISTIC OUT`.

Writes the calibration sample's compatibilities (float64) to OUT, and prints a checksum of all bytes a training leaves.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from ipinsights_events import small_company

from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.ipinsights.storage import history_to_bytes, snapshot_to_bytes
from ipi_es.ipinsights.training.training import train


def main(architecture: str, deterministic: str, out: str) -> None:
    settings = Hyperparameters(
        deterministic=deterministic == "true",
        epochs=4,
        combiner_epochs=3,
        vector_dim=16,
        num_ip_encoder_layers=2,
        seed=3,
    ).replaced(architecture=architecture)
    trained = train(small_company(seed=1), settings)
    Path(out).write_bytes(trained.calibration.compatibility.tobytes())
    left = snapshot_to_bytes(trained.snapshot) + history_to_bytes(trained.history)
    print(hashlib.sha256(left).hexdigest())


if __name__ == "__main__":
    main(*sys.argv[1:])
