"""`ipi-es job`: job files, checked and made from Elastic ML's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

STDIN = "-"
"""Stands for standard input where a file is asked for."""


@click.group()
def job() -> None:
    """Check job files, and make them from Elastic ML jobs.

    Example: ipi-es job validate jobs/sign-ins.yml
    """


@job.command()
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
def validate(file: Path) -> None:
    """Check a job's file without a cluster; exit code 2 if something is wrong, with every mistake's place.

    Example: ipi-es job validate jobs/sign-ins.yml
    """
    from ipi_es.config.loading import load_job
    from ipi_es.times import format_span

    found = load_job(file)
    for note in found.warnings():
        _note(note)
    click.echo(
        f"{file}: ok. Job {found.job_id}: rare {found.ip_field} of each {found.entity_field}, every "
        f"{format_span(found.bucket_span)}, from {', '.join(found.datafeed_config.indices)}"
    )


@job.command("import")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))
@click.option(
    "--datafeed", type=click.Path(dir_okay=False), help="The datafeed, if FILE lacks it (GET _ml/datafeeds/ID)."
)
@click.option("--filters", type=click.Path(dir_okay=False), help="Filters of custom rules (GET _ml/filters).")
@click.option("--job-id", help="Which job, where FILE holds several.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: standard output.")
@click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
def import_(
    file: str,
    datafeed: str | None,
    filters: str | None,
    job_id: str | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Turn an Elastic ML job (rare by an IP field, partition = entity) into a job's file.

    FILE is what GET _ml/anomaly_detectors/ID answers, or what Kibana exports; `-` reads standard input. What ipi-es
    doesn't have is refused by name; what can be left out without harm is said on standard error.

    Example: ipi-es job import rare-ips.json -o jobs/rare-ips.yml
    """
    from ipi_es.config.documents import write_yaml
    from ipi_es.config.elastic_import import import_elastic_job

    if output is not None and output.exists() and not overwrite:
        from ipi_es.errors import UsageError

        raise UsageError(f"{output} exists already", hint="choose another name, or replace it with --overwrite")
    imported = import_elastic_job(
        _read(file),
        None if datafeed is None else _read(datafeed),
        filters=None if filters is None else _filters(_read(filters), filters),
        job_id=job_id,
        name="standard input" if file == STDIN else file,
    )
    for note in imported.warnings:
        _note(note)
    text = write_yaml(imported.job, comments=["Made from an Elastic ML job by `ipi-es job import`."])
    if output is None:
        click.echo(text, nl=False)
        return
    _write(output, text)
    click.echo(f"{output} is written. Look at it, then run: ipi-es check {output}", err=True)


def _read(name: str) -> Any:
    from ipi_es.config.documents import parse_json, read_document

    if name == STDIN:
        return parse_json(sys.stdin.read(), name="standard input").data
    return read_document(Path(name)).data


def _write(path: Path, text: str) -> None:
    from ipi_es.errors import UsageError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}", hint="choose another place with -o") from error


def _filters(data: Any, name: str) -> dict[str, list[str]]:
    """``{filter_id: items}`` of Elastic's answer."""
    from ipi_es.errors import ConfigError

    found = data.get("filters") if isinstance(data, dict) else data
    try:
        return {str(each["filter_id"]): [str(item) for item in each.get("items", ())] for each in found or ()}
    except (KeyError, TypeError, AttributeError):
        raise ConfigError("holds no filters", place=name, hint="give what GET _ml/filters answers") from None


def _note(text: str) -> None:
    click.secho(f"note: {text}", fg="yellow", err=True)
