"""`ipi-es entity`: export and erase what is stored of one entity; its pseudonym, and the name behind one."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ipi_es.cli.shared.output import Column, confirmed, emit, format_option, yes_option
from ipi_es.cli.shared.shell import Shell, shell
from ipi_es.errors import ClusterReadOnly, UnknownEntity, UsageError
from ipi_es.lists import some
from ipi_es.pseudonyms import Pseudonyms, of_key_file
from ipi_es.results.documents.visible import visible
from ipi_es.worker.typed_names import named_entity, require_key

if TYPE_CHECKING:
    from ipi_es.cluster.port import Document
    from ipi_es.config.job_config import Job
    from ipi_es.worker.entity.erasure import Erasure
    from ipi_es.worker.entity.rules import RulesNaming
    from ipi_es.worker.entity.traces import Trace
    from ipi_es.worker.job_resources import JobResources

PSEUDONYM_COLUMNS = (
    Column("pseudonym", "Pseudonym"),
    Column("entity", "Entity"),
    Column("jobs", "Jobs", wrap=True),
)

SHOWN = 5
"""Names of documents in a sentence; the others are counted."""

jobs_option = click.option("--job", "job_names", multiple=True, metavar="JOB", help="Only this job; default: all jobs.")


@click.group()
def entity() -> None:
    """Export or erase what is stored of one entity: a person's account, a machine.

    Example: ipi-es entity export alice
    """


@entity.command()
@click.argument("pseudonyms", nargs=-1, required=True, metavar="PSEUDONYM…|-")
@click.option("--job", "job_names", multiple=True, metavar="JOB", help="With this job's key; default: those of all.")
@click.option(
    "--key-file", type=click.Path(dir_okay=False, path_type=Path), help="With the key in this file, such as an old one."
)
@format_option
@click.pass_context
def reveal(
    ctx: click.Context,
    pseudonyms: tuple[str, ...],
    job_names: tuple[str, ...],
    key_file: Path | None,
    output_format: str,
) -> None:
    """Print the names that pseudonyms stand for; `-` reads them from standard input, one a line. All of them, or none.

    It needs the key of the job's `entity_pseudonyms`, and no cluster.

    Example: ipi-es entity reveal pseudo-z4g2lroly6vcvfincpz4dhjcfyivuoq7gvnhcsnmdrpv7lo6hatq
    """
    if key_file is not None and job_names:
        raise UsageError("--key-file and --job both name a key", hint="leave one out")
    keys = [of_key_file(key_file)] if key_file is not None else _keys(_jobs(shell(ctx), job_names))
    asked = _lines(pseudonyms)
    names = {each: next((name for key in keys if (name := key.name(each)) is not None), None) for each in asked}
    unknown = [each for each, name in names.items() if name is None]
    if unknown:
        whose = "the key" if len(keys) == 1 else f"any of the {len(keys)} keys"
        raise UsageError(
            f"not made with {whose}: {some([visible(each) for each in unknown], SHOWN)}",
            hint="name the job that they are of with --job, or the key with --key-file; copy them whole",
        )
    emit([{"pseudonym": each, "entity": names[each]} for each in asked], PSEUDONYM_COLUMNS[:2], output_format, empty="")


@entity.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…|-")
@click.option("--job", "job_names", multiple=True, metavar="JOB", help="In this job; default: in all with pseudonyms.")
@format_option
@click.pass_context
def pseudonym(ctx: click.Context, names: tuple[str, ...], job_names: tuple[str, ...], output_format: str) -> None:
    """Print the pseudonyms of names, to search dashboards for them; `-` reads names from standard input, one a line.

    A name is spelled as the events have it: each job's `entity_normalize` applies. Needs the key, and no cluster.

    Example: ipi-es entity pseudonym alice
    """
    jobs = _jobs(shell(ctx), job_names)
    _keys(jobs)
    found: dict[tuple[str, str], list[str]] = {}
    for name in _lines(names):
        for job in jobs:
            if job.pseudonyms is not None:
                stored = named_entity(job, name)
                found.setdefault((stored, job.plain_entity(stored)), []).append(job.job_id)
    rows = [{"pseudonym": each, "entity": name, "jobs": ids} for (each, name), ids in found.items()]
    emit(rows, PSEUDONYM_COLUMNS, output_format, empty="")


@entity.command()
@click.argument("name")
@jobs_option
@click.option(
    "--format", "output_format", type=click.Choice(["json", "ndjson"]), default="json", show_default=True,
    help="One array, or one object a line.",
)  # fmt: skip
@click.pass_context
def export(ctx: click.Context, name: str, job_names: tuple[str, ...], output_format: str) -> None:
    """Print all that is stored of the entity NAME, each with its place; exit code 1 if there is nothing.

    These are its results, holds and verdicts, rules that name it or match it, what was learned of it, and where other
    results and people's texts name it. Texts of people, and explanations of records, may name other people: read them
    before you pass them on. All of it is printed, or an error.

    Example: ipi-es entity export alice --format ndjson > alice.ndjson
    """
    with _opened(shell(ctx), job_names, name) as asked:
        found = [each.to_dict() for each in _traces(asked, everywhere=not job_names)]
    emit(found, (), output_format, empty="")
    if not found:
        raise _unknown(asked)


@entity.command()
@click.argument("name")
@jobs_option
@yes_option
@click.pass_context
def erase(ctx: click.Context, name: str, job_names: tuple[str, ...], yes: bool) -> None:
    """Remove the entity NAME from all that is stored, and say what can't be removed; exit code 1 if nothing names it.

    Its events are yours: delete them first, or the worker finds it again. What is stopped can be run again. A job that
    a worker works on is waited for.

    Example: ipi-es entity erase alice --yes
    """
    from ipi_es.worker.entity.erasure import erase as erase_entity

    with _opened(shell(ctx), job_names, name) as asked:
        rules = _rules(asked, everywhere=not job_names)
        if not yes:
            _ask(asked, rules)
        made: list[Erasure] = []
        for each in asked:
            if each.resources.stores.states.read(each.job.job_id) is None and not any(_of_job(each)):
                continue  # it never ran, or was deleted: it has no lease to hold
            done = erase_entity(each.resources, each.entity, rules.names)
            click.echo(f"Job {each.job.job_id}: {'nothing' if done.nothing else f'removed {done}'}.")
            made.append(done)
        blocked = sorted({index for done in made for index in done.results.blocked})
        # last, as results name the rules; not while some of these stay
        ended = 0 if blocked else asked[0].resources.stores.rules.delete_documents(rules.alone)
        if ended:
            click.echo(f"Rules: removed {ended:,}: {_named(rules.alone)}.")
        if not ended and all(done.nothing for done in made):
            raise _unknown(asked, rules)
        _say_what_stays(asked, rules)
    if blocked:
        raise ClusterReadOnly(
            f"results stay in {some(blocked, SHOWN)}, which may not be written to"
            + (f", and with them the rules {_named(rules.alone)}" if rules.alone else ""),
            hint="remove the block (index.blocks.write, index.blocks.read_only), and run the command again",
        )


class _Asked(NamedTuple):
    """A job that is asked for."""

    resources: JobResources
    entity: str
    """As the job spells it."""
    snapshots: Path | None
    """The directory of snapshots and history; None: the cluster."""

    @property
    def job(self) -> Job:
        """The job, as it spells names."""
        return self.resources.folded_job()


@contextmanager
def _opened(here: Shell, job_names: Sequence[str], name: str) -> Iterator[list[_Asked]]:
    """Yield the jobs of these names, each once, by default all; with the entity of this name."""
    from ipi_es.setup.checks.judge import require_templates
    from ipi_es.worker.job_resources import JobResources

    jobs = _jobs(here, job_names)
    keys = {job.pseudonyms for job in jobs if job.pseudonyms is not None}
    name = next((plain for key in keys if (plain := key.name(name)) is not None), name)  # for jobs with other keys
    with here.cluster() as cluster:
        require_templates(cluster)
        for job in jobs:
            require_key(cluster, job, name)
        snapshots = here.settings.snapshots.directory
        opened = [JobResources(cluster, job, snapshots=snapshots) for job in jobs]
        asked = [_Asked(each, named_entity(each.folded_job(), name), snapshots) for each in opened]
        if not job_names:
            _note_others(asked)
        yield asked


def _jobs(here: Shell, job_names: Sequence[str]) -> list[Job]:
    """Return the jobs of these names, each once, by default all. Raises UsageError where there is none."""
    from ipi_es.config.files.loading import load_jobs

    named = {job.job_id: job for job in map(here.job, job_names)}
    jobs = list(named.values()) if job_names else load_jobs(here.settings)
    if not jobs:
        raise UsageError("there are no jobs", hint="write a job's file: ipi-es job create")
    return jobs


def _keys(jobs: Sequence[Job]) -> list[Pseudonyms]:
    """Return the keys of jobs, each once. Raises UsageError where none of them has pseudonyms."""
    keys = list(dict.fromkeys(job.pseudonyms for job in jobs if job.pseudonyms is not None))
    if not keys:
        which = f"job {jobs[0].job_id} has" if len(jobs) == 1 else "the jobs have"
        raise UsageError(
            f"{which} no pseudonyms: results have the names of entities",
            hint="set entity_pseudonyms in the job's file; docs/personal-data.md says what it changes",
        )
    return keys


def _lines(given: Sequence[str]) -> list[str]:
    """Return the arguments, each once; `-` stands for the lines of standard input."""
    read = list[str]()
    for each in given:
        read += sys.stdin if each == "-" else [each]
    return list(dict.fromkeys(text for each in read if (text := each.strip("\r\n"))))


def _note_others(asked: Sequence[_Asked]) -> None:
    """Name the jobs that have no file here: they aren't searched."""
    known = {each.job.job_id for each in asked}
    others = [state.job_id for state in asked[0].resources.stores.states.all() if state.job_id not in known]
    if others:
        text = f"note: jobs that have no file here are not searched: {some(others, SHOWN)}"
        click.secho(text, fg="yellow", err=True)


def _rules(asked: Sequence[_Asked], *, everywhere: bool) -> RulesNaming:
    from ipi_es.worker.entity.rules import rules_naming

    documents = asked[0].resources.stores.rules.documents()
    return rules_naming(documents, [(each.job, each.entity) for each in asked], everywhere=everywhere)


def _ask(asked: Sequence[_Asked], rules: RulesNaming) -> None:
    """Say what will be removed, and ask."""
    from ipi_es.worker.entity.traces import result_traces, verdict_traces

    kinds = Counter[str]()
    for each in asked:
        kinds.update(trace.kind for trace in result_traces(each.resources, each.entity))
        kinds.update(trace.kind for trace in verdict_traces(each.resources, each.entity) if trace.kind == "verdict")
    said = [f"{kinds[kind]:,} {kind}s" for kind in ("record", "influencer", "verdict") if kinds[kind]]
    said += [f"the name in {kinds['mention']:,} other results and annotations"] if kinds["mention"] else []
    said += [f"the rules {_named(rules.alone)}"] if rules.alone else []
    said += ["what was learned of it, if anything was"]
    confirmed(f"{_spelled(asked)} is erased from {_listed(asked)}: {', '.join(said)}. This can't be undone.", yes=False)


def _of_job(asked: _Asked) -> Iterator[Trace]:
    from ipi_es.state.cluster_blobs import SNAPSHOT_INDEX
    from ipi_es.worker.entity.traces import traces

    yield from traces(asked.resources, asked.entity, str(asked.snapshots or SNAPSHOT_INDEX))


def _traces(asked: Sequence[_Asked], *, everywhere: bool) -> Iterator[Trace]:
    from ipi_es.worker.entity.traces import rule_traces

    for each in asked:
        yield from _of_job(each)
    yield from rule_traces(_rules(asked, everywhere=everywhere), [each.entity for each in asked])


def _say_what_stays(asked: Sequence[_Asked], rules: RulesNaming) -> None:
    from ipi_es.cli.shared.what_stays import what_stays
    from ipi_es.worker.entity.traces import verdict_traces

    lines = [line for each in asked for line in what_stays(each.resources, each.entity)]
    if rules.by_pattern:
        lines.append(f"rules that match it by a pattern: {_named(rules.by_pattern)} (ipi-es rule show NAME)")
    if rules.elsewhere:
        lines.append(f"rules that act in other jobs too: {_named(rules.elsewhere)}")
    if rules.in_text:
        lines.append(f"its name in what people wrote in the rules {_named(rules.in_text)}")
    texts = [trace.id for each in asked for trace in verdict_traces(each.resources, each.entity)]
    if texts:
        lines.append(f"its name as the author of other verdicts, or in their comments: {some(texts, SHOWN)}")
    lines.append(
        "backups of the cluster, deleted documents until the server merges its segments, logs, and alerts that were "
        "sent: ipi-es doesn't reach them"
    )
    click.echo("What stays:")
    for line in lines:
        click.echo(f"- {visible(line)}")


def _unknown(asked: Sequence[_Asked], rules: RulesNaming | None = None) -> UnknownEntity:
    """Return the error for a name that nothing has; rules that have it among others are named."""
    others = [] if rules is None else [*rules.by_pattern, *rules.elsewhere, *rules.in_text]
    but = f", but for the rules {_named(others)}" if others else ""
    return UnknownEntity(
        f"nothing that {_listed(asked)} stored names {_spelled(asked)}{but}",
        hint="write it as results spell it: `ipi-es results records JOB` shows names",
    )


def _spelled(asked: Sequence[_Asked]) -> str:
    return " or ".join(f"“{visible(each)}”" for each in dict.fromkeys(each.entity for each in asked))


def _listed(asked: Sequence[_Asked]) -> str:
    return f"the job{'' if len(asked) == 1 else 's'} {some([each.job.job_id for each in asked], SHOWN)}"


def _named(rules: Sequence[Document]) -> str:
    return some([visible(str(each.source.get("name") or each.id)) for each in rules], SHOWN)
