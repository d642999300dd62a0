"""`ipi-es setup --kibana`: into Kibana and OpenSearch Dashboards, as their documentation of the import says."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_run import run
from console_stub import ConsoleStub
from servers.certificates import make_certificates
from signin_events import job_data, write_job

from ipi_es.cluster.console import _BOUNDARY
from ipi_es.setup import console_import

CONSOLES = [("kibana", "8.12.0"), ("opensearch-dashboards", "2.8.0")]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)


@pytest.fixture(params=CONSOLES, ids=lambda each: each[0])
def console(request: pytest.FixtureRequest) -> Iterator[ConsoleStub]:
    with ConsoleStub(*request.param) as stub:
        yield stub


@pytest.fixture
def kibana() -> Iterator[ConsoleStub]:
    with ConsoleStub("kibana", "9.1.0", base="/base") as stub:
        yield stub


def number(console: ConsoleStub) -> int:
    return len(console_import.load(console.kind))  # type: ignore[arg-type]


def test_all_objects_are_imported_and_it_says_so(console: ConsoleStub) -> None:
    result = run("setup", "--kibana", console.url)
    assert result.exit_code == 0, result.output
    assert len(console.saved) == number(console)
    assert ("", "dashboard", "ipi-es-overview") in console.saved
    assert f"{number(console)} objects: {number(console)} imported." in result.stdout
    assert console.version in result.stdout


def test_what_is_there_stays_unless_it_is_asked_for(console: ConsoleStub) -> None:
    run("setup", "--kibana", console.url)
    console.saved["", "dashboard", "ipi-es-overview"] = {"changed": "by hand"}
    again = run("setup", "--kibana", console.url)
    assert again.exit_code == 0
    assert "were there already and stay as they are (replace them with --overwrite)" in again.stdout
    assert console.saved["", "dashboard", "ipi-es-overview"] == {"changed": "by hand"}
    replaced = run("setup", "--kibana", console.url, "--overwrite")
    assert f"{number(console)} replaced" in replaced.stdout
    assert "attributes" in console.saved["", "dashboard", "ipi-es-overview"]


def test_errors_are_shown_one_by_one_and_the_exit_code_is_1(console: ConsoleStub) -> None:
    missing = [{"type": "index-pattern", "id": "gone"}]
    console.broken = {
        "ipi-es-records": {"type": "missing_references", "references": missing},
        "ipi-es-lanes-jobs": {"type": "unknown", "message": "too large", "statusCode": 413},
        "ipi-es-jobs": {"type": "unsupported_type"},
    }
    result = run("setup", "--kibana", console.url)
    assert result.exit_code == 1
    assert "refused: search ipi-es-records" in result.stderr
    assert "it refers to what isn't there: index-pattern gone" in result.stderr
    assert "413 too large" in result.stderr
    assert "the console doesn't know this type of object" in result.stderr
    assert f"{number(console) - 3} imported, 3 refused" in result.stdout


def test_space_and_base_path_are_part_of_the_address(kibana: ConsoleStub) -> None:
    assert run("setup", "--kibana", kibana.url, "--space", "soc").exit_code == 0
    assert {space for space, _, _ in kibana.saved} == {"soc"}


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--overwrite",)])
def test_a_space_that_does_not_exist_gets_nothing(kibana: ConsoleStub, more: tuple[str, ...]) -> None:
    result = run("setup", "--kibana", kibana.url, "--space", "nope", *more)
    assert result.exit_code == 1
    assert "has no space “nope”" in result.stderr
    assert "Stack Management → Spaces" in result.stderr
    assert not kibana.saved


def test_second_space_gets_other_ids_and_links_with_ours_lead_to_them(kibana: ConsoleStub) -> None:
    assert "ids of their own" not in run("setup", "--kibana", kibana.url, "--space", "soc").stderr
    second = run("setup", "--kibana", kibana.url, "--space", "audit")
    assert second.exit_code == 0
    assert f"{number(kibana)} got ids of their own here" in second.stderr
    assert kibana.asked == {"compatibilityMode": "true"}  # Kibana then keeps aliases of our ids in that space


def test_console_is_asked_for_nothing_that_it_does_not_know(console: ConsoleStub) -> None:
    assert run("setup", "--kibana", console.url, "--overwrite").exit_code == 0
    assert ("compatibilityMode" in console.asked) == (console.kind == "kibana")
    assert console.asked["overwrite"] == "true"


def test_tenant_is_named_in_a_header() -> None:
    with ConsoleStub("opensearch-dashboards", "3.1.0") as stub:
        assert run("setup", "--kibana", stub.url, "--tenant", "soc").exit_code == 0
        assert {tenant for tenant, _, _ in stub.saved} == {"soc"}


def test_a_tenant_that_does_not_exist_gets_nothing() -> None:
    """The console itself would import into the user's default tenant, and say that all is well."""
    with ConsoleStub("opensearch-dashboards", "3.1.0") as stub:
        result = run("setup", "--kibana", stub.url, "--tenant", "nope")
        assert result.exit_code == 1
        assert "has no tenant “nope” for this user" in result.stderr
        assert "Security → Tenants" in result.stderr
        assert not stub.saved
        for name in ("global", "private"):
            assert run("setup", "--kibana", stub.url, "--tenant", name).exit_code == 0
        stub.tenants = None
        result = run("setup", "--kibana", stub.url, "--tenant", "soc")
        assert result.exit_code == 1
        assert "has no tenants" in result.stderr
        assert "leave out --tenant" in result.stderr


def test_space_or_tenant_of_the_other_console_is_refused(console: ConsoleStub) -> None:
    wrong, right = ("--tenant", "--space") if console.kind == "kibana" else ("--space", "--tenant")
    result = run("setup", "--kibana", console.url, wrong, "soc")
    assert result.exit_code == 2
    assert right in result.stderr
    assert not console.saved


def test_dry_run_changes_nothing(console: ConsoleStub) -> None:
    result = run("setup", "--kibana", console.url, "--dry-run")
    assert result.exit_code == 0
    assert "dashboard ipi-es-overview: ipi-es: Overview" in result.stdout
    assert "Nothing was changed." in result.stdout
    assert not console.saved


def test_api_key_of_the_cluster_is_used_or_one_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "ipi-es.yml").write_text("elasticsearch: {api_key: Y2x1c3Rlcg==}\n", encoding="utf-8")
    (tmp_path / "key").write_text("Y29uc29sZQ==\n", encoding="utf-8")
    for key, more in (("Y2x1c3Rlcg==", ()), ("Y29uc29sZQ==", ("--kibana-api-key-file", "key"))):
        with ConsoleStub("kibana", "8.12.0", authorization=f"ApiKey {key}") as stub:
            assert run("setup", "--kibana", stub.url, *more).exit_code == 0
            assert stub.saved
    with ConsoleStub("kibana", "8.12.0", authorization="ApiKey another") as stub:
        refused = run("setup", "--kibana", stub.url)
        assert refused.exit_code == 1
        assert "--kibana-api-key-file" in refused.stderr
        assert "Y2x1c3Rlcg==" not in refused.output


def test_certificate_of_another_ca_needs_that_ca(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.chain, made.key)
    with ConsoleStub("kibana", "8.12.0", tls=context) as stub:
        refused = run("setup", "--kibana", stub.url)
        assert refused.exit_code == 1
        assert "is not trusted" in refused.stderr
        assert "--kibana-ca FILE" in refused.stderr
        assert run("setup", "--kibana", stub.url, "--kibana-ca", made.ca).exit_code == 0
        assert stub.saved
        plain = run("setup", "--kibana", stub.url.replace("https", "http"))
        assert "write the console's URL with https://" in plain.stderr


def test_jobs_indices_become_the_data_view_of_events(tmp_path: Path, console: ConsoleStub) -> None:
    (tmp_path / "jobs").mkdir()
    data = job_data("auth-a")
    data["datafeed_config"]["indices"].append("auth-b-*")
    write_job(tmp_path / "jobs" / "job.json", data)
    assert run("setup", "--kibana", console.url).exit_code == 0
    events = console.saved["", "index-pattern", "ipi-es-events"]["attributes"]
    assert events["title"] == "auth-a,auth-b-*"
    assert events["timeFieldName"] == "@timestamp"


def test_jobs_own_fields_are_added_to_the_index_pattern(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    detector = {"function": "rare", "by_field_name": "client.ip", "partition_field_name": "account.id"}
    data = job_data("auth") | {"analysis_config": {"bucket_span": "1h", "detectors": [detector]}}
    write_job(tmp_path / "jobs" / "job.json", data)
    with ConsoleStub("opensearch-dashboards", "2.8.0") as stub:
        assert run("setup", "--kibana", stub.url).exit_code == 0
        fields = json.loads(stub.saved["", "index-pattern", "ipi-es-results"]["attributes"]["fields"])
    types = {each["name"]: each["type"] for each in fields}
    assert (types["account.id"], types["client.ip"]) == ("string", "ip")


def test_old_console_gets_a_note() -> None:
    with ConsoleStub("kibana", "8.9.2") as stub:
        assert "is older than Kibana 8.12" in run("setup", "--kibana", stub.url).stderr


def test_something_else_at_the_address_is_said() -> None:
    with ConsoleStub("something", "1") as stub:
        result = run("setup", "--kibana", stub.url)
    assert result.exit_code == 1
    assert "is neither Kibana nor OpenSearch Dashboards" in result.stderr


def test_starting_console_is_busy_and_not_another_server(console: ConsoleStub) -> None:
    console.whole = (503, "Kibana server is not ready yet")
    result = run("setup", "--kibana", console.url)
    assert result.exit_code == 1
    assert "busy or not ready (503)" in result.stderr


def test_nobody_there_is_said() -> None:
    with ConsoleStub("kibana", "8.12.0") as stub:
        url = stub.url
    result = run("setup", "--kibana", url)
    assert result.exit_code == 1
    assert url in result.stderr
    assert "check the console's URL" in result.stderr
    assert "elasticsearch.hosts" not in result.stderr


@pytest.mark.parametrize(
    ("status", "hint"),
    [(403, "the right to manage saved objects"), (404, "is there such a path?"), (503, "try again in a minute")],
)
def test_refusal_has_a_hint_of_the_consoles_own(console: ConsoleStub, status: int, hint: str) -> None:
    console.refuses = (status, {"statusCode": status, "message": "said by the console"})
    result = run("setup", "--kibana", console.url, *(("--space", "soc") if console.kind == "kibana" else ()))
    assert result.exit_code == 1
    assert "said by the console" in result.stderr
    assert hint in result.stderr


@pytest.mark.parametrize("url", ["ftp://x", "http://user:secret@localhost:5601", "http://localhost:99999"])
def test_unusable_address_is_refused_without_its_secret(url: str) -> None:
    result = run("setup", "--kibana", url)
    assert result.exit_code == 2
    assert "secret" not in result.stderr


def test_options_of_the_console_need_one() -> None:
    result = run("setup", "--overwrite")
    assert result.exit_code == 2
    assert "--overwrite is of no use without --kibana" in result.stderr


@pytest.mark.parametrize("kind", [kind for kind, _ in CONSOLES])
def test_boundary_of_the_form_stands_in_no_object(kind: str) -> None:
    assert _BOUNDARY not in json.dumps(console_import.load(kind))  # type: ignore[arg-type]
