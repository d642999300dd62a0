"""`ipi-es entity`: export and erase what is stored of one entity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import click

from ipi_es.cli.shared.output import confirmed, emit, yes_option
from ipi_es.cli.shared.shell import Shell, named_entity, shell
from ipi_es.errors import ClusterReadOnly, UnknownEntity, UsageError
from ipi_es.lists import some
from ipi_es.results.documents.visible import visible

if TYPE_CHECKING:
    from ipi_es.cluster.port import Cluster, Document
    from ipi_es.config.job_config import Job
    from ipi_es.worker.entity.erasure import Erasure
    from ipi_es.worker.entity.rules import RulesNaming
    from ipi_es.worker.entity.traces import Trace
    from ipi_es.worker.job_resources import JobResources

SHOWN = 5
"""Names of documents in a sentence; the others are counted."""

jobs_option = click.option("--job", "job_names", multiple=True, metavar="JOB", help="Only this job; default: all jobs.")


@click.group()
def entity() -> None:
    """Export or erase what is stored of one entity: a person's account, a machine.

    Example: ipi-es entity export alice
    """


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
    here = shell(ctx)
    asked = _asked(here, name, job_names)
    with _cluster(here) as cluster:
        found = [each.to_dict() for each in _traces(here, cluster, asked, everywhere=not job_names)]
    emit(found, (), output_format, empty="")
    if not found:
        _unknown(asked)


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
    from ipi_es.state.rule_store import RuleStore
    from ipi_es.worker.entity.erasure import erase as erase_entity
    from ipi_es.worker.entity.rules import rules_naming

    here = shell(ctx)
    asked = _asked(here, name, job_names)
    with _cluster(here) as cluster:
        store = RuleStore(cluster)
        rules = rules_naming(store.documents(), asked, everywhere=not job_names)
        if not yes:
            _ask(here, cluster, asked, rules)
        made: list[Erasure] = []
        for job, spelled in asked:
            resources = _resources(here, cluster, job)
            if resources.stores.states.read(job.job_id) is None:
                continue  # it never ran, or was deleted: nothing is stored of it
            done = erase_entity(resources, spelled, rules.names)
            click.echo(f"Job {job.job_id}: removed {done}." if not done.nothing else f"Job {job.job_id}: nothing.")
            made.append(done)
        ended = store.delete_documents(rules.alone)  # last: results name the rules
        if ended:
            click.echo(f"Rules: removed {ended:,}: {_named(rules.alone)}.")
        if not ended and all(each.nothing for each in made):
            _unknown(asked, rules)
        _say_what_stays(here, cluster, asked, rules, [each.id for each in _in_texts(here, cluster, asked)])
    blocked = sorted({index for each in made for index in each.results.blocked})
    if blocked:
        raise ClusterReadOnly(
            f"results stay in {some(blocked, SHOWN)}, which may not be written to",
            hint="remove the block (index.blocks.write, index.blocks.read_only), and run the command again",
        )


def _asked(here: Shell, name: str, job_names: Sequence[str]) -> list[tuple[Job, str]]:
    """Return the jobs that are asked for, each with the entity as it spells it."""
    from ipi_es.config.files.loading import load_jobs

    named = {job.job_id: job for job in map(here.job, job_names)} if job_names else None
    jobs = load_jobs(here.settings) if named is None else list(named.values())
    if not jobs:
        raise UsageError("there are no jobs", hint="write a job's file: ipi-es job create")
    return [(job, named_entity(job, name)) for job in jobs]


def _ask(here: Shell, cluster: Cluster, asked: Sequence[tuple[Job, str]], rules: RulesNaming) -> None:
    """Say what will be removed, and ask."""
    from ipi_es.worker.entity.traces import result_traces, verdict_traces

    kinds = Counter[str]()
    for job, spelled in asked:
        resources = _resources(here, cluster, job)
        kinds.update(each.kind for each in result_traces(resources, spelled))
        kinds.update(each.kind for each in verdict_traces(resources, spelled))
    said = [f"{kinds[kind]:,} {kind}s" for kind in ("record", "influencer", "verdict") if kinds[kind]]
    said += [f"the name in {kinds['mention']:,} other documents"] if kinds["mention"] else []
    said += [f"the rules {_named(rules.alone)}"] if rules.alone else []
    said += ["what was learned of it, if anything was"]
    confirmed(
        f"{_spelled(asked)} is erased from {_jobs(asked)}: {', '.join(said)}. This can't be undone.",
        yes=False,
    )


def _traces(here: Shell, cluster: Cluster, asked: Sequence[tuple[Job, str]], *, everywhere: bool) -> Iterator[Trace]:
    from ipi_es.state.rule_store import RuleStore
    from ipi_es.worker.entity.rules import rules_naming
    from ipi_es.worker.entity.traces import rule_traces, traces

    directory = here.settings.snapshots.directory
    for job, spelled in asked:
        resources = _resources(here, cluster, job)
        yield from traces(resources, spelled, **({} if directory is None else {"blobs_in": str(directory)}))
    documents = RuleStore(cluster).documents()
    yield from rule_traces(rules_naming(documents, asked, everywhere=everywhere), [name for _, name in asked])


def _in_texts(here: Shell, cluster: Cluster, asked: Sequence[tuple[Job, str]]) -> Iterator[Trace]:
    """Yield the verdicts on others in which people wrote the name."""
    from ipi_es.worker.entity.traces import verdict_traces

    for job, spelled in asked:
        found = verdict_traces(_resources(here, cluster, job), spelled)
        yield from (each for each in found if each.kind == "mention")


def _say_what_stays(
    here: Shell, cluster: Cluster, asked: Sequence[tuple[Job, str]], rules: RulesNaming, texts: Sequence[str]
) -> None:
    from ipi_es.cli.shared.what_stays import what_stays

    lines = [line for job, spelled in asked for line in what_stays(_resources(here, cluster, job), spelled)]
    if rules.by_pattern:
        lines.append(f"rules that match it by a pattern: {_named(rules.by_pattern)} (ipi-es rule show NAME)")
    if rules.elsewhere:
        lines.append(f"rules that act in other jobs too: {_named(rules.elsewhere)}")
    if rules.in_text:
        lines.append(f"its name in what people wrote in the rules {_named(rules.in_text)}")
    if texts:
        lines.append(f"its name as the author of other verdicts, or in their comments: {some(texts, SHOWN)}")
    lines.append(
        "backups of the cluster, deleted documents until the server merges its segments, logs, and alerts that were "
        "sent: ipi-es doesn't reach them"
    )
    click.echo("What stays:")
    for line in lines:
        click.echo(f"- {visible(line)}")


def _unknown(asked: Sequence[tuple[Job, str]], rules: RulesNaming | None = None) -> NoReturn:
    """Raise UnknownEntity; rules that name it among others are said, as they aren't nothing."""
    others = [] if rules is None else [*rules.by_pattern, *rules.elsewhere, *rules.in_text]
    but = f", but for the rules {_named(others)}" if others else ""
    raise UnknownEntity(
        f"nothing that {_jobs(asked)} stored names {_spelled(asked)}{but}",
        hint="write it as results spell it: `ipi-es results records JOB` shows names",
    )


def _spelled(asked: Sequence[tuple[Job, str]]) -> str:
    return " or ".join(f"“{visible(each)}”" for each in dict.fromkeys(spelled for _, spelled in asked))


def _jobs(asked: Sequence[tuple[Job, str]]) -> str:
    return f"the job{'' if len(asked) == 1 else 's'} {some([job.job_id for job, _ in asked], SHOWN)}"


def _named(rules: Sequence[Document]) -> str:
    return some([visible(str(each.source.get("name") or each.id)) for each in rules], SHOWN)


def _resources(here: Shell, cluster: Cluster, job: Job) -> JobResources:
    from ipi_es.worker.job_resources import JobResources

    return JobResources(cluster, job, snapshots=here.settings.snapshots.directory)


@contextmanager
def _cluster(here: Shell) -> Iterator[Cluster]:
    from ipi_es.setup.checks.judge import require_templates

    with here.cluster() as cluster:
        require_templates(cluster)
        yield cluster
