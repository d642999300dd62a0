"""Judge, by the rights that were tried, whether the credentials may do what a job needs. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ipi_es.cluster.port import Distribution
from ipi_es.errors import IpiEsError
from ipi_es.setup import roles
from ipi_es.setup.checks.check_finding import Finding, ok, problem, warning
from ipi_es.setup.facts.rights import Right

CHECK = "rights"


def judge_rights(rights: Sequence[Right], distribution: Distribution = "opensearch") -> list[Finding]:
    """Report a problem for each missing right, with the shipped role that grants it; if none is missing, one line.

    Rights that couldn't be tried give a warning.
    """
    refused = [problem(CHECK, _worded(right, distribution)) for right in rights if right.error]
    unknown = [
        warning(CHECK, f"whether ipi-es may {right.what} can't be known yet: {right.unknown}", "run `ipi-es setup`")
        for right in rights
        if right.unknown
    ]
    proven = [right.what for right in rights if not right.error and not right.unknown]
    if refused or not proven:
        return [*refused, *unknown]
    return [ok(CHECK, f"may {', '.join(proven)} (tried, nothing left behind)"), *unknown]


def _worded(right: Right, distribution: Distribution) -> IpiEsError:
    error = right.error
    assert error is not None
    if hasattr(error, "failures"):  # the constructor of such an error takes more than a message and a hint
        return error
    return type(error)(f"can't {right.what}: {error.message}", hint=hint_for(error, distribution))


def hint_for(error: IpiEsError, distribution: Distribution) -> str | None:
    """Return a hint with the shipped role that grants what a server refused; the error's own hint if no role does."""
    for action in roles.refused_actions(error.message):
        role = roles.granting(distribution, action)
        if role is not None:
            return roles.hint(distribution, role.name)
    return error.hint
