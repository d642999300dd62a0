"""One difference between a cluster and what ipi-es ships."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Action: TypeAlias = Literal["create", "upgrade", "overwrite", "extend", "attach", "cannot"]
"""A new template or policy; a newer one; one that was changed by hand; fields for an index; a policy or an
alias for an index; what setup can't mend."""

Kind: TypeAlias = Literal[
    "index template", "mapping of index", "alias to index", "lifecycle policy", "lifecycle policy to index"
]


@dataclass(frozen=True, slots=True)
class SetupChange:
    """One difference between the cluster and what is shipped.

    ``kind`` says what ``name`` names. ``diff`` is for people, ``- `` for what is there and ``+ `` for what comes;
    ``body`` is what is put.
    """

    action: Action
    kind: Kind
    name: str
    diff: str
    body: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def needs_force(self) -> bool:
        """Whether it would undo what somebody did by hand."""
        return self.action == "overwrite"

    @property
    def title(self) -> str:
        """``upgrade index template ipi-es-results``."""
        action = "can't mend" if self.action == "cannot" else self.action
        return f"{action} {self.kind} {self.name}"
