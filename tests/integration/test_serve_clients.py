"""`ipi-es serve` before a real cluster, asked by Elastic's own clients: the answers are those of the result index."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from console_results import HOUR, START, fill
from elasticsearch import AsyncElasticsearch, Elasticsearch, NotFoundError, UnsupportedProductError
from elasticsearch import BadRequestError as BadRequest
from made_results import record
from servers.pool import Server as Cluster
from service_parts import a_job

from ipi_es.cluster.connection import Connection
from ipi_es.cluster.port import Cluster as Port
from ipi_es.config.settings.settings_file import Settings
from ipi_es.results.documents.result_documents import ResultContext
from ipi_es.results.store import ResultStore
from ipi_es.results.words import ALIAS
from ipi_es.serve.server import Server

ENTITIES = 30
MANY = 10_030
"""Records of the job with many: more than one answer may have."""


@pytest.fixture
def filled(cluster: Port, context: ResultContext) -> ResultContext:
    fill(cluster, context, ENTITIES)
    return context


def serving(server: Cluster, context: ResultContext, **serve: Any) -> Server:
    job = a_job(context.job_id, analysis_config={"bucket_span": "1h"}, results_index_name=context.job_id)
    settings = Settings(serve={"listen": "127.0.0.1:0", **serve})
    return Server(settings, [job], Connection(hosts=(server.url,)), lambda: START + 30 * HOUR)


@pytest.fixture
def url(server: Cluster, filled: ResultContext) -> Iterator[str]:
    with serving(server, filled, product_header=True) as served:
        yield served.listener.url


@pytest.fixture
def client(url: str) -> Iterator[Elasticsearch]:
    with Elasticsearch(url, max_retries=0) as made:
        yield made


def sources(server: Cluster, context: ResultContext, kind: str, sort: list[Any], *filters: Any) -> list[dict[str, Any]]:
    """Ask the result index itself."""
    query = {"bool": {"filter": [{"term": {"job_id": context.job_id}}, {"term": {"result_type": kind}}, *filters]}}
    body = {"query": query, "sort": sort, "size": 10_000, "track_total_hits": True}
    status, answer = server.call("POST", f"/{ALIAS}/_search", body)
    assert status == 200
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def test_the_client_in_python_reads_what_the_index_has(
    server: Cluster, filled: ResultContext, client: Elasticsearch
) -> None:
    job = filled.job_id
    worst = [{"record_score": "desc"}, {"timestamp": "desc"}, {"partition_field_value": "asc"}]
    records = sources(server, filled, "record", worst)
    found = client.ml.get_records(job_id=job, size=10_000)
    assert (found["count"], found["records"]) == (len(records), records)
    assert (
        client.ml.get_records(job_id=job, from_=3, size=4, record_score=10)["records"]
        == [each for each in records if each["record_score"] >= 10][3:7]
    )
    assert client.ml.get_records(job_id=job, page={"from": 3, "size": 4})["records"] == records[3:7]
    part = {"range": {"timestamp": {"gte": (START + HOUR) * 1_000, "lt": (START + 3 * HOUR) * 1_000}}}
    oldest = [{"timestamp": "asc"}, {"partition_field_value": "asc"}]
    asked = client.ml.get_records(
        job_id=job, start=(START + HOUR) * 1_000, end="2026-05-11T03:00:00Z", sort="timestamp", desc=False
    )
    assert asked["records"] == sources(server, filled, "record", oldest, part)

    ties = [{"influencer_score": "desc"}, {"timestamp": "desc"}]
    ties += [{"influencer_field_name": "asc"}, {"influencer_field_value": "asc"}]
    influencers = client.ml.get_influencers(job_id=job, influencer_score=50, size=1_000)
    assert influencers["influencers"] == [
        {**each, each["influencer_field_name"]: each["influencer_field_value"]}
        for each in sources(server, filled, "influencer", ties, {"range": {"influencer_score": {"gte": 50}}})
    ]

    buckets = client.ml.get_buckets(job_id=job, expand=True)
    assert (buckets["count"], len(buckets["buckets"])) == (24, 24)
    for bucket, expected in zip(buckets["buckets"], sources(server, filled, "bucket", ["timestamp"]), strict=True):
        own = [each for each in records if each["timestamp"] == bucket["timestamp"]]
        assert sorted(map(str, bucket.pop("records", []))) == sorted(map(str, own))
        assert bucket == expected
    one = client.ml.get_buckets(job_id=job, timestamp=str((START + 9 * HOUR) * 1_000))
    assert (one["count"], one["buckets"][0]["anomaly_score"]) == (1, 92.0)

    overall = client.ml.get_overall_buckets(job_id=job, overall_score=50, bucket_span="3h")
    assert [(each["timestamp"], each["overall_score"]) for each in overall["overall_buckets"]] == [
        ((START + 9 * HOUR) * 1_000, 92.0)
    ]


def test_the_client_reads_jobs_and_raises_its_own_errors(filled: ResultContext, client: Elasticsearch) -> None:
    assert client.ml.get_jobs()["jobs"][0]["job_id"] == filled.job_id
    stats = client.ml.get_job_stats(job_id=filled.job_id)["jobs"][0]
    assert stats["data_counts"]["bucket_count"] == 24
    assert client.ml.get_model_snapshots(job_id=filled.job_id)["count"] == 0
    assert client.ml.get_calendars()["count"] == 0
    with pytest.raises(NotFoundError, match="No known job with id 'none'"):
        client.ml.get_records(job_id="none")
    with pytest.raises(BadRequest, match="topN"):
        client.ml.get_overall_buckets(job_id=filled.job_id, top_n=0)


def test_the_asynchronous_client_reads_the_same(filled: ResultContext, url: str, client: Elasticsearch) -> None:
    async def read() -> list[Any]:
        async with AsyncElasticsearch(url, max_retries=0) as made:
            asked = (made.ml.get_records, made.ml.get_influencers, made.ml.get_buckets, made.ml.get_overall_buckets)
            return [dict(await each(job_id=filled.job_id)) for each in asked]

    ml = client.ml
    asked = (ml.get_records, ml.get_influencers, ml.get_buckets, ml.get_overall_buckets)
    assert asyncio.run(read()) == [dict(each(job_id=filled.job_id)) for each in asked]


def test_without_the_switch_the_client_refuses_the_server(server: Cluster, filled: ResultContext) -> None:
    with (
        serving(server, filled) as served,
        Elasticsearch(served.listener.url, max_retries=0) as client,
        pytest.raises(UnsupportedProductError),
    ):
        client.ml.get_records(job_id=filled.job_id)


def test_ten_thousand_records_at_once_are_those_of_all_pages(
    server: Cluster, cluster: Port, context: ResultContext
) -> None:
    store = ResultStore(cluster, context.job_id, context.job_id, flat_fields=context.flat_fields)
    many = (
        record(context, START + number % 24 * HOUR, entity=f"user-{number:05d}", score=number % 7 * 10.0)
        for number in range(MANY)
    )
    store.write(many, 1)
    cluster.refresh(ALIAS)
    with (
        serving(server, context, product_header=True) as served,
        Elasticsearch(served.listener.url, max_retries=0) as client,
    ):
        job = context.job_id
        whole = client.ml.get_records(job_id=job, size=10_000)
        assert (whole["count"], len(whole["records"])) == (MANY, 10_000)
        pages = [
            each
            for first in range(0, 10_000, 2_500)
            for each in client.ml.get_records(job_id=job, from_=first, size=2_500)["records"]
        ]
        assert pages == whole["records"]
        with pytest.raises(BadRequest, match="Result window is too large"):
            client.ml.get_records(job_id=job, from_=9_999, size=2)
