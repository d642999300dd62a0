"""`ipi-es job create`: write the job file for a known source of sign-ins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ipi_es.cli.shared.new_file import require_free, write_file
from ipi_es.cli.shared.shell import shell

if TYPE_CHECKING:
    from ipi_es.config.presets.preset import Preset, Variant
    from ipi_es.setup.preset_choice import PresetChoice


@click.command()
@click.argument("name", metavar="NAME", required=False)
@click.option("--from", "source", metavar="SOURCE", help="The source, such as okta or windows; --list shows all.")
@click.option("--list", "listed", is_flag=True, help="List the sources.")
@click.option(
    "--index",
    "indices",
    metavar="PATTERN",
    multiple=True,
    help="Where the events are, if not in the source's usual indices. Can be given more than once.",
)
@click.option("--variant", "variant_name", metavar="VARIANT", help="The variant of the documents; default: what fits.")
@click.option("--unchecked", is_flag=True, help="Do not ask the cluster whether the indices have the fields.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: jobs/NAME.yml.")
@click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
@click.option("--dry-run", is_flag=True, help="Write the job file to standard output instead.")
@click.pass_context
def create(
    ctx: click.Context,
    name: str | None,
    source: str | None,
    listed: bool,
    indices: tuple[str, ...],
    variant_name: str | None,
    unchecked: bool,
    output: Path | None,
    overwrite: bool,
    dry_run: bool,
) -> None:
    """Write a commented job file for a known source of sign-ins.

    The source says which events are sign-ins, which field has the account and which the address. Integrations change:
    of a source's variants, the first whose fields the cluster's indices have is taken; the newest one where no cluster
    answers. NAME becomes the job_id.

    Example: ipi-es job create staff-sign-ins --from okta
    """
    from ipi_es.config.presets.preset import load_preset
    from ipi_es.errors import UsageError
    from ipi_es.pages.text import counted

    if listed:
        _print_sources()
        return
    if name is None or source is None:
        raise UsageError("which job, from which source?", hint="ipi-es job create NAME --from SOURCE; --list has all")
    path = output or Path("jobs") / f"{name}.yml"
    if not dry_run:
        require_free(path, overwrite=overwrite)
    preset = load_preset(source)
    if preset.refused is not None:
        raise UsageError(f"{source} can't be a source: {preset.refused}", hint="ipi-es job create --list shows others")
    if variant_name is not None:
        preset = preset.model_copy(update={"variants": (_named(preset, source, variant_name),)})
    variant, patterns = preset.variants[0], indices or preset.variants[0].indices
    said, notes = "its indices were not checked", list[str]()
    choice = None if unchecked else _chosen(ctx, source, preset, indices)
    if choice is not None:
        variant, patterns = choice.variant, choice.indices
        said = f"its query matches {counted(choice.events, 'event')} in {', '.join(patterns)}"
        if not choice.events:
            notes.append(f"no event matches its query: look at {', '.join(patterns)}, or name others with --index")
    variant.made(name, patterns)  # an impossible NAME or index is refused now
    text = variant.text(name, patterns)
    if dry_run:
        click.echo(text, nl=False)
    else:
        write_file(path, text)
        click.echo(f"{path} is written: {preset.title}, variant “{variant.name}”; {said}.", err=True)
    for note in (*notes, *preset.pitfalls, *variant.pitfalls):
        click.secho(f"note: {note}", fg="yellow", err=True)
    if not dry_run:
        click.echo(f"Next: ipi-es check {path}", err=True)


def _chosen(ctx: click.Context, source: str, preset: Preset, indices: tuple[str, ...]) -> PresetChoice | None:
    """Ask the cluster which variant fits; None, with a note, where it can't be reached."""
    from ipi_es.errors import ClusterUnreachable
    from ipi_es.setup.preset_choice import choose

    try:
        with shell(ctx).cluster() as cluster:
            return choose(cluster, source, preset, indices)
    except ClusterUnreachable as error:
        click.secho(f"note: {error.message}, so nothing was checked", fg="yellow", err=True)
        return None


def _named(preset: Preset, source: str, name: str) -> Variant:
    from ipi_es.errors import UsageError

    for variant in preset.variants:
        if variant.name == name:
            return variant
    names = ", ".join(variant.name for variant in preset.variants)
    raise UsageError(f"{source} has no variant “{name}”", hint=f"its variants: {names}")


def _print_sources() -> None:
    from ipi_es.cli.shared.output import Column, print_table
    from ipi_es.config.presets.preset import load_preset, preset_names

    presets = {name: load_preset(name) for name in preset_names()}
    rows = [
        {"source": name, "title": preset.title, "entity": preset.entity}
        for name, preset in presets.items()
        if preset.refused is None
    ]
    print_table(rows, [Column("source", "Source"), Column("title", "Log"), Column("entity", "Entity")])
    for name, preset in presets.items():
        if preset.refused is not None:
            click.echo(f"not {name}: {preset.refused}")
