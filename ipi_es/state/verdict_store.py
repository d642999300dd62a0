"""Verdicts on a job's findings, as documents that people's tools may write too.

A verdict is never changed, and deleted only with its job or entity: it is revoked. Documents of the index that are no
verdicts have no effect; a warning names them. Earlier versions kept verdicts (``confirmed``) beside the job's state;
they are read as *safe*.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ipi_es.addresses import packed
from ipi_es.cluster.port import Cluster, Document, Drop
from ipi_es.cluster.template_conflict import require_ours, require_template
from ipi_es.config.given_verdict import REACH, SAFE, VERDICTS, Verdict
from ipi_es.errors import Conflict, UsageError
from ipi_es.lists import some
from ipi_es.state.fields import LATEST, Fields
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.state.proven_documents import ProvenDocuments, parsed
from ipi_es.times import from_ms, to_ms

VERDICTS_INDEX = VERDICTS_TEMPLATE = "ipi-es-verdicts"
FORMAT = 1
"""Format of a verdict's document; a newer one is refused."""
MOST_COMMENT = 4_096
"""Characters: all verdicts are read whenever one is new."""
LARGEST_OPERATOR = 2**32 - 2
EARLIEST = 946_684_800
"""Epoch seconds of 2000-01-01: a verdict isn't older, but a time is that was given in seconds, not milliseconds."""
_EARLIER = "confirmed"
_BESIDE_STATE = f"{STATE_INDEX}/"
"""What the ids of earlier versions' verdicts begin with here, to say where they are."""
_FIELDS = (
    "format", "job_id", "verdict", "entity", "ip", "by", "time", "since", "comment", "result", "operator", "revoked",
    "revoked_by",
)  # fmt: skip
_HINT = f"correct that document of {VERDICTS_INDEX}, or delete it and give the verdict again"


@dataclass(frozen=True, slots=True)
class StoredVerdicts:
    """All verdicts on one job's findings, the oldest first, and what is wrong with documents that are none, by id."""

    verdicts: tuple[Verdict, ...] = ()
    damaged: dict[str, str] = field(default_factory=dict)


class VerdictStore:
    """The verdicts on one job's findings."""

    def __init__(self, cluster: Cluster, job_id: str) -> None:
        self._cluster, self._job_id = cluster, job_id
        query = {"term": {"job_id": job_id}}
        self._proven = ProvenDocuments(cluster, VERDICTS_INDEX, "verdicts", self._read, query=query, time_field="time")
        self._earlier: tuple[Verdict, ...] | None = None  # those of an earlier version; none is added to them
        self._whole: tuple[StoredVerdicts, StoredVerdicts] | None = None  # of the index, and with the earlier ones

    def add_verdict(self, verdict: Verdict) -> Verdict:
        """Store a verdict; return it with its id. The same verdict again is stored once."""
        if require_template(self._cluster, VERDICTS_TEMPLATE, "verdicts can't be found again"):
            require_ours(self._cluster, VERDICTS_INDEX, VERDICTS_TEMPLATE)
        stored = replace(verdict, id=self._id(verdict))
        self._cluster.put(VERDICTS_INDEX, stored.id, self._source(stored), refresh=True)
        return stored

    def revoke_verdict(self, verdict: Verdict, now: int, by: str) -> bool:
        """Revoke a verdict that :meth:`all` gave; return whether it was there. Raises UsageError if it was changed."""
        if verdict.id.startswith(_BESIDE_STATE):  # as a revoked document it is found by the worker, which unmarks
            self.add_verdict(replace(verdict, revoked=now, revoked_by=by))
            return self._cluster.delete(STATE_INDEX, verdict.id.removeprefix(_BESIDE_STATE))
        found = self._cluster.get(VERDICTS_INDEX, verdict.id)
        if found is None:
            return False
        try:
            source = {**found.source, "revoked": to_ms(now), "revoked_by": by}
            self._cluster.put(VERDICTS_INDEX, found.id, source, if_match=found, refresh=True)
        except Conflict:
            raise UsageError("the verdict was changed meanwhile", hint="run the command again") from None
        return True

    def delete_verdicts(self, ids: Iterable[str] | None = None) -> int:
        """Delete verdicts for good, by default all of the job's, damaged ones too; return the number."""
        if ids is None:
            self._cluster.refresh(VERDICTS_INDEX)
            found = self._cluster.scan(VERDICTS_INDEX, self._proven.query, source=False)
            ids = [*(each.id for each in found), *(each.id for each in self._earlier_ones())]
        drops = [
            Drop(STATE_INDEX, each.removeprefix(_BESIDE_STATE))
            if each.startswith(_BESIDE_STATE)
            else Drop(VERDICTS_INDEX, each)
            for each in ids
        ]
        return self._cluster.bulk(drops, refresh=True).deleted if drops else 0

    def all(self) -> StoredVerdicts:
        """Return all verdicts; the same object as before, as long as none was given, revoked or deleted.

        Raises AnswerIncomplete where the documents that were read are not those that the index counts.
        """
        before = self._earlier
        if before is None or before:
            self._earlier = self._earlier_ones()
        of_index = self._proven.read()
        if self._whole is None or self._whole[0] is not of_index or before != self._earlier:
            merged = sorted([*(self._earlier or ()), *of_index.verdicts], key=lambda each: (each.time, each.id))
            self._whole = of_index, StoredVerdicts(tuple(merged), of_index.damaged)
        return self._whole[1]

    def documents(self) -> list[Document]:
        """Return the documents of all of the job's verdicts, also of damaged ones and those of earlier versions.

        Raises AnswerIncomplete as :meth:`all` does.
        """
        self._cluster.refresh(VERDICTS_INDEX)
        query = self._proven.query
        raw = ProvenDocuments(self._cluster, VERDICTS_INDEX, "verdicts", list[Document], query=query, time_field="time")
        return [*raw.read(), *self._earlier_documents()]

    def delete_documents(self, documents: Sequence[Document]) -> int:
        """Delete some of :meth:`documents` for good; return the number."""
        drops = [Drop(each.index, each.id) for each in documents]
        return self._cluster.bulk(drops, refresh=True).deleted if drops else 0

    def _read(self, documents: Sequence[Document]) -> StoredVerdicts:
        verdicts, damaged = parsed(documents, self._verdict, "it has no effect")
        return StoredVerdicts(tuple(verdicts), damaged)

    def _earlier_ones(self) -> tuple[Verdict, ...]:
        """Return the verdicts that an earlier version kept beside the job's state; this version writes none there."""
        return tuple(parsed(self._earlier_documents(), self._earlier_verdict, "it has no effect")[0])

    def _earlier_documents(self) -> list[Document]:
        self._cluster.refresh(STATE_INDEX)
        query = {"bool": {"filter": [{"term": {"type": "verdict"}}, {"term": {"job_id": self._job_id}}]}}
        return list(self._cluster.scan(STATE_INDEX, query))

    def _earlier_verdict(self, document: Document) -> Verdict:
        fields = self._fields(document, f"delete that document of {STATE_INDEX}, and give the verdict again")
        if fields.text("verdict") != _EARLIER:
            fields.wrong("verdict", document.source["verdict"], _EARLIER)
        return replace(self._made(fields, document, SAFE), id=f"{_BESIDE_STATE}{document.id}")

    def _verdict(self, document: Document) -> Verdict:
        """Read a verdict. Raises StateDamaged where a value can't be one, SnapshotForeign for a newer ipi-es."""
        source, fields = document.source, self._fields(document, _HINT)
        for unknown in fields.without(_FIELDS):  # a misspelled “since” would change what the verdict applies to
            fields.wrong(unknown, source[unknown], f"a field of a verdict, which are {some(_FIELDS, len(_FIELDS))}")
        word = fields.text("verdict")
        if word not in VERDICTS:
            fields.wrong("verdict", word, "one of " + ", ".join(VERDICTS))
        return replace(self._made(fields, document, word), seq_no=document.seq_no)

    def _made(self, fields: Fields, document: Document, word: Any) -> Verdict:
        source, time = document.source, _moment(fields, "time", document.source.get("time"))
        if time < EARLIEST:
            fields.wrong("time", source["time"], "a time after the year 2000, in ISO 8601 or in milliseconds")
        since = time - REACH if source.get("since") is None else _moment(fields, "since", source["since"])
        if source.get("since") is not None and 0 < since < EARLIEST:
            fields.wrong("since", source["since"], "a time after the year 2000, in ISO 8601 or in milliseconds")
        if since > time:
            fields.wrong("since", source["since"], "a time before that of the verdict")
        ip = fields.text("ip")
        if packed(ip) is None:
            fields.wrong("ip", ip, "an IP address")
        comment = fields.text_or_none("comment") or ""
        if len(comment) > MOST_COMMENT:
            fields.wrong("comment", comment, f"a text of at most {MOST_COMMENT:,} characters")
        operator = source.get("operator")
        return Verdict(
            verdict=word,
            entity=fields.text("entity"),
            ip=ip,
            by=fields.text("by"),
            time=time,
            since=since,
            comment=comment,
            result=fields.text_or_none("result"),
            operator=None if operator is None else fields.whole("operator", operator, 1, LARGEST_OPERATOR),
            revoked=None if source.get("revoked") is None else _moment(fields, "revoked", source["revoked"]),
            revoked_by=fields.text_or_none("revoked_by"),
            id=document.id,
        )

    def _fields(self, document: Document, hint: str) -> Fields:
        what = f"a verdict on job {self._job_id} ({document.id})"
        fields = Fields(document.source, f"{what} is damaged", hint)
        fields.refuse_newer(what, FORMAT, otherwise=f"delete that document of {document.index}")
        return fields

    def _source(self, verdict: Verdict) -> dict[str, Any]:
        """Return the document; what isn't set is absent."""
        found: dict[str, Any] = {
            "format": FORMAT,
            "job_id": self._job_id,
            **{name: getattr(verdict, name) for name in ("verdict", "entity", "ip", "by", "comment", "result")},
            "operator": verdict.operator,
            "time": to_ms(verdict.time),
            "since": to_ms(verdict.since),
            "revoked": None if verdict.revoked is None else to_ms(verdict.revoked),
            "revoked_by": verdict.revoked_by,
        }
        return {name: value for name, value in found.items() if value not in (None, "")}

    def _id(self, verdict: Verdict) -> str:
        """Return a document id of fixed length for names of any length; two verdicts never share one."""
        named = (self._job_id, verdict.verdict, verdict.entity, verdict.ip, verdict.by, verdict.result or "")
        parts = (*named, str(verdict.time))
        state = hashlib.blake2b(digest_size=16)
        for part in (each.encode("utf-8", "surrogatepass") for each in parts):
            state.update(len(part).to_bytes(8, "big") + part)
        return state.hexdigest()


def _moment(fields: Fields, name: str, value: object) -> int:
    """Return epoch seconds of a time in milliseconds or in ISO 8601, as the index takes both."""
    wanted = "a time before the year 2100, as 2026-05-28T20:26:40Z or in milliseconds"
    if isinstance(value, str):
        try:
            parsed_time = datetime.fromisoformat(value)
        except ValueError:
            fields.wrong(name, value, wanted)
        value = int((parsed_time if parsed_time.tzinfo else parsed_time.replace(tzinfo=UTC)).timestamp() * 1_000)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= to_ms(LATEST):
        fields.wrong(name, value, wanted)
    return from_ms(value)
