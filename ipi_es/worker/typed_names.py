"""What people type: names and addresses as a job's results spell them, names and times of rules and events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipi_es.addresses import packed
from ipi_es.config.job_config import Job
from ipi_es.errors import UsageError
from ipi_es.pseudonyms import is_pseudonym
from ipi_es.results.documents.visible import visible
from ipi_es.times import iso

if TYPE_CHECKING:
    from ipi_es.cluster.port import Cluster

MAX_NAME = 256
"""The most bytes of a name: it is in each record that is hidden under it, and in the id of its document."""


def is_name(name: str) -> bool:
    """Return whether results and terminals can show a name."""
    return name.isprintable() and name == name.strip() and 0 < len(name.encode()) <= MAX_NAME


def require_name(name: str, noun: str) -> None:
    """Raise UsageError for a name that results and terminals can't show; ``noun`` is what has it: “rule”."""
    if not is_name(name):
        raise UsageError(
            f"the name “{visible(name)}” can't be a {noun}'s",
            hint=f"take at most {MAX_NAME} bytes, without control characters, and no white space around them",
        )


def require_times(noun: str, *times: int | None, hint: str) -> None:
    """Raise UsageError for a time that no stored document may have: it would act nowhere."""
    from ipi_es.state.fields import LATEST

    for each in times:
        if each is not None and not 0 <= each <= LATEST:
            raise UsageError(f"a {noun} has times of the years 1970 to 2099, and {iso(each)} is none", hint=hint)


def named_pair(job: Job, entity: str, ip: str) -> tuple[str, bytes]:
    """Return (normalized entity, 16 bytes of the address) of a typed pair. Raises UsageError if one is invalid."""
    return named_entity(job, entity), named_address(ip, job)


def named_entity(job: Job, entity: str) -> str:
    """Return a typed entity, or its pseudonym, as results and history spell it.

    Raises UsageError if it is empty, a pseudonym of another key, or a name where the key can't be read.
    """
    if not entity:
        raise UsageError("the entity is empty", hint="name one, as the events or the results spell it")
    stored = job.stored_entity(entity)
    if is_pseudonym(entity) and stored != entity:
        raise UsageError(
            f"{entity} was not made with the key of job {job.job_id}",
            hint="copy it whole, from a result of this job; `ipi-es entity pseudonym NAME` gives that of a name",
        )
    return stored


def require_key(cluster: Cluster, job: Job, entity: str) -> None:
    """Raise JobChanged where the job's results spell a typed entity by another key: nothing of it would be found."""
    from ipi_es.state.job_state import StateStore
    from ipi_es.worker.changed_settings import require_same_key

    require_same_key(job, StateStore(cluster).read(job.job_id), named_entity(job, entity))


def named_address(ip: str, job: Job) -> bytes:
    """Return the 16 bytes of a typed address, as the job reads it. Raises UsageError if it is invalid."""
    address = packed(ip, job.datafeed_config.translators)
    if address is None:
        raise UsageError(f"“{ip}” is no IP address", hint="write 198.51.100.7 or 2001:db8::7")
    return address
