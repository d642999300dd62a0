"""Hyperparameters of the network, under SageMaker's names and in its ranges; what is ours says so."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from ipi_es.config.types import Count, Number, Section

MAX_ENTITY_VECTORS = 250_000_000
"""Rows; SageMaker's upper limit."""

MAX_NEGATIVES = 500
"""Negative samples for one real pair; SageMaker's upper limit, of each kind and of their sum."""

VECTORS_PER_ENTITY = 2
"""Rows for one entity; SageMaker's advice, and more hashing measured as useless."""


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


class IpInsights(Section):
    """The network's hyperparameters."""

    architecture: Literal["hybrid", "ip_insights"] = Field(
        default="hybrid",
        description="Ours. `hybrid`: embeddings together with features of the history (counts by prefix, steadiness); "
        "`ip_insights`: the embeddings alone, as SageMaker has them, for comparison.",
    )
    num_entity_vectors: EntityVectors = Field(
        default="auto", description="Rows of the entity table, 1–250M; `auto`: 2 × the entities of the training window."
    )
    vector_dim: Count = Field(
        default=32,
        ge=4,
        le=4096,
        description="Length of an embedding. 16 and 64 measured alike in quality at small size, 32 trains twice as "
        "fast as 64; SageMaker advises 128 for its own encoder, which ours doesn't need.",
    )
    epochs: Count = Field(default=10, ge=1, description="Passes over the training events.")
    learning_rate: Number = Field(default=0.001, ge=1e-6, le=10, description="Step size of the optimizer.")
    mini_batch_size: Count = Field(default=10_000, ge=1, le=500_000, description="Real pairs in a step.")
    num_ip_encoder_layers: Count = Field(
        default=1, ge=0, le=100, description="Dense layers of the address encoder (and, in `hybrid`, of the combiner)."
    )
    random_negative_sampling_rate: Count = Field(
        default=1, ge=0, le=MAX_NEGATIVES, description="Random addresses for each real pair."
    )
    shuffled_negative_sampling_rate: Count = Field(
        default=4,
        ge=0,
        le=MAX_NEGATIVES,
        description="Other pairs' addresses for each real pair. SageMaker has 1; 4 cost little and measured better.",
    )
    hard_negative_sampling_rate: Count = Field(
        default=1,
        ge=0,
        le=MAX_NEGATIVES,
        description="Ours. Near neighbours (a real address's first bits kept, the rest random) for each real pair.",
    )
    weight_decay: Number = Field(default=1e-5, ge=0, le=10, description="L2 penalty on the weights.")
    batch_metrics_publish_interval: Count = Field(
        default=1_000, ge=1, description="Steps between two reports of the loss."
    )
    seed: Count = Field(default=0, ge=0, le=2**32 - 1, description="Ours. Seed of everything random in training.")
    deterministic: bool = Field(
        default=True, description="Ours. The same events and seed give the same network, on the same kind of machine."
    )

    @model_validator(mode="after")
    def _negatives(self) -> IpInsights:
        total = self.random_negative_sampling_rate + self.shuffled_negative_sampling_rate
        if not 1 <= total <= MAX_NEGATIVES:
            raise ValueError(
                f"random_negative_sampling_rate and shuffled_negative_sampling_rate add up to {total}: "
                f"their sum must be 1 to {MAX_NEGATIVES}"
            )
        return self

    def entity_vectors(self, entities: int) -> int:
        """The rows of the entity table for a training window with that many distinct entities."""
        if self.num_entity_vectors == "auto":
            return min(max(1, VECTORS_PER_ENTITY * entities), MAX_ENTITY_VECTORS)
        return self.num_entity_vectors
