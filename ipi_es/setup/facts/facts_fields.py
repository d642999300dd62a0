"""The types of a job's fields, and the indices that have them, from field capabilities."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from ipi_es.cluster.port import Cluster
from ipi_es.config.files.nearest import nearest
from ipi_es.config.job_config import Job
from ipi_es.errors import NotFound
from ipi_es.setup.checks.check_fields import FieldFacts, field_names, needs_everything, parents
from ipi_es.setup.checks.proposals import address_fields
from ipi_es.setup.contents.client_addresses import HiddenClient, address_figures, hidden_client
from ipi_es.setup.facts.document_sample import Sample
from ipi_es.setup.facts.field_roles import FORWARDED, IP, readable
from ipi_es.setup.facts.optional_read import try_read

_BACKING = re.compile(r"\.ds-(.+?)(?:-\d{4}\.\d{2}\.\d{2})?-\d{6}")
"""The name of a data stream's backing index: Elasticsearch puts the day into it, OpenSearch doesn't."""


def field_facts(cluster: Cluster, job: Job) -> FieldFacts:
    """Read the types of the job's fields. Raises NotFound, with a hint, where no index matches."""
    wanted = field_names(job)
    # the sub-fields too: for a text field, most often its keyword sub-field is meant
    above = {each for name in wanted for each in parents(name)}
    asked = [*wanted, *sorted(above), *(f"{name}.keyword" for name in wanted), *FORWARDED, "_index"]
    indices, types = _types(cluster, job, asked)
    everything = cluster.field_types(indices, ["*"]) if needs_everything(job, types) else {}
    names = {index for kinds in types.values() for found in kinds.values() for index in found}
    return FieldFacts(tuple(sorted(names)), types, everything)


def _types(cluster: Cluster, job: Job, asked: list[str]) -> tuple[list[str], dict[str, dict[str, list[str]]]]:
    feed = job.datafeed_config
    indices = list(feed.indices)
    try:
        return indices, cluster.field_types(indices, asked)
    except NotFound as error:
        if {"hidden", "all"} & set(feed.indices_options.expand_wildcards):
            hidden = [name for pattern in indices for name in cluster.indices(pattern)]
            if hidden:
                return hidden, cluster.field_types(hidden, asked)
        raise _no_index(cluster, indices) from error


def _no_index(cluster: Cluster, indices: list[str]) -> NotFound:
    there = try_read(lambda: cluster.indices("*"))
    known = sorted({plain_name(name) for name in there}) if isinstance(there, list) else []
    text = f"no index matches datafeed_config.indices: {', '.join(indices)}"
    shut = next((name for name in known for pattern in indices if fnmatchcase(name, pattern)), None)
    if shut is not None:
        return NotFound(
            f"{text}; {shut} is there, but closed or hidden, or this user may not read it",
            hint=f"POST {shut}/_open opens a closed one; for hidden ones, set "
            "datafeed_config.indices_options.expand_wildcards: [open, hidden]",
            status=404,
        )
    plain = [name for name in known if not name.startswith((".", "ipi-es-"))]
    guess = nearest(indices[0].rstrip("*-"), plain)
    hint = f"there is “{guess}”; " if guess else ""
    hint += "check datafeed_config.indices, and that the user may see the indices (`GET _cat/indices` lists them)"
    if any(":" in name for name in indices):
        hint += "; `GET _remote/info` lists the remote clusters that this one knows"
    return NotFound(text, hint=hint, status=404)


def plain_name(index: str) -> str:
    """Return the data stream of a backing index, since people use that name; any other index's own name."""
    match = _BACKING.fullmatch(index)
    return match[1] if match else index


def hidden_address(cluster: Cluster, job: Job, sample: Sample) -> HiddenClient | None:
    """Find out whether the job's address field hides the clients, and another readable field has them."""
    names = [name for name in address_fields(sample) if name != job.ip_field.removesuffix(".keyword")]
    if not names:
        return None
    types = cluster.field_types(
        list(job.datafeed_config.indices), [each for name in names for each in (name, f"{name}.keyword")]
    )
    others = [there for name in names if (there := readable(IP, name, types))]
    return hidden_client(address_figures(sample, job.ip_field), [address_figures(sample, each) for each in others])
