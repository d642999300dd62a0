"""The places and the environment of a container that SageMaker starts, with one of the words `train` and `serve`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ipi_es.errors import ConfigError, UsageError

ROOT = Path("/opt/ml")
"""Where SageMaker mounts what a container reads and writes."""

PORT = "SAGEMAKER_BIND_TO_PORT"
"""Environment variable with the port to serve at."""

STRICT = "IPI_ES_STRICT"
"""Environment variable: 1 refuses requests with a malformed row."""

DEFAULT_PORT, MAX_PORT = 8080, 65_535

LONGEST_REASON = 1_024
"""Characters of a failure's reason that SageMaker shows."""


@dataclass(frozen=True, slots=True)
class SagemakerContainer:
    """The files below a root, and the settings in the environment."""

    root: Path = ROOT
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @property
    def model(self) -> Path:
        """The directory of snapshots: written by a training, read by an endpoint."""
        return self.root / "model"

    @property
    def hyperparameters(self) -> Path | None:
        """The file of hyperparameters; None: all have their defaults."""
        path = self.root / "input" / "config" / "hyperparameters.json"
        return path if path.exists() else None

    def channel(self, name: str) -> Path | None:
        """Return the folder of a channel; None if there is none."""
        path = self.root / "input" / "data" / name
        return path if path.exists() else None

    @property
    def train(self) -> Path:
        """The folder of the channel to train on. Raises UsageError if there is none, and for several machines."""
        if len(self._hosts) > 1:
            raise UsageError(
                f"the training was given {len(self._hosts)} machines, and runs on one",
                hint="set the instance count to 1",
            )
        path = self.channel("train")
        if path is None:
            raise UsageError(
                f"there is no channel {self.root}/input/data/train", hint="name the channel train, with input mode File"
            )
        return path

    @property
    def _hosts(self) -> list[str]:
        path = self.root / "input" / "config" / "resourceconfig.json"
        try:
            return list(json.loads(path.read_bytes())["hosts"])
        except (OSError, ValueError, KeyError, TypeError):
            return []  # it is not SageMaker that started this

    @property
    def listen(self) -> str:
        """The address to serve at. Raises ConfigError for a port that is none."""
        text = self.environ.get(PORT, "") or str(DEFAULT_PORT)
        if not text.isdecimal() or not 1 <= int(text) <= MAX_PORT:
            raise ConfigError(f"“{text}” is no port", place=PORT, hint=f"a number from 1 to {MAX_PORT:,}")
        return f"0.0.0.0:{int(text)}"

    @property
    def strict(self) -> bool | None:
        """Whether requests with a malformed row are refused; None: the environment doesn't say."""
        text = self.environ.get(STRICT, "").lower()
        return text not in ("0", "false") if text else None

    def write_failure(self, reason: str) -> None:
        """Write why a training failed to where SageMaker reads it."""
        output = self.root / "output"
        output.mkdir(parents=True, exist_ok=True)
        (output / "failure").write_text(reason[:LONGEST_REASON], encoding="utf-8")
