"""`ipi-es renormalize`: update stored scores to the present quantiles."""

from __future__ import annotations

import click

from ipi_es.cli.shared.output import accept_change_option
from ipi_es.cli.shared.shell import shell


@click.command()
@click.argument("job_name", metavar="JOB")
@accept_change_option
@click.pass_context
def renormalize(ctx: click.Context, job_name: str, accept_change: bool) -> None:
    """Score the stored results of the renormalization window again, from their stored probability.

    A backfill does this by itself when it is due. Run twice, the second run changes nothing.

    Example: ipi-es renormalize jobs/logins.yml
    """
    from ipi_es.worker.changed_settings import OnChange
    from ipi_es.worker.job_resources import JobResources
    from ipi_es.worker.open_session import open_session
    from ipi_es.worker.results_there import newest_result

    on_change = OnChange.ACCEPT if accept_change else OnChange.REFUSE
    here = shell(ctx)
    job = here.job(job_name)
    with here.cluster() as cluster:
        newest, note = newest_result(cluster, job, here.settings.snapshots.directory)
        if newest is None:
            click.echo(f"Nothing changed: nothing of job {job.job_id} was scored yet.")
            return
        if note is not None:
            click.secho(f"note: {note}", fg="yellow", err=True)
        resources = JobResources(cluster, job, snapshots=here.settings.snapshots.directory)
        with open_session(resources, doing="renormalizing", on_change=on_change) as session:
            changed = session.renormalize()
    click.echo(f"{changed:,} results changed." if changed else "Nothing changed.")
