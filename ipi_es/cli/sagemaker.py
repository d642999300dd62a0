"""`ipi-es sagemaker`: what SageMaker asks of a container, `train` and `serve`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from ipi_es.cli.shared.shell import shell
from ipi_es.cli.train_csv import train_csv
from ipi_es.config.files.sagemaker_container import ROOT, SagemakerContainer
from ipi_es.errors import IpiEsError

root_option = click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT,
    show_default=True,
    help="Folder with input/, model/ and output/, as SageMaker mounts it.",
)


@click.group()
def sagemaker() -> None:
    """Train and serve as a container of SageMaker does: `docker run IMAGE train` and `docker run IMAGE serve`.

    The image `sagemaker` of the Dockerfile runs this group. No cluster is needed.

    Example: ipi-es sagemaker train --root ml
    """


@sagemaker.command()
@root_option
@click.pass_context
def train(ctx: click.Context, root: Path) -> None:
    """Train on the channel input/data/train, and write the snapshot to model/.

    Reads input/config/hyperparameters.json and, if there is one, the channel input/data/validation, as `ipi-es train
    --csv` does. A training that fails writes its reason to output/failure.

    Example: ipi-es sagemaker train --root ml
    """
    container = SagemakerContainer(root)
    try:
        validation = container.channel("validation")
        train_csv(
            shell(ctx),
            None,
            csv=str(container.train),
            validation=None if validation is None else str(validation),
            directory=container.model,
            hyperparameters=container.hyperparameters,
            given={},
            end="now",
        )
    except Exception as error:
        reason = str(error) if isinstance(error, IpiEsError) else f"{type(error).__name__}: {error}"
        with suppress(OSError):  # the training's own error says more
            container.write_failure(reason)
        raise


@sagemaker.command()
@root_option
@click.pass_context
def serve(ctx: click.Context, root: Path) -> None:
    """Serve the newest snapshot of model/ at port 8080, or at that of SAGEMAKER_BIND_TO_PORT.

    Answers as `ipi-es serve --model-dir` does, to everybody who can connect. With IPI_ES_STRICT=1 a request with a
    malformed row is refused. SIGTERM ends it.

    Example: ipi-es sagemaker serve --root ml
    """
    from ipi_es.cli.serve import of_directory, serve_until_stopped
    from ipi_es.config.files.loading import with_serve_options
    from ipi_es.errors import SnapshotMissing

    container = SagemakerContainer(root)
    if not container.model.is_dir():
        raise SnapshotMissing(f"there is no {container.model}", hint="mount a trained model there, unpacked")
    given = {"listen": container.listen, "strict": container.strict}
    settings = with_serve_options(shell(ctx).settings, given)
    serve_until_stopped(of_directory(settings, container.model), str(container.model))
