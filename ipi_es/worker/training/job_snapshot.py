"""The result of a training that scoring needs, as one immutable blob: network, calibration, first levels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ipi_es.errors import SnapshotDamaged, SnapshotForeign
from ipi_es.ipinsights.scorer import TrainedNetwork
from ipi_es.ipinsights.storage import snapshot_from_bytes, snapshot_to_bytes
from ipi_es.ipinsights.trained_network import pack, unpack
from ipi_es.scoring.calibration import Calibration
from ipi_es.scoring.references import Correlations, Reference, References
from ipi_es.times import iso
from ipi_es.worker.scoring.normalizer_state import NormalizerState

_KIND = "job_snapshot"
_CALIBRATION, _FAILED, _LEVEL, _NETWORK = "calibration.", "failed_calibration.", "level.", "network"


@dataclass(frozen=True, slots=True, eq=False)
class JobSnapshot:
    """The data that scoring needs besides history; immutable."""

    job_id: str
    trained_to: int
    """Exclusive end of the events that it was trained on, epoch seconds; scoring begins there."""
    network: TrainedNetwork
    references: References
    levels: NormalizerState
    """The normalizer's state after the calibration part, as of ``trained_to``."""
    made_with: Mapping[str, Any] | None = None
    """The job's settings that it was trained with; None: it was trained by a version that didn't store them."""

    def to_bytes(self) -> bytes:
        """Return the blob; equal contents give equal bytes."""
        manifest: dict[str, Any] = {
            "kind": _KIND,
            "job_id": self.job_id,
            "trained_to": self.trained_to,
            "correlations": _as_json(self.references.successes.correlations),
        }
        if self.made_with is not None:
            manifest["made_with"] = dict(self.made_with)
        successes, failures = self.references.successes, self.references.failures
        arrays = {_CALIBRATION + name: array for name, array in successes.calibration.to_arrays().items()}
        if failures is not successes:
            manifest["failed_correlations"] = _as_json(failures.correlations)
            arrays |= {_FAILED + name: array for name, array in failures.calibration.to_arrays().items()}
        arrays |= {_LEVEL + name: array for name, array in self.levels.to_arrays().items()}
        arrays[_NETWORK] = np.frombuffer(snapshot_to_bytes(self.network), dtype=np.uint8)
        return pack(manifest, arrays)

    @classmethod
    def from_bytes(cls, blob: bytes, job_id: str) -> JobSnapshot:
        """Read the blob of :meth:`to_bytes`.

        :raises SnapshotForeign: the blob is of another job or of another kind.
        :raises SnapshotDamaged: the blob is not complete.
        """
        manifest, arrays = unpack(blob)
        if manifest.get("kind") != _KIND or manifest.get("job_id") != job_id:
            raise SnapshotForeign(
                f"this is a {manifest.get('kind', 'blob')} of job {manifest.get('job_id')}, not a snapshot of {job_id}",
                hint=f"train the job: ipi-es train {job_id}",
            )
        try:
            named = {
                prefix: {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
                for prefix in (_CALIBRATION, _FAILED, _LEVEL)
            }
            references = References.alike(
                Calibration.from_arrays(named[_CALIBRATION]), _correlations(manifest["correlations"])
            )
            if named[_FAILED]:
                failures = Calibration.from_arrays(named[_FAILED]), _correlations(manifest["failed_correlations"])
                references = References(references.successes, Reference(*failures))
            return cls(
                job_id=job_id,
                trained_to=int(manifest["trained_to"]),
                network=snapshot_from_bytes(arrays[_NETWORK].tobytes()),
                references=references,
                levels=NormalizerState.from_arrays(named[_LEVEL]),
                made_with=manifest.get("made_with"),
            )
        except (KeyError, TypeError) as error:
            raise SnapshotDamaged(
                f"the snapshot lacks {error}", hint=f"train the job: ipi-es train {job_id}"
            ) from error


def _as_json(correlations: Correlations) -> dict[str, tuple[float, ...]]:
    return {"same_entity": correlations.same_entity, "same_ip": correlations.same_ip}


def _correlations(stored: Mapping[str, Any]) -> Correlations:
    return Correlations(**{key: tuple(rho) for key, rho in stored.items()})


def snapshot_id_of(trained_to: int, blob: bytes) -> str:
    """Return the id of a snapshot, ``20260501T000000Z-1f3a9c0b``: its ``trained_to`` and a hash of its contents."""
    when = iso(trained_to).replace("-", "").replace(":", "")
    return f"{when}-{hashlib.sha256(blob).hexdigest()[:8]}"
