from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ipi_es.config import ClusterSettings, Settings, load_settings
from ipi_es.errors import ConfigError

SECRET = "hunter2-hunter2"
FINGERPRINT = "ab" * 32


def load(tmp_path: Path, text: str, **environ: str) -> Settings:
    path = tmp_path / "ipi-es.yml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ=environ)


def refused(tmp_path: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, **environ)
    return str(caught.value)


def test_without_a_file_it_is_a_server_on_this_machine(tmp_path: Path) -> None:
    settings = load_settings(environ={}, directory=tmp_path)
    assert settings.elasticsearch.hosts == ("http://localhost:9200",)
    assert settings.jobs is not None
    assert settings.jobs[0] == str(tmp_path / "jobs" / "*.yml")


def test_the_file_is_the_named_one_then_the_environments_then_the_folders(tmp_path: Path) -> None:
    for name in ("a.yml", "b.yml", "ipi-es.yml"):
        (tmp_path / name).write_text(f"elasticsearch: {{hosts: 'http://{name[0]}:9200'}}", encoding="utf-8")
    environ = {"IPI_ES_CONFIG": str(tmp_path / "b.yml")}

    def host(path: Path | None, environ: dict[str, str]) -> str:
        return load_settings(path, environ=environ, directory=tmp_path).elasticsearch.hosts[0]

    assert host(tmp_path / "a.yml", environ) == "http://a:9200"
    assert host(None, environ) == "http://b:9200"
    assert host(None, {}) == "http://i:9200"


def test_a_named_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load_settings(environ={"IPI_ES_CONFIG": str(tmp_path / "nothing.yml")})


@pytest.mark.parametrize("text", ["", "# all comments\n", "elasticsearch:\n  # hosts: x\nlogging:\n"])
def test_a_file_of_comments_means_the_defaults(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text).elasticsearch == ClusterSettings()


@pytest.mark.parametrize("hosts", ["http://a:1,http://b:2", ["http://a:1", "http://b:2/"]])
def test_hosts_are_a_list_or_one_string(tmp_path: Path, hosts: Any) -> None:
    assert load(tmp_path, f"elasticsearch: {{hosts: {hosts!r}}}").elasticsearch.hosts == ("http://a:1", "http://b:2")


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("localhost:9200", "must be a URL with http:// or https://"),
        ("ftp://a:1", "must be a URL with http:// or https://"),
        ("https://a", "must name its port"),
        ("https://a:123456", "must name its port"),
        ("https://a:1?x=1", "must end after the host"),
        (f"https://bob:{SECRET}@a:9200", "has credentials in it"),
    ],
)
def test_a_host_that_cannot_be_used_is_refused(tmp_path: Path, host: str, reason: str) -> None:
    message = refused(tmp_path, f"elasticsearch:\n  hosts: '{host}'\n")
    assert reason in message
    assert "ipi-es.yml:2: elasticsearch.hosts" in message
    assert SECRET not in message


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"api_key": "k", "username": "bob", "password": "p"}, "api_key and username/password are different ways"),
        ({"api_key": "k", "bearer_token": "t"}, "api_key and bearer_token are different ways"),
        ({"username": "bob"}, "username needs password or password_file"),
        ({"password": "p"}, "password needs username"),
        ({"cloud_id": "a:b", "hosts": "http://a:1"}, "cloud_id and hosts name the cluster twice"),
        ({"hosts": []}, "hosts is empty"),
        ({"hosts": ["http://a:1", "https://b:1"]}, "hosts mixes http:// and https://"),
        ({"hosts": "http://a:1", "ca_fingerprint": FINGERPRINT}, "ca_fingerprint is for https://"),
        ({"hosts": "http://a:1", "client_cert": __file__}, "client_cert is for https://"),
        ({"hosts": "https://a:1", "client_key": __file__}, "client_key needs client_cert"),
        ({"hosts": "https://a:1", "ca_fingerprint": FINGERPRINT, "verify_certs": False}, "verify_certs: false makes"),
        ({"ca_fingerprint": "12:34"}, "64 hexadecimal digits"),
        ({"api_key": ""}, "is empty"),
        ({"request_timeout": "soon"}, "is not a time span"),
        ({"request_timeout": 0}, "must be longer than 0"),
        ({"max_retries": -1}, "must be at least 0"),
    ],
)
def test_contradictions_and_wrong_values_are_refused(tmp_path: Path, section: dict[str, Any], reason: str) -> None:
    assert reason in refused(tmp_path, f"elasticsearch: {section!r}".replace("False", "false"))


def test_a_secret_and_its_file_are_a_contradiction(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text(SECRET, encoding="utf-8")
    text = f"elasticsearch: {{username: bob, password: {SECRET}, password_file: pw}}"
    message = refused(tmp_path, text)
    assert "password and password_file say the same thing twice" in message
    assert SECRET not in message


@pytest.mark.parametrize("name", ["api_key", "bearer_token", "password"])
def test_a_secret_comes_from_a_file_beside_the_settings(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    user = "username: bob, " if name == "password" else ""
    settings = load(tmp_path, f"elasticsearch: {{{user}{name}_file: secret}}")
    assert settings.elasticsearch.plain()[name] == SECRET


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe\xff"])
def test_a_secrets_file_that_is_missing_empty_or_no_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    message = refused(tmp_path, "elasticsearch:\n  api_key_file: secret")
    assert "ipi-es.yml:2: elasticsearch.api_key_file:" in message


def test_secrets_are_in_no_repr_and_no_dump(tmp_path: Path) -> None:
    settings = load(tmp_path, "elasticsearch: {api_key: '${KEY}'}", KEY=SECRET)
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert settings.elasticsearch.plain()["api_key"] == SECRET


@pytest.mark.parametrize(
    "section",
    [
        f"api_key: {{id: x, api_key: {SECRET}}}",
        f"api_kee: {SECRET}",
        f"max_retries: {SECRET}",
        f"verify_certs: {SECRET}",
        f"ca_fingerprint: {SECRET}",
        f"password_file: {SECRET}",
        f"hosts: {SECRET}",
        f"[{SECRET}]",
        f"password: {SECRET}",  # without a username
        f"{{username: bob, password: '{SECRET}', api_key: '{SECRET}'}}",
    ],
)
def test_secrets_are_in_no_error_and_no_traceback(tmp_path: Path, section: str) -> None:
    path = tmp_path / "ipi-es.yml"
    path.write_text(f"elasticsearch:\n  {section}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(path, environ={})
    assert SECRET not in str(caught.getrepr(chain=True, style="native"))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_timeouts_are_spans_or_seconds(tmp_path: Path) -> None:
    assert load(tmp_path, "elasticsearch: {request_timeout: 30}").elasticsearch.request_timeout == 30
    assert load(tmp_path, "elasticsearch: {request_timeout: 2m}").elasticsearch.request_timeout == 120


def test_a_fingerprint_may_have_colons_and_capitals() -> None:
    with_colons = ":".join(["AB"] * 32)
    assert ClusterSettings(hosts=("https://a:1",), ca_fingerprint=with_colons).ca_fingerprint == FINGERPRINT


def test_cloud_id_stands_instead_of_hosts() -> None:
    assert ClusterSettings(cloud_id="name:abc").hosts == ()


def test_plain_values_have_every_setting_but_the_files() -> None:
    fields = {name for name in ClusterSettings.model_fields if not name.endswith("_file")}
    assert set(ClusterSettings().plain()) == fields


def test_words_for_booleans_are_understood(tmp_path: Path) -> None:
    assert load(tmp_path, "elasticsearch: {verify_certs: no}").elasticsearch.verify_certs is False
    assert load(tmp_path, "elasticsearch: {verify_certs: '${V}'}", V="false").elasticsearch.verify_certs is False


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().jobs = ("x",)  # type: ignore[misc]


def test_relative_paths_count_from_the_files_folder(tmp_path: Path) -> None:
    settings = load(tmp_path, "snapshots: {directory: snaps}\njobs: ['a/*.yml', /abs/b.yml]")
    assert settings.snapshots.directory == tmp_path / "snaps"
    assert settings.jobs == (str(tmp_path / "a/*.yml"), "/abs/b.yml")


def test_another_word_for_the_section_gets_the_right_one(tmp_path: Path) -> None:
    assert "did you mean “elasticsearch”?" in refused(tmp_path, "opensearch: {hosts: 'http://a:1'}")
