"""TLS and passwords on a real OpenSearch with security, by the command line; and no secret anywhere."""

from __future__ import annotations

import base64
import datetime as dt
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_run import run
from cryptography.hazmat.primitives import serialization
from servers.certificates import Certificates, make_certificates
from servers.secured import SecuredOpenSearch
from signin_events import job_data, write_job

WRONG = "Wrong-7316-Pass"
LASTS = 45
"""Seconds that the expiring certificate is good for: the server must be up by then, also on a busy machine."""


def tried(folder: Path, secured: SecuredOpenSearch, **changes: Any) -> tuple[int, str]:
    """`ipi-es -v setup --dry-run` with these settings: (exit code, all that was said)."""
    section = {
        "hosts": [secured.url],
        "username": secured.username,
        "password": secured.password,
        "ca_certs": str(secured.ca),
        "max_retries": 0,
        **changes,
    }
    file = folder / "ipi-es.yml"
    file.write_text(json.dumps({"elasticsearch": {k: v for k, v in section.items() if v is not None}}))
    result = run("--config", file, "setup", "--dry-run")
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def no_secret_in_the_log(caplog: pytest.LogCaptureFixture, secured_opensearch: SecuredOpenSearch) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    for password in (secured_opensearch.password, WRONG):
        assert password not in caplog.text
        login = f"{secured_opensearch.username}:{password}".encode()
        assert base64.b64encode(login).decode() not in caplog.text


def test_right_ca_and_password_work(secured_opensearch: SecuredOpenSearch, tmp_path: Path) -> None:
    code, said = tried(tmp_path, secured_opensearch)
    assert code == 0, said


def test_client_certificate_is_enough(
    secured_opensearch: SecuredOpenSearch, certificates: Certificates, tmp_path: Path
) -> None:
    none = {"username": None, "password": None}
    code, said = tried(tmp_path, secured_opensearch, **none)
    assert code == 1
    assert "refused the credentials" in said
    admin = {"client_cert": str(certificates.admin_chain), "client_key": str(certificates.admin_key)}
    code, said = tried(tmp_path, secured_opensearch, **none, **admin)
    assert code == 0, said
    both = tmp_path / "both.pem"
    both.write_bytes(certificates.admin_chain.read_bytes() + certificates.admin_key.read_bytes())
    code, said = tried(tmp_path, secured_opensearch, **none, client_cert=str(both))
    assert code == 0, said


def test_client_certificate_that_can_not_be_used_says_why(
    secured_opensearch: SecuredOpenSearch, certificates: Certificates, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.key"
    key = serialization.load_pem_private_key(certificates.admin_key.read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"secret")
    locked.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret))
    for file, expected in (
        (locked, "has a passphrase"),
        (certificates.key, "can't be used"),  # another certificate's key
        (certificates.ca, "can't be used"),  # no key
    ):
        own = {"client_cert": str(certificates.admin_chain), "client_key": str(file)}
        code, said = tried(tmp_path, secured_opensearch, **own)
        assert code == 1
        assert expected in said
        assert "client_key" in said


def test_fingerprint_of_the_ca_is_enough(secured_opensearch: SecuredOpenSearch, tmp_path: Path) -> None:
    fingerprint = secured_opensearch.ca_fingerprint
    code, said = tried(tmp_path, secured_opensearch, ca_certs=None, ca_fingerprint=fingerprint)
    assert code == 0, said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ca_certs": "wrong"}, "is not trusted"),
        ({"ca_certs": None}, "is not trusted"),  # the CA is nobody's that the machine knows
        ({"ca_certs": None, "ca_fingerprint": "0" * 64}, "fingerprint"),
        ({"password": WRONG}, "refused the credentials"),
        ({"username": None, "password": None}, "refused the credentials"),
        ({"username": "nobody"}, "refused the credentials"),
        ({"username": None, "password": None, "bearer_token": WRONG}, "refused the credentials"),
        ({"username": None, "password": None, "api_key": WRONG}, "refused the credentials"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do_and_without_the_secret(
    secured_opensearch: SecuredOpenSearch, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    if changes.get("ca_certs") == "wrong":
        changes = {"ca_certs": str(secured_opensearch.wrong_ca)}
    code, said = tried(tmp_path, secured_opensearch, **changes)
    assert code == 1
    assert says in said
    assert "→" in said
    assert secured_opensearch.password not in said
    assert WRONG not in said
    assert "Traceback" not in said


def test_http_instead_of_https_is_said(secured_opensearch: SecuredOpenSearch, tmp_path: Path) -> None:
    plain = secured_opensearch.url.replace("https", "http")
    code, said = tried(tmp_path, secured_opensearch, hosts=[plain], ca_certs=None)
    assert code == 1
    assert "https://" in said
    assert secured_opensearch.password not in said


def test_name_that_the_certificate_is_not_for_is_refused(secured_opensearch: SecuredOpenSearch, tmp_path: Path) -> None:
    other = secured_opensearch.url.replace("127.0.0.1", "127.0.0.2")
    code, said = tried(tmp_path, secured_opensearch, hosts=[other])
    assert code == 1
    assert "127.0.0.2" in said


def test_check_says_what_is_wrong_with_the_log_in_as_a_finding(
    secured_opensearch: SecuredOpenSearch, tmp_path: Path
) -> None:
    tried(tmp_path, secured_opensearch, password=WRONG)  # leaves its settings
    job = write_job(tmp_path / "job.json", job_data("signins"))
    result = run("--config", tmp_path / "ipi-es.yml", "check", job, "--format", "json")
    assert result.exit_code == 1
    rows = {row["check"]: row for row in json.loads(result.stdout)}
    assert rows["cluster"]["status"] == "problem"
    assert "refused the credentials" in rows["cluster"]["message"]
    assert WRONG not in result.output


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredOpenSearch]:
    """A server whose certificate ended while it ran: OpenSearch doesn't start with one that has ended before."""
    began = time.monotonic()
    made = make_certificates(tmp_path_factory.mktemp("expiring"), server_lasts=dt.timedelta(seconds=LASTS))
    with SecuredOpenSearch.start(made) as secured:
        time.sleep(max(LASTS + 1 - (time.monotonic() - began), 0))
        yield secured


def test_expired_certificate_is_refused_and_said(expired: SecuredOpenSearch, tmp_path: Path) -> None:
    code, said = tried(tmp_path, expired)
    assert code == 1
    assert "expired" in said
    assert expired.password not in said


def test_expired_certificate_is_refused_with_a_fingerprint_too(expired: SecuredOpenSearch, tmp_path: Path) -> None:
    code, said = tried(tmp_path, expired, ca_certs=None, ca_fingerprint=expired.ca_fingerprint)
    assert code == 1
    assert "expired" in said
