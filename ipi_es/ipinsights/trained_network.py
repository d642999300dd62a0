"""Saved state as bytes: a JSON manifest and named arrays, versioned, compressed, checksummed; never pickled.

Layout, little-endian: ``IPIESNAP`` · version u32 · header length u32 · XXH3-64 of the header u64 · header · arrays.
The header is JSON: ``{"manifest": …, "arrays": [{"name", "dtype", "shape", "bytes", "checksum"}, …]}``; each array is
one zlib stream of ``bytes`` bytes whose XXH3-64 is ``checksum``.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from ipi_es.errors import SnapshotDamaged, SnapshotForeign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

VERSION = 1
_MAGIC = b"IPIESNAP"
_HEAD = struct.Struct("<8sIIQ")
_COMPRESSION_LEVEL = 1
"""zlib's fastest level: hashed tables are mostly zeros and compress well at any level."""
_PIECE = 1 << 20
"""Bytes decompressed at a time."""
_DTYPES = frozenset(["|u1", "|b1", "<u2", "<u4", "<u8", "<i4", "<i8", "<f4", "<f8"])
_HINT_DAMAGED = "revert to an earlier snapshot (ipi-es snapshots list), or train again"


def pack(manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the bytes of a manifest (JSON values only) and arrays; equal contents give equal bytes."""
    entries, blobs = [], []
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if array.dtype.str not in _DTYPES:
            raise TypeError(f"array {name} has dtype {array.dtype.str}")
        # the array itself, not a copy of its bytes: tables are large
        blob = zlib.compress(array.reshape(-1).view(np.uint8).data, _COMPRESSION_LEVEL)
        entries.append(
            {
                "name": name,
                "dtype": array.dtype.str,
                "shape": list(arrays[name].shape),
                "bytes": len(blob),
                "checksum": xxhash.xxh3_64_hexdigest(blob),
            }
        )
        blobs.append(blob)
    header = json.dumps({"manifest": dict(manifest), "arrays": entries}, sort_keys=True, separators=(",", ":")).encode()
    head = _HEAD.pack(_MAGIC, VERSION, len(header), xxhash.xxh3_64_intdigest(header))
    whole = io.BytesIO()
    whole.write(head + header)
    while blobs:  # each is released once written, so that no second copy of all is held
        whole.write(blobs.pop(0))
    return whole.getvalue()


def unpack(blob: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return (manifest, arrays) from :func:`pack`'s bytes; the arrays are writable.

    Raises SnapshotForeign for another format or a later version, SnapshotDamaged where a checksum or a length is wrong.
    """
    manifest, entries, position = _header(blob)
    arrays, view = {}, memoryview(blob)
    for entry in entries:
        stop = position + entry["bytes"]
        arrays[entry["name"]] = _array(entry, view[position:stop])
        position = stop
    if position != len(blob):
        raise SnapshotDamaged(f"{len(blob) - position} bytes too many in the snapshot", hint=_HINT_DAMAGED)
    return manifest, arrays


def _header(blob: bytes) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
    if len(blob) < _HEAD.size:
        raise SnapshotDamaged(f"only {len(blob)} bytes", hint=_HINT_DAMAGED)
    magic, version, length, checksum = _HEAD.unpack_from(blob)
    if magic != _MAGIC:
        raise SnapshotForeign("these bytes are not an ipi-es snapshot")
    if version > VERSION:
        raise SnapshotForeign(
            f"the snapshot has format version {version}; this ipi-es reads up to {VERSION}", hint="upgrade ipi-es"
        )
    header = blob[_HEAD.size : _HEAD.size + length]
    if len(header) != length or xxhash.xxh3_64_intdigest(header) != checksum:
        raise SnapshotDamaged("the header's checksum is wrong", hint=_HINT_DAMAGED)
    content = json.loads(header)
    return content["manifest"], content["arrays"], _HEAD.size + length


def _array(entry: Mapping[str, Any], blob: memoryview) -> NDArray[Any]:
    name, dtype, shape = entry["name"], entry["dtype"], tuple(entry["shape"])
    if len(blob) != entry["bytes"] or xxhash.xxh3_64_hexdigest(blob) != entry["checksum"]:
        raise SnapshotDamaged(f"the checksum of {name} is wrong", hint=_HINT_DAMAGED)
    if dtype not in _DTYPES:
        raise SnapshotForeign(f"{name} has the unknown dtype {dtype}")
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(size, dtype=np.uint8)
    try:
        filled = _decompress(blob, raw)
    except zlib.error as error:
        raise SnapshotDamaged(f"{name} can't be decompressed: {error}", hint=_HINT_DAMAGED) from error
    if not filled:
        raise SnapshotDamaged(f"{name} has another size than its shape", hint=_HINT_DAMAGED)
    array: NDArray[Any] = raw.view(dtype).reshape(shape)
    return array


def _decompress(blob: memoryview, raw: NDArray[np.uint8]) -> bool:
    """Decompress into ``raw`` piece by piece, so that no second copy is held; return whether the size matches."""
    engine, done = zlib.decompressobj(), 0
    for start in range(0, len(blob), _PIECE):
        rest: bytes | memoryview = blob[start : start + _PIECE]
        while rest:
            piece = engine.decompress(rest, min(_PIECE, len(raw) - done + 1))
            if done + len(piece) > len(raw):
                return False
            raw[done : done + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
            done += len(piece)
            rest = engine.unconsumed_tail
    while piece := engine.decompress(b"", _PIECE):
        if done + len(piece) > len(raw):
            return False
        raw[done : done + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
        done += len(piece)
    return done == len(raw)
