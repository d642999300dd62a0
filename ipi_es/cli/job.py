"""`ipi-es job`: check job files, import them from Elastic ML; pause, reset and delete jobs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ipi_es.cli.job_create import create
from ipi_es.cli.job_suggest import suggest
from ipi_es.cli.shared.new_file import require_free, write_file
from ipi_es.cli.shared.output import confirmed, yes_option
from ipi_es.cli.shared.shell import clock, shell

if TYPE_CHECKING:
    from ipi_es.cli.shared.shell import Shell
    from ipi_es.cluster.port import Cluster
    from ipi_es.worker.upkeep.removal import Removal

STDIN = "-"
"""File name that means standard input."""


@click.group()
def job() -> None:
    """Write job files for known sources, import and check them; pause, reset and delete jobs.

    Example: ipi-es job create staff-sign-ins --from okta
    """


job.add_command(create)
job.add_command(suggest)


@job.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(files: tuple[Path, ...]) -> None:
    """Check job files without a cluster; exit code 2 if something is wrong, with every mistake's place.

    A folder stands for the job files in it. Two files with the same job_id are a mistake too.

    Example: ipi-es job validate jobs/sign-ins.yml
    """
    from ipi_es.config.files.loading import all_of, read_files
    from ipi_es.times import format_span

    named = [inner for file in files for inner in (_inside(file) if file.is_dir() else [file])]
    jobs, bad = read_files(dict.fromkeys(named))
    for found, file in jobs:
        for note in found.warnings():
            _note(note)
        click.echo(
            f"{file}: ok. Job {found.job_id}: rare {found.ip_field} of each {found.entity_field}, every "
            f"{format_span(found.bucket_span)}, from {', '.join(found.datafeed_config.indices)}"
        )
    if bad:
        raise all_of(bad)


def _inside(folder: Path) -> list[Path]:
    """Return the job files in a folder, sorted. Raises UsageError if it has none."""
    found = sorted(path for path in folder.iterdir() if path.suffix in (".yml", ".yaml", ".json"))
    if not found:
        from ipi_es.errors import UsageError

        raise UsageError(f"{folder} has no job file", hint="a job file's name ends in .yml, .yaml or .json")
    return found


@job.command("import")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))
@click.option(
    "--datafeed", type=click.Path(dir_okay=False), help="The datafeed, if FILE lacks it (GET _ml/datafeeds/ID)."
)
@click.option("--filters", type=click.Path(dir_okay=False), help="Filters of custom rules (GET _ml/filters).")
@click.option(
    "--calendars",
    type=click.Path(dir_okay=False),
    help="Calendars (GET _ml/calendars?size=10000), whose scheduled events are taken over into the cluster.",
)
@click.option(
    "--calendar-events", type=click.Path(dir_okay=False), help="Their events (GET _ml/calendars/*/events?size=10000)."
)
@click.option("--cluster-calendars", is_flag=True, help="Ask the cluster for both, instead of these two files.")
@click.option("--job-id", help="Which job, where FILE holds several; or the name of one without a name.")
@click.option("--index", "indices", multiple=True, metavar="PATTERN", help="The indices, instead of the datafeed's.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: standard output.")
@click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
@click.pass_context
def import_(
    ctx: click.Context,
    /,
    file: str,
    job_id: str | None,
    indices: tuple[str, ...],
    output: Path | None,
    *,
    overwrite: bool,
    cluster_calendars: bool,
    **beside: str | None,
) -> None:
    """Turn an Elastic ML job (rare by an IP field, partition = entity) into a job's file.

    FILE is what GET _ml/anomaly_detectors/ID answers, or what Kibana exports, or a job of its modules (with
    --job-id and --index); `-` reads standard input. What ipi-es
    doesn't have is refused by name; what can be left out without harm is said on standard error.
    Scheduled events of the calendars that end in the future are added to the cluster, for this job.

    Example: ipi-es job import rare-ips.json -o jobs/rare-ips.yml
    """
    from ipi_es.cli.shared.imported_events import of_cluster, require_one_source, take_over
    from ipi_es.config.elastic.elastic_import import import_elastic_job
    from ipi_es.config.files.yaml_documents import write_yaml

    require_one_source(beside["calendars"], beside["calendar_events"], ask_cluster=cluster_calendars)
    given = {name: None if path is None else _read(path) for name, path in beside.items()}
    if output is not None:
        require_free(output, overwrite=overwrite)
    imported = import_elastic_job(
        _read(file),
        given["datafeed"],
        filters=None if beside["filters"] is None else _filters(given["filters"], beside["filters"]),
        job_id=job_id,
        indices=indices,
        name="standard input" if file == STDIN else file,
    )
    for note in imported.warnings:
        _note(note)
    if cluster_calendars:
        given["calendars"], given["calendar_events"] = of_cluster(shell(ctx))
    if given["calendars"] is not None:
        take_over(shell(ctx), imported.job, given["calendars"], given["calendar_events"])
    text = write_yaml(imported.job, comments=["Made from an Elastic ML job by `ipi-es job import`."])
    if output is None:
        click.echo(text, nl=False)
        return
    write_file(output, text)
    click.echo(f"{output} is written. Look at it, then run: ipi-es check {output}", err=True)


@job.command()
@click.argument("job_name", metavar="JOB")
@click.pass_context
def pause(ctx: click.Context, job_name: str) -> None:
    """Let every worker leave JOB alone until `job resume`; one that is amid it stops at its next write.

    Nothing is lost: what it did not finish is done when the job goes on, and so is all that was missed. Commands such
    as train and backfill still work on it.

    Example: ipi-es job pause sign-ins
    """
    from ipi_es.state.job_state import StateStore

    with _named(ctx, job_name) as (_, cluster, job_id):
        StateStore(cluster).pause(job_id, True, clock())
    click.echo(f"Job {job_id} is paused. Let it go on with: ipi-es job resume {job_name}")


@job.command()
@click.argument("job_name", metavar="JOB")
@click.pass_context
def resume(ctx: click.Context, job_name: str) -> None:
    """Let the workers go on with JOB: first with what it missed.

    Example: ipi-es job resume sign-ins
    """
    from ipi_es.state.job_state import StateStore

    with _named(ctx, job_name) as (_, cluster, job_id):
        states = StateStore(cluster)
        state = states.read(job_id)
        paused = state is not None and state.paused
        if paused:
            states.pause(job_id, False, clock())
    click.echo(f"Job {job_id} goes on." if paused else f"Job {job_id} was not paused: nothing to do.")


@job.command()
@click.argument("job_name", metavar="JOB")
@yes_option
@click.pass_context
def reset(ctx: click.Context, job_name: str, yes: bool) -> None:
    """Start JOB from scratch: delete its results, annotations, snapshots, history and quantiles.

    Verdicts stay, and so does whether it is paused. A worker then trains it again.

    Example: ipi-es job reset sign-ins
    """
    with _named(ctx, job_name) as (surroundings, cluster, job_id):
        confirmed(f"{_stored(surroundings, cluster, job_id)} All of it is deleted, verdicts excepted.", yes=yes)
        removed = _removal(surroundings, cluster, job_id).reset()
    click.echo(f"Job {job_id} starts from scratch. Deleted: {removed}.")


@job.command()
@click.argument("job_name", metavar="JOB")
@yes_option
@click.pass_context
def delete(ctx: click.Context, job_name: str, yes: bool) -> None:
    """Delete all that is stored of JOB: results, annotations, snapshots, history, quantiles, verdicts, state.

    Its file stays where it is: take it away too, or the next `ipi-es run` begins the job anew. JOB may be the job_id
    of a job whose file is gone.

    Example: ipi-es job delete sign-ins --yes
    """
    with _named(ctx, job_name) as (surroundings, cluster, job_id):
        confirmed(f"{_stored(surroundings, cluster, job_id)} All of it is deleted, verdicts too.", yes=yes)
        removed = _removal(surroundings, cluster, job_id).delete()
    click.echo(f"Job {job_id} is deleted: {removed}. Its file, if it has one, is still there.")


@contextmanager
def _named(ctx: click.Context, job_name: str) -> Iterator[tuple[Shell, Cluster, str]]:
    """Yield (shell, cluster, job_id) of a job with a file or with stored data. Raises UsageError for others."""
    from ipi_es.config.files.loading import find_job
    from ipi_es.errors import ConfigError, UsageError
    from ipi_es.setup.checks.judge import require_templates
    from ipi_es.worker.upkeep.removal import is_known

    surroundings = shell(ctx)
    missing: UsageError | None = None
    try:
        job_id = find_job(job_name, surroundings.settings).job_id
    except ConfigError:
        raise
    except UsageError as error:
        job_id, missing = job_name, error
    with surroundings.cluster() as cluster:
        require_templates(cluster)
        if missing is not None and not is_known(cluster, job_id):
            raise missing
        yield surroundings, cluster, job_id


def _stored(surroundings: Shell, cluster: Cluster, job_id: str) -> str:
    """Describe what is stored of a job, for the question whether it may be deleted."""
    from ipi_es.times import iso

    found = _removal(surroundings, cluster, job_id).stored()
    scored = "" if found.checkpoint is None else f", scored up to {iso(found.checkpoint)}"
    return (
        f"Job {job_id}{scored}: {found.results:,} results and annotations, {found.snapshots:,} snapshots, "
        f"{found.verdicts:,} verdicts."
    )


def _removal(surroundings: Shell, cluster: Cluster, job_id: str) -> Removal:
    from ipi_es.worker.clock import SystemClock
    from ipi_es.worker.upkeep.removal import Removal

    return Removal(cluster, job_id, SystemClock(), snapshots=surroundings.settings.snapshots.directory)


def _read(name: str) -> Any:
    from ipi_es.config.files.yaml_documents import parse_json, read_document

    if name == STDIN:
        return parse_json(sys.stdin.read(), name="standard input").data
    return read_document(Path(name)).data


def _filters(data: Any, name: str) -> dict[str, list[str]]:
    """Return ``{filter_id: items}`` from Elastic's answer. Raises ConfigError if it holds no filters."""
    from ipi_es.errors import ConfigError

    found = data.get("filters") if isinstance(data, dict) else data
    try:
        return {str(each["filter_id"]): [str(item) for item in each.get("items", ())] for each in found or ()}
    except (KeyError, TypeError, AttributeError):
        raise ConfigError("holds no filters", place=name, hint="give what GET _ml/filters answers") from None


def _note(text: str) -> None:
    click.secho(f"note: {text}", fg="yellow", err=True)
