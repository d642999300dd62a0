"""Lines of `ipi-es score`: read, scored and answered in blocks; malformed rows are counted and named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import click

from ipi_es.errors import DataError, UsageError
from ipi_es.worker.pairs.score_rows import Row, RowFormat, read_rows, write_row
from ipi_es.worker.pairs.score_sagemaker import Answer, MediaType, request_rows

if TYPE_CHECKING:
    from ipi_es.worker.pairs.pair_scorer import PairScorer

BLOCK_ROWS = 4_096
"""Rows that are scored together: enough to be fast, and few enough that a pipe gets output soon."""

MOST_NAMED = 10
"""Malformed rows that a message names; the answers have all of them."""


@dataclass(frozen=True, slots=True)
class Lines:
    """How rows are read and answered: in a form of `score`, or, with ``accept``, as SageMaker does."""

    form: RowFormat | None = None
    """None: the first line decides."""
    content_type: MediaType | None = None
    accept: MediaType | None = None

    def scored(self, scorer: PairScorer, lines: Iterable[str], malformed: Malformed, name: str = "") -> Iterator[str]:
        """Yield the answers to lines, block by block; ``name`` is that of their file, for ``malformed``.

        Raises DataError where ``lines`` aren't the request that the content type says.
        """
        if self.accept is None:
            form, rows = read_rows(lines, self.form)
            while block := malformed.seen(list(islice(rows, BLOCK_ROWS)), name):
                yield "".join(write_row(*each, form) for each in zip(block, scorer.score(block), strict=True))
            return
        rows, answer = request_rows(lines, self.content_type), Answer(self.accept)
        yield answer.begin()
        while block := malformed.seen(list(islice(rows, BLOCK_ROWS)), name):
            yield answer.block(block, scorer.predict(block, self.accept))
        yield answer.end()


@dataclass(slots=True)
class Malformed:
    """Counts the rows that can't be scored, and keeps the first of them."""

    strict: bool = False
    """Whether a malformed row is an error."""
    total: int = 0
    count: int = 0
    first: list[str] = field(default_factory=list)

    def seen(self, rows: list[Row], name: str = "") -> list[Row]:
        """Count rows of a file, and return them."""
        self.total += len(rows)
        wrong = [row for row in rows if row.error]
        self.count += len(wrong)
        for row in wrong[: MOST_NAMED - len(self.first)]:
            self.first.append(f"{name + ', ' if name else ''}line {row.line}: {row.error}")
        return rows

    def say(self, unread: Sequence[str] = ()) -> None:
        """Print a note if there are malformed rows.

        Raises DataError if there are sentences on files that are ``unread``, and, with the rows, if ``strict``;
        UsageError if no row could be scored.
        """
        problems, text = list(unread), f"{self.count:,} of {self.total:,} rows are malformed and not scored"
        if self.count and self.strict:
            more = f"; and {self.count - len(self.first):,} more" if self.count > len(self.first) else ""
            problems.append(f"{text}: {'; '.join(self.first)}{more}")
        elif self.count:
            click.secho(f"{text} (first: {self.first[0]})", fg="yellow", err=True)
        if problems:
            raise DataError("; ".join(problems), hint="mend these, or leave them out")
        if self.count and self.count == self.total:
            raise UsageError(
                "no row was scored",
                hint="write one pair a line: alice,192.0.2.1 (`ipi-es score --help` has the other forms)",
            )
