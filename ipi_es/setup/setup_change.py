"""One difference between a cluster and what ipi-es ships."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Action: TypeAlias = Literal["create", "upgrade", "overwrite", "extend", "attach", "cannot"]
"""Create a template or policy; upgrade it; overwrite one that was changed by hand; extend an index's mapping; attach a
policy or an alias to an index; ``cannot``: setup can't repair it."""

Kind: TypeAlias = Literal[
    "index template", "mapping of index", "alias to index", "lifecycle policy", "lifecycle policy to index"
]


@dataclass(frozen=True, slots=True)
class SetupChange:
    """One difference between the cluster and what is shipped.

    ``name`` is the name of a thing of this ``kind``. ``diff`` is for people: ``- `` before a present line, ``+ ``
    before a new one. ``body`` is the content of the request.
    """

    action: Action
    kind: Kind
    name: str
    diff: str
    body: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def needs_force(self) -> bool:
        """Whether it would undo a change that was made by hand."""
        return self.action == "overwrite"

    @property
    def title(self) -> str:
        """The change as text, such as ``upgrade index template ipi-es-results``."""
        action = "can't fix" if self.action == "cannot" else self.action
        return f"{action} {self.kind} {self.name}"
