"""Decide what a new network starts from, and whether it replaces the one in use: pure decisions.

History and calibration are always those of the new training. Only the network can get worse, so only the networks are
compared, on rows that neither was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.ipinsights.scorer import TrainedNetwork
from ipi_es.ipinsights.training.training import Trained

WORSE_ABOUT = 0.25
"""Share by which the new network may rank more held-out pairs wrong (1 - AUC) than the one in use.

For networks that differ only in the seed, that number has a standard deviation of 15 % (two simulated companies, three
seeds), so the difference of two of them one of 20 %: an equally good network is refused once in ten times."""
WORSE_AT_LEAST = 0.0005
"""Difference of AUC that is allowed in any case: near an AUC of 1, where 25 % are less, it is due to a few accounts."""


@dataclass(frozen=True, slots=True, eq=False)
class PreviousNetwork:
    """The snapshot that a job uses when it is retrained; None: it has none, or it can't be used."""

    id: str | None = None
    network: TrainedNetwork | None = None
    unusable: str | None = None
    """Why it can't be used."""


NONE = PreviousNetwork()
"""No network was trained before."""


@dataclass(frozen=True, slots=True)
class TrainingStart:
    """The start of a training: from ``base``, or from scratch (None); ``said`` explains it in words."""

    base: TrainedNetwork | None
    said: str


@dataclass(frozen=True, slots=True)
class NetworkComparison:
    """The quality of two networks on the same held-out rows, against the same random addresses."""

    previous_id: str
    new: float  # discriminator_auc
    previous: float
    decides: bool = True
    """Whether the comparison decides; False if the job's architecture was changed: that is a person's choice."""

    @property
    def taken(self) -> bool:
        """Whether the new network is used: it is not worse, or the comparison doesn't decide."""
        allowed = max(WORSE_ABOUT * (1.0 - self.previous), WORSE_AT_LEAST)
        return not self.decides or self.new >= self.previous - allowed

    def __str__(self) -> str:
        figures = f"discriminator_auc on the same held-out part: new {self.new:.4f}, in use {self.previous:.4f}"
        outcome = (
            "the new network is taken"
            if self.taken
            else f"the new one is worse, so the network of {self.previous_id} stays, with new history and calibration "
            "(--from-scratch or other hyperparameters may do better)"
        )
        return f"{figures}: {outcome}"


def begin(previous: PreviousNetwork, wanted: Hyperparameters, entities: int, *, from_scratch: bool) -> TrainingStart:
    """Decide what a training with so many ``entities`` starts from.

    It can't start from a network whose arrays have another shape: the rows of entities would lose their meaning.
    """
    if previous.unusable is not None:
        return TrainingStart(None, f"starts from scratch: {previous.unusable}")
    if previous.network is None or previous.id is None:
        return TrainingStart(None, "starts from scratch: there is no earlier snapshot")
    if from_scratch:
        return TrainingStart(None, "starts from scratch, as requested")
    network = previous.network.network
    old = {
        "vector_dim": network.vector_dim,
        "num_ip_encoder_layers": len(network.layers) + 1,
        "num_entity_vectors": network.num_entity_vectors,
    }
    now: Mapping[str, Any] = {
        "vector_dim": wanted.vector_dim,
        "num_ip_encoder_layers": max(wanted.num_ip_encoder_layers, 1),
        "num_entity_vectors": wanted.entity_rows or network.num_entity_vectors,
    }
    changed = [f"{name} was {old[name]:,} and is {now[name]:,}" for name in old if old[name] != now[name]]
    if wanted.entity_rows is None and entities > network.num_entity_vectors:
        changed.append(f"its table of {network.num_entity_vectors:,} rows is too small for {entities:,} entities")
    if changed:
        return TrainingStart(None, f"starts from scratch and not from snapshot {previous.id}: {'; '.join(changed)}")
    return TrainingStart(previous.network, f"goes on from snapshot {previous.id}")


def better(trained: Trained, previous: PreviousNetwork) -> tuple[Trained, NetworkComparison | None]:
    """Return the training with the better network, and the comparison; None if there is only one network."""
    if trained.rival is None or previous.network is None or previous.id is None:
        return trained, None
    same = trained.snapshot.hyperparameters.architecture == previous.network.hyperparameters.architecture
    new, old_auc = trained.metrics["discriminator_auc"], trained.rival.discriminator_auc
    comparison = NetworkComparison(previous.id, new, old_auc, decides=same)
    if comparison.taken:
        return trained, comparison
    old = previous.network
    kept = TrainedNetwork(
        hyperparameters=old.hyperparameters,
        network=old.network,
        combiner=old.combiner,
        metrics={
            **old.metrics,
            "discriminator_auc": comparison.previous,
            "calibration_rows": float(len(trained.rival.calibration.time)),
        },
        about={**trained.snapshot.about, "network_of": old.about.get("network_of", previous.id)},
    )
    return replace(trained, snapshot=kept, calibration=trained.rival.calibration), comparison
