"""Entities that are probably one, spelled in several ways: which steps of `entity_normalize` would fold them. Pure."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ipi_es.config.entity_names import EntityStep, normalize_entity

DOMAIN_STEP = "strip_domain"

_STEPS: Mapping[str, Callable[[str], str]] = {
    "trim": str.strip,
    "nfc": lambda name: unicodedata.normalize("NFC", name),
    "lowercase": str.lower,
}
"""Steps that fold spellings of one name only, in the order in which they are applied."""


@dataclass(frozen=True, slots=True)
class Folding:
    """What more steps would do to a number of names."""

    entities: int
    """Names as they are told apart now."""
    steps: Mapping[str, int]
    """``{step: names that it would fold}`` of the steps that fold some; none is there that another makes needless."""
    folded: int
    """Names that all of these steps together would fold into others."""
    examples: tuple[tuple[str, ...], ...]
    """Some names that would be one, group by group."""
    other_domains: int
    """Names of one domain form that stripping domains would join, such as a@x.org and a@y.org."""


def folding(names: Iterable[str], steps: Sequence[EntityStep] = ()) -> Folding:
    """What the steps that aren't in ``steps`` yet would fold."""
    distinct = sorted({normalize_entity(name, steps) for name in names})
    missing = [step for step in _STEPS if step not in steps]
    useful = {step: folds for step in missing if (folds := _folds(distinct, missing, step))}
    groups = _groups(distinct, list(useful))
    folded = len(distinct) - len(groups)
    examples = [tuple(group) for group in groups.values() if len(group) > 1]
    joined = 0
    if DOMAIN_STEP not in steps:
        domains, joined, shown = _domains([group[0] for group in groups.values()], list(useful))
        if domains:
            useful[DOMAIN_STEP] = domains
            folded += domains
            examples += shown
    return Folding(len(distinct), useful, folded, tuple(examples), joined)


def _folds(names: Sequence[str], steps: Sequence[str], step: str) -> int:
    """How many names more are folded with ``step`` than by the others of ``steps`` alone."""
    others = [each for each in steps if each != step]
    return len(_groups(names, others)) - len(_groups(names, steps))


def _groups(names: Sequence[str], steps: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[_spelled(name, steps)].append(name)
    return found


def _spelled(name: str, steps: Sequence[str]) -> str:
    for step in _STEPS:
        if step in steps:
            name = _STEPS[step](name) or name
    return name


def _domains(names: Sequence[str], steps: Sequence[str]) -> tuple[int, int, list[tuple[str, ...]]]:
    r"""(names of another domain form that would fold, names of the same form that would, examples).

    Only `CORP\alice` beside `alice@corp` or `alice` shows that one user is spelled in two forms.
    """
    users: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        form, user = _form(_spelled(name, steps))
        users[user][form].append(name)
    several = [forms for forms in users.values() if len(forms) > 1]
    same = sum(len(each) - 1 for forms in users.values() for each in forms.values())
    examples = [tuple(each for names in forms.values() for each in names) for forms in several]
    return sum(len(forms) - 1 for forms in several), same, examples


def _form(name: str) -> tuple[str, str]:
    r"""(form, user) of `CORP\alice`, `corp/alice`, `alice@corp` and `alice`."""
    for mark in ("\\", "/"):
        domain, found, user = name.rpartition(mark)
        if found and domain and user and mark not in domain:
            return mark, user.partition("@")[0] or user
    user, found, domain = name.partition("@")
    return ("@", user) if found and user and domain else ("", name)
