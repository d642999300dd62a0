"""Entity names: the fields that they come from, and which spellings mean one entity."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
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

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

_SLASH_DOMAIN = re.compile(r"([\w.*?-]+)/([^/]+)")


@dataclass(frozen=True, slots=True)
class EntitySource:
    r"""One way to name an entity: a field, or a template of several (``{user.domain}\{user.name}``).

    ``fields`` are those of the template in order; ``between`` are the texts before, between and after them.
    """

    text: str
    fields: tuple[str, ...]
    between: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> EntitySource:
        """Parse a field's name or a template. Raises ValueError for one that names no field."""
        text = text.strip()
        if not {"{", "}"} & set(text):
            if not text:
                raise ValueError("names no field")
            return cls(text, (text,), ("", ""))
        parts = _PLACEHOLDER.split(text)
        between, fields = tuple(parts[::2]), tuple(part.strip() for part in parts[1::2])
        if not fields or not all(fields) or {"{", "}"} & set("".join(between)):
            raise ValueError(f"“{text}” is no template: write each field in braces, as in {{host.name}}/{{user.name}}")
        return cls(text, fields, between)

    @property
    def is_field(self) -> bool:
        """Whether the name is one field's value as it is."""
        return self.between == ("", "")

    def name(self, values: Sequence[str]) -> str:
        """Return the name made of the fields' values, in the order of ``fields``."""
        pieces = [piece for pair in zip(self.between, values, strict=False) for piece in pair]
        return "".join([*pieces, self.between[-1]])


def fields_of(sources: Sequence[EntitySource]) -> tuple[str, ...]:
    """Return the fields of all sources, each once."""
    return tuple(dict.fromkeys(name for source in sources for name in source.fields))


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
