"""Detection of foreign index templates that take our indices, and of the parts that those indices would lack.

Of several composable templates that match an index's name the servers apply only the one with the highest priority. So
``*`` with priority 1,000 leaves nothing of ours: no alias, guessed types; results are written, but searches don't find
them. The effect is requested from the server (``_simulate_index``), not read from our own template.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from ipi_es import resources
from ipi_es.cluster.admin import covers, priority_of
from ipi_es.cluster.port import Cluster, Json
from ipi_es.errors import NotFound, PermissionDenied, UsageError
from ipi_es.lists import some

NEEDED_SETTINGS = ("gc_deletes",)
"""Index settings that results and state rely on. For the time of gc_deletes, a deleted document's version refuses an
older writer."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """The parts that an index lacks, of those that its documents need.

    ``fatal``: searches would not find the documents, or would be refused. ``other``: less serious, and possible in an
    index of an older ipi-es.
    """

    fatal: tuple[str, ...] = ()
    other: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fatal or self.other)

    @property
    def text(self) -> str:
        """The parts for people: ``no alias ipi-es-anomalies, dynamic is true and should be false, …``."""
        return ", ".join([*self.fatal, *self.other])


@dataclass(frozen=True, slots=True)
class TemplateConflict:
    """A foreign template that takes one of our indices, and the parts that the index would lack."""

    index: str
    ours: str
    our_priority: int
    other: str
    other_priority: int
    lacks: str

    @property
    def text(self) -> str:
        """The problem, for people."""
        return (
            f"index template {self.other} (priority {self.other_priority}) takes {self.index} instead of {self.ours} "
            f"(priority {self.our_priority}): {self.lacks}"
        )

    @property
    def hint(self) -> str:
        """The next step, for people."""
        return (
            f"`ipi-es setup --priority {self.other_priority + 1}` lets the templates of ipi-es win for its own indices "
            f"(ipi-es-*) and changes no other index; or narrow the index_patterns of {self.other}"
        )

    def error(self) -> UsageError:
        """Return the conflict as an error, for a caller that was about to write."""
        return UsageError(self.text, hint=self.hint)


@cache
def shipped(name: str) -> dict[str, Any]:
    """Return the body of one of our index templates, as it is shipped."""
    body: dict[str, Any] = json.loads(resources.json_files("templates")[name])
    return body


def find_conflict(
    cluster: Cluster,
    index: str,
    ours: str,
    *,
    templates: Mapping[str, Json] | None = None,
    priority: int | None = None,
) -> TemplateConflict | None:
    """Find the template that takes ``index`` from our template ``ours`` and gives it less than it needs, or None.

    ``templates`` are all of the cluster's; None: they are read, and PermissionDenied is raised where they may not be.
    ``priority`` is the planned priority of ours; None: the one in the cluster, or as shipped. The server simulates the
    index only where another template has a higher priority.
    """
    if templates is None:
        templates = cluster.admin.index_templates()
    mine = priority_of(templates.get(ours) or shipped(ours)) if priority is None else priority
    above = {
        name: body
        for name, body in templates.items()
        if name != ours and covers(body.get("index_patterns", ()), index) and priority_of(body) > mine
    }
    if not above:
        return None
    name = max(above, key=lambda each: priority_of(above[each]))
    if "data_stream" in above[name]:
        lacks = "it makes data streams only, and ipi-es needs plain indices"
    else:
        effect = cluster.admin.simulate_index(index)
        if effect is None:
            if above[name].get("composed_of"):
                return None  # can't be decided beforehand: the index is checked once it exists
            effect = above[name].get("template") or {}
        found = shortfall(effect, shipped(ours)["template"], strict=True)
        if not found:
            return None
        lacks = found.text
    return TemplateConflict(index, ours, mine, name, priority_of(above[name]), lacks)


def require_template(cluster: Cluster, template: str, lost: str) -> bool:
    """Raise NotFound where a template of ipi-es is missing; ``lost`` says what doesn't work without it.

    Return whether it is there; False where the credentials may write documents, but not read templates.
    """
    try:
        if cluster.get_index_template(template) is not None:
            return True
    except PermissionDenied:
        return False
    raise NotFound(f"the index template {template} is missing, and without it {lost}", hint="run `ipi-es setup` once")


def require_ours(cluster: Cluster, index: str, ours: str) -> None:
    """Raise UsageError where another template would take ``index``, which doesn't exist yet, and give it too little.

    Without the right to read templates and mappings nothing is checked: a worker may write without it.
    """
    with suppress(PermissionDenied):
        found = find_conflict(cluster, index, ours)
        if found is not None and not cluster.get_mapping(index):
            raise found.error()


def shortfall(effect: Mapping[str, Any], wanted: Mapping[str, Any], *, strict: bool) -> Shortfall:
    """Return the parts of ``wanted``, a shipped template's, that ``effect`` (an index's, in the same form) lacks.

    Both have aliases, mappings and settings. Without ``strict``, missing fields count only where the mapping isn't of
    an older ipi-es, and settings don't count.
    """
    fatal = [f"no alias {alias}" for alias in wanted.get("aliases", {}) if alias not in effect.get("aliases", {})]
    mappings, ours = effect.get("mappings") or {}, wanted["mappings"]
    have, want = dict(field_types(mappings)), dict(field_types(ours))
    wrong = [
        f"{field} is {have[field]} and should be {kind}"
        for field, kind in want.items()
        if have.get(field, kind) != kind
    ]
    missing = [field for field in want if field not in have]
    dynamic, wanted_dynamic = (str(each.get("dynamic", "true")).lower() for each in (mappings, ours))
    other = []
    if dynamic != wanted_dynamic:
        other.append(f"dynamic is {dynamic} and should be {wanted_dynamic}")
    fatal += _few(wrong, "")
    if strict or _version(mappings) is None or _version(mappings) == _version(ours):
        unmapped = _few(missing, "not mapped: ")
        fatal += unmapped if len(missing) == len(want) else []
        other += unmapped if len(missing) != len(want) else []
    if strict:
        other += _settings(effect, wanted)
    return Shortfall(tuple(fatal), tuple(other))


def _settings(effect: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    have = (effect.get("settings") or {}).get("index") or {}
    for name in NEEDED_SETTINGS:
        value = wanted["settings"]["index"].get(name)
        if value is not None and str(have.get(name)) != str(value):
            yield f"index.{name} is {have.get(name, 'the default')} and should be {value}"


def _few(found: list[str], before: str) -> list[str]:
    return [f"{before}{some(found)}"] if found else []


def field_types(mappings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted name, type) of all fields of a mapping; plain objects only by the fields below them."""
    for name, body in (mappings.get("properties") or {}).items():
        if "type" in body and body["type"] != "object":
            yield f"{above}{name}", str(body["type"])
        yield from field_types(body, f"{above}{name}.")


def _version(mappings: Mapping[str, Any]) -> int | None:
    version = (mappings.get("_meta") or {}).get("schema_version")
    return version if isinstance(version, int) else None
