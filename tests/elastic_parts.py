"""A job and a datafeed of Elastic ML, as its API answers them."""

from __future__ import annotations

from typing import Any


def elastic_job(**more: Any) -> dict[str, Any]:
    return {
        "job_id": "rare_ips",
        "analysis_config": {
            "bucket_span": "15m",
            "detectors": [
                {"function": "rare", "by_field_name": "source.ip", "partition_field_name": "user.name"},
            ],
        },
        "data_description": {"time_field": "@timestamp"},
        "model_plot_config": {"enabled": True},
        **more,
    }


FEED = {"datafeed_id": "feed", "job_id": "rare_ips", "indices": ["logs-*"], "query": {"match_all": {}}}
