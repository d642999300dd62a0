"""Configuration: pydantic settings under Elastic ML's names; the only reader of YAML and of the environment."""

from __future__ import annotations

from ipi_es.config.analysis_config import AnalysisConfig, DataDescription, Detector
from ipi_es.config.datafeed_config import DatafeedConfig, IndicesOptions
from ipi_es.config.entity_names import EntityStep, normalize_entity
from ipi_es.config.files.loading import (
    BadFile,
    check_job,
    find_job,
    job_files,
    load_job,
    load_jobs,
    load_settings,
    read_jobs,
)
from ipi_es.config.files.nearest import did_you_mean, nearest
from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.config.job_config import Job, Training
from ipi_es.config.rules.allow_list import NO_RULE, AllowList
from ipi_es.config.rules.allow_rule import AllowRule
from ipi_es.config.settings.cluster_settings import ClusterSettings
from ipi_es.config.settings.settings_file import LoggingSettings, Settings, SnapshotSettings

__all__ = [
    "NO_RULE",
    "AllowList",
    "AllowRule",
    "AnalysisConfig",
    "BadFile",
    "ClusterSettings",
    "DataDescription",
    "DatafeedConfig",
    "Detector",
    "EntityStep",
    "Hyperparameters",
    "IndicesOptions",
    "Job",
    "LoggingSettings",
    "Settings",
    "SnapshotSettings",
    "Training",
    "check_job",
    "did_you_mean",
    "find_job",
    "job_files",
    "load_job",
    "load_jobs",
    "load_settings",
    "nearest",
    "normalize_entity",
    "read_jobs",
]
