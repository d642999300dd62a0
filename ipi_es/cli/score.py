"""`ipi-es score`: read (entity, address) pairs from standard input, write their compatibility to standard output."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipi_es.cli.score_folder import score_folder
from ipi_es.cli.score_lines import Lines, Malformed
from ipi_es.cli.shared.shell import shell
from ipi_es.errors import ConfigError, UsageError
from ipi_es.worker.pairs.score_rows import RowFormat
from ipi_es.worker.pairs.score_sagemaker import JSON, MediaType

if TYPE_CHECKING:
    from ipi_es.cli.shared.shell import Shell
    from ipi_es.config.job_config import Job
    from ipi_es.worker.pairs.pair_scorer import PairScorer


@click.command()
@click.argument("job_name", metavar="[JOB]", required=False)
@click.option(
    "--snapshot",
    "--model-dir",
    "directory",
    type=click.Path(exists=True, path_type=Path),
    help="Directory with the job's snapshots (snapshots.directory), or a model.tar.gz of it: no cluster is asked then.",
)
@click.option("--snapshot-id", help="Which snapshot; by default the one in use, in a directory the newest.")
@click.option(
    "--input", "input_format", type=click.Choice(["auto", "csv", "json"]), default="auto", help="Default: auto."
)
@click.option(
    "--content-type",
    metavar="TYPE",
    help="Take a request as SageMaker's IP Insights does: text/csv, application/json or application/jsonlines.",
)
@click.option(
    "--accept",
    metavar="TYPE",
    help="Answer as SageMaker's IP Insights does, in one of these types; ;verbose=True behind it adds the embeddings, "
    ";probability=True what `score` answers by itself. Default with --content-type: application/json.",
)
@click.option(
    "--input-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Score all files below this folder instead of standard input; plain or gzip. Needs --output-dir.",
)
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the answers: NAME.out for each file NAME of --input-dir, its rows in the same order.",
)
@click.option("--strict", is_flag=True, help="Fail with exit code 1 where a row is malformed, and name such rows.")
@click.pass_context
def score(
    ctx: click.Context,
    job_name: str | None,
    directory: Path | None,
    snapshot_id: str | None,
    input_format: str,
    content_type: str | None,
    accept: str | None,
    input_dir: Path | None,
    output_dir: Path | None,
    strict: bool,
) -> None:
    """Score (entity, IP address) pairs of standard input with JOB's snapshot; nothing is written or learned.

    Takes CSV (`alice,192.0.2.1`, no header) or JSON lines (`{"entity": "alice", "ip": "192.0.2.1"}`, or SageMaker's
    `{"features": ["alice", "192.0.2.1"]}`) and answers in the same form: compatibility (high = usual), probability
    (small = unusual) and how much history the entity has; SageMaker's form has `dot_product` too, the network's
    log-odds without history against as many sampled pairs as real ones (below 0: more probably a sampled one). CSV
    columns: entity, ip, compatibility, probability, history class, error.

    With --content-type or --accept, requests and answers are SageMaker's:
    `{"instances": [{"features": ["alice", "192.0.2.1"]}]}` gives `{"predictions": [{"dot_product": 3.1}]}`. JOB may be
    left out where --snapshot has the snapshots of one job only.

    A malformed row keeps its place, with an error instead of numbers, and the exit code is 0 unless no row could be
    scored; with --strict it is 1, and in a folder a file with such rows gets no answer.

    Example: echo alice,192.0.2.1 | ipi-es score sign-ins
    """
    lines = _lines(input_format, content_type, accept)
    if (input_dir is None) != (output_dir is None):
        raise UsageError("--input-dir and --output-dir go together", hint="name both, or pipe the pairs")
    if input_dir is None and sys.stdin.isatty():
        click.echo("Type entity,ip and end with Ctrl-D.", err=True)
    malformed = Malformed(strict)
    with _open(shell(ctx), job_name, directory, snapshot_id) as scorer:
        if lines.accept is not None and not lines.accept.probability:
            _note_what_is_left_out(scorer)
        if input_dir is not None and output_dir is not None:
            score_folder(input_dir, output_dir, scorer, lines, malformed)
            return
        text = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", errors="surrogateescape", newline="")
        for block in lines.scored(scorer, text, malformed):
            sys.stdout.write(block)
            sys.stdout.flush()
        text.detach()
    malformed.say()


def _lines(input_format: str, content_type: str | None, accept: str | None) -> Lines:
    """Return how rows are read and answered. Raises UsageError for options that don't go together."""
    given: RowFormat | None = None if input_format == "auto" else "json" if input_format == "json" else "csv"
    if content_type is None and accept is None:
        return Lines(given)
    if given is not None:
        raise UsageError("--input is of no use with --content-type or --accept", hint="leave it out")
    asked = None if content_type is None else MediaType.parse(content_type, "--content-type")
    return Lines(content_type=asked, accept=MediaType.parse(accept or JSON, "--accept"))


def _note_what_is_left_out(scorer: PairScorer) -> None:
    if scorer.snapshot.network.combiner is not None:
        click.secho(
            "note: dot_product is the network's alone; this snapshot joins it with history: without --content-type and "
            "--accept, or with --accept 'application/json;probability=True', you get that compatibility",
            fg="yellow",
            err=True,
        )


@contextmanager
def _open(
    surroundings: Shell, job_name: str | None, directory: Path | None, snapshot_id: str | None
) -> Iterator[PairScorer]:
    if directory is not None:
        from ipi_es.state.directory_blobs import DirectoryBlobs
        from ipi_es.worker.pairs.model_archive import unpacked
        from ipi_es.worker.pairs.scorer_loading import load, newest, only_job

        with unpacked(directory) as folder:
            job_id, job = _job_of(surroundings, job_name or only_job(folder, directory, "name one: ipi-es score {}"))
            blobs = DirectoryBlobs(folder)
            scorer = load(blobs, job_id, newest(blobs, job_id, snapshot_id), job)
        if job is None and scorer.snapshot.network.about.get("source") != "csv":
            note = f"note: there is no file of job {job_id} here; entities are taken as they are spelled"
            click.secho(note, fg="yellow", err=True)
        yield scorer
        return
    if job_name is None:
        raise UsageError(
            "which job?", hint="name its file or its job_id, or a directory with snapshots: --snapshot DIR"
        )
    from ipi_es.worker.job_resources import JobResources
    from ipi_es.worker.pairs.scorer_loading import in_use, load_in_use

    with surroundings.cluster() as cluster:
        work = JobResources(cluster, surroundings.job(job_name), snapshots=surroundings.settings.snapshots.directory)
        yield load_in_use(work, in_use(work, snapshot_id))


def _job_of(surroundings: Shell, job_name: str) -> tuple[str, Job | None]:
    """Return (job_id, job); the job is None where a snapshot is used without the job's file."""
    try:
        job = surroundings.job(job_name)
    except ConfigError:
        raise
    except UsageError:
        return job_name, None
    return job.job_id, job
