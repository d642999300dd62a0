"""Choose result indices for suggested jobs: the shared one, unless a field's type conflicts there."""

from __future__ import annotations

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.results.index_mapping import conflict, flat_fields, flat_mapping
from ipi_es.setup.facts.facts_indices import result_clashes


class ResultFields:
    """The fields that the jobs suggested so far add to the shared result index."""

    def __init__(self) -> None:
        self._taken = dict[str, str]()

    def conflict(self, cluster: Cluster, job: Job) -> str | None:
        """Return why the job's results don't fit into the shared index; None: they do, and their fields are taken.

        They are compared with the existing indices, and with the jobs that were asked for before.
        """
        clashes = result_clashes(cluster, job)
        if clashes:
            return f"{clashes[0].field} doesn't fit into {clashes[0].index}: {clashes[0].reason}"
        wanted, mapping = flat_fields(job.entity_field, job.ip_field), flat_mapping(self._taken)
        for name, kind in wanted.items():
            if reason := conflict(name, kind, mapping):
                return f"{name} doesn't fit beside the fields of the other jobs suggested here: {reason}"
        self._taken |= wanted
        return None
