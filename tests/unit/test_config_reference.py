from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from ipi_es.config import Job, Settings, load_job
from ipi_es.config.config_reference import render
from ipi_es.config.elastic.elastic_keys import GENERATED, HARMLESS, REFUSED, SILENT
from ipi_es.config.files.mistakes import OTHER_WORDS
from ipi_es.config.hyperparameters import PURE_DEFAULTS, Hyperparameters
from ipi_es.config.sections import section_of

DOCS = Path(__file__).parents[2] / "docs"


def fields(section: type[BaseModel], path: str = "") -> Iterator[tuple[str, str | None]]:
    for name, field in section.model_fields.items():
        yield f"{path}{name}", field.description
        below = section_of(field.annotation)
        if below:
            yield from fields(below, f"{path}{name}.")


def test_the_reference_is_what_the_settings_say() -> None:
    written = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert written == render(), "run: python -m ipi_es.config.config_reference > docs/configuration.md"


@pytest.mark.parametrize("root", [Settings, Job])
def test_every_setting_is_described_in_a_sentence(root: type[BaseModel]) -> None:
    for path, description in fields(root):
        assert description, path
        assert description.rstrip(")").endswith("."), path
        assert "|" not in description, path


def test_the_example_job_validates_without_warnings() -> None:
    job = load_job(DOCS / "example-job.yml", environ={})
    assert job.warnings() == []
    assert job.ip_field == "source.ip"


def test_what_elastic_has_and_we_do_not_is_none_of_our_settings() -> None:
    ours = {path for path, _ in fields(Job)}
    kept = {path for path, _ in fields(Job) if path.startswith(("datafeed_config.", "data_description.time_format"))}
    assert not (ours - kept) & {*REFUSED, *HARMLESS, *GENERATED}
    assert set(SILENT) <= {*REFUSED, *HARMLESS, *GENERATED}


def test_other_words_lead_to_settings_that_exist() -> None:
    ours = {path.rpartition(".")[2] for root in (Settings, Job) for path, _ in fields(root)}
    assert set(OTHER_WORDS.values()) <= ours
    assert not set(OTHER_WORDS) & ours


def test_the_pure_network_has_defaults_of_its_own() -> None:
    pure = Hyperparameters(architecture="ip_insights")
    assert pure == Hyperparameters().pure() == pure.pure()
    assert {name: getattr(pure, name) for name in PURE_DEFAULTS} == PURE_DEFAULTS
    assert Hyperparameters(architecture="ip_insights", epochs=3).pure().epochs == 3
    assert Hyperparameters(epochs=3).replaced(architecture="ip_insights").shuffled_negative_sampling_rate == 4


def test_reading_the_configuration_imports_no_client_and_no_tensorflow() -> None:
    code = (
        "import sys, ipi_es.config; print({'tensorflow', 'elasticsearch', 'opensearchpy', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
