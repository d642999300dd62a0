"""Keys of Elastic ML's jobs and datafeeds that ipi-es doesn't have, with reasons, for the import and for messages.

A key is its dotted path in a job; detectors have no index in it.
"""

from __future__ import annotations

from typing import Any

from ipi_es.config.datafeed_config import WITHOUT_EFFECT

REFUSED = {
    "analysis_config.categorization_field_name": "messages are not categorized",
    "analysis_config.categorization_filters": "messages are not categorized",
    "analysis_config.categorization_analyzer": "messages are not categorized",
    "analysis_config.per_partition_categorization": "messages are not categorized",
    "analysis_config.summary_count_field_name": "events are counted by ipi-es; events summed up before aren't read",
    "analysis_config.multivariate_by_fields": "there is one by field, the IP address",
    "analysis_config.overlapping_buckets": "buckets don't overlap",
    "analysis_config.detectors.over_field_name": (
        "an entity is compared with its own history; write the entity as partition_field_name"
    ),
    "analysis_config.detectors.field_name": "rare looks at no value",
    "analysis_config.detectors.exclude_frequent": "name what should not alarm in allow_list",
    "analysis_config.detectors.custom_rules": "write what should not alarm into allow_list",
    "datafeed_config.aggregations": "ipi-es makes its own aggregation of the plain events",
    "datafeed_config.aggs": "ipi-es makes its own aggregation of the plain events",
    "datafeed_config.script_fields": "write the field as a runtime field, in runtime_mappings",
}
"""Keys whose omission would change what is found, so a job with one of them is not imported."""

HARMLESS = {
    "analysis_limits": "memory is bounded by ip_insights.num_entity_vectors",
    "model_plot_config": "`ipi-es explain` shows what is usual for an entity",
    "background_persist_interval": "state is saved with each batch of buckets",
    "daily_model_snapshot_retention_after_days": "model_snapshot_retention_days alone decides",
    "allow_lazy_open": "jobs run in ipi-es, not on the cluster's nodes",
    "custom_settings": "links and labels of Kibana have no place in ipi-es",
    "analysis_config.model_prune_window": "training.window decides what is forgotten",
    "analysis_config.latency": "datafeed_config.query_delay waits for late events",
    "analysis_config.detectors.use_null": "events without entity or address are counted, not scored",
    "data_description.time_format": "times are read from the date field as they are",
    **{f"datafeed_config.{name}": reason for name, reason in WITHOUT_EFFECT.items()},
    "datafeed_config.indices_options.ignore_throttled": "servers ignore it since version 8",
}
"""Keys whose omission changes no result; the import warns that it left them out."""

GENERATED = frozenset(
    {
        *("allow_auto_close", "assignment_explanation", "authorization", "blocked", "create_time", "created_by"),
        *("data_counts", "deleted", "deleting", "established_model_memory", "finished_time", "forecasts_stats"),
        *("headers", "job_stats", "job_version", "last_data_time", "model_size_stats", "model_snapshot_id"),
        *("model_snapshot_min_version", "node", "open_time", "state", "timing_stats", "version"),
        *("analysis_config.detectors.detector_index", "data_description.format", "data_description.field_delimiter"),
        *("data_description.quote_character", "datafeed_config.authorization", "datafeed_config.datafeed_id"),
        *("datafeed_config.headers", "datafeed_config.job_id", "datafeed_config.node", "datafeed_config.running_state"),
        *("datafeed_config.state", "datafeed_config.timing_stats", "datafeed_config.types"),
        *("datafeed_config.assignment_explanation", "datafeed_config.create_time", "datafeed_config.job_type"),
    }
)
"""Keys that the server writes, or that have long had no meaning: dropped without a warning."""

SILENT: dict[str, tuple[Any, ...]] = {
    "allow_lazy_open": (False,),
    "daily_model_snapshot_retention_after_days": (1,),
    "model_plot_config": ({"enabled": False}, {"enabled": False, "annotations_enabled": False}),
    "custom_settings": ({},),
    "analysis_config.latency": (0, "0", "0s", "0ms"),
    "analysis_config.multivariate_by_fields": (False,),
    "analysis_config.overlapping_buckets": (False,),
    "analysis_config.per_partition_categorization": ({"enabled": False},),
    "analysis_config.categorization_filters": ([],),
    "analysis_config.detectors.custom_rules": ([],),
    "analysis_config.detectors.exclude_frequent": ("none",),
    "analysis_config.detectors.use_null": (False,),
    "data_description.time_format": ("epoch_ms", "epoch"),
    "datafeed_config.aggregations": ({},),
    "datafeed_config.aggs": ({},),
    "datafeed_config.script_fields": ({},),
    "datafeed_config.chunking_config": ({"mode": "auto"},),
    "datafeed_config.scroll_size": (1000,),
    "datafeed_config.delayed_data_check_config": ({"enabled": True},),
    "datafeed_config.indices_options.ignore_throttled": (True,),
}
"""Elastic's defaults, which its API always returns: no user chose them, so they are dropped without a warning."""


def why_not(dotted: str) -> str | None:
    """Say why ipi-es doesn't have a key of Elastic's (with ``detectors[0]`` or ``detectors``); None: it isn't one."""
    key = dotted.replace("[0]", "")
    if key in GENERATED:
        return "the server writes it; leave it out"
    return REFUSED.get(key) or HARMLESS.get(key)
