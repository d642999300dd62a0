"""Hyperparameters outside a job: SageMaker's file (a JSON mapping of strings), and options of a command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ipi_es.config.files.mistakes import of_validation, refuse
from ipi_es.config.files.yaml_documents import YamlDocument, read_document
from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.errors import ConfigError

SAGEMAKER = (
    "num_entity_vectors",
    "vector_dim",
    "epochs",
    "learning_rate",
    "mini_batch_size",
    "num_ip_encoder_layers",
    "random_negative_sampling_rate",
    "shuffled_negative_sampling_rate",
    "weight_decay",
    "batch_metrics_publish_interval",
)
"""SageMaker's hyperparameters of IP Insights, in its documentation's order of importance."""

_NOT_OURS = ("_", "sagemaker_")
"""Prefixes of the entries that SageMaker adds for itself (``_tuning_objective_metric``); they are ignored."""


def read_hyperparameters(path: Path | None, given: Mapping[str, Any]) -> Hyperparameters:
    """Read hyperparameters from a file; ``given`` (options' texts by name) takes precedence. All values may be strings.

    The architecture is `ip_insights` unless one is given, because pairs without times can't be joined with history.
    Raises ConfigError with every mistake and its place.
    """
    document = YamlDocument("hyperparameters", {}) if path is None else read_document(path)
    data = {} if document.data is None else document.data
    if document.mistakes:
        raise refuse(document, document.mistakes)
    if not isinstance(data, dict):
        raise ConfigError("must be a mapping of names to values", place=document.name)
    own = {name: value for name, value in data.items() if not str(name).startswith(_NOT_OURS)}
    try:
        return Hyperparameters.model_validate({"architecture": "ip_insights", **own, **given})
    except ValidationError as error:
        raise refuse(document, of_validation(error, Hyperparameters, document)) from error
