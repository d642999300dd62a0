"""Every variant of every source on a real server: a job is created, checked and run, and finds a foreign sign-in.

What was measured is the page docs/sources-checked.md. To write it anew:
IPI_ES_WRITE_SOURCES=1 .venv/bin/pytest tests/integration/test_sources.py
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_run import clock_at, run
from servers.plain_http import call
from servers.pool import Server
from source_cases import CASES, SourceCase, Twins
from source_logs import DAY, END, PEOPLE, PLANTED_IP, SCORED_DAYS, SourceLog, company
from sources_page import Measured, measured_rows, write_rows

from ipi_es.config.presets.preset import Variant, load_preset
from ipi_es.times import iso

WRITE = bool(os.environ.get("IPI_ES_WRITE_SOURCES"))
SMALL = """
ip_insights:
  architecture: ip_insights
  epochs: 2
  shuffled_negative_sampling_rate: 1
"""
"""The network alone, trained for a short time: 49 jobs with the default settings would take a quarter of an hour."""
JOBS = "checked-"
"""The beginning of the names of all jobs here, and of their results' indices."""
TRAINED = re.compile(r"Trained on ([\d,]+) events .*: ([\d,]+) entities, ([\d,]+) addresses")
MATCHES = re.compile(r"variant “(.*)”; its query matches ([\d,]+) events? in")


@pytest.fixture(scope="module")
def rows() -> Iterator[dict[str, Measured]]:
    """What was measured, by the case's key; at the end, the page is written where that is wanted."""
    found: dict[str, Measured] = {}
    yield found
    if WRITE:
        write_rows(found)


@pytest.fixture(scope="module")
def folder(opensearch: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the commands, with our templates in the server; the results are removed at the end."""
    made = tmp_path_factory.mktemp("sources")
    settings = made / "ipi-es.yml"
    settings.write_text(f"elasticsearch: {{hosts: ['{opensearch.url}']}}\n")
    assert run("--config", settings, "setup").exit_code == 0
    yield made
    call(opensearch.url, "DELETE", f"/ipi-es-anomalies-{JOBS}*")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.source}-{case.variant}")
def test_a_foreign_sign_in_is_found(
    case: SourceCase, opensearch: Server, folder: Path, rows: dict[str, Measured], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    clock_at(monkeypatch, END)
    index = indices_of(case)[0].replace("*", "default")
    load(opensearch, index, SourceLog(case))
    try:
        measured = measure(case, opensearch)
    finally:
        call(opensearch.url, "DELETE", f"/{index}")
    rows[case.key] = measured
    assert not measured.problems
    assert measured.entities == PEOPLE - (case.twins is Twins.APART), "entities merged or split wrongly"
    assert measured.score >= 75
    assert measured.rank == 1
    assert (len(measured.found), measured.pairs) == (1, 1), "one result, however many documents the sign-in has"
    assert measured.others == 0, "a result for what is no successful sign-in"
    assert measured.addresses == len({each.address for each in company()}) - 1, "learned from other documents, or not"
    assert WRITE or measured.row() == measured_rows()[case.key], "if that is right, write the page anew, see above"


def variant_of(case: SourceCase) -> Variant:
    return next(each for each in load_preset(case.source).variants if each.name == case.variant)


def indices_of(case: SourceCase) -> tuple[str, ...]:
    """The indices that the job reads."""
    return (case.index,) if case.index else variant_of(case).indices


def measure(case: SourceCase, server: Server) -> Measured:
    """Run the commands on one case's log, and look at what they say."""
    name = f"{JOBS}{case.source}-{case.variant}".replace(".", "-")
    file = Path(f"jobs/{name}.yml")
    chosen = ["--variant", case.variant] if case.named else []
    named = ["--index", case.index] if case.index else []
    created = run("job", "create", name, "--from", case.source, *chosen, *named)
    assert created.exit_code == 0, created.stderr
    said = MATCHES.search(created.stderr)
    assert said is not None, created.stderr
    assert said[1] == case.variant
    text = file.read_text(encoding="utf-8") + SMALL
    text = re.sub(r"\nresults_index_name: .*", "", text) + f"\nresults_index_name: {name}\n"
    file.write_text(text, encoding="utf-8")  # an index that no other test writes to
    checked = json.loads(run("check", file, "--format", "json").stdout)
    trained = run("train", file, "--end", iso(END - SCORED_DAYS * DAY))
    assert trained.exit_code == 0, trained.stderr
    learned = TRAINED.search(trained.stdout)
    assert learned is not None, trained.stdout
    scored = run("backfill", file, "--start", iso(END - SCORED_DAYS * DAY), "--end", iso(END))
    assert scored.exit_code == 0, scored.stderr
    job = variant_of(case).made(name, indices_of(case))
    planted = {"bool": {"must": job.datafeed_config.query, "filter": {"term": {job.ip_field: PLANTED_IP}}}}
    records = json.loads(run("results", "records", file, "--format", "json").stdout)
    return Measured(
        case=case,
        matched=int(said[2].replace(",", "")),
        planted=call(server.url, "POST", f"/{','.join(indices_of(case))}/_count", {"query": planted})[1]["count"],
        problems=[each["check"] for each in checked if each["status"] == "problem"],
        warnings=[each["check"] for each in checked if each["status"] == "warning"],
        entities=int(learned[2]),
        addresses=int(learned[3]),
        records=records,
        influencers=json.loads(run("results", "influencers", file, "--format", "json").stdout),
    )


def load(server: Server, index: str, log: SourceLog) -> None:
    """Make the index anew, with the source's mapping and the log's documents."""
    call(server.url, "DELETE", f"/{index}")
    status, answer = call(server.url, "PUT", f"/{index}", log.mapping())
    assert status == 200, answer
    lines = "".join(f'{{"create":{{}}}}\n{each}\n' for each in log.documents())
    _, answer = call(server.url, "POST", f"/{index}/_bulk?refresh=true", lines)
    assert not answer["errors"], next(each for each in answer["items"] if each["create"]["status"] > 299)
