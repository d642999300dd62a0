"""Snapshots, histories and deltas as bytes and back; each kind is marked so that none is read as another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.errors import SnapshotDamaged, SnapshotForeign
from ipi_es.ipinsights.combiner.combiner import Combiner
from ipi_es.ipinsights.combiner.features import FEATURES
from ipi_es.ipinsights.history.deltas import DayDelta
from ipi_es.ipinsights.history.history import History
from ipi_es.ipinsights.network.network import Network
from ipi_es.ipinsights.scorer import TrainedNetwork
from ipi_es.ipinsights.trained_network import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_KIND = "kind"


def snapshot_to_bytes(snapshot: TrainedNetwork, extra: Mapping[str, Any] | None = None) -> bytes:
    """Return a trained network as a snapshot's bytes; the JSON values ``extra`` (job, time) go into its manifest."""
    manifest = {
        _KIND: "snapshot",
        "hyperparameters": snapshot.hyperparameters.to_manifest(),
        "metrics": snapshot.metrics,
        "about": snapshot.about,
        "features": list(FEATURES),
        "extra": dict(extra or {}),
    }
    arrays = snapshot.network.to_arrays()
    if snapshot.combiner is not None:
        arrays |= snapshot.combiner.to_arrays()
    return pack(manifest, arrays)


def snapshot_from_bytes(blob: bytes) -> TrainedNetwork:
    """Restore a trained network from :func:`snapshot_to_bytes`'s bytes.

    Raises SnapshotForeign if its combiner needs features that this version doesn't compute, or the bytes are of another
    kind; SnapshotDamaged if a part is missing.
    """
    manifest, arrays = _read(blob, "snapshot")
    combiner = None
    try:
        if "combiner.mean" in arrays:
            unknown = set(manifest["features"]) - set(FEATURES)
            if unknown:
                raise SnapshotForeign(
                    f"the snapshot reads features that this ipi-es doesn't compute: {', '.join(sorted(unknown))}",
                    hint="use the ipi-es that made it, or train again",
                )
            combiner = Combiner.from_arrays(arrays).for_features(manifest["features"], FEATURES)
        return TrainedNetwork(
            hyperparameters=Hyperparameters.from_manifest(manifest["hyperparameters"]),
            network=Network.from_arrays(arrays),
            combiner=combiner,
            metrics=manifest["metrics"],
            about=manifest["about"],
        )
    except KeyError as error:
        raise SnapshotDamaged(f"the snapshot lacks {error}") from error


def history_to_bytes(history: History) -> bytes:
    """Return a history's bytes (the base that deltas are applied to)."""
    manifest, arrays = history.to_arrays()
    return pack({_KIND: "history", **manifest}, arrays)


def history_from_bytes(blob: bytes) -> History:
    """Restore a history from :func:`history_to_bytes`'s bytes. Raises SnapshotDamaged if a part is missing."""
    manifest, arrays = _read(blob, "history")
    try:
        return History.from_arrays(manifest, arrays)
    except KeyError as error:
        raise SnapshotDamaged(f"the history lacks {error}") from error


def delta_to_bytes(delta: DayDelta) -> bytes:
    """Return the bytes of one day's delta."""
    return pack({_KIND: "delta", "day": delta.day}, delta.to_arrays())


def delta_from_bytes(blob: bytes) -> DayDelta:
    """Restore a delta from :func:`delta_to_bytes`'s bytes. Raises SnapshotDamaged if a part is missing."""
    manifest, arrays = _read(blob, "delta")
    try:
        return DayDelta.from_arrays(int(manifest["day"]), arrays)
    except KeyError as error:
        raise SnapshotDamaged(f"the delta lacks {error}") from error


def _read(blob: bytes, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    manifest, arrays = unpack(blob)
    if manifest.get(_KIND) != kind:
        raise SnapshotForeign(f"these bytes are a {manifest.get(_KIND)}, not a {kind}")
    return manifest, arrays
