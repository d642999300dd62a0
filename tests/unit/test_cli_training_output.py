"""Output of a training where stderr is no terminal: lines instead of progress bars."""

from __future__ import annotations

import logging

import pytest

from ipi_es.cli.shared.progress import ProgressReporter
from ipi_es.ipinsights.network.network_fitting import TrainingProgress


def test_an_epoch_is_told_of_once_though_its_last_batch_is_reported_too(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    told = ProgressReporter(3_600)
    with caplog.at_level(logging.INFO, logger="ipi_es"):
        told.training(TrainingProgress("network", 1, 10, 150, 150, 2.6380836159173695, 1.0, None))
        told.training(TrainingProgress("network", 1, 10, 150, 150, 2.6380836159173695, 1.0, 0.9996))
        told.training(TrainingProgress("combiner", 6, 6, loss=0.25))
    assert caplog.messages == [
        "training the network: epoch 1 of 10, loss 2.6381",
        "validation: discriminator_auc=0.99960 (network)",
        "training the combiner: epoch 6 of 6, loss 0.2500",
    ]
