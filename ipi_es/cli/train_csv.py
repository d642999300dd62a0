"""`ipi-es train --csv`: SageMaker's training interface, without a cluster."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ipi_es.cli.shared.shell import clock
from ipi_es.config.files.hyperparameter_files import COUNTERPARTS, SAGEMAKER, read_hyperparameters
from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.errors import SnapshotError, UsageError
from ipi_es.extras import TRAIN, require
from ipi_es.state.blobs import safe_name
from ipi_es.times import SECONDS, parse_time

if TYPE_CHECKING:
    from ipi_es.cli.shared.shell import Shell
    from ipi_es.config.hyperparameters import Hyperparameters
    from ipi_es.ipinsights.network.network_fitting import TrainingProgress
    from ipi_es.worker.training.channel_training import Channels, LearnedPairs

NAME = "ip-insights"
"""Name under which the snapshot of a training without a job is stored."""

OPTIONS = (*SAGEMAKER, "architecture", "seed", "deterministic")
"""Hyperparameters with an option of their own; a file may set all of them."""

HYBRID_DAYS = 4
"""Days of rows below which history says little: with two days the hybrid's AUC of another user's addresses was 0.69,
that of the network alone 0.94 (`benchmarks/csv_training.py --days 3`); with four both had 0.97."""

F = TypeVar("F", bound=Callable[..., Any])


def hyperparameter_options(function: F) -> F:
    """Add an option for each of :data:`OPTIONS`, under the hyperparameter's own name."""
    for name in reversed(OPTIONS):
        field = Hyperparameters.model_fields[name]
        text = f"With --csv. {field.description} Default: {str(field.default).lower()}."
        if name in COUNTERPARTS:
            default = COUNTERPARTS[name].adam
            text = f"With --csv. As for SageMaker's Adam; translated for row-wise Adagrad. Default: {default:g}."
        if name == "deterministic":
            function = click.option(f"--{name}", is_flag=True, default=None, help=text)(function)
        else:
            function = click.option(f"--{name}", metavar="VALUE", help=text)(function)
    return function


def train_csv(
    surroundings: Shell,
    name: str | None,
    *,
    csv: str,
    validation: str | None,
    directory: Path | None,
    hyperparameters: Path | None,
    given: Mapping[str, Any],
    end: str,
) -> None:
    """Train on the `train` channel, store a snapshot in a directory, and print the lines of SageMaker's log.

    Rows with times train architecture ``hybrid``, as a job does, unless another one is given. Raises UsageError without
    a directory, or for ``hybrid`` without times; SnapshotError if the directory can't be made.
    """
    from ipi_es.worker.training.channel_training import Channels, learn_pairs

    require("training", TRAIN)
    directory = directory or surroundings.settings.snapshots.directory
    if directory is None:
        raise UsageError("--csv needs a directory for the snapshot", hint="name one: --snapshots DIR")
    read_hyperparameters(hyperparameters, given)  # mistakes are said before hours of reading
    safe_name(name or NAME)
    _make(directory)
    channels = Channels.read(Path(csv), None if validation is None else Path(validation))
    read = read_hyperparameters(hyperparameters, given, "hybrid" if channels.timed else "ip_insights")
    _require_fitting(channels, read.used, end)
    _say_read(channels)
    for note in read.notes:
        _note(note)
    if read.used.architecture == "hybrid" and channels.days < HYBRID_DAYS:
        _note(
            f"the rows are of {channels.days} days: of fewer than {HYBRID_DAYS}, the network alone "
            "(--architecture ip_insights) tells other users' addresses better"
        )
    now = clock()
    day_end = parse_time(end, now=now) // SECONDS["d"] * SECONDS["d"]
    measured_on = _measured_on(channels)
    learned = learn_pairs(name or NAME, channels, read.used, day_end, _metric_printer(read.used))
    del channels  # the rows are large, and so are the bytes written next
    _store(learned, measured_on, directory, now)


def _require_fitting(channels: Channels, settings: Hyperparameters, end: str) -> None:
    if channels.timed and end != "now":
        raise UsageError("--end is of no use: the rows have times", hint="leave it out, or later rows out of the file")
    if not channels.timed and settings.architecture == "hybrid":
        raise UsageError(
            "rows without times, and architecture hybrid learns from the order of days",
            hint="give the time in a third column, entity,ip,time; or leave architecture out",
        )


def _measured_on(channels: Channels) -> str:
    if channels.validation is not None:
        return "rows of the validation channel"
    return "rows of the last days" if channels.timed else "rows held out by chance"


def _store(learned: LearnedPairs, measured_on: str, directory: Path, now: int) -> None:
    from ipi_es.state.directory_blobs import DirectoryBlobs
    from ipi_es.worker.training.job_training import store_parts

    network = learned.snapshot.network
    snapshot_id, _ = store_parts(DirectoryBlobs(directory), learned.snapshot, learned.history, now)
    click.echo(
        f"Trained on {network.about['rows']:,} rows: {network.about['entities']:,} entities, "
        f"{network.about['addresses']:,} addresses."
    )
    metrics = network.metrics
    click.echo(
        f"Snapshot {snapshot_id}: validation:discriminator_auc {metrics['discriminator_auc']:.4f}, calibrated on "
        f"{int(metrics['calibration_rows']):,} {measured_on}."
    )
    click.echo(f"Next: ipi-es score {learned.snapshot.job_id} --snapshot {directory}")


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "check the folder's rights and owner"
        raise SnapshotError(f"{directory} can't be made: {error.strerror or error}", hint=hint) from error


def _say_read(channels: Channels) -> None:
    for channel, column in (("train", channels.train), ("validation", channels.validation)):
        if column is not None and column.left_out.total:
            _note(f"{channel}: {column.left_out.total:,} rows are left out: {column.left_out.said()}")
    if channels.validation is None and not channels.timed:
        _note(
            "the rows to measure on are drawn from the training's: later events will score lower; "
            "give them with --validation to know by how much"
        )


def _metric_printer(settings: Hyperparameters) -> Callable[[TrainingProgress], None]:
    from ipi_es.ipinsights.sagemaker.embeddings import metric_lines

    def on_progress(report: TrainingProgress) -> None:
        for line in metric_lines(report, settings):
            when = dt.datetime.fromtimestamp(clock(), tz=dt.UTC)
            click.echo(f"[{when:%m/%d/%Y %H:%M:%S} INFO {os.getpid()}] {line}")

    return on_progress


def _note(text: str) -> None:
    click.secho(f"note: {text}", fg="yellow", err=True)
