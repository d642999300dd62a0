"""Find several spellings of one entity, and the steps of `entity_normalize` that would fold them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from ipi_es.config.entity_names import EntityStep, normalize_entity

LETTER_STEPS: tuple[EntityStep, ...] = ("trim", "nfc", "lowercase")
"""Steps that fold only spellings of one name."""

DOMAIN_STEPS: tuple[EntityStep, ...] = ("strip_domain", "strip_slash_domain")
"""Steps that fold a name with a domain and the same name without, but also equal names of two domains."""


@dataclass(frozen=True, slots=True)
class Folding:
    """The effect of further steps on a set of names."""

    entities: int
    """Number of names that are distinct now."""
    steps: Mapping[EntityStep, int]
    """``{step: number of names that it would fold}`` of the steps that fold names which the others don't."""
    folded: int
    """Number of names that differ from another only by what these steps fold; two domains of one form don't count."""
    examples: tuple[tuple[str, ...], ...]
    """Groups of names that would become one."""
    other_domains: int
    """Number of names of one form that stripping domains would join, such as a@x.org and a@y.org."""


def folding(names: Iterable[str], steps: Sequence[EntityStep] = ()) -> Folding:
    r"""Compute what the steps that aren't in ``steps`` yet would fold.

    A step that strips domains is counted only where a user is spelled in two forms (`CORP\alice` beside `alice@corp`
    or `alice`): alice@x.org and alice@y.org may be two people.
    """
    distinct = sorted({normalize_entity(name, steps) for name in names})
    letters = [*steps, *(step for step in LETTER_STEPS if step not in steps)]
    groups = _groups(distinct, letters)
    useful: dict[EntityStep, int] = {}
    for step in LETTER_STEPS:
        number = len(_groups(distinct, [each for each in letters if each != step])) - len(groups)
        if step not in steps and number > 0:
            useful[step] = number
    users = _groups(list(groups), [*letters, *(step for step in DOMAIN_STEPS if step not in steps)])
    forms = {user: _by_form(spelled) for user, spelled in users.items() if len(spelled) > 1}
    several = {user: each for user, each in forms.items() if len(each) > 1}
    for step in DOMAIN_STEPS:
        number = sum(_strips(name, step) for each in several.values() for name in chain.from_iterable(each.values()))
        if step not in steps and number:
            useful[step] = number
    examples = [tuple(group) for group in groups.values() if len(group) > 1]
    examples += [tuple(chain.from_iterable(groups[name] for name in users[user])) for user in several]
    return Folding(
        entities=len(distinct),
        steps=useful,
        folded=len(distinct) - len(groups) + sum(len(each) - 1 for each in several.values()),
        examples=tuple(examples),
        other_domains=sum(len(names) - 1 for each in forms.values() for names in each.values()),
    )


def _groups(names: Sequence[str], steps: Sequence[EntityStep]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[normalize_entity(name, steps)].append(name)
    return found


def _by_form(names: Sequence[str]) -> dict[str, list[str]]:
    r"""Group the names of one user by their form: with `DOMAIN\`, `domain/`, `@domain`, or bare."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[next((mark for mark in "\\/@" if mark in name), "")].append(name)
    return found


def _strips(name: str, step: EntityStep) -> bool:
    return normalize_entity(name, [step]) != name
