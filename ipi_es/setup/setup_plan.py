"""Plan the changes that setup makes in a cluster, then apply them; a second run changes nothing.

Templates only grow from version to version. So an upgrade puts the new template, keeps an administrator's additions,
and adds the new fields to existing indices. A template that was changed by hand is only overwritten with ``force``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

from ipi_es.cluster.port import Cluster
from ipi_es.config.job_config import Job
from ipi_es.errors import PermissionDenied, RequestRejected, UsageError
from ipi_es.results.words import ALIAS, TEMPLATE
from ipi_es.setup import lifecycle_policy, template_conflicts, templates
from ipi_es.setup.mappings import missing_from
from ipi_es.setup.setup_change import Action, SetupChange
from ipi_es.setup.templates import Template

__all__ = ["Action", "SetupChange", "apply", "missing_templates", "plan"]


def plan(
    cluster: Cluster,
    shipped: Sequence[Template] | None = None,
    *,
    jobs: Sequence[Job] | None = None,
    priority: int | None = None,
) -> list[SetupChange]:
    """Return all differences, each after those that it refers to. Raises UsageError if the cluster has newer templates.

    ``jobs`` decide when the server may delete results, if it has lifecycle policies; None: that stays as it is.
    ``priority`` is the priority for our index templates; None: the present one, or as shipped.
    """
    wanted = list(templates.load() if shipped is None else shipped)
    changes: list[SetupChange] = []
    managed = lifecycle_policy.available(cluster)
    if managed:
        changes += lifecycle_policy.changes(cluster, jobs)
        if cluster.info.distribution == "elasticsearch":
            wanted = [_under_policy(template) for template in wanted]
    for template in wanted:
        changes += _template_change(cluster, template, priority)
    changes += template_conflicts.changes(cluster, jobs, priority)
    for template in wanted:
        changes += _index_changes(cluster, template)
    if managed:
        changes += lifecycle_policy.attachments(cluster, template_names=_named_policy(cluster))
    return changes


def apply(cluster: Cluster, changes: Iterable[SetupChange], *, force: bool = False) -> list[SetupChange]:
    """Make the changes, and return those made.

    Raises UsageError, before anything is written, where a change needs ``force`` and it isn't set.
    """
    changes = list(changes)
    by_hand = [change.name for change in changes if change.needs_force]
    if by_hand and not force:
        raise UsageError(
            f"changed by hand, and not as ipi-es needs it: {', '.join(by_hand)}",
            hint="see the difference with `ipi-es setup --dry-run`, overwrite it with `ipi-es setup --force`",
        )
    made = [change for change in changes if change.action != "cannot"]
    for change in made:
        if change.kind == "index template":
            _put_template(cluster, change)
        elif change.kind in ("lifecycle policy", "lifecycle policy to index"):
            lifecycle_policy.put(cluster, change)
        elif change.kind == "alias to index":
            cluster.admin.add_alias(change.name, ALIAS)
        else:
            cluster.put_mapping(change.name, change.body)
    return made


def missing_templates(cluster: Cluster) -> list[str]:
    """Return the names of the shipped templates that the cluster lacks: where there are some, setup didn't run."""
    return [each.name for each in templates.load() if cluster.get_index_template(each.name) is None]


def _template_change(cluster: Cluster, template: Template, priority: int | None) -> list[SetupChange]:
    if priority is not None:
        template = Template(template.name, {**template.body, "priority": priority})
    current = cluster.get_index_template(template.name)
    if current is None:
        diff = "\n".join(f"+ {key}: {value}" for key, value in sorted(templates.flat(template.body).items()))
        return [SetupChange("create", "index template", template.name, diff, templates.stamped(template.body))]
    there, ours = templates.schema_version(current), templates.schema_version(template.body)
    if there > ours:
        raise UsageError(
            f"index template {template.name} is of schema {there}, and this ipi-es knows {ours} at most",
            hint="a newer ipi-es was here: upgrade this one (`pip install --upgrade ipi-es`)",
        )
    target = templates.merged(current, template.body)
    if priority is not None:
        target["priority"] = priority
    diff, changed, added = _difference(templates.flat(current), templates.flat(target))
    if not diff and there == ours:
        return []
    if there < ours:
        diff = "\n".join([f"- _meta.schema_version: {there}", f"+ _meta.schema_version: {ours}", *filter(None, [diff])])
    # an older version lacks what is new; the same version lacks only what was removed by hand
    taken_out = [key for key in added if not templates.is_admin_setting(key)]
    changed = [key for key in changed if key != "priority"]  # requested, or set by an administrator
    by_hand = not templates.untouched(current) and bool(changed or (taken_out and there == ours))
    action: Action = "overwrite" if by_hand else "upgrade"
    return [SetupChange(action, "index template", template.name, diff, templates.stamped(target))]


def _difference(current: dict[str, str], target: dict[str, str]) -> tuple[str, list[str], list[str]]:
    """Compare two flat templates: (diff text, changed or removed paths, new paths)."""
    changed = [key for key in target if key in current and current[key] != target[key]]
    added = [key for key in target if key not in current]
    gone = [key for key in current if key not in target]
    lines = []
    for key in sorted({*changed, *added, *gone}):
        if key in current:
            lines.append(f"- {key}: {current[key]}")
        if key in target:
            lines.append(f"+ {key}: {target[key]}")
    return "\n".join(lines), [*changed, *gone], added


def _index_changes(cluster: Cluster, template: Template) -> list[SetupChange]:
    changes = []
    behind = _behind_alias(cluster) if template.name == TEMPLATE else None
    for pattern in template.index_patterns:
        for index, mapping in sorted(cluster.get_mapping(pattern).items()):
            missing = missing_from(mapping, template.mappings)
            if missing.conflicts:
                diff = "\n".join(f"! {line}" for line in missing.conflicts)
                hint = "! a field's type can't be changed: move the index's documents to a new one, or delete it"
                changes.append(SetupChange("cannot", "mapping of index", index, f"{diff}\n{hint}"))
            elif behind is not None and index not in behind:
                # an index with other types would make searches over the alias fail or sort wrongly, in all months
                changes.append(
                    SetupChange("attach", "alias to index", index, f"+ {ALIAS}: its results can't be found now")
                )
            if missing.body:
                diff = "\n".join(f"+ {line}" for line in missing.added)
                changes.append(SetupChange("extend", "mapping of index", index, diff, missing.body))
    return changes


def _behind_alias(cluster: Cluster) -> set[str] | None:
    """Return the indices behind the alias of the results; None if the credentials may not read them."""
    try:
        return set(cluster.get_mapping(ALIAS))
    except PermissionDenied:
        return None


def _under_policy(template: Template) -> Template:
    """Add the policy to the template of the results: Elasticsearch finds it there, OpenSearch by the index pattern."""
    if template.name != TEMPLATE:
        return template
    body = copy.deepcopy(template.body)
    body["template"]["settings"]["index"]["lifecycle"] = {"name": lifecycle_policy.POLICY}
    return Template(template.name, body)


def _named_policy(cluster: Cluster) -> str | None:
    """Return the policy that the cluster's template names for new indices; None: it names none."""
    current = cluster.get_index_template(TEMPLATE)
    return None if current is None else templates.flat(current).get(lifecycle_policy.LIFECYCLE_NAME)


def _put_template(cluster: Cluster, change: SetupChange) -> None:
    try:
        cluster.put_index_template(change.name, change.body)
    except RequestRejected as error:
        raise RequestRejected(
            f"index template {change.name} was refused: {error.message}",
            hint="does another template of the same priority cover the same indices? `GET _index_template` lists them",
            status=error.status,
        ) from error
