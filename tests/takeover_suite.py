"""A stronger index template takes the indices of ipi-es: what has to come out on any cluster.

Run in memory by the unit tests, on real servers by the integration tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_company as company
from cli_run import clock_at, run
from made_results import HOUR, START, record, store_of

from ipi_es.cluster.port import Cluster
from ipi_es.cluster.template_conflict import find_conflict
from ipi_es.errors import UsageError
from ipi_es.results.documents.result_documents import ResultContext
from ipi_es.results.words import ALIAS, TEMPLATE
from ipi_es.setup import setup_plan, templates

STRONGER: dict[str, Any] = {
    "index_patterns": ["*"],
    "priority": 1_000,
    "template": {"settings": {"index": {"number_of_replicas": 0}}},
}
OTHER = "test-all-of-it"
CONTEXT = ResultContext(
    "test-taken", HOUR, "user.name", "source.ip", ("user.name", "source.ip"), results_index_name="test-taken"
)
TAKEN = f"{ALIAS}-test-taken-2026.05"
NOW = company.SCORED_TO + 1_800


class TakeoverSuite:
    """A subclass gives the fixtures ``cluster``, with nothing of ipi-es on it, and ``config``."""

    @pytest.fixture
    def config(self, tmp_path: Path) -> Path:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _here(self, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        clock_at(monkeypatch, NOW)
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("IPI_ES_CONFIG", raising=False)
        data = {**company.job_data(), "results_index_name": "test-taken"}
        Path("job.json").write_text(json.dumps(data))
        yield
        for index in cluster.indices(f"{ALIAS}-test-taken-*"):
            cluster.delete_index(index)

    @pytest.mark.parametrize("after", [False, True], ids=["before setup", "after setup"])
    def test_setup_check_and_backfill_refuse_and_name_it(self, cluster: Cluster, config: Path, after: bool) -> None:
        company.fill(cluster)
        if after:
            assert run("--config", config, "setup").exit_code == 0
        cluster.put_index_template(OTHER, STRONGER)
        for command in (["setup", "--dry-run"], ["setup"], ["setup"], ["setup", "--dry-run"]):
            done = run("--config", config, *command)
            assert done.exit_code == 1, done.output
            assert "Nothing to do" not in done.output
            assert f"index template {OTHER} (priority 1000) takes" in done.output
            assert "ipi-es setup --priority 1001" in done.output
        checked = run("--config", config, "check", "job.json")
        assert checked.exit_code == 1
        assert "0 problems" not in checked.output
        assert f"index template {OTHER} (priority 1000) takes {ALIAS}-test-taken-" in checked.output
        assert "no alias ipi-es-anomalies" in checked.output
        done = run("--config", config, "backfill", "job.json", "--start", "now-2d")
        assert done.exit_code == 2, done.output
        assert f"index template {OTHER} (priority 1000) takes" in done.output
        assert cluster.indices(f"{ALIAS}-test-taken-*") == []

    def test_a_higher_priority_of_ours_mends_it_and_stays(self, cluster: Cluster, config: Path) -> None:
        assert run("--config", config, "setup").exit_code == 0
        cluster.put_index_template(OTHER, STRONGER)
        done = run("--config", config, "setup", "--priority", "1001")
        assert done.exit_code == 0, done.output
        assert find_conflict(cluster, TAKEN, TEMPLATE) is None
        again = run("--config", config, "setup")
        assert (again.exit_code, "Nothing to do" in again.output) == (0, True)
        assert {int((cluster.get_index_template(each.name) or {})["priority"]) for each in templates.load()} == {1_001}
        assert store_of(cluster, CONTEXT).write([record(CONTEXT)], 1) == 1
        assert TAKEN in cluster.indices(ALIAS)

    def test_the_first_write_to_a_month_refuses(self, cluster: Cluster) -> None:
        """Also while a worker runs that began before the other template was put there."""
        setup_plan.apply(cluster, setup_plan.plan(cluster))
        store = store_of(cluster, CONTEXT)
        store.write([record(CONTEXT)], 1)
        cluster.put_index_template(OTHER, STRONGER)
        store.write([record(CONTEXT, START - HOUR)], 1)  # of a month that is there
        with pytest.raises(UsageError, match=f"{OTHER} .*takes {ALIAS}-test-taken-2026.06 instead of {TEMPLATE}"):
            store.write([record(CONTEXT, START + HOUR)], 1)
        assert cluster.indices(f"{ALIAS}-test-taken-*") == [TAKEN]

    def test_a_stronger_template_that_gives_all_that_is_needed_is_no_clash(self, cluster: Cluster) -> None:
        setup_plan.apply(cluster, setup_plan.plan(cluster))
        ours = next(each for each in templates.load() if each.name == TEMPLATE)
        body = {**ours.body, "index_patterns": [f"{ALIAS}-test-*"], "priority": 1_000}
        cluster.put_index_template(OTHER, body)
        assert find_conflict(cluster, TAKEN, TEMPLATE) is None
        assert store_of(cluster, CONTEXT).write([record(CONTEXT)], 1) == 1
        less = json.loads(json.dumps(body))
        del less["template"]["settings"]["index"]["gc_deletes"]
        less["template"]["mappings"]["dynamic"] = True
        less["template"]["mappings"]["properties"]["job_id"] = {"type": "text"}
        cluster.put_index_template(OTHER, less)
        found = find_conflict(cluster, TAKEN, TEMPLATE)
        assert found is not None
        assert "job_id is text and should be keyword" in found.lacks
        assert "dynamic is true and should be false" in found.lacks
        assert "index.gc_deletes is the default and should be 1h" in found.lacks

    def test_an_index_that_was_made_without_ours_is_reported_and_its_alias_mended(
        self, cluster: Cluster, config: Path
    ) -> None:
        company.fill(cluster)
        mappings = next(each for each in templates.load() if each.name == TEMPLATE).mappings
        cluster.create_index(TAKEN, {"mappings": mappings})
        setup_plan.apply(cluster, [each for each in setup_plan.plan(cluster) if each.kind == "index template"])
        with pytest.raises(UsageError, match="no alias ipi-es-anomalies") as refused:
            store_of(cluster, CONTEXT).write([record(CONTEXT)], 1)
        assert "ipi-es setup" in str(refused.value)
        checked = run("--config", config, "check", "job.json")
        assert checked.exit_code == 1
        assert f"results can't be found: {TAKEN}" in checked.output
        done = run("--config", config, "setup")
        assert done.exit_code == 0, done.output
        assert f"done: attach alias to index {TAKEN}" in done.output
        assert store_of(cluster, CONTEXT).write([record(CONTEXT)], 1) == 1
        assert "Nothing to do" in run("--config", config, "setup").output

    def test_an_index_with_guessed_types_is_refused_and_gets_no_alias(self, cluster: Cluster, config: Path) -> None:
        guessed = {"properties": {"job_id": {"type": "text"}, "timestamp": {"type": "long"}}}
        cluster.create_index(TAKEN, {"mappings": guessed})
        done = run("--config", config, "setup")
        assert done.exit_code == 1
        assert "job_id: is text, should be keyword" in done.output
        assert "move the index's documents to a new one, or delete it" in done.output
        assert TAKEN not in cluster.indices(ALIAS)
        with pytest.raises(UsageError, match="job_id is text and should be keyword"):
            store_of(cluster, CONTEXT).write([record(CONTEXT)], 1)
