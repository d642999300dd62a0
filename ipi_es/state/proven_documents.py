"""Small documents that people write: added and ended by name, and read with the proof that all of them were read.

A rule that is missing would raise alarms and learn what should not be learned. So the documents of such an index are
taken only where they are those that the index counts, and are read again only where one was written or deleted since.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from ipi_es.cluster.answers.hints import INCOMPLETE_HINT
from ipi_es.cluster.port import Cluster, Document, Json
from ipi_es.cluster.template_conflict import require_ours, require_template
from ipi_es.errors import AnswerIncomplete, Conflict, IpiEsError, RequestRejected, UsageError
from ipi_es.times import iso

log = logging.getLogger(__name__)

T = TypeVar("T")

TRIES = 3
"""Attempts at reading the documents whole."""


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Numbers of all documents, as one search gives them: they change with each write."""

    documents: int
    last: int
    """The largest sequence number; -1 without documents."""
    total: int
    """The sum of the sequence numbers."""
    created: float
    """The sum of their times: an index that was made anew counts its sequence numbers from 0 again."""

    def are_of(self, documents: Sequence[Document]) -> bool:
        """Return whether these documents have these numbers."""
        numbers = [each.seq_no for each in documents]
        return (self.documents, self.last, self.total) == (len(numbers), max(numbers, default=-1), sum(numbers))


class ProvenDocuments(Generic[T]):
    """The documents of one index that match a query, by default all, and what was made of them.

    ``what`` names the documents in messages: “rules”. ``make`` makes of them what :meth:`read` returns. Each document
    has its time in the field ``created``, or in ``time_field``, in milliseconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        index: str,
        what: str,
        make: Callable[[Sequence[Document]], T],
        *,
        query: Json | None = None,
        time_field: str = "created",
    ) -> None:
        self._cluster, self._index, self._what, self._make, self._time_field = cluster, index, what, make, time_field
        self.query: Json = query or {"match_all": {}}
        self._last: tuple[_Numbers | None, T] | None = None  # what was made last, with the documents' numbers

    def read(self) -> T:
        """Return what is made of all documents; the same object as before, as long as none was written or deleted.

        Raises AnswerIncomplete where the documents that were read are not those that the index counts.
        """
        for _ in range(TRIES):  # a copy of the index that lags behind may answer, or somebody writes meanwhile
            now = self._numbers()
            if self._last is not None and now is not None and self._last[0] == now:
                return self._last[1]
            documents = list(self._cluster.scan(self._index, self.query))
            if now is None or now.are_of(documents):
                self._last = now, self._make(documents)
                return self._last[1]
        raise AnswerIncomplete(
            f"the {self._what} that were read are not all that the index counts", hint=INCOMPLETE_HINT
        )

    def _numbers(self) -> _Numbers | None:
        """Return numbers that change with each write to the index; None where the server doesn't give them."""
        stats = {name: {"stats": {"field": name}} for name in ("_seq_no", self._time_field)}
        try:
            answer = self._cluster.search(
                self._index, {"query": self.query, "size": 0, "track_total_hits": True, "aggs": stats}
            )
        except RequestRejected:
            return None
        found = answer.get("aggregations", {})
        last, total = (found.get("_seq_no", {}).get(name) for name in ("max", "sum"))
        created = found.get(self._time_field, {}).get("sum")
        return _Numbers(self._total(answer), -1 if last is None else int(last), int(total or 0), created or 0.0)

    def _total(self, answer: Json) -> int:
        """Return the number of documents that a search found. Raises AnswerIncomplete where the answer has none."""
        try:
            return int(answer["hits"]["total"]["value"])
        except (KeyError, TypeError, ValueError) as error:
            raise AnswerIncomplete(
                f"the number of {self._what} is missing in the answer", hint=INCOMPLETE_HINT
            ) from error


def parsed(
    documents: Sequence[Document], parse: Callable[[Document], T], consequence: str
) -> tuple[list[T], dict[str, str]]:
    """Return what the documents say, and what is wrong with those that ``parse`` refuses, by id.

    A warning names each of the latter, with the ``consequence``: “it allows nothing”.
    """
    found, damaged = list[T](), dict[str, str]()
    for each in documents:
        try:
            found.append(parse(each))
        except IpiEsError as error:
            damaged[each.id] = error.message
            log.warning("%s: %s; %s", error.message, consequence, error.hint)
    return found, damaged


class Ending(Protocol):
    """What a document with a name says; times in epoch seconds."""

    @property
    def name(self) -> str:
        """The name that people gave it."""

    @property
    def end(self) -> int | None:
        """The time from which it doesn't act any more; None: it has no end."""

    @property
    def ended(self) -> int | None:
        """The time at which a person ended it; None: no one did."""

    def ended_at(self, time: int) -> bool:
        """Return whether it doesn't act any more at ``time``."""

    def ended_by_person(self, time: int, by: str) -> Self:
        """Return it as a person ends it."""

    def source(self) -> dict[str, Any]:
        """Return the document."""


E = TypeVar("E", bound=Ending)


@dataclass(frozen=True, slots=True)
class NamedDocuments(Generic[E]):
    """Documents that people add under a name and end. They are never changed otherwise, and never deleted."""

    cluster: Cluster
    index: str
    """The index, and its template."""
    noun: str
    """What one of them is: “rule”."""
    command: str
    """The command that shows and ends them: ``ipi-es rule``."""
    parse: Callable[[Document], E]

    def id_of(self, name: str) -> str:
        """Return the id of a document: ``rule:NAME``."""
        return f"{self.command.rpartition(' ')[2]}:{name}"

    def insert_named(self, new: E) -> None:
        """Store a new document; it is visible to searches at once. Raises UsageError where its name is taken."""
        if require_template(self.cluster, self.index, f"{self.noun}s can't be found again"):
            require_ours(self.cluster, self.index, self.index)
        try:
            self.cluster.put(self.index, self.id_of(new.name), new.source(), create=True, refresh=True)
        except Conflict:
            there = self.get(new.name)
            ended = "" if there is None or there.ended is None else f", which ended {iso(there.ended)}"
            raise UsageError(
                f"there is a {self.noun} “{new.name}” already{ended}",
                hint=f"choose another name; `{self.command} show {new.name}` shows that one",
            ) from None

    def finish_named(self, name: str, now: int, by: str) -> E:
        """End a document now; return it. Raises UsageError where there is none, or it ended before."""
        found = self.cluster.get(self.index, self.id_of(name))
        if found is None:
            raise self._unknown(name)
        before = self.parse(found)
        if before.ended_at(now):
            raise UsageError(
                f"the {self.noun} “{name}” ended {iso(before.end or now)} already", hint=f"{self.command} list --all"
            )
        ended = before.ended_by_person(now, by)
        try:
            self.cluster.put(self.index, found.id, ended.source(), if_match=found, refresh=True)
        except Conflict:
            raise UsageError(f"the {self.noun} “{name}” was changed meanwhile", hint="run the command again") from None
        return ended

    def get(self, name: str) -> E | None:
        """Return one document. Raises StateDamaged or SnapshotForeign where it can't be read."""
        found = self.cluster.get(self.index, self.id_of(name))
        return None if found is None else self.parse(found)

    def require(self, name: str) -> E:
        """Return one document. Raises UsageError where there is none."""
        found = self.get(name)
        if found is None:
            raise self._unknown(name)
        return found

    def _unknown(self, name: str) -> UsageError:
        return UsageError(f"there is no {self.noun} “{name}”", hint=f"`{self.command} list --all` shows all")
