"""Sign-ins of a few people, for the tests of what looks at events and judges them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ipi_es.cluster.port import Cluster, Put
from ipi_es.config.files.loading import check_job
from ipi_es.config.job_config import Job

START = 1_777_593_600  # 2026-05-01T00:00:00Z
DAY = 86_400
DAYS = 25
END = START + DAYS * DAY

MAPPING: dict[str, Any] = {
    "properties": {
        "@timestamp": {"type": "date"},
        "event": {"properties": {"category": {"type": "keyword"}, "outcome": {"type": "keyword"}}},
        "user": {"properties": {"name": {"type": "keyword"}, "email": {"type": "keyword"}}},
        "source": {"properties": {"ip": {"type": "ip"}}},
        "message": {"type": "text", "fields": {"keyword": {"type": "keyword"}}},
    }
}


CONTEXT_MAPPING: dict[str, Any] = {
    "properties": {
        **MAPPING["properties"],
        "source": {
            "properties": {
                "ip": {"type": "ip"},
                "as": {"properties": {"number": {"type": "long"}}},
                "geo": {"properties": {"country_iso_code": {"type": "keyword"}}},
            }
        },
    }
}
"""With the fields that a GeoIP processor writes beside the address."""


def with_context(document: dict[str, Any], _number: int = 0) -> dict[str, Any]:
    """The document with operator and country of its address, one of each for all addresses of a /29."""
    octet = int(document["source"]["ip"].rpartition(".")[2])
    known = {"as": {"number": 64_500 + octet // 8}, "geo": {"country_iso_code": ("DE", "FR")[octet // 16 % 2]}}
    return {**document, "source": {**document["source"], **known}}


def job_data(indices: str, **datafeed: Any) -> dict[str, Any]:
    """A job's file."""
    return {
        "job_id": "sign-ins",
        "datafeed_config": {"indices": [indices], "entity_normalize": [], **datafeed},
        "training": {"min_events": 200},
    }


def make_job(indices: str = "signins", **datafeed: Any) -> Job:
    return check_job(job_data(indices, **datafeed), name="the test's job")


def write_job(path: Path, data: dict[str, Any]) -> Path:
    path.write_text(json.dumps(data))
    return path


Change = Callable[[dict[str, Any], int], dict[str, Any] | None]
"""A document and its number → the document to store, None for none."""


def documents(change: Change = lambda document, _: document, *, days: int = DAYS, a_day: int = 20) -> Iterator[dict]:
    """``days * a_day`` sign-ins of ten people from 30 addresses."""
    choice = random.Random(7)
    for number in range(days * a_day):
        made = {
            "@timestamp": (START + number * DAY // a_day) * 1_000,
            "event": {"category": "authentication", "outcome": "success" if number % 10 else "failure"},
            "user": {"name": f"user{choice.randrange(10)}"},
            "source": {"ip": f"192.0.2.{choice.randrange(30)}"},
        }
        if (changed := change(made, number)) is not None:
            yield changed


def fill(
    cluster: Cluster,
    index: str = "signins",
    change: Change = lambda document, _: document,
    *,
    mapping: dict[str, Any] = MAPPING,
    days: int = DAYS,
) -> None:
    """Make the index with these sign-ins."""
    cluster.create_index(index, {"mappings": mapping})
    puts = (Put(index, f"{number}", document) for number, document in enumerate(documents(change, days=days)))
    cluster.bulk(puts, refresh=True)
