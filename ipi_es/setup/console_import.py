"""Import the dashboards into Kibana or OpenSearch Dashboards: the request, and the outcome for each object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ipi_es import resources
from ipi_es.cluster.console import NAMES, OLDEST, Console, ConsoleInfo, Kind
from ipi_es.config.job_config import Job
from ipi_es.errors import RequestRejected, UsageError
from ipi_es.results.index_mapping import flat_fields

FILES: dict[Kind, str] = {"kibana": "kibana.ndjson", "opensearch-dashboards": "opensearch-dashboards.ndjson"}

EVENTS = "ipi-es-events"
"""Id of the data view of the events; its indices and time field are taken from the jobs."""

RESULTS = "ipi-es-results"

_IMPORT = "/api/saved_objects/_import"
_FIELD_TYPES = {"keyword": "string", "ip": "ip"}

Outcome: TypeAlias = Literal["imported", "replaced", "exists", "failed"]


@dataclass(frozen=True, slots=True)
class ObjectOutcome:
    """The outcome of importing one saved object; ``text`` says why it failed."""

    kind: str
    id: str
    title: str
    outcome: Outcome
    text: str = ""


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """The outcomes of all objects of an import; ``notes`` are texts for people."""

    info: ConsoleInfo
    objects: tuple[ObjectOutcome, ...]
    notes: tuple[str, ...] = field(default=())

    def having(self, outcome: Outcome) -> list[ObjectOutcome]:
        """Return the objects with this outcome."""
        return [each for each in self.objects if each.outcome == outcome]


def load(kind: Kind) -> list[dict[str, Any]]:
    """Load the shipped saved objects; an object comes before those that refer to it."""
    text = resources.folder("kibana").joinpath(FILES[kind]).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line]


def for_jobs(objects: Iterable[Mapping[str, Any]], jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Return the objects with the jobs' indices, time field, entity and IP fields; as shipped if there are no jobs."""
    return [_for_jobs(each, jobs) if jobs else dict(each) for each in objects]


def check_version(info: ConsoleInfo) -> str | None:
    """Return a note if the console is older than the dashboards need; None: it isn't, or its version can't be read."""
    numbers = info.version.split(".")[:2]
    if len(numbers) < 2 or not all(each.isdecimal() for each in numbers):
        return None
    oldest = OLDEST[info.kind]
    if (int(numbers[0]), int(numbers[1])) >= oldest:
        return None
    wanted = ".".join(map(str, oldest))
    return f"{info.text} is older than {NAMES[info.kind]} {wanted}, which the dashboards are made for"


def check_place(kind: Kind, space: str | None, tenant: str | None) -> None:
    """Raise UsageError for a space in OpenSearch Dashboards, or a tenant in Kibana."""
    if kind == "kibana" and tenant is not None:
        raise UsageError("Kibana has no tenants", hint="name a space instead: --space NAME")
    if kind == "opensearch-dashboards" and space is not None:
        raise UsageError("OpenSearch Dashboards has no spaces", hint="name a tenant instead: --tenant NAME")


def send(console: Console, objects: Sequence[Mapping[str, Any]], *, overwrite: bool) -> ImportOutcome:
    """Import the objects in one request. Existing objects stay unless ``overwrite`` is set.

    Raises RequestRejected where the answer isn't that of an import.
    """
    content = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects).encode()
    name = FILES[console.info.kind]
    params = {"overwrite": "true"} if overwrite else {}
    note = check_version(console.info)
    if console.info.kind == "kibana" and note is None:
        # ids are unique over all spaces: in a second space Kibana assigns new ids, and with this links still work there
        params["compatibilityMode"] = "true"
    answer = console.upload(_IMPORT, name, content, params=params)
    if not isinstance(answer, dict) or "success" not in answer:
        raise RequestRejected(
            f"{console.info.url} answered an import with something else: {str(answer)[:200]}",
            hint="is there a log-in page or a proxy in front of the console? Import the file by hand: Saved Objects",
        )
    notes = [each for each in (note, _of_other_ids(answer)) if each]
    return ImportOutcome(console.info, outcomes(objects, answer), tuple(notes))


def _of_other_ids(answer: Mapping[str, Any]) -> str | None:
    """Return a note if objects of another space have our ids, so that the console assigned new ones."""
    given = sum("destinationId" in each for each in answer.get("successResults", ()))
    if not given:
        return None
    return f"another space has objects with these ids: {given} got ids of their own here; links with ours lead to them"


def outcomes(objects: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> tuple[ObjectOutcome, ...]:
    """Read the outcome of each object from an import's answer, in the order of the objects."""
    errors = {(each.get("type"), each.get("id")): each for each in answer.get("errors", ())}
    done = {(each.get("type"), each.get("id")): each for each in answer.get("successResults", ())}
    failed_whole = not answer["success"] and not errors
    found = []
    for each in objects:
        place = (each["type"], each["id"])
        title = str(each["attributes"].get("name") or each["attributes"]["title"])
        outcome: Outcome = "imported"
        text = ""
        if place in errors:
            outcome, text = _why(errors[place])
        elif failed_whole or (done and place not in done):
            outcome, text = "failed", "the answer doesn't name it"
        elif done.get(place, {}).get("overwrite"):
            outcome = "replaced"
        found.append(ObjectOutcome(place[0], place[1], title, outcome, text))
    return tuple(found)


def _why(error: Mapping[str, Any]) -> tuple[Outcome, str]:
    detail = error.get("error", {})
    kind = detail.get("type", "unknown")
    if kind in {"conflict", "ambiguous_conflict"}:
        return "exists", ""
    if kind == "missing_references":
        missing = ", ".join(f"{each['type']} {each['id']}" for each in detail.get("references", ()))
        return "failed", f"it refers to what isn't there: {missing}"
    if kind == "unsupported_type":
        return "failed", "the console doesn't know this type of object"
    return "failed", " ".join(str(detail.get(name)) for name in ("statusCode", "message") if detail.get(name)) or kind


def _for_jobs(saved: Mapping[str, Any], jobs: Sequence[Job]) -> dict[str, Any]:
    if saved["type"] != "index-pattern" or saved["id"] not in {EVENTS, RESULTS}:
        return dict(saved)
    attributes = dict(saved["attributes"])
    if saved["id"] == EVENTS:
        attributes["title"] = ",".join(sorted({index for job in jobs for index in job.datafeed_config.indices}))
        times = {job.time_field for job in jobs}
        attributes["timeFieldName"] = times.pop() if len(times) == 1 else "@timestamp"
    elif "scripted" in attributes["fields"]:  # OpenSearch Dashboards stores the list of fields, Kibana requests it
        attributes["fields"] = json.dumps(_with_flat(json.loads(attributes["fields"]), jobs))
    return {**saved, "attributes": attributes}


def _with_flat(fields: list[dict[str, Any]], jobs: Sequence[Job]) -> list[dict[str, Any]]:
    known = {each["name"] for each in fields}
    wanted = {name: kind for job in jobs for name, kind in flat_fields(job.entity_field, job.ip_field).items()}
    more = [
        {
            "name": name,
            "type": _FIELD_TYPES[kind],
            "esTypes": [kind],
            "count": 0,
            "scripted": False,
            "searchable": True,
            "aggregatable": True,
            "readFromDocValues": True,
        }
        for name, kind in sorted(wanted.items())
        if name not in known
    ]
    return fields + more
