"""One index of the in-memory cluster: its mapping, its documents, and the documents that searches see."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import orjson

from ipi_es.cluster.port import Document, Json
from ipi_es.cluster.transport.bulk import encode
from ipi_es.dotted_names import flatten
from ipi_es.errors import ClusterReadOnly, Conflict, RequestRejected

Value: TypeAlias = str | int | float | bool
PRIMARY_TERM = 1
SEQ_NO = "_seq_no"
"""The only metadata field of the servers that can be aggregated here, beside the index's name."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T.*)?")
_WHOLE = frozenset({"long", "integer", "short", "byte", "unsigned_long"})
_REAL = frozenset({"double", "float", "half_float", "scaled_float"})
_NO_VALUES = frozenset({"object", "nested", "binary", "alias"})


def epoch_ms(value: Any) -> int:
    """Return epoch milliseconds of a date in the spellings of documents and queries. Raises ValueError for others."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d{5,}", value):
        return int(value)
    parsed = datetime.fromisoformat(str(value))
    delta = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) - EPOCH
    return delta.days * 86_400_000 + delta.seconds * 1_000 + delta.microseconds // 1_000


def canonical_ip(value: str) -> str:
    """Return an IP as the servers do: IPv4-mapped as IPv4, IPv6 shortened. Raises ValueError for other texts."""
    address = ipaddress.ip_address(value)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


@dataclass(slots=True)
class StoredDocument:
    """One document; ``raw`` is its source as JSON, ``leaves`` its leaf values by dotted name."""

    id: str
    raw: bytes
    seq_no: int
    version: int
    leaves: dict[str, list[Any]]
    indexed: dict[str, tuple[dict[str, str], list[Value]]] = field(default_factory=dict)
    """By field name: the mapping's types, and the values converted by them; searches ask for the same fields
    repeatedly."""

    def source(self) -> Json:
        """Return a fresh copy of the source."""
        loaded: Json = orjson.loads(self.raw)
        return loaded


@dataclass(slots=True)
class MemoryIndex:
    """Documents by id. :meth:`get` sees writes at once, searches see them after :meth:`refresh`."""

    name: str
    hidden: bool = False
    closed: bool = False
    aliases: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    mappings: Json = field(default_factory=dict)
    settings: Json = field(default_factory=dict)
    """In the servers' form, below ``index``."""
    _types: dict[str, str] = field(default_factory=dict)
    _details: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _closed: list[str] = field(default_factory=list)
    _docs: dict[str, StoredDocument] = field(default_factory=dict)
    _shown: dict[str, StoredDocument] = field(default_factory=dict)
    _deleted_versions: dict[str, int] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _next_seq_no: int = 0

    def put_mapping(self, mappings: Mapping[str, Any]) -> None:
        """Add fields. Raises RequestRejected where a field's type would change."""
        merged = _merge(self.mappings, mappings)
        types: dict[str, str] = {}
        details: dict[str, Mapping[str, Any]] = {}
        closed: list[str] = []
        _collect(merged.get("properties", {}), "", types, details, closed)
        for name, kind in types.items():
            if self._types.get(name, kind) != kind:
                raise RequestRejected(
                    f"mapper [{name}] cannot be changed from type [{self._types[name]}] to [{kind}]", status=400
                )
        self.mappings, self._types, self._details, self._closed = merged, types, details, closed

    @property
    def types(self) -> dict[str, str]:
        """The type of every mapped field; multi-fields and field aliases included."""
        return self._types

    def get(self, id: str) -> Document | None:  # noqa: A002
        """Return the document in real time, or None."""
        found = self._docs.get(id)
        return None if found is None else self.document(found)

    def document(self, stored: StoredDocument) -> Document:
        """Return a stored document as the port does."""
        return Document(stored.id, self.name, stored.source(), stored.seq_no, PRIMARY_TERM)

    def check_match(self, id: str, expected: Document) -> None:  # noqa: A002
        """Raise Conflict unless the document is unchanged since ``expected`` was read."""
        found = self._docs.get(id)
        if found is None or (found.seq_no, PRIMARY_TERM) != (expected.seq_no, expected.primary_term):
            raise Conflict(f"[{id}]: version conflict, the document was changed in between", status=409)

    def write(self, id: str, source: Mapping[str, Any], version: int | None = None) -> Document:  # noqa: A002
        """Index a document.

        Raises Conflict where ``version`` (external_gte) is lower than that of the present or deleted document,
        RequestRejected where a value doesn't fit the mapping, ClusterReadOnly where a block forbids writing.
        """
        self._check_block()
        raw = encode(source, f"document {id}")
        leaves: dict[str, list[Any]] = {}
        for name, value in flatten(orjson.loads(raw)):
            leaves.setdefault(name, []).append(value)
        self._map_new(leaves)
        for name, values in leaves.items():
            self._typed(name, values, strict=True)
        stored = StoredDocument(id, raw, self._next_seq_no, self._next_version(id, version), leaves)
        self._docs[id] = stored
        self._deleted_versions.pop(id, None)
        self._touch(id)
        return self.document(stored)

    def remove(self, id: str, version: int | None = None) -> bool:  # noqa: A002
        """Delete a document; return whether it existed. Its version is kept, so late writes stay fenced."""
        self._check_block()
        self._deleted_versions[id] = self._next_version(id, version)
        found = self._docs.pop(id, None)
        self._touch(id)
        return found is not None

    def _check_block(self) -> None:
        """Raise ClusterReadOnly where the settings forbid writing."""
        if any(value == "true" for value in self.settings.get("blocks", {}).values()):
            raise ClusterReadOnly(f"index [{self.name}] blocked by: [FORBIDDEN/8/index write (api)];", status=403)

    def _next_version(self, id: str, version: int | None) -> int:  # noqa: A002
        found = self._docs.get(id)
        current = found.version if found is not None else self._deleted_versions.get(id, 0)
        if version is None:
            return current + 1
        if version < current:
            text = f"[{id}]: version conflict, current version [{current}] is higher than the one provided [{version}]"
            raise Conflict(text, status=409)
        return version

    def _touch(self, id: str) -> None:  # noqa: A002
        self._changed.add(id)
        self._next_seq_no += 1

    def refresh(self) -> None:
        """Make everything written so far visible to searches."""
        for id_ in self._changed:
            if id_ in self._docs:
                self._shown[id_] = self._docs[id_]
            else:
                self._shown.pop(id_, None)
        self._changed.clear()

    def shown(self) -> list[StoredDocument]:
        """Return the documents that a search sees."""
        return list(self._shown.values())

    def _map_new(self, leaves: Mapping[str, list[Any]]) -> None:
        """Map fields that have no type yet dynamically, by the servers' default rules."""
        unknown = [name for name in leaves if name not in self._types and not self._is_closed(name)]
        dynamic = str(self.mappings.get("dynamic", "true")).lower()
        if not unknown or dynamic == "false":
            return
        if dynamic == "strict":
            raise RequestRejected(
                f"mapping set to strict, dynamic introduction of [{unknown[0]}] is not allowed", status=400
            )
        properties: Json = {}
        for name in unknown:
            inner = properties
            *parents, leaf = name.split(".")
            for parent in parents:
                inner = inner.setdefault(parent, {}).setdefault("properties", {})
            inner[leaf] = _guess(leaves[name][0])
        self.put_mapping({"properties": properties})

    def _is_closed(self, name: str) -> bool:
        return any(name == closed or name.startswith(f"{closed}.") for closed in self._closed)

    def type_of(self, name: str) -> str | None:
        """Return a field's type, with field aliases resolved; None if the field isn't mapped."""
        kind = self._types.get(name)
        if name == SEQ_NO:
            return "long"
        return self.type_of(str(self._details[name]["path"])) if kind == "alias" else kind

    def values(self, stored: StoredDocument, name: str) -> list[Value]:
        """Return a field's values in one document as they are indexed: dates in epoch milliseconds, IPs canonical."""
        kind = self._types.get(name)
        if kind == "alias":
            return self.values(stored, str(self._details[name]["path"]))
        if kind is None:
            return [stored.seq_no] if name == SEQ_NO else []
        known = stored.indexed.get(name)
        if known is not None and known[0] is self._types:
            return known[1]
        leaves = stored.leaves.get(name)
        if leaves is None and name.rpartition(".")[0] in self._types:
            leaves = stored.leaves.get(name.rpartition(".")[0])  # a multi-field is filled from its parent
        found = self._typed(name, leaves or [], strict=False)
        stored.indexed[name] = self._types, found
        return found

    def _typed(self, name: str, leaves: list[Any], *, strict: bool) -> list[Value]:
        kind, detail = self._types.get(name), self._details.get(name, {})
        if kind is None or kind in _NO_VALUES:
            return []
        found: list[Value] = []
        for leaf in leaves:
            try:
                value = _convert(kind, leaf)
            except (ValueError, TypeError) as error:
                if strict and not detail.get("ignore_malformed"):
                    text = f"failed to parse field [{name}] of type [{kind}]: '{leaf}'"
                    raise RequestRejected(text, status=400) from error
                continue
            if kind != "keyword" or len(str(value)) <= detail.get("ignore_above", 1 << 30):
                found.append(self.folded(name, value))
        return found

    def folded(self, name: str, value: Value) -> Value:
        """Return a value as the field's normalizer folds it; the servers' own one, ``lowercase``, is the only one."""
        fold = self._details.get(name, {}).get("normalizer") == "lowercase"
        return value.lower() if fold and isinstance(value, str) else value


def _convert(kind: str, leaf: Any) -> Value:
    if kind in {"date", "date_nanos"}:
        return epoch_ms(leaf)
    if kind == "ip":
        return canonical_ip(leaf)
    if kind in _WHOLE:
        return int(leaf)
    if kind in _REAL:
        return float(leaf)
    if kind == "boolean":
        return (
            {"true": True, "false": False}[str(leaf).lower()] if str(leaf).lower() in {"true", "false"} else _no(leaf)
        )
    return str(leaf).lower() if isinstance(leaf, bool) else str(leaf)


def _no(leaf: Any) -> bool:
    raise ValueError(leaf)


def _guess(value: Any) -> Json:
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return {"type": "long"}
    if isinstance(value, float):
        return {"type": "float"}
    if _DATE.fullmatch(value):
        return {"type": "date"}
    return {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}


def _collect(
    properties: Mapping[str, Any],
    prefix: str,
    types: dict[str, str],
    details: dict[str, Mapping[str, Any]],
    closed: list[str],
) -> None:
    for key, body in properties.items():
        name = f"{prefix}{key}"
        kind = str(body.get("type", "object"))
        types[name], details[name] = kind, body
        if kind == "nested" or body.get("enabled") is False or str(body.get("dynamic", "")).lower() == "false":
            closed.append(name)
        if kind != "nested":
            _collect(body.get("properties", {}), f"{name}.", types, details, closed)
        for sub, detail in body.get("fields", {}).items():
            types[f"{name}.{sub}"], details[f"{name}.{sub}"] = str(detail["type"]), detail


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    merged = dict(old)
    for key, value in new.items():
        inner = merged.get(key)
        merged[key] = _merge(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged
