"""Training again: what a new network begins with, and whether it takes the place of the one in use. Decided purely.

History and calibration are always the new training's: the network alone can get worse, and only it is held against the
one in use, on rows that neither was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ipi_es.ipinsights.hyperparameters import Hyperparameters
from ipi_es.ipinsights.scorer import TrainedNetwork
from ipi_es.ipinsights.training.training import Trained

WORSE_ABOUT = 0.25
"""Share by which the new network may rank more of the held-out pairs wrong (1 - AUC) than the one in use.

Networks that differ in nothing but the seed do so by 15 % (standard deviation; two simulated companies, three seeds),
so two of them by 20 %: one as good as the other is refused once in ten times."""
WORSE_AT_LEAST = 0.0005
"""And by so much at any rate: near an AUC of 1, where 25 % are less, the difference is a matter of a few accounts."""


@dataclass(frozen=True, slots=True, eq=False)
class PreviousNetwork:
    """The snapshot that a job uses when it is trained again; None: it has none, or none that can be read."""

    id: str | None = None
    network: TrainedNetwork | None = None
    unusable: str | None = None
    """Why it can't be read."""


NONE = PreviousNetwork()
"""Nothing was trained before."""


@dataclass(frozen=True, slots=True)
class TrainingStart:
    """Where a training begins: at ``base``, or anew; ``said`` tells people which, and why."""

    base: TrainedNetwork | None
    said: str


@dataclass(frozen=True, slots=True)
class NetworkComparison:
    """Two networks on the same held-out rows, against the same random addresses."""

    previous_id: str
    new: float  # discriminator_auc
    previous: float
    decides: bool = True
    """Not where the job's architecture is another one now: that is a person's choice."""

    @property
    def taken(self) -> bool:
        """Whether the new one is not worse, or wanted all the same."""
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
    """Where to begin with ``entities`` in the training range.

    A network whose arrays would have another shape can't be gone on from: rows of entities would lose their meaning.
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
        "num_entity_vectors": wanted.num_entity_vectors or network.num_entity_vectors,
    }
    changed = [f"{name} was {old[name]:,} and is {now[name]:,}" for name in old if old[name] != now[name]]
    if wanted.num_entity_vectors is None and entities > network.num_entity_vectors:
        changed.append(f"its table of {network.num_entity_vectors:,} rows is too small for {entities:,} entities")
    if changed:
        return TrainingStart(None, f"starts from scratch and not from snapshot {previous.id}: {'; '.join(changed)}")
    return TrainingStart(previous.network, f"goes on from snapshot {previous.id}")


def better(trained: Trained, previous: PreviousNetwork) -> tuple[Trained, NetworkComparison | None]:
    """The training with the network that is to be used, and how the two compare; None where there is only one."""
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
