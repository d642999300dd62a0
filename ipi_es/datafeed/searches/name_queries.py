"""Queries for the events of one entity or one address, to show them. Pure; scoring reads all events.

They match each event that can have the name, and may match others: who reads the rows compares the normalized names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from ipaddress import ip_address
from itertools import product

from ipi_es.cluster.port import Json
from ipi_es.config.entity_names import EntitySource, EntityStep
from ipi_es.config.job_config import Job
from ipi_es.datafeed.spec import KEYWORDS
from ipi_es.errors import UsageError

SPACES = (" ", "\t")
"""White space around a name that ``trim`` drops."""

MOST_CLAUSES = 500
"""Clauses of a query; the servers take 1,024."""

_SPECIAL = re.compile(r"[*?\\]")


def entity_query(job: Job, name: str) -> Json:
    """Return the query for the events of an entity that is spelled as in results.

    Raises UsageError where no query finds them: the key of a pseudonym can't be read, or the name is made of fields
    without a text between them.
    """
    plain, steps = job.plain_entity(name), job.entity_steps
    found = [query for source in job.entity_sources for query in _by_source(source, plain, steps)]
    if not found or len(found) > MOST_CLAUSES:
        raise UsageError(
            f"events can't be searched by {job.entity_field} here, as its name is made of several fields",
            hint="look at the events in the console",
        )
    return found[0] if len(found) == 1 else {"bool": {"should": found, "minimum_should_match": 1}}


def address_query(job: Job, ip: str, types: Collection[str]) -> Json:
    """Return the query for the events from a canonical address; ``types``: those of the field in the job's indices.

    A field of type ``ip`` is compared as an address; keywords may hold it with a port, in a list, or in another
    spelling (:func:`finds_each_spelling`).
    """
    exact: Json = {"term": {job.ip_field: ip}}
    if not types or not KEYWORDS.issuperset(types):
        return exact
    texts = dict.fromkeys((ip, ip_address(ip).exploded))
    each = [{"wildcard": {job.ip_field: {"value": f"*{text}*", "case_insensitive": True}}} for text in texts]
    return {"bool": {"should": [exact, *each], "minimum_should_match": 1}}


def finds_each_spelling(types: Collection[str]) -> bool:
    """Return whether :func:`address_query` finds an address in every spelling; otherwise, in the canonical one alone.

    Patterns are for keywords: the servers refuse them where an index has the type ``ip``.
    """
    return set(types) <= {"ip"} or KEYWORDS.issuperset(types)


def _by_source(source: EntitySource, name: str, steps: Sequence[EntityStep]) -> Iterator[Json]:
    """Yield queries, at least one of which matches each event that the source gives this name."""
    if source.is_field:
        yield _of_value(source.fields[0], name, steps)
    elif {"strip_domain", "strip_slash_domain"}.isdisjoint(steps) and all(source.between[1:-1]):
        for values in _splits(source.between, name, "lowercase" in steps):
            parts = zip(source.fields, values, strict=True)
            yield {"bool": {"filter": [_of_value(field, value, steps) for field, value in parts]}}


def _splits(between: Sequence[str], name: str, lower: bool) -> Iterator[tuple[str, ...]]:
    """Yield all ways to read a name as values with the template's texts before, between and after them."""
    first, *others = [text.lower() if lower else text for text in between]
    if not name.startswith(first):
        return
    rest = name[len(first) :]
    if len(others) == 1:
        if rest.endswith(others[0]) and len(rest) > len(others[0]):
            yield (rest[: len(rest) - len(others[0])],)
        return
    for found in re.finditer(f"(?={re.escape(others[0])})", rest):
        value = rest[: found.start()]
        if value:
            yield from ((value, *more) for more in _splits(between[1:], rest[found.start() :], lower))


def _of_value(field: str, value: str, steps: Sequence[EntityStep]) -> Json:
    """Return the query for the documents whose field, normalized by the steps, has a value."""
    if not steps:
        return {"term": {field: value}}
    trimmed, domains = "trim" in steps, "strip_domain" in steps
    before = ["", *(f"*{space}" for space in SPACES if trimmed), *(["*\\\\"] if domains else [])]
    before += ["*/"] if "strip_slash_domain" in steps else []
    after = ["", *(f"{space}*" for space in SPACES if trimmed), *(["@*"] if domains else [])]
    lower = "lowercase" in steps
    each = [
        {"wildcard": {field: {"value": f"{left}{escaped(text)}{right}", "case_insensitive": lower}}}
        for text, left, right in product(_spellings(value, steps), before, after)
    ]
    return each[0] if len(each) == 1 else {"bool": {"should": each, "minimum_should_match": 1}}


def _spellings(value: str, steps: Sequence[EntityStep]) -> list[str]:
    """Return spellings that become the value; servers ignore the case of ASCII letters alone."""
    found = [value]
    if "lowercase" in steps and not value.isascii():
        found += [value.upper(), value.title()]
    if "nfc" in steps:
        found += [unicodedata.normalize("NFD", each) for each in found]
    return list(dict.fromkeys(found))


def escaped(text: str) -> str:
    """Return a text as the pattern of a ``wildcard`` query that matches it alone."""
    return _SPECIAL.sub(r"\\\g<0>", text)
