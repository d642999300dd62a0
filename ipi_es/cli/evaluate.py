"""`ipi-es evaluate`: measure how well attacks are separated from real events, beside reference methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ipi_es.cli.shared.shell import clock, progress_bar, shell
from ipi_es.errors import UsageError

if TYPE_CHECKING:
    from ipi_es.config.hyperparameters import Hyperparameters
    from ipi_es.evaluation.evaluation import BegunTraining, Evaluation, EvaluationSettings
    from ipi_es.evaluation.evaluation_events import EvaluationEvents
    from ipi_es.evaluation.event_columns import EventColumns
    from ipi_es.evaluation.protocol import FixedDates
    from ipi_es.networks.network_file import NetworkFile

TRAININGS = 3
"""Default number of trainings. One alone is noisy: by chance it found a quarter or a third of the same attacks."""
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_EVENTS = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
COLUMNS = {
    "time": "Column of the events' time. Default: timestamp, or @timestamp.",
    "entity": "Column of the entity: a user, an account, a service. Default: entity.",
    "ip": "Column of the IP address. Default: ip.",
    "group": "Column of the entity's organisation. Default: group, where there is one.",
    "label": "Column of the labels of attacks. Default: label, where there is one.",
    "operator": "Column of the address's network operator: 64496 or AS64496. Default: none.",
    "country": "Column of the address's country, two letters. Default: none.",
    "count": "Column of the number of events that a row stands for. Default: none, each is one.",
}
"""Help of the option --…-column for each meaning of a column."""
F = TypeVar("F", bound=Callable[..., Any])


def column_options(function: F) -> F:
    """Add an option for the name of each column."""
    for meaning, text in reversed(COLUMNS.items()):
        function = click.option(f"--{meaning}-column", metavar="NAME", help=text)(function)
    return function


@click.command()
@click.argument("events", required=False, type=_EVENTS)
@click.option("--job", "job_name", help="Evaluate on the events of a job's index instead of a file.")
@click.option("--start", help="With --job: begin, inclusive (ISO 8601 or now-365d). Default: the job's first event.")
@click.option("--end", default="now", show_default=True, help="With --job: end, exclusive.")
@click.option(
    "--networks",
    type=_FILE,
    help="Operators and countries of networks: .csv (prefix, asn, country), .mmdb and others. Default: the job's.",
)
@click.option("--attackers", type=_FILE, help="Addresses of known attackers, one a line.")
@click.option(
    "--networks-for-attacks-only",
    "attacks_only",
    is_flag=True,
    help="Draw attacks by --networks, but hide operators and countries from every scorer.",
)
@click.option(
    "--state",
    type=click.Choice(["daily", "frozen"]),
    default="daily",
    show_default=True,
    help="History moves at the end of every day of a test, as in production, or stays at its start.",
)
@click.option(
    "--trainings",
    type=click.IntRange(1, 100),
    default=TRAININGS,
    show_default=True,
    help="How often each network is trained, with other random numbers; figures are means. 1 is quick, and noisy.",
)
@click.option(
    "--first-test",
    metavar="DATE",
    help="With --step. The day on which the first test begins, to measure published figures again. Default: eight "
    "equal steps over the events' range.",
)
@click.option(
    "--step",
    type=click.IntRange(30, 3_650),
    metavar="DAYS",
    help="With --first-test. Days from one test's begin to the next one's.",
)
@column_options
@click.option("--json", "as_json", is_flag=True, help="A last line of JSON with all figures.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="A picture: .png, .svg or .pdf (needs matplotlib)."
)
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    events: Path | None,
    job_name: str | None,
    start: str | None,
    end: str,
    networks: Path | None,
    attackers: Path | None,
    attacks_only: bool,
    state: str,
    trainings: int,
    first_test: str | None,
    step: int | None,
    as_json: bool,
    plot: Path | None,
    **columns: str | None,
) -> None:
    """Measure which attacks the network, its history and five references find among EVENTS.

    EVENTS is CSV with a header or JSON lines, plain or gzip, with timestamp, entity, ip and, if known, group (the
    entity's organisation) and label; - is standard input. Columns of other names, and those of operator, country and
    count, are named by options. Up to eight windows in time, of three days of events or more, are each trained,
    calibrated and tested; attacks of seven kinds are injected beside the normal rows of a test. Events with labels are
    measured by their labels instead. The table says ROC-AUC / share of attacks found at 1 % false positives.

    Example: ipi-es evaluate sign-ins.csv.gz --networks asn.csv.gz --plot roc.png --json
    """
    import logging

    import orjson

    from ipi_es.evaluation.evaluation_events import prepared
    from ipi_es.evaluation.evaluation_report import as_json as figures
    from ipi_es.evaluation.event_columns import EventColumns
    from ipi_es.extras import EVALUATE, TRAIN, require
    from ipi_es.networks.network_file import NetworkFile

    if (events is None) == (job_name is None):
        raise UsageError("give a file of events or --job, one of them", hint="ipi-es evaluate sign-ins.csv.gz")
    dates = _dates(first_test, step)
    names = EventColumns.named({option.removesuffix("_column"): name for option, name in columns.items()})
    if job_name is not None and names != EventColumns():
        raise UsageError("a job's file names its fields", hint="leave the options --…-column out with --job")
    known = networks is not None or job_name is not None or names.operator is not None or names.country is not None
    if attacks_only and not known:
        raise UsageError(
            "--networks-for-attacks-only needs --networks", hint="name a file with --networks, or --operator-column"
        )
    require("the evaluation", TRAIN, *([] if plot is None else [EVALUATE]))
    if plot is not None:
        from ipi_es.evaluation.plot import require_writable

        require_writable(plot)
    # TensorFlow warns when many trainings in one process each compile their loop
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    given = _from_file(events, names) if events else _from_job(ctx, str(job_name), start, end)
    rows = prepared(given.events)
    _say_what_was_read(rows)
    files = given.networks if networks is None else (NetworkFile(networks),)
    settings = _settings(
        rows,
        files,
        attackers,
        given.hyperparameters,
        state=state,
        attacks_only=attacks_only,
        trainings=trainings,
        dates=dates,
    )
    done = _run(rows, settings)
    _print(done)
    if plot is not None:
        from ipi_es.evaluation.plot import draw

        draw(done, plot)
        click.echo(f"Picture: {plot}")
    if as_json:
        click.echo(orjson.dumps(figures(done)).decode())


def _dates(first_test: str | None, step: int | None) -> FixedDates | None:
    """Return the dates to test at; None without the two options. Raises UsageError for one without the other."""
    from ipi_es.evaluation.protocol import FixedDates
    from ipi_es.times import SECONDS, parse_time

    if first_test is None and step is None:
        return None
    if first_test is None or step is None:
        raise UsageError("--first-test and --step go together", hint="--first-test 2025-01-01 --step 60")
    return FixedDates(parse_time(first_test, now=clock()) // SECONDS["d"], step)


@dataclass(frozen=True, slots=True)
class _EvaluationInput:
    """The events to evaluate, the hyperparameters and the network files."""

    events: EvaluationEvents
    hyperparameters: Hyperparameters
    networks: tuple[NetworkFile, ...] = ()
    """Network files that the job names."""


def _from_file(path: Path, columns: EventColumns) -> _EvaluationInput:
    from ipi_es.config.hyperparameters import Hyperparameters
    from ipi_es.evaluation.reading import read_events

    return _EvaluationInput(read_events(path, columns), Hyperparameters())


def _from_job(ctx: click.Context, name: str, start: str | None, end: str) -> _EvaluationInput:
    """Read the job's events through its datafeed, without failures, which aren't learned. Raises NoEvents."""
    from ipi_es.datafeed.bucket_context import network_files
    from ipi_es.datafeed.reader import Datafeed
    from ipi_es.datafeed.spec import FeedSpec
    from ipi_es.errors import NoEvents
    from ipi_es.evaluation.evaluation_events import of_job
    from ipi_es.setup.checks.judge import require_usable
    from ipi_es.state.calendar_store import CalendarStore
    from ipi_es.state.rule_store import RuleStore
    from ipi_es.times import parse_time
    from ipi_es.worker.training.training_rows import TrainingRowsCollector

    here, now = shell(ctx), clock()
    job = here.job(name)
    with here.cluster() as cluster:
        require_usable(cluster, job)
        feed = Datafeed(cluster, FeedSpec.from_job(job))
        there = feed.time_range()
        if there is None:
            raise NoEvents(f"job {job.job_id} has no events", hint=f"ipi-es check {job.job_id} shows what it reads")
        first = there[0] if start is None else parse_time(start, now=now)
        stop = min(parse_time(end, now=now), there[1] + job.bucket_span)
        allow = RuleStore(cluster).allow_list(job, CalendarStore(cluster).of_job(job.job_id))
        collector = TrainingRowsCollector(job, allow)
        with progress_bar() as bars:
            task = bars.add_task("Reading", total=max((stop - first) // job.bucket_span, 0), note="")
            for bucket in feed.read(first, max(first, stop), job.bucket_span):
                collector.take(bucket)
                bars.advance(task)
    found = of_job(collector.events(stop), {name: count for name, count in collector.dropped.counts().items() if count})
    if not len(found):
        raise NoEvents(f"job {job.job_id} has no event that teaches in this time", hint="look at --start and --end")
    return _EvaluationInput(found, job.ip_insights, network_files(job))


def _say_what_was_read(events: EvaluationEvents) -> None:
    attacks = f", {int((events.label > 0).sum()):,} of them labelled as attacks" if events.labelled else ""
    click.echo(
        f"{len(events):,} rows (unique by entity, address and day{attacks}) of {len(events.entities):,} entities "
        f"from {len(events.addresses):,} addresses."
    )
    if events.context is not None:
        known = events.context.known().sum(axis=0).tolist()
        click.echo("The events name the operators of {:,} of these addresses and the countries of {:,}.".format(*known))
    if events.malformed:
        left = ", ".join(f"{count:,} with {reason.replace('_', ' ')}" for reason, count in events.malformed.items())
        click.secho(f"Left out: {left}.", fg="yellow", err=True)


def _settings(
    events: EvaluationEvents,
    networks: tuple[NetworkFile, ...],
    attackers: Path | None,
    hyperparameters: Hyperparameters,
    *,
    state: str,
    attacks_only: bool,
    trainings: int,
    dates: FixedDates | None,
) -> EvaluationSettings:
    from ipi_es.datafeed.bucket_context import context_from
    from ipi_es.evaluation.announced import Announced
    from ipi_es.evaluation.evaluation import EvaluationSettings
    from ipi_es.evaluation.reading import read_attackers
    from ipi_es.networks.network_table import NetworkTable

    table = NetworkTable.load(networks) if networks else None
    return EvaluationSettings(
        announced=Announced.of([file.path for file in networks], events.addresses),
        attackers=None if attackers is None else read_attackers(attackers),
        look_up=None if table is None else lambda addresses: context_from(table, addresses),
        context_for_scorers=not attacks_only,
        state="frozen" if state == "frozen" else "daily",
        hyperparameters=hyperparameters,
        trainings=trainings,
        dates=dates,
    )


def _run(events: EvaluationEvents, settings: EvaluationSettings) -> Evaluation:
    from ipi_es.evaluation.evaluation import TRAINED
    from ipi_es.evaluation.evaluation import evaluate as measure

    with progress_bar() as bars:
        task = bars.add_task("Evaluating", total=None, note="")

        def on_progress(begun: BegunTraining) -> None:
            trainings = settings.trainings * len(TRAINED)
            done = begun.window.number * trainings + begun.number * len(TRAINED) + TRAINED.index(begun.scorer)
            note = f"window {begun.window.number + 1}: {begun.scorer}"
            bars.update(task, completed=done, total=begun.windows * trainings, note=note)

        return measure(events, settings, on_progress)


def _print(done: Evaluation) -> None:
    from ipi_es.cli.shared.output import Column, print_table
    from ipi_es.evaluation.evaluation import SCORERS
    from ipi_es.evaluation.evaluation_report import sentences, table_rows

    columns = [Column("attack", "Attack"), Column("count", "Count", right=True)]
    columns += [Column(name, name, right=True) for name in SCORERS]
    print_table(table_rows(done), columns, title="ROC-AUC / attacks found at 1 % false positives")
    for sentence in sentences(done):
        click.echo(sentence)
