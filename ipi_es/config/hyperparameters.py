"""Hyperparameters of the network, with SageMaker's names and ranges; additional ones are marked as ours.

A job's file has them in its section ``ip_insights``, `train --csv` in a file or in options, a snapshot in its manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from ipi_es.config.types import Count, Number, Section
from ipi_es.errors import SnapshotDamaged

Architecture: TypeAlias = Literal["hybrid", "ip_insights"]

MAX_ENTITY_VECTORS = 250_000_000
"""Rows of the entity table; SageMaker's upper limit."""

MAX_NEGATIVES = 500
"""Negative samples for one real pair; SageMaker's upper limit for each kind and for their sum."""

PURE_DEFAULTS = {
    "epochs": 20,
    "random_negative_sampling_rate": 2,
    "shuffled_negative_sampling_rate": 40,
    "operator_negative_sampling_rate": 1,
}
"""Defaults of the network alone where they differ from those of the network within ``hybrid``.

On real events, mean AUC / recall at 1 % false positives of the network alone: .945/.32 with the hybrid's defaults,
.956/.47 with these (three seeds). The hybrid gains nothing from them (.9853/.84 with either): history has what they
teach, and more precisely.
"""


def _entity_vectors(value: Any) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_ENTITY_VECTORS:
        raise ValueError(f"must be auto (2 × the entities) or a whole number from 1 to {MAX_ENTITY_VECTORS:,}")
    return value


# validated by the function alone: a union would report one mistake twice
EntityVectors: TypeAlias = Annotated[int | Literal["auto"], BeforeValidator(_entity_vectors)]


class Hyperparameters(Section):
    """The network's hyperparameters."""

    architecture: Architecture = Field(
        default="hybrid",
        description="Ours. `hybrid`: the network's log-odds joined with the history (counts by prefix, steadiness); "
        "`ip_insights`: the network alone, as SageMaker has it, for comparison.",
    )
    num_entity_vectors: EntityVectors = Field(
        default="auto",
        description="Rows of the entity table, 1 to 250,000,000; `auto`: 2 × the entities of the training events.",
    )
    vector_dim: Count = Field(
        default=32,
        ge=4,
        le=4096,
        description="Length of an embedding. 16 and 64 measured alike in quality at small size, and 32 trains twice as "
        "fast as 64; SageMaker advises 128 for its own encoder.",
    )
    epochs: Count = Field(
        default=10, ge=1, le=10_000, description="Passes over the training events. `ip_insights` alone: 20."
    )
    learning_rate: Number = Field(
        default=0.05, ge=1e-6, le=10, description="Step of the row-wise Adagrad optimizer. SageMaker: 0.001, for Adam."
    )
    mini_batch_size: Count = Field(
        default=10_000,
        ge=1,
        le=500_000,
        description="Real pairs in a step; at most 1/150 of the training events, so that there are enough steps.",
    )
    num_ip_encoder_layers: Count = Field(
        default=1,
        ge=0,
        le=100,
        description="1: the sum of the address's prefix vectors; each further one is a dense layer over it. 0 counts "
        "as 1.",
    )
    random_negative_sampling_rate: Count = Field(
        default=1, ge=0, le=MAX_NEGATIVES, description="Random addresses for each real pair. `ip_insights` alone: 2."
    )
    shuffled_negative_sampling_rate: Count = Field(
        default=4,
        ge=0,
        le=MAX_NEGATIVES,
        description="Other pairs' addresses for each real pair. `ip_insights` alone: 40. SageMaker: 1; they are nearly "
        "free here.",
    )
    hard_negative_sampling_rate: Count = Field(
        default=1,
        ge=0,
        le=MAX_NEGATIVES,
        description="Ours. Near neighbours (a real address's first bits kept, the rest random) for each real pair.",
    )
    operator_negative_sampling_rate: Count = Field(
        default=0,
        ge=0,
        le=MAX_NEGATIVES,
        description="Ours. Other addresses of the same network operator (of the same /16 or IPv6 /32 where it isn't "
        "known) for each real pair. `ip_insights` alone: 1.",
    )
    weight_decay: Number = Field(
        default=1e-2,
        ge=0,
        le=10,
        description="L2 penalty on the vectors that a step touches. SageMaker: 1e-5, on the whole table.",
    )
    batch_metrics_publish_interval: Count = Field(
        default=1_000, ge=1, le=1_000_000_000, description="Steps between two reports of the progress."
    )
    entity_dropout: Number = Field(
        default=0.05,
        ge=0,
        le=0.5,
        description="Ours. Share of the training events whose entity is taken for an unknown one, so that unseen "
        "entities get a sane score.",
    )
    max_rows_per_entity: Count = Field(
        default=2_000,
        ge=10,
        le=1_000_000_000,
        description="Ours. Training events of one entity at most, so that no entity drowns the others.",
    )
    combiner_epochs: Count = Field(
        default=6, ge=1, le=1_000, description="Ours. Passes over the combiner's rows (`hybrid` only)."
    )
    combiner_members: Count = Field(
        default=6, ge=1, le=16, description="Ours. Combiners that are averaged (`hybrid` only): steadier tails."
    )
    history_half_life_days: Number = Field(
        default=60.0, ge=1, le=3650, description="Ours. Days after which what was seen weighs half."
    )
    seed: Count = Field(default=0, ge=0, le=2**63 - 1, description="Ours. Everything random in training comes from it.")
    deterministic: bool = Field(
        default=False,
        description="Ours. Train with deterministic operations alone: the same events and seed give the same bytes on "
        "one machine; slower.",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_architecture(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("architecture") == "ip_insights":
            return {**PURE_DEFAULTS, **values}
        return values

    @model_validator(mode="after")
    def _negatives(self) -> Hyperparameters:
        total = self.random_negative_sampling_rate + self.shuffled_negative_sampling_rate
        if not 1 <= total <= MAX_NEGATIVES:
            raise ValueError(
                f"random_negative_sampling_rate and shuffled_negative_sampling_rate add up to {total}: "
                f"their sum must be 1 to {MAX_NEGATIVES}"
            )
        return self

    @property
    def entity_rows(self) -> int | None:
        """Rows of the entity table; None: twice the entities of the training events, as SageMaker advises."""
        return None if self.num_entity_vectors == "auto" else self.num_entity_vectors

    @property
    def sampled_addresses(self) -> int:
        """Negatives for each pair whose addresses must be encoded: all but the shuffled ones."""
        return (
            self.random_negative_sampling_rate + self.hard_negative_sampling_rate + self.operator_negative_sampling_rate
        )

    @property
    def negatives(self) -> int:
        """Negatives for each real pair in training, of all kinds."""
        return self.sampled_addresses + self.shuffled_negative_sampling_rate

    def replaced(self, **changes: Any) -> Hyperparameters:
        """Return these with some values changed. Raises ValueError for a value outside its range."""
        return Hyperparameters(**{**self.model_dump(), **changes})

    def pure(self) -> Hyperparameters:
        """Return these for the pure network, with its defaults; unchanged if the architecture is ``ip_insights``."""
        if self.architecture == "ip_insights":
            return self
        return self.replaced(architecture="ip_insights", **PURE_DEFAULTS)

    def to_manifest(self) -> dict[str, Any]:
        """Return a plain dict for the snapshot's manifest; an `auto` number of rows is None."""
        return {**self.model_dump(), "num_entity_vectors": self.entity_rows}

    @classmethod
    def from_manifest(cls, values: Mapping[str, Any]) -> Hyperparameters:
        """Restore from :meth:`to_manifest`'s dict. Raises SnapshotDamaged for a value outside its range.

        Unknown names, from later versions, are ignored; names that earlier versions lack have their defaults.
        """
        known = {name: values.get(name, field.default) for name, field in cls.model_fields.items()}
        if known["num_entity_vectors"] is None:
            known["num_entity_vectors"] = "auto"
        try:
            return cls(**known)
        except ValidationError as error:
            mistakes = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
            wrong = "; ".join(f"{place}: {text}" if place else text for place, text in mistakes)
            raise SnapshotDamaged(f"the snapshot's hyperparameters can't be: {wrong}") from error
