"""Query text, field names and entity names from outside stay data: never code, never a part of a path."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ipi_es.cluster.answers.answers import exact_name, target
from ipi_es.cluster.connection import Connection
from ipi_es.cluster.opensearch import OpenSearchCluster
from ipi_es.cluster.port import Drop, Put, ServerInfo
from ipi_es.cluster.transport.retry import Retry
from ipi_es.config.entity_names import EntitySource
from ipi_es.datafeed.searches import requests
from ipi_es.datafeed.spec import FeedSpec
from ipi_es.errors import RequestRejected
from ipi_es.results.documents.ids import document_id
from ipi_es.results.reading import queries

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "x'\"}]); ctx._source.remove('a'); // ${jndi} {{#toJson}}q{{/toJson}} ../../_all OR user.name:* \\ \n"
CODE = {
    "script", "script_fields", "script_score", "bucket_script", "bucket_selector", "scripted_metric", "painless",
    "query_string", "simple_query_string", "regexp", "wrapper", "_render", "params._source", "lang",
}  # fmt: skip
"""What would make a text into code, or into a query language, at the server."""
PAINLESS = re.compile(r'"lang":\s*"painless",\s*"source":\s*"((?:[^"\\\\]|\\\\.)*)"')
ALLOWED = {
    "ipi_es/node/opensearch_node.py",
    "ipi_es/config/elastic/elastic_keys.py",
    "ipi_es/setup/checks/check_query.py",
    "ipi_es/serve/explorer/rendering.py",
}
"""Names of the local server's modules, of refused settings of Elastic ML, of what a job's own query holds, and of a
file that the explorer's pages load."""


def texts(value: Any) -> Iterator[str]:
    """All texts in a body, keys too."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def is_only_data(body: Any) -> bool:
    """The hostile text stands alone wherever it is: nothing was built of it."""
    found = [text for text in texts(body) if HOSTILE in text]
    return bool(found) and all(text == HOSTILE for text in found) and not CODE & set(texts(body))


def test_the_package_writes_no_script_and_no_query_language() -> None:
    found = []
    for path in sorted((ROOT / "ipi_es").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name in ALLOWED:
            continue
        found += [
            f"{name}:{node.lineno}: {node.value}"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in CODE
        ]
    assert found == []


def test_the_shipped_templates_have_no_script_but_alerts_and_nothing_is_put_into_theirs() -> None:
    for path in (ROOT / "templates").rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        if not path.is_relative_to(ROOT / "templates" / "alerts"):
            assert '"script"' not in text, path
        for source in PAINLESS.findall(text):
            # a whole file that is shipped, or a script that stands here as it is
            assert re.fullmatch(r"\$\{script:\w+\}", source) or "${" not in source, path


@pytest.mark.parametrize("where", ["entity_sources", "ip_field", "time_field", "outcome_field", "outcomes"])
def test_field_names_and_outcomes_are_values_in_a_datafeeds_requests(where: str) -> None:
    of_several = EntitySource(HOSTILE, (HOSTILE, "user.name"), ("", "/", ""))
    value: Any = {"outcomes": (HOSTILE, "unknown"), "entity_sources": (of_several,)}.get(where, HOSTILE)
    spec = FeedSpec(("logs-*",), **{where: value})
    body = requests.page_body(spec, 0, 3_600, span=3_600)
    assert is_only_data(body)
    if where != "outcomes":
        plan = requests.plan_body(spec, 0, 3_600, 3_600)
        assert where == "outcome_field" or is_only_data(plan)


def test_entity_names_of_the_events_are_values_where_a_page_goes_on() -> None:
    after = {"e": HOSTILE, "i": "192.0.2.1", "o": "success"}
    assert is_only_data(requests.page_body(FeedSpec(("logs-*",)), 0, 3_600, span=None, after=after))


def test_a_jobs_query_goes_to_the_server_as_it_is() -> None:
    query = {"match": {"message": HOSTILE}}
    body = requests.window(FeedSpec(("logs-*",), query=query), 0, 3_600)
    assert body["bool"]["filter"][1] == query


def test_names_are_terms_in_the_queries_of_results() -> None:
    assert is_only_data(queries.results_query("job", ["record"], queries.ResultFilter(0, entity=HOSTILE, ip=HOSTILE)))
    assert is_only_data(queries.results_query(HOSTILE, ["bucket"]))
    assert is_only_data(queries.critical_influencers_query("job", HOSTILE, 0, 1))


@given(st.text())
def test_a_document_id_tells_nothing_of_the_name(name: str) -> None:
    made = document_id("job", "record", 0, 3_600, name, "192.0.2.1", detector=0)
    assert made.replace("_", "").replace("-", "").isalnum()
    assert made.isascii()


class Recorded(OpenSearchCluster):
    """Keeps the paths that would be sent."""

    def __init__(self) -> None:
        info = ServerInfo("opensearch", (2, 19, 4), "c", "http://x:1")
        super().__init__(info, Connection(hosts=("http://x:1",)), Retry(0, lambda _: None))
        self.paths: list[str] = []

    def _send(self, method: str, path: str, *_: Any) -> Any:
        self.paths.append(path)
        return {
            "_index": "i",
            "_id": unquote(path.rpartition("/")[2]),
            "_source": {},
            "found": True,
            "result": "deleted" if method == "DELETE" else "created",
            "_seq_no": 0,
            "_primary_term": 1,
            "errors": False,
            "items": [],
        }


@given(st.text(min_size=1))
@example("..")
@example(".")
@example("../../_cluster/settings?x#")
def test_whatever_a_documents_id_is_the_path_stays_that_of_one_document(place: str) -> None:
    try:
        place.encode()
    except UnicodeEncodeError:
        return
    cluster = Recorded()
    cluster.get("ipi-es-state", place)
    cluster.put("ipi-es-state", place, {})
    cluster.delete("ipi-es-state", place)
    for path in cluster.paths:
        parts = urlsplit(path)
        assert (parts.query, parts.fragment) == ("", "")
        _, index, kind, name = parts.path.split("/")
        assert (index, kind, unquote(name)) == ("ipi-es-state", "_doc", place)
        assert name not in {".", ".."}


@given(st.text(min_size=1))
def test_an_exact_index_name_is_never_a_pattern_a_list_or_a_path(name: str) -> None:
    try:
        path = exact_name(name)
    except (RequestRejected, UnicodeEncodeError):
        return
    assert not set(path) & set("*?,/# ")
    assert unquote(path) == name


@pytest.mark.parametrize("name", ["*", "_all", "ipi-es-*", "a,b", "-a", "a/_close", "a?b", "", "..", "."])
def test_nothing_is_deleted_but_one_index_by_its_name(name: str) -> None:
    cluster = Recorded()
    with pytest.raises(RequestRejected):
        cluster.delete_index(name)
    assert cluster.paths == []


def test_names_in_a_bulk_are_json_and_can_not_begin_another_action() -> None:
    from ipi_es.cluster.transport.bulk import encode_action

    for action in (Put("i", HOSTILE, {"user": HOSTILE}), Drop("i", HOSTILE)):
        lines = encode_action(action).body.decode().split("\n")
        assert len(lines) == (3 if isinstance(action, Put) else 2)


def test_a_list_of_indices_keeps_its_length() -> None:
    assert target(["logs-a", "siteb:logs-*", "-logs-x"]) == "logs-a,siteb:logs-*,-logs-x"
