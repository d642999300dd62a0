"""Certificates for tests: a CA of our own, what it signed, and a CA that nobody asked for."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER_NAME = "ipi-es test server"
ADMIN_NAME = "ipi-es test admin"
VALID = dt.timedelta(days=2)


@dataclass(frozen=True)
class Certificates:
    """PEM files: a CA, a server's and an administrator's chain and key under it, and an unrelated CA."""

    ca: Path
    chain: Path
    key: Path
    admin_chain: Path
    admin_key: Path
    wrong_ca: Path
    ca_fingerprint: str


class _Authority:
    """A certificate authority that lives as long as the test."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        self.certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lasts: dt.timedelta = VALID
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + lasts)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def issue(
        self, name: str, *usages: x509.ObjectIdentifier, lasts: dt.timedelta = VALID
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """Make a certificate for the loopback address."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        )
        certificate = (
            self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, lasts)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate, key


def make_certificates(folder: Path, *, server_lasts: dt.timedelta = VALID) -> Certificates:
    """Write the files of a fresh CA, a server, an administrator and an unrelated CA into ``folder``."""
    authority, stranger = _Authority("ipi-es test CA"), _Authority("somebody else's CA")
    both = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    issued = {
        "server": authority.issue(SERVER_NAME, *both, lasts=server_lasts),  # nodes are each other's clients
        "admin": authority.issue(ADMIN_NAME, ExtendedKeyUsageOID.CLIENT_AUTH),
    }
    pem = serialization.Encoding.PEM
    ca = authority.certificate.public_bytes(pem)
    (folder / "ca.pem").write_bytes(ca)
    (folder / "wrong-ca.pem").write_bytes(stranger.certificate.public_bytes(pem))
    for name, (certificate, key) in issued.items():
        # the CA goes along, so that a client can recognise it by its fingerprint
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem) + ca)
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
    return Certificates(
        ca=folder / "ca.pem",
        chain=folder / "server.pem",
        key=folder / "server.key",
        admin_chain=folder / "admin.pem",
        admin_key=folder / "admin.key",
        wrong_ca=folder / "wrong-ca.pem",
        ca_fingerprint=hashlib.sha256(authority.certificate.public_bytes(serialization.Encoding.DER)).hexdigest(),
    )
