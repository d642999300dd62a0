"""Installation of alert definitions; a second run replaces the definitions of the first one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ipi_es import resources
from ipi_es.alerts.kibana import Kibana
from ipi_es.alerts.kinds import STACK_NAMES, Kind, Stack
from ipi_es.alerts.parameters import Parameters
from ipi_es.alerts.render import Definition, destinations, render
from ipi_es.cluster.port import Cluster
from ipi_es.errors import NotFound, UsageError


@dataclass(frozen=True, slots=True)
class InstalledDefinition:
    """One definition, channel or connector that was written."""

    what: str
    name: str
    created: bool

    @property
    def text(self) -> str:
        """One line for people."""
        return f"{'created' if self.created else 'replaced'} {self.what}: {self.name}"


def install_in_cluster(
    cluster: Cluster, stack: Stack, kinds: Sequence[Kind], parameters: Parameters
) -> Iterator[InstalledDefinition]:
    """Write watches or monitors; yield each after it was written.

    Raises UsageError where ``stack`` doesn't match the server, and NotFound where the server has no alerting.
    """
    wanted = "elasticsearch" if stack == "watcher" else "opensearch"
    if cluster.info.distribution != wanted:
        fitting = "opensearch" if stack == "watcher" else "watcher (or kibana)"
        raise UsageError(f"{cluster.info.text} has no {STACK_NAMES[stack]}", hint=f"take --stack {fitting}")
    definitions = [render(stack, kind, parameters) for kind in kinds]
    if not cluster.alerting.available():
        raise NotFound(
            f"{cluster.info.text} at {cluster.info.url} has no {STACK_NAMES[stack]}",
            hint="without its licence or plugin, use Kibana rules (--stack kibana) or the worker's own notifications: "
            "`alerts` in the job's file",
        )
    if index := parameters.destination.index:
        yield install_index(cluster, index)
    channel, url = destinations(stack, parameters).get("webhook_channel"), parameters.destination.webhook
    if channel and url:
        name = f"ipi-es {parameters.job.job_id}: webhook"
        yield InstalledDefinition("notification channel", name, cluster.alerting.write_channel(channel, name, url))
    for each in definitions:
        yield InstalledDefinition(
            "watch" if stack == "watcher" else "monitor", each.name, cluster.alerting.write(each.id, each.body)
        )


def install_index(cluster: Cluster, name: str) -> InstalledDefinition:
    """Create the index of the alerts with the types of their fields, or add the missing fields to it.

    Raises UsageError where it has a field of another type: a score that is text can be neither compared nor averaged.
    """
    body = json.loads((resources.folder("templates") / "alerts" / "index.json").read_text(encoding="utf-8"))
    wanted = body["mappings"]["properties"]
    created = cluster.create_index(name, body)
    if not created:
        for index, mappings in cluster.get_mapping(name).items():
            present = mappings.get("properties", {})
            wrong = [
                field for field in wanted if field in present and present[field].get("type") != wanted[field]["type"]
            ]
            if wrong:
                types = ", ".join(f"{field} is {present[field].get('type', 'an object')}" for field in wrong)
                raise UsageError(
                    f"the index {index} can't take alerts as data: {types}",
                    hint="take another --index; or delete this one, if its alerts aren't needed any more",
                )
            missing = {field: mapping for field, mapping in wanted.items() if field not in present}
            if missing:
                cluster.put_mapping(index, {"properties": missing})
    return InstalledDefinition("index of alerts", name, created)


def install_in_kibana(kibana: Kibana, kinds: Sequence[Kind], parameters: Parameters) -> Iterator[InstalledDefinition]:
    """Write connectors and rules; yield each after it was written."""
    definitions = [render("kibana", kind, parameters) for kind in kinds]
    for connector in connectors(parameters):
        yield InstalledDefinition(
            "connector",
            connector.name,
            kibana.write_connector(connector.id, connector.name, connector.kind, connector.body),
        )
    for each in definitions:
        yield InstalledDefinition("rule", each.name, kibana.write_rule(each.id, each.body))


@dataclass(frozen=True, slots=True)
class Connector:
    """A Kibana connector; ``body`` is its configuration."""

    id: str
    name: str
    kind: str
    body: dict[str, object]


def connectors(parameters: Parameters) -> list[Connector]:
    """Return the connectors that a job's rules use."""
    ids, chosen, job_id = destinations("kibana", parameters), parameters.destination, parameters.job.job_id
    made = []
    if index := ids["index_connector"]:
        config: dict[str, object] = {"index": chosen.index, "refresh": False, "executionTimeField": "@timestamp"}
        made.append(Connector(index, f"ipi-es {job_id}: index", ".index", config))
    if webhook := ids["webhook_connector"]:
        config = {
            "url": chosen.webhook,
            "method": "post",
            "headers": {"Content-Type": "application/json"},
            "hasAuth": False,
        }
        made.append(Connector(webhook, f"ipi-es {job_id}: webhook", ".webhook", config))
    return made


def rendered(stack: Stack, kinds: Sequence[Kind], parameters: Parameters) -> list[Definition]:
    """Render all definitions of a job for one console."""
    return [render(stack, kind, parameters) for kind in kinds]
