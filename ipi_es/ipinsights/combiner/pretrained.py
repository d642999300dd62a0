"""The combiner that ships with the package: trained on simulated companies by ``tools/pretrain_combiner.py``.

It scores where there are too few rows to fit one, and is what a fit on the user's own rows begins with.
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
    """The shipped combiner, for this version's features: of those that it wasn't trained with it takes no notice."""
    manifest, arrays = unpack(FILE.read_bytes())
    if manifest.get("kind") != _KIND:
        raise SnapshotDamaged("the combiner that ships with ipi-es is damaged", hint="install ipi-es again")
    return Combiner.from_arrays(arrays).for_features(manifest["features"], FEATURES)


def to_bytes(combiner: Combiner) -> bytes:
    """The bytes of a combiner of this version's features."""
    return pack({"kind": _KIND, "features": list(FEATURES)}, combiner.to_arrays())
