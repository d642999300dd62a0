"""Entity spelling: which spellings mean one entity, in the events (datafeed) and in the allow list's rules."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

EntityStep: TypeAlias = Literal["lowercase", "strip_domain", "strip_slash_domain", "trim", "nfc"]

STEPS: tuple[EntityStep, ...] = get_args(EntityStep)

SERVICES = frozenset(
    (
        *("afs", "cifs", "dns", "exchangemdb", "ftp", "gc", "hdfs", "host", "http", "imap", "kadmin", "kafka"),
        *("krbtgt", "ldap", "mssqlsvc", "nfs", "pop", "postgres", "restrictedkrbhost", "rpcss", "sip", "smtp"),
        *("termsrv", "wsman"),
    )
)
"""Service classes of Kerberos principals: ``host/server.example`` is a machine, not a user of a domain *host*."""

_SLASH_DOMAIN = re.compile(r"([\w.*?-]+)/([^/]+)")


def normalize_entity(name: str, steps: Sequence[EntityStep]) -> str:
    r"""Apply the ``entity_normalize`` steps to a name, always in the same fixed order; idempotent.

    ``nfc`` composes characters (an e and an accent become é), ``trim`` drops white space around the name.
    ``strip_domain`` drops a leading ``DOMAIN\`` and a trailing ``@domain``. ``strip_slash_domain`` drops a leading
    ``domain/``, unless it is a service class of Kerberos. Both leave a name unchanged that would become empty.
    """
    composed, trimmed = "nfc" in steps, "trim" in steps
    if composed:
        name = unicodedata.normalize("NFC", name)
    if trimmed:
        name = name.strip()
    if "strip_domain" in steps:
        name = _without_domain(name, trimmed)
    if "strip_slash_domain" in steps:
        name = _without_slash_domain(name, trimmed)
    if "lowercase" in steps:
        name = name.lower()
        if composed:  # lower-case letters may compose where their capitals don't
            name = unicodedata.normalize("NFC", name)
    return name


def _without_domain(name: str, trimmed: bool) -> str:
    user = name.rpartition("\\")[2]
    user = user.partition("@")[0]
    return (user.strip() if trimmed else user) or name


def _without_slash_domain(name: str, trimmed: bool) -> str:
    found = _SLASH_DOMAIN.fullmatch(name)
    if found is None or found[1].lower() in SERVICES:
        return name
    return (found[2].strip() if trimmed else found[2]) or name
