"""The configuration reference as Markdown, made from the settings' descriptions and defaults."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, PlainSerializer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ipi_es.config.job_config import Job
from ipi_es.config.sections import section_of
from ipi_es.config.settings.settings_file import Settings
from ipi_es.config.types import as_span

_INTRODUCTION = """\
# Configuration

<!-- Made of the settings' descriptions by `python -m ipi_es.config.config_reference`; a test compares. -->

Two kinds of file, YAML or JSON:

- `ipi-es.yml`: the cluster, and where the jobs are. It is looked for at `--config`, then at `$IPI_ES_CONFIG`, then in
  the current folder. Without one, the server is `http://localhost:9200` and the jobs are in `jobs/`.
- one file a job, with Elastic ML's keys. `ipi-es job validate FILE...` checks them; `ipi-es job import FILE` makes one
  of an Elastic ML job. An example: [example-job.yml](example-job.yml).

In both, `${NAME}` and `${NAME:default}` in a value stand for an environment variable (`$${` for the characters
themselves), relative paths count from the folder of the file, and a key that isn't in these tables is refused.
Time spans are a whole number and a unit: `90s`, `15m`, `1h`, `1d`, `2w`. What neither Elastic ML nor SageMaker has is
marked *Ours*.
"""


def render() -> str:
    """Return the whole reference."""
    parts = [_INTRODUCTION.rstrip()]
    for title, root in (("ipi-es.yml", Settings), ("A job", Job)):
        parts.append(f"## {title}")
        parts.extend(_sections(root, ""))
    parts.extend(_changes())
    return "\n\n".join(parts) + "\n"


_CHANGES = """\
What a job has learned was made of its events as its file described them then. The job's state keeps those settings,
and every command that goes on with it compares them with the file: `backfill`, `run`, `renormalize`, and `snapshots
revert` with those of the snapshot. Each setting has one rule:

- **free**: taken as it is.
- **accept**: refused, with the old value and the new one, until somebody says `--accept-change`; the job then goes on
  with what it has learned. A training (`ipi-es train JOB`) takes it too.
- **train**: refused until the job is trained with it: `ipi-es train JOB` does that, and begins a new network. Results
  of before stay as they are; those of a day that is scored again are replaced.

To set the old value again is always possible. A worker (`ipi-es run`) that finds such a change leaves the job alone
and says so in its log, `/readyz` and metrics; it goes on by itself once the job is trained. A state that was written
before ipi-es kept this is taken for what the file says. `ipi-es status` and `explain` only note the difference."""

_MEANING = {"free": "free", "accept": "**accept**", "train": "**train**"}


def _changes() -> Iterator[str]:
    """Yield the section with the rule for each setting of a trained job."""
    from ipi_es.config.setting_rules import RULES

    yield "## Changing a trained job"
    yield _CHANGES
    rows = ["| setting | rule | |", "|---|---|---|"]
    rows += [f"| `{name}` | {_MEANING[rule.rule]} | {rule.why} |" for name, rule in RULES.items()]
    yield "\n".join(rows)


def _sections(section: type[BaseModel], path: str) -> Iterator[str]:
    """Yield the table of a section, then those of the sections in it."""
    rows = ["| setting | value | default | |", "|---|---|---|---|"]
    inner = []
    for name, field in section.model_fields.items():
        below = section_of(field.annotation)
        many = _is_many(field.annotation)
        place = f"{path}{name}{'[]' if many and below else ''}"
        kind = _kind(field.annotation, field.metadata)
        rows.append(f"| `{name}` | {kind} | {_default(field, below is not None)} | {field.description} |")
        if below:
            inner.append((below, place))
    yield "\n".join(rows)
    for below, place in inner:
        yield f"### `{place}`"
        yield (below.__doc__ or "").split("\n", maxsplit=1)[0]
        yield from _sections(below, f"{place}.")


def _is_many(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(_is_many(part) for part in _alternatives(annotation))


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ()


_NAMES = {"bool": "true or false", "int": "whole number", "float": "number", "str": "text", "SecretStr": "secret"}


def _kind(annotation: Any, metadata: list[Any]) -> str:
    """Say which values are allowed, in words."""
    if as_span in metadata:
        return "span"
    if section_of(annotation):
        return "list of mappings" if _is_many(annotation) else "mapping"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0], list(arguments[1:]))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {_kind(arguments[0], [])}"
    alternatives = [_kind(part, []) for part in _alternatives(annotation) if part is not type(None)]
    return " or ".join(alternatives) or _name(annotation) + _range(metadata)


_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def _range(metadata: list[Any]) -> str:
    """Format the limits in a field's metadata: `` ≥ 1`` or ``, 4 to 4,096``."""
    flat = [inner for part in metadata for inner in (part.metadata if isinstance(part, FieldInfo) else [part])]
    limits = {sign: f"{getattr(part, name):,}" for name, sign in _SIGNS.items() for part in flat if hasattr(part, name)}
    if "≥" in limits and "≤" in limits:
        return f", {limits['≥']} to {limits['≤']}"
    return "".join(f" {sign} {limit}" for sign, limit in limits.items())


def _name(annotation: Any) -> str:
    name = getattr(annotation, "__name__", str(annotation))
    return {**_NAMES, "Path": "path", "dict": "mapping", "Any": "anything"}.get(name, name)


def _default(field: FieldInfo, is_section: bool) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or value in ((), {}, "") or is_section:
        return ""
    if _is_span(field):
        serializer = next(part for part in _metadata(field) if isinstance(part, PlainSerializer))
        value = serializer.func(value)  # type: ignore[call-arg]
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _is_span(field: FieldInfo) -> bool:
    return as_span in _metadata(field)


def _metadata(field: FieldInfo) -> list[Any]:
    parts = list(field.metadata)
    for part in _alternatives(field.annotation):
        if get_origin(part) is Annotated:
            parts += get_args(part)[1:]
    return parts


if __name__ == "__main__":
    import sys

    sys.stdout.write(render())
