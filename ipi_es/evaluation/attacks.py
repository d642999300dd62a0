"""Attacks injected beside normal rows: the same entity and time with another address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ipi_es.addresses import from_words, v4_words, words
from ipi_es.evaluation.evaluation_events import NO_GROUP, EvaluationEvents
from ipi_es.index_pairs import packed_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ipi_es.addresses import Addresses
    from ipi_es.evaluation.announced import Announced
    from ipi_es.evaluation.protocol import EvaluationWindow, Parts
    from ipi_es.ipinsights.address_context import AddressContext

KINDS = ("random", "shuffled", "country", "asn", "group", "attacker", "neighbour")
"""Kinds of attack in the order in which they are drawn and reported; part of the protocol."""
GROUP_ENTITIES = (2, 100)
"""Number of entities of a group that counts as an organisation, [least, most]: larger ones are mail providers etc."""
_SEED = 1_000
"""Window k draws with ``default_rng(1000 + k)``."""
_ONES = np.uint64((1 << 64) - 1)
_UNUSED = -1


@dataclass(frozen=True, slots=True, eq=False)
class Attacks:
    """n attacks of one kind on some of the normal rows."""

    row: NDArray[np.intp]  # [n] index into the prepared events: the row whose entity and time the attack has
    addresses: Addresses  # uint8[n, 16]


@dataclass(frozen=True, slots=True, eq=False)
class AttackSources:
    """Sources of attacks besides the events."""

    announced: Announced
    attackers: Addresses | None
    """uint8[n, 16]; None: no attacks of the kind ``attacker``."""
    context: AddressContext | None
    """Operator and country of the events' addresses; None: no attacks of the kinds ``country`` and ``asn``."""


def organisations(events: EvaluationEvents) -> NDArray[np.int32]:
    """Return int32[rows]: each row's group if it has 2 to 100 entities, else NO_GROUP."""
    pairs = np.unique(np.stack([events.group, events.entity], axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != NO_GROUP]
    size = np.bincount(pairs[:, 0], minlength=int(events.group.max(initial=0)) + 1)
    least, most = GROUP_ENTITIES
    kept = (events.group != NO_GROUP) & (size[events.group] >= least) & (size[events.group] <= most)
    return np.where(kept, events.group, NO_GROUP).astype(np.int32)


def injected(
    events: EvaluationEvents, window: EvaluationWindow, parts: Parts, sources: AttackSources
) -> dict[str, Attacks]:
    """Draw attacks of each kind on a window's normal rows; kinds without any possible attack are left out."""
    rng = np.random.default_rng(_SEED + window.number)
    normal = parts.normal
    own = events.addresses[events.ip[normal]]
    everybody = np.zeros(len(events), dtype=np.int64)
    shared: Mapping[str, NDArray[np.int64]] = {"group": _codes(organisations(events), NO_GROUP)}
    if sources.context is not None:
        at = sources.context.take(events.ip)
        shared = {"country": _codes(at.country, 0), "asn": _codes(at.operator, 0), **shared}
    found: dict[str, Attacks] = {}
    found["random"] = Attacks(normal, sources.announced.draw(v4_words(*words(own)), rng))
    found["shuffled"] = _of_others(events, normal, [parts.test], everybody, rng)
    for kind, code in shared.items():
        found[kind] = _of_others(events, normal, [parts.test, parts.learnt], code, rng)
    if sources.attackers is not None:
        chosen = rng.integers(0, len(sources.attackers), len(normal))
        found["attacker"] = Attacks(normal, sources.attackers[chosen])
    found["neighbour"] = Attacks(normal, neighbours(own, rng))
    return {kind: found[kind] for kind in KINDS if kind in found and len(found[kind].row)}


def labelled(events: EvaluationEvents, parts: Parts) -> dict[str, Attacks]:
    """Return a window's labelled attacks by label."""
    found = {}
    for code, name in enumerate(events.labels, start=1):
        rows = parts.labelled[events.label[parts.labelled] == code]
        if len(rows):
            found[name] = Attacks(rows, events.addresses[events.ip[rows]])
    return found


def _codes(values: NDArray[np.integer[Any]], missing: int) -> NDArray[np.int64]:
    """Return int64[n]: the values, with ``missing`` replaced by ``_UNUSED``."""
    return np.where(values == missing, _UNUSED, values.astype(np.int64))


def _of_others(
    events: EvaluationEvents,
    normal: NDArray[np.intp],
    pools: list[NDArray[np.intp]],
    code: NDArray[np.int64],
    rng: np.random.Generator,
) -> Attacks:
    """Draw for each normal row the address of another entity's row with the same code, from the first pool with one.

    Rows without such an address are left out.
    """
    chosen = np.full(len(normal), _UNUSED, dtype=np.int64)
    for pool in pools:
        open_ = np.flatnonzero((chosen == _UNUSED) & (code[normal] != _UNUSED))
        chosen[open_] = _another(events.entity, code, pool, normal[open_], rng)
    have = chosen != _UNUSED
    return Attacks(normal[have], events.addresses[events.ip[chosen[have]]])


def _another(
    entity: NDArray[np.int32],
    code: NDArray[np.int64],
    pool: NDArray[np.intp],
    wanted: NDArray[np.intp],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw int64: for each wanted row a row of ``pool`` with its code and another entity, uniformly; -1 for none.

    The pool is sorted by (code, entity): a code's rows are contiguous, and so are an entity's within them; the wanted
    row's own entity is skipped.
    """
    pool = pool[code[pool] != _UNUSED]
    pool = pool[np.lexsort((entity[pool], code[pool]))]
    width = int(entity.max(initial=0)) + 1
    keys, own = (packed_pairs(code[rows], entity[rows], width) for rows in (pool, wanted))
    begin = np.searchsorted(code[pool], code[wanted], side="left")
    end = np.searchsorted(code[pool], code[wanted], side="right")
    own_begin, own_end = np.searchsorted(keys, own, side="left"), np.searchsorted(keys, own, side="right")
    others = (end - begin) - (own_end - own_begin)
    at = begin + rng.integers(0, np.maximum(others, 1))
    at = np.where(at >= own_begin, at + (own_end - own_begin), at)
    result = np.full(len(wanted), _UNUSED, dtype=np.int64)
    some = others > 0
    result[some] = pool[at[some]]
    return result


def neighbours(observed: Addresses, rng: np.random.Generator) -> Addresses:
    """Draw for each address uint8[n, 16] one in the same /16 (IPv6: /32) and another /24 (/48), the rest random."""
    n = len(observed)
    high, low = words(observed)
    v4 = v4_words(high, low)
    fresh, host = (rng.integers(0, _ONES, n, dtype=np.uint64, endpoint=True) for _ in range(2))
    # the third byte (IPv6: the two after the /32) is shifted by 1 to 255 (65,535), so it always changes
    byte = (low >> np.uint64(8)) + rng.integers(1, 1 << 8, n, dtype=np.uint64)
    pair = (high >> np.uint64(16)) + rng.integers(1, 1 << 16, n, dtype=np.uint64)
    low_4 = (low & ~np.uint64(0xFFFF)) | ((byte & np.uint64(0xFF)) << np.uint64(8)) | (fresh & np.uint64(0xFF))
    pair = (pair & np.uint64(0xFFFF)) << np.uint64(16)
    high_6 = (high & ~np.uint64(0xFFFFFFFF)) | pair | (fresh & np.uint64(0xFFFF))
    return from_words(np.where(v4, np.uint64(0), high_6), np.where(v4, low_4, host))
