"""What an erasure of an entity can't remove from a job, and until when it stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ipi_es.errors import SnapshotError
from ipi_es.lists import some
from ipi_es.times import format_span, iso

if TYPE_CHECKING:
    from ipi_es.config.job_config import Job
    from ipi_es.worker.job_resources import JobResources


def what_stays(resources: JobResources, entity: str) -> Iterator[str]:
    """Yield a line for each: events, what is shared with other entities, files; ``entity`` as the job spells it."""
    job = resources.job
    indices = some(job.datafeed_config.indices)
    yield (
        f"job {job.job_id}: its events in {indices}, if there are any: they are yours. The worker finds it again in "
        "those that it reads, and trainings learn them: delete them, and run this command again"
    )
    kept = job.results_retention_days
    until = "for ever (results_retention_days isn't set)" if kept is None else f"until they are {kept} days old"
    yield f"job {job.job_id}: its addresses in results of addresses and buckets, without its name, {until}"
    if (shared := _shared(resources)) is not None:
        yield f"job {job.job_id}: {shared}"
    for line in _in_files(resources.folded_job(), entity):
        yield f"job {job.job_id}: {line}"


def _shared(resources: JobResources) -> str | None:
    """Describe the counts and vectors that it shares with others; None: nothing was learned."""
    from ipi_es.service.due import next_training
    from ipi_es.worker.training.snapshot_inventory import trained_to

    job, stores = resources.job, resources.stores
    state = stores.states.read(job.job_id)
    if state is None or state.snapshot_id is None:
        return None
    try:
        due = next_training(job, trained_to(stores.blobs.info(job.job_id, state.snapshot_id)))
    except SnapshotError:
        due = None
    when = "training.every is 0: only you train it" if due is None else f"the next is due {iso(due)}"
    days = job.model_snapshot_retention_days
    return (
        "counts and vectors that it shares with others, without its name. A training without its events makes the "
        f"counts anew ({when}; it reads {format_span(job.training.window)}), `ipi-es train {job.job_id} "
        f"--from-scratch` the vectors too; snapshots from before are deleted {days} days later"
    )


def _in_files(job: Job, entity: str) -> Iterator[str]:
    """Yield where the job's own files name it."""
    for rule in job.allow_list:
        if rule.entity is not None and job.matches_entity(rule.entity, entity):
            yield f"the rule “{rule.name}” of its file: change the file"
    groups = job.read_entity_groups()
    found = () if groups is None else groups.of(entity)
    if found:
        yield f"its line in the file of entity_groups, which has it in {some(found)}: change the file"
