"""Hyperparameters outside a job: SageMaker's file (a JSON mapping of strings), and options of a command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ipi_es.config.files.mistakes import of_validation, refuse
from ipi_es.config.files.yaml_documents import YamlDocument, read_document
from ipi_es.config.hyperparameters import Architecture, Hyperparameters
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


DEFAULTS = {"epochs": 10, "random_negative_sampling_rate": 1, "shuffled_negative_sampling_rate": 1}
"""SageMaker's defaults where those of ipi-es may differ; the others mean the same."""


@dataclass(frozen=True, slots=True)
class _Counterpart:
    """Translates a value for Adam: ``default`` for Adam's, and in proportion to a power of the given value."""

    adam: float
    default: float
    power: float

    def of(self, value: float) -> float:
        """Return the value for row-wise Adagrad, three digits."""
        return float(f"{self.default * (value / self.adam) ** self.power:.3g}")


COUNTERPARTS = {
    "learning_rate": _Counterpart(adam=1e-3, default=0.05, power=1 / 4),
    "weight_decay": _Counterpart(adam=1e-5, default=1e-2, power=1 / 2),
}
"""Hyperparameters whose values are for SageMaker's optimizer, Adam, which here is row-wise Adagrad.

Adagrad divides a step by all earlier gradients of the row, so its rate varies less. For 5 to 20 epochs on data as in
AWS's tutorial, whose rate for Adam is 0.01, rates from 0.05 to 0.09 were best: with 0.01 the network hardly told
another user's addresses from the own ones (AUC 0.72, 0.05: 0.96), and from 0.15 on it fitted the rows too closely
(0.15, 20 epochs: 0.91). The square root of weight decay keeps SageMaker's range within ours.
"""


@dataclass(frozen=True, slots=True)
class SageMakerHyperparameters:
    """The hyperparameters to train with, and what differs from SageMaker's, in sentences."""

    used: Hyperparameters
    notes: tuple[str, ...]


def read_hyperparameters(
    path: Path | None, given: Mapping[str, Any], architecture: Architecture = "ip_insights"
) -> SageMakerHyperparameters:
    """Read hyperparameters from a file; ``given`` (options' texts by name) takes precedence. All values may be strings.

    Values have SageMaker's meaning: those for its optimizer are replaced by their :data:`COUNTERPARTS`. The
    architecture is the one of the arguments unless one is given. Raises ConfigError with every mistake and its place.
    """
    document = YamlDocument("hyperparameters", {}) if path is None else read_document(path)
    data = {} if document.data is None else document.data
    if document.mistakes:
        raise refuse(document, document.mistakes)
    if not isinstance(data, dict):
        raise ConfigError("must be a mapping of names to values", place=document.name)
    own = {name: value for name, value in data.items() if not str(name).startswith(_NOT_OURS)}
    values = {"architecture": architecture, **own, **given}
    try:
        asked = Hyperparameters.model_validate(values)
    except ValidationError as error:
        raise refuse(document, of_validation(error, Hyperparameters, document)) from error
    changes = {name: by.of(getattr(asked, name)) for name, by in COUNTERPARTS.items() if name in values}
    return SageMakerHyperparameters(asked.replaced(**changes), tuple(_differences(asked, changes, values)))


def _differences(asked: Hyperparameters, changes: Mapping[str, float], given: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for what was translated, and one for what isn't given and isn't SageMaker's default."""
    if changes:
        each = [f"{name} {getattr(asked, name):g} becomes {value:g}" for name, value in changes.items()]
        yield f"{' and '.join(each)}: SageMaker's is for Adam, here the optimizer is row-wise Adagrad"
    other = [
        f"{name} {value} (SageMaker: {default})"
        for name, default in DEFAULTS.items()
        if name not in given and (value := getattr(asked, name)) != default
    ]
    if other:
        yield f"not given, and with another default here: {', '.join(other)}"
