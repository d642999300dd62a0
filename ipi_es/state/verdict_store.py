"""People's verdicts on a job's findings: one small document per verdict, beside the job's state.

The only verdict so far is *confirmed*: this entity really uses this network. It applies to the network (/24 or /48) of
the address, as holds do. A new verdict on the same entity and network replaces the old one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ipi_es.cluster.port import Cluster, Document
from ipi_es.state.fields import Fields
from ipi_es.state.job_state import STATE_INDEX
from ipi_es.times import to_ms

FORMAT = 1
"""Format of a verdict's document; a newer one is refused."""
CONFIRMED = "confirmed"
_DAMAGED_HINT = f"delete that document of {STATE_INDEX}, and say the verdict again"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One verdict; ``at`` in epoch seconds."""

    entity: str
    ip: str
    network: str
    by: str
    at: int
    comment: str = ""
    verdict: str = CONFIRMED


class VerdictStore:
    """The verdicts on one job's findings."""

    def __init__(self, cluster: Cluster, job_id: str) -> None:
        self._cluster, self._job_id = cluster, job_id

    def save(self, verdict: Verdict) -> None:
        """Write one verdict; it is visible to searches at once."""
        source = {
            "type": "verdict",
            "format": FORMAT,
            "job_id": self._job_id,
            "verdict": verdict.verdict,
            "entity": verdict.entity,
            "ip": verdict.ip,
            "network": verdict.network,
            "by": verdict.by,
            "time": to_ms(verdict.at),
            "comment": verdict.comment,
        }
        self._cluster.put(STATE_INDEX, self._id(verdict.entity, verdict.network), source, refresh=True)

    def delete(self, entity: str, network: str) -> bool:
        """Delete a verdict; return whether it existed."""
        return self._cluster.delete(STATE_INDEX, self._id(entity, network))

    def all(self) -> list[Verdict]:
        """Return all verdicts of the job, the oldest first. Raises StateDamaged or SnapshotForeign."""
        self._cluster.refresh(STATE_INDEX)
        query = {"bool": {"filter": [{"term": {"type": "verdict"}}, {"term": {"job_id": self._job_id}}]}}
        found = [self._verdict(each) for each in self._cluster.scan(STATE_INDEX, query)]
        return sorted(found, key=lambda each: (each.at, each.entity, each.network))

    def confirmed(self) -> frozenset[tuple[str, str]]:
        """Return (entity, network) of all pairs that people confirmed."""
        return frozenset((each.entity, each.network) for each in self.all() if each.verdict == CONFIRMED)

    def _verdict(self, document: Document) -> Verdict:
        source = document.source
        fields = Fields(source, f"a verdict on job {self._job_id} ({document.id}) is damaged", _DAMAGED_HINT)
        fields.refuse_newer(f"a verdict on job {self._job_id}", FORMAT)
        names = ("entity", "ip", "network", "by", "verdict")
        texts = {name: fields.text(name) for name in names}
        return Verdict(at=fields.time("time"), comment=fields.text_or_none("comment") or "", **texts)

    def _id(self, entity: str, network: str) -> str:
        """Return a document id of fixed length for names of any length; two pairs of names never share one."""
        parts = [part.encode("utf-8", "surrogatepass") for part in (entity, network)]
        state = hashlib.blake2b(digest_size=16)
        for part in parts:
            state.update(len(part).to_bytes(8, "big") + part)
        return f"verdict:{self._job_id}:{state.hexdigest()}"
