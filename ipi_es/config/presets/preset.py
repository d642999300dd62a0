"""A preset: a source of sign-ins, and the job files that fit what its documents look like.

Each source is a file in ``sources/``; its name is the source's name. A variant's ``job`` is the text of a job file,
with the comments that people get, and two placeholders: ``<job_id>`` and ``<indices>``.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, TypeAlias

from pydantic import Field, ValidationError, model_validator

from ipi_es.config.files.loading import check_job
from ipi_es.config.files.nearest import nearest
from ipi_es.config.files.yaml_documents import parse_yaml
from ipi_es.config.job_config import Job
from ipi_es.config.types import FieldName, Section
from ipi_es.errors import ConfigError, UsageError

JOB_ID, INDICES = "<job_id>", "<indices>"

NonEmpty: TypeAlias = Annotated[str, Field(min_length=1)]


class Variant(Section):
    """One variant of a source's documents, and the job for it."""

    name: NonEmpty = Field(description="Such as ``integration``, ``integration-1.x``, ``raw``.")
    documents: NonEmpty = Field(description="What writes such documents.")
    indices: tuple[NonEmpty, ...] = Field(min_length=1, description="Where they are by default.")
    pitfalls: tuple[NonEmpty, ...] = Field(default=(), description="Frequent mistakes with these documents alone.")
    fields: tuple[FieldName, ...] = Field(min_length=1, description="The indices must map all of these fields.")
    job: NonEmpty = Field(description="The job file, with the placeholders.")

    def text(self, job_id: str, indices: tuple[str, ...] | None = None) -> str:
        """Return the job file for ``job_id``, reading ``indices`` or the variant's own."""
        listed = json.dumps(list(indices or self.indices))  # JSON is YAML, too
        plain = parse_yaml(f"job_id: {job_id}", name="").data == {"job_id": job_id}  # else a number, a date, true …
        return self.job.replace(JOB_ID, job_id if plain else json.dumps(job_id)).replace(INDICES, listed)

    def made(self, job_id: str, indices: tuple[str, ...] | None = None, *, name: str = "the preset") -> Job:
        """Return the job that :meth:`text` describes. Raises ConfigError with all mistakes."""
        return check_job(parse_yaml(self.text(job_id, indices), name=name).data, name=name)


class Preset(Section):
    """One source of sign-ins."""

    title: NonEmpty
    entity: NonEmpty = Field(description="Whom or what the job follows, in a few words: “the person, by e-mail”.")
    pitfalls: tuple[NonEmpty, ...] = Field(default=(), description="Frequent mistakes with this source.")
    evidence: tuple[NonEmpty, ...] = Field(
        min_length=1, description="Where the documents were seen, or that they were not."
    )
    refused: NonEmpty | None = Field(default=None, description="Why this source can't be used; then it has no variant.")
    variants: tuple[Variant, ...] = Field(default=(), description="The newest first; the first that fits is used.")

    @model_validator(mode="after")
    def _usable_or_refused(self) -> Preset:
        if bool(self.variants) == (self.refused is not None):
            raise ValueError("a preset has variants, or says why it is refused")
        names = [variant.name for variant in self.variants]
        if len(set(names)) < len(names):
            raise ValueError("two variants have the same name")
        return self


def preset_names() -> list[str]:
    """Return the names of all sources, sorted."""
    return sorted(each.name.removesuffix(".yml") for each in _folder().iterdir() if each.name.endswith(".yml"))


@cache
def load_preset(source: str) -> Preset:
    """Load a source's preset. Raises UsageError for an unknown name, ConfigError for a file with mistakes."""
    if source not in preset_names():
        guess = nearest(source, preset_names())
        hint = f"did you mean {guess}? " if guess else ""
        raise UsageError(f"there is no source “{source}”", hint=f"{hint}`ipi-es job create --list` shows all")
    name = f"{source}.yml"
    try:
        data = parse_yaml((_folder() / name).read_text(encoding="utf-8"), name=name).data
        return Preset.model_validate(data)
    except ValidationError as error:
        raise ConfigError(str(error), place=name) from error


def _folder() -> Traversable:
    return files("ipi_es.config.presets") / "sources"
