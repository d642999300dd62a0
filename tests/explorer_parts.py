"""The explorer over a scored company in memory, and a browser's view of its pages."""

from __future__ import annotations

import html
import re
from functools import cache
from typing import Any

import pytest
import worker_company as company
import worker_parts as parts
from serve_parts import client_of, services_of
from starlette.testclient import TestClient

from ipi_es.cluster.port import Cluster
from ipi_es.errors import AuthenticationFailed
from ipi_es.serve.services import Services
from ipi_es.testing.memory_cluster import MemoryCluster

JOB = company.make_job()
BASIC = {"ann": "Basic YW5uOnNlY3JldA==", "bob": "Basic Ym9iOnNlY3JldA=="}
"""Users of the secured cluster; their password is “secret”."""


@cache
def _scored() -> MemoryCluster:
    with pytest.MonkeyPatch.context() as patch:
        cluster = parts.trained_cluster(JOB, patch)
    parts.backfill(cluster, JOB)
    return cluster


def scored_copy() -> MemoryCluster:
    """An independent copy of the company's cluster, with the results of all days."""
    return parts.copy_of(_scored())


def explorer_on(cluster: Cluster, now: int = parts.NOW, **more: Any) -> TestClient:
    return client_of(services_of(lambda _: cluster, [JOB], now=now, **more))


class Secured:
    """A cluster with security: its users see the same data."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self.cluster = cluster

    def services(self) -> Services:
        return services_of(self.bind, [JOB], now=parts.NOW, local=False)

    def bind(self, authorization: str | None) -> Cluster:
        user = next((name for name, value in BASIC.items() if value == authorization), None)

        def user_name() -> str:
            if user is None:
                raise AuthenticationFailed("the cluster refused the credentials", status=401)
            return user

        made = parts.copy_of(MemoryCluster())
        made.__dict__.update(self.cluster.__dict__)
        made.user_name = user_name  # type: ignore[method-assign]
        return made


def text_of(page: str) -> str:
    """What a person reads of a page."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def all_links(page: str) -> set[str]:
    """The addresses of all links."""
    return {each.replace("&amp;", "&") for each in re.findall(r'href="([^"]+)"', page)}


def incident_links(page: str) -> list[str]:
    """The addresses of the incidents of a list, in its order."""
    return list(dict.fromkeys(re.findall(r'href="(/jobs/[^"/]+/incidents/[^"?/]+)"', page)))


def token_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert found is not None
    return found[1]


def answer(client: TestClient, incident: str, what: str, **fields: str) -> Any:
    """Send a form of an incident's page, as a browser does; the page that comes of it."""
    csrf = token_of(client.get(incident).text)
    return client.post(f"{incident}/{what}", data={"csrf": csrf, **fields})


def undo_fields(page: str) -> dict[str, str]:
    """The fields of the form that undoes the answer that a page tells of."""
    form = page.split('class="outcome"', 1)[1].split("</form>", 1)[0]
    return dict(re.findall(r'name="(did|at)" value="([^"]*)"', form))
