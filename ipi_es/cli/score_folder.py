"""`ipi-es score --input-dir`: a folder of files in, a folder of answers out, as a batch transform of SageMaker does."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipi_es.errors import DataError, UsageError

if TYPE_CHECKING:
    from ipi_es.cli.score_lines import Lines, Malformed
    from ipi_es.worker.pairs.pair_scorer import PairScorer


def score_folder(source: Path, target: Path, scorer: PairScorer, lines: Lines, malformed: Malformed) -> None:
    """Score each file ``NAME`` below ``source`` into ``NAME.out`` below ``target``, and print the numbers.

    An answer is complete once it has its name. A file that can't be read, or with malformed rows where ``malformed`` is
    strict, gets none, and the others go on. Raises DataError at the end if there was such a file, UsageError for a
    target within the source.
    """
    from ipi_es.ipinsights.sagemaker.csv_pairs import files_of

    if target.resolve().is_relative_to(source.resolve()):
        raise UsageError(
            f"{target} lies within {source}: its answers would be read next time", hint="name another --output-dir"
        )
    failed: list[str] = []
    files = files_of(source)
    for file in files:
        name = file.relative_to(source)
        before = malformed.count
        answer = target / name.with_name(f"{name.name}.out")
        part = answer.with_name(f".{answer.name}.part")
        try:
            answer.parent.mkdir(parents=True, exist_ok=True)
            _score_file(file, part, scorer, lines, malformed, str(name))
            if malformed.strict and malformed.count > before:
                continue
            part.replace(answer)
        except (DataError, UsageError) as error:
            failed.append(f"{name}: {error.message}")
        except OSError as error:
            hint = "check the folder's rights, and the space there"
            raise UsageError(f"{answer} can't be written: {error.strerror or error}", hint=hint) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    click.echo(f"{malformed.total:,} rows of {len(files):,} files were read, {malformed.count:,} of them malformed.")
    malformed.say([f"{len(failed):,} of {len(files):,} files can't be read: {'; '.join(failed)}"] if failed else ())


def _score_file(file: Path, part: Path, scorer: PairScorer, lines: Lines, malformed: Malformed, name: str) -> None:
    from ipi_es.ipinsights.sagemaker.line_files import opened

    with opened(file) as text, part.open("w", encoding="utf-8", newline="") as out:
        for block in lines.scored(scorer, text, malformed, name):
            out.write(block)
