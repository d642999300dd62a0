"""What a field's addresses say: is it the client's own, a proxy's, an inner or an empty one? Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ipi_es.addresses import is_private, packed, parse, picked
from ipi_es.setup.facts.document_sample import Sample

FEW = 5
"""Times as many addresses that another field must have for this one to be a proxy's."""

MANY = 10
"""Addresses of that other field, at least: in a small sample a few people share an office's address."""

MOSTLY_PRIVATE, HARDLY_PRIVATE = 0.5, 0.1
"""Shares of private addresses of a hidden client, and of a field that shows it."""

AS_OFTEN = 0.8
"""Share of a field's documents that another must have to replace it."""

NO_PLACES = (
    "0.0.0.0",  # noqa: S104  (compared, never listened on)
    "::",
    "::1",
)
"""Addresses that mean no place, besides 127.0.0.0/8."""


@dataclass(frozen=True, slots=True)
class AddressFigures:
    """Figures of one field over the sampled documents that have it. Shares are of its values, 0 to 1."""

    name: str
    filled: int
    """Documents with the field."""
    addresses: int
    """Distinct addresses."""
    parsable: float
    lists: float
    """Texts with several addresses, such as `203.0.113.9, 10.0.0.1`; each counts by its last public one."""
    private: float
    """Private, shared, loopback, link-local and unspecified ones."""
    no_place: float
    """`0.0.0.0`, `::` and loopback."""
    several: float
    """Share of the documents with several values."""
    one_public: bool
    """Whether no document with several values has more than one public address."""


@dataclass(frozen=True, slots=True)
class HiddenClient:
    """A field with other addresses than the clients', and the one that has theirs."""

    hidden: AddressFigures
    better: AddressFigures

    @property
    def text(self) -> str:
        """The reason in figures."""
        one, other = self.hidden, self.better
        if one.addresses * FEW <= other.addresses:
            what = f"{one.name} is a proxy's: {_some(one.addresses)} where {other.name} has {other.addresses:,}"
        else:
            none = " or none at all, such as 0.0.0.0" if one.no_place > HARDLY_PRIVATE else ""
            what = f"{one.private:.0%} of the addresses in {one.name} are private{none}; in {other.name} "
            what = (what + (f"{other.private:.0%}" if other.private else "none")).replace("%", " %")
        return f"{what} (in {one.filled:,} sampled events)"


def address_figures(sample: Sample, name: str) -> AddressFigures:
    """Compute the figures of a field, or a sub-field such as ``a.keyword``."""
    held = sample.held(name)
    total = sum(held.values.values())
    if not total:
        return AddressFigures(name, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, one_public=False)
    texts = list(held.values)
    counts = np.array([held.values[text] for text in texts], dtype=np.int64)
    chosen = [picked(text, "public") for text in texts]
    found, valid = parse(chosen)
    private = valid & is_private(found)
    nowhere = np.array([is_no_place(text) for text in chosen], dtype=np.bool_)
    lists = np.array([text != one for text, one in zip(texts, chosen, strict=True)], dtype=np.bool_)

    def share(which: NDArray[np.bool_]) -> float:
        return int(counts[which].sum()) / total

    each = [sample.values(document, name) for document in sample.documents]
    several = [values for values in each if len(values) > 1]
    return AddressFigures(
        name=name,
        filled=held.filled,
        addresses=len({bytes(one) for one in found[valid]}),
        parsable=share(valid),
        lists=share(lists),
        private=share(private),
        no_place=share(nowhere),
        several=held.several / held.filled,
        one_public=bool(several) and all(_public(values) <= 1 for values in several),
    )


def hidden_client(own: AddressFigures, others: Iterable[AddressFigures]) -> HiddenClient | None:
    """Return the field that has the clients' own addresses, where ``own`` hides them; None: no other is better."""
    found = [each for each in others if each.name != own.name and _shows(each, own)]
    if not found:
        return None
    return HiddenClient(own, max(found, key=lambda each: (-each.private, each.addresses, each.filled)))


def is_no_place(text: str) -> bool:
    """Return whether an address means no place: unspecified or loopback."""
    blob = packed(text)
    if blob is None:
        return False
    return blob in _NO_PLACES or blob.startswith(_LOOPBACK)


_NO_PLACES = {blob for text in NO_PLACES if (blob := packed(text)) is not None}
_LOOPBACK = (packed("127.0.0.0") or b"")[:13]


def _shows(other: AddressFigures, own: AddressFigures) -> bool:
    """Return whether ``other`` shows the clients that ``own`` hides."""
    if other.filled < AS_OFTEN * own.filled or (other.several and not other.one_public):
        return False
    if own.addresses * FEW <= other.addresses and other.addresses >= MANY:  # a proxy before them
        return other.private <= own.private + HARDLY_PRIVATE
    is_few = other.addresses * FEW <= own.addresses
    return not is_few and own.private >= MOSTLY_PRIVATE and other.private <= HARDLY_PRIVATE and other.addresses > 1


def _public(addresses: tuple[str, ...]) -> int:
    found, valid = parse(addresses)
    return int((valid & ~is_private(found)).sum())


def _some(number: int) -> str:
    return f"{number:,} {'address' if number == 1 else 'addresses'}"
