"""What a job looks for, in which fields, and in buckets of which length."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ipi_es.config.types import BucketSpan, FieldName, Inconsistent, Section, Texts


class Detector(Section):
    """What is looked for: rare addresses of an entity."""

    function: Literal["rare"] = Field(default="rare", description="`rare` is the only function.")
    by_field_name: FieldName = Field(default="source.ip", description="The field with the IP address.")
    partition_field_name: FieldName = Field(default="user.name", description="The field with the entity.")
    detector_description: str | None = Field(default=None, description="For people.")

    @model_validator(mode="after")
    def _two_fields(self) -> Detector:
        if self.by_field_name == self.partition_field_name:
            raise ValueError(
                f"by_field_name and partition_field_name are both {self.by_field_name}: the first is the IP address, "
                "the second the entity"
            )
        return self


class AnalysisConfig(Section):
    """How events are analysed."""

    bucket_span: BucketSpan = Field(
        default=3_600, description="Length of a bucket: 1m to 1d, a divisor of a day. Sparse data wants longer ones."
    )
    detectors: Annotated[tuple[Detector, ...], Field(min_length=1, max_length=1)] = Field(
        default_factory=lambda: (Detector(),), description="Exactly one detector."
    )
    influencers: Texts | None = Field(
        default=None,
        description="The detector's two fields or one of them; by default both. They get influencer results.",
    )

    @model_validator(mode="after")
    def _influencers_of_detector(self) -> AnalysisConfig:
        allowed = (self.detectors[0].partition_field_name, self.detectors[0].by_field_name)
        wrong = [
            (("influencers", index), f"{name} is not possible; allowed are {' and '.join(allowed)}")
            for index, name in enumerate(self.influencers or ())
            if name not in allowed
        ]
        if wrong:
            raise Inconsistent(*wrong)
        return self


class DataDescription(Section):
    """Where an event's time is."""

    time_field: FieldName = Field(default="@timestamp", description="The date field that orders the events.")
    time_format: Literal["epoch_ms", "epoch"] = Field(
        default="epoch_ms", description="Kept for Elastic's files; times are read from the date field as they are."
    )
