"""The combiner that ships with the package: trained on simulated companies by ``tools/pretrain_combiner.py``.

It is used where there are too few rows to fit one, and a fit on the user's own rows starts from it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from ipi_es.errors import SnapshotDamaged
from ipi_es.ipinsights.combiner.combiner import Combiner
from ipi_es.ipinsights.combiner.features import FEATURES
from ipi_es.ipinsights.trained_network import pack, unpack

FILE = Path(__file__).with_name("pretrained_combiner.bin")
_KIND = "combiner"


@lru_cache(maxsize=1)
def pretrained_combiner() -> Combiner:
    """Return the shipped combiner, adapted to this version's features; features it wasn't trained on have no effect.

    Raises SnapshotDamaged if the file is of another kind.
    """
    manifest, arrays = unpack(FILE.read_bytes())
    if manifest.get("kind") != _KIND:
        raise SnapshotDamaged("the combiner that ships with ipi-es is damaged", hint="install ipi-es again")
    return Combiner.from_arrays(arrays).for_features(manifest["features"], FEATURES)


def to_bytes(combiner: Combiner) -> bytes:
    """Return the bytes of a combiner; it must be one for this version's features."""
    return pack({"kind": _KIND, "features": list(FEATURES)}, combiner.to_arrays())
