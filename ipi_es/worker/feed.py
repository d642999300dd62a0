"""A job's file, as the datafeed takes it."""

from __future__ import annotations

from ipi_es.cluster.port import Cluster, IndexOptions
from ipi_es.config.job import Job
from ipi_es.datafeed.reader import Datafeed
from ipi_es.datafeed.spec import FeedSpec


def feed_of(cluster: Cluster, job: Job) -> Datafeed:
    """The datafeed of a job. ConfigError for what this server can't do."""
    config = job.datafeed_config
    return Datafeed(
        cluster,
        FeedSpec(
            indices=config.indices,
            entity_field=job.entity_field,
            ip_field=job.ip_field,
            time_field=job.time_field,
            outcome_field=config.outcome_field,
            outcomes=config.outcomes,
            query=config.query,
            runtime_mappings=config.runtime_mappings,
            entity_normalize=config.entity_normalize,
            ignore_private=config.ignore_private,
            options=IndexOptions(
                ignore_unavailable=config.indices_options.ignore_unavailable,
                allow_no_indices=config.indices_options.allow_no_indices,
                expand_wildcards=",".join(config.indices_options.expand_wildcards),
            ),
            page_size=config.max_page,
        ),
    )
