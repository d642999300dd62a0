"""Hyperparameters of a training: SageMaker's, under SageMaker's names, and a few of ours.

Where a default differs from SageMaker's, the field says so and why. Ranges are SageMaker's; a value outside its range
raises :class:`~ipi_es.errors.UsageError` when the object is created.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

from ipi_es.config.ip_insights import PURE_DEFAULTS
from ipi_es.errors import UsageError

Architecture: TypeAlias = Literal["hybrid", "ip_insights"]
ARCHITECTURES: tuple[Architecture, ...] = ("hybrid", "ip_insights")

_RANGES: dict[str, tuple[float, float]] = {
    "num_entity_vectors": (1, 250_000_000),
    "vector_dim": (4, 4096),
    "epochs": (1, 10_000),
    "learning_rate": (1e-6, 10.0),
    "mini_batch_size": (1, 500_000),
    "num_ip_encoder_layers": (0, 100),
    "random_negative_sampling_rate": (0, 500),
    "shuffled_negative_sampling_rate": (0, 500),
    "hard_negative_sampling_rate": (0, 500),
    "operator_negative_sampling_rate": (0, 500),
    "weight_decay": (0.0, 10.0),
    "batch_metrics_publish_interval": (1, 1_000_000_000),
    "entity_dropout": (0.0, 0.5),
    "history_half_life_days": (1.0, 3650.0),
    "combiner_epochs": (1, 1000),
    "combiner_members": (1, 16),
    "max_rows_per_entity": (10, 1_000_000_000),
    "seed": (0, 2**63 - 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """Settings of one training; immutable, stored in the snapshot's manifest."""

    architecture: Architecture = "hybrid"
    """``hybrid``: the network's log-odds combined with history; ``ip_insights``: the pure network."""
    num_entity_vectors: int | None = None
    """Rows of the entity table; None: twice the entities of the training events, as SageMaker advises."""
    vector_dim: int = 32
    """Length of entity and IP vectors (SageMaker advises 128 for its encoder; the prefix sum needs less)."""
    epochs: int = 10
    learning_rate: float = 0.05
    """Step of the row-wise Adagrad optimizer (SageMaker: 0.001, for Adam)."""
    mini_batch_size: int = 10_000
    """Pairs per step; never more than 1/150 of the training rows, so that a small job takes enough steps."""
    num_ip_encoder_layers: int = 1
    """Layers of the address encoder: the first is the sum of the prefix vectors, each further one is a dense residual
    layer above it. 0 is taken as 1: without the sum there is nothing to encode."""
    random_negative_sampling_rate: int = 1
    """Negatives per pair with an address from the observed part of the address space."""
    shuffled_negative_sampling_rate: int = 4
    """Negatives per pair with another pair's address (SageMaker: 1; here they cost almost nothing)."""
    hard_negative_sampling_rate: int = 1
    """Negatives per pair whose address shares its first 6 to 15 bits with a real one (ours)."""
    operator_negative_sampling_rate: int = 0
    """Negatives per pair with another address of the same operator, or of the same provider's block where the operator
    is unknown (ours)."""
    weight_decay: float = 1e-2
    """L2 on the vectors that a step uses (SageMaker: 1e-5, on the whole table at every step)."""
    batch_metrics_publish_interval: int = 1_000
    """Steps between two progress reports inside an epoch."""
    entity_dropout: float = 0.05
    """Share of the training rows whose entity is replaced by the unknown row."""
    max_rows_per_entity: int = 2_000
    """Maximum number of training rows per entity (a uniform sample), so that no entity dominates the others."""
    combiner_epochs: int = 6
    """Passes over the combiner's rows (hybrid only)."""
    combiner_members: int = 6
    """Small networks whose log-odds the combiner averages, so that tails vary less between seeds (hybrid only)."""
    history_half_life_days: float = 60.0
    """Days after which counts weigh half. Whether something was ever seen doesn't decay."""
    seed: int = 0
    """Seed of all random numbers of a training."""
    deterministic: bool = False
    """Train with TensorFlow's deterministic operations, so that the same seed gives the same bytes; slower."""

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise UsageError(f"architecture is {self.architecture!r}", hint=f"one of {', '.join(ARCHITECTURES)}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"{name} is {value}", hint=f"a number from {low:g} to {high:g}")
        rates = self.random_negative_sampling_rate + self.shuffled_negative_sampling_rate
        if not 1 <= rates <= 500:
            raise UsageError(
                f"random_negative_sampling_rate + shuffled_negative_sampling_rate is {rates}",
                hint="their sum must be from 1 to 500",
            )

    def pure(self) -> Hyperparameters:
        """Return these for the pure network, with its defaults; unchanged if the architecture is ``ip_insights``."""
        if self.architecture == "ip_insights":
            return self
        return Hyperparameters(**{**asdict(self), "architecture": "ip_insights", **PURE_DEFAULTS})

    @property
    def sampled_addresses(self) -> int:
        """Negatives per pair whose addresses must be encoded: all but the shuffled ones."""
        return (
            self.random_negative_sampling_rate + self.hard_negative_sampling_rate + self.operator_negative_sampling_rate
        )

    def to_manifest(self) -> dict[str, Any]:
        """Return a plain dict for the snapshot's manifest."""
        return asdict(self)

    @classmethod
    def from_manifest(cls, values: dict[str, Any]) -> Hyperparameters:
        """Restore from :meth:`to_manifest`'s dict; unknown keys, from later versions, are ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})
