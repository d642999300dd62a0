"""A program of a user of Elastic's client, run by a test with the client's version 9: `client_requests.py URL JOB`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import elasticsearch

CALLS = ("get_records", "get_influencers", "get_buckets", "get_overall_buckets", "get_jobs", "get_job_stats")


def main(url: str, job: str) -> dict[str, Any]:
    """Return the client's version, and the answer to each call, of the synchronous and the asynchronous client."""
    with elasticsearch.Elasticsearch(url, max_retries=0) as client:
        answers = {call: getattr(client.ml, call)(job_id=job).body for call in CALLS}
        worst = client.ml.get_records(job_id=job, record_score=60, sort="record_score", desc=True, size=2).body
    return {
        "version": elasticsearch.__versionstr__,
        "answers": answers,
        "worst": [each["record_score"] for each in worst["records"]],
        "same": asyncio.run(_asynchronous(url, job)) == answers,
    }


async def _asynchronous(url: str, job: str) -> dict[str, Any]:
    async with elasticsearch.AsyncElasticsearch(url, max_retries=0) as client:
        return {call: (await getattr(client.ml, call)(job_id=job)).body for call in CALLS}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
