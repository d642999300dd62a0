"""Read a YAML or JSON file as plain values, with the line of each, and expand `${VAR}`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from ipi_es.config.files.document_limits import MAX_BYTES, PLAIN_TAGS, TOO_DEEP, check_data, check_nodes, check_size
from ipi_es.config.files.nearest import nearest
from ipi_es.errors import ConfigError

Path_: TypeAlias = tuple[str | int, ...]
"""A place in a document: keys and indices from its root."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake at a place of a document."""

    path: Path_
    text: str


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One file as plain values, with the line (from 1) of each place, and the mistakes in its structure.

    ``data`` is None for an empty file, and for one whose structure can't be traversed (then with mistakes).
    """

    name: str
    data: Any
    lines: Mapping[Path_, int] = field(default_factory=dict)
    mistakes: tuple[Mistake, ...] = ()

    def line(self, path: Path_) -> int | None:
        """Return the line of a place, or of the innermost place around it that has one; None: none has."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2: 1e-5 is a number; dates, 1:30 and `on` are text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _regexp, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$|^0x[0-9a-fA-F]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
    ("merge", r"^<<$", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_regexp), list(_first))
# an empty scalar has no first character
_Loader.yaml_implicit_resolvers[""] = _Loader.yaml_implicit_resolvers["\0"]


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    # YAML 1.1 reads 010 as 8, which isn't meant in a port or a day
    try:
        return int(text, 16) if text.startswith("0x") else int(text)
    except ValueError:  # more digits than Python reads, or the tag !!int before a word
        raise yaml.constructor.ConstructorError(None, None, "this is no whole number", node.start_mark) from None


_Loader.add_constructor("tag:yaml.org,2002:int", _decimal)


def read_document(path: Path) -> YamlDocument:
    """Read the document in a file. Raises ConfigError if it can't be read or isn't YAML (for `.json`: JSON)."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        check_size(len(raw), str(path))
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError("there is no such file", place=str(path), hint=_where_else(path)) from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text", place=str(path), hint="save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror}", place=str(path)) from None
    return parse_json(text, name=str(path)) if path.suffix == ".json" else parse_yaml(text, name=str(path))


def _where_else(path: Path) -> str:
    """Propose a file with a similar name, or say which folder was searched."""
    folder = path.absolute().parent
    names = [each.name for each in folder.iterdir() if each.is_file()] if folder.is_dir() else []
    near = nearest(path.name, names)
    return f"did you mean “{path.with_name(near)}”?" if near else f"check the path; it was looked for in {folder}"


def parse_yaml(text: str, *, name: str) -> YamlDocument:
    """Parse a YAML text (JSON is YAML too). Raises ConfigError, which never quotes the text: it may hold secrets."""
    try:
        loader = _Loader(text)
    except yaml.YAMLError:
        raise ConfigError(_NOT_TEXT, place=name) from None
    try:
        node = loader.get_single_node()
        if node is None:
            return YamlDocument(name, None)
        check_nodes(node, name)
        lines: dict[Path_, int] = {}
        mistakes = tuple(_walk(node, (), lines, ()))
        # the constructor would fail on a key that can't be hashed, and an endless value can't be traversed
        data = None if any(mistake.text in _BROKEN for mistake in mistakes) else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        hint = _yaml_hint(error, text.splitlines()[mark.line : mark.line + 1] if mark else [])
        raise ConfigError(f"is not valid YAML: {_problem(error)}", place=place, hint=hint) from None
    except yaml.YAMLError:
        raise ConfigError(_NOT_TEXT, place=name) from None
    except RecursionError:
        raise ConfigError(TOO_DEEP, place=name) from None
    except (ValueError, LookupError, TypeError):  # the tag !!float or !!bool before a word
        raise ConfigError(
            "is not valid YAML: a value doesn't fit the tag before it",
            place=name,
            hint="leave tags such as !!float out",
        ) from None
    finally:
        loader.dispose()
    return YamlDocument(name, data, lines, mistakes)


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes strings which our reader wouldn't take for text."""


_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def write_yaml(data: Any, *, comments: Iterable[str] = ()) -> str:
    """Write ``data`` as YAML, ``comments`` first; :func:`read_document` and :func:`expand` restore the data."""
    text = yaml.dump(_escaped(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    head = "".join(f"# {line}\n" for comment in comments for line in comment.splitlines())
    return head + text


def _escaped(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _escaped(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_escaped(value) for value in data]
    return data.replace("${", "$${") if isinstance(data, str) else data


_BAD_KEY, _ENDLESS = "a key must be plain text", "refers to itself"
_ODD_TAG = "this tag is of no use here: write plain text, a number, a list or a mapping"
_BROKEN = (_BAD_KEY, _ENDLESS)
_NOT_TEXT = "is not valid YAML: it has characters that can't be in a text file"
_YAML_HINT = (
    "look at that line and the one before: indentation by spaces, `key: value`, quotes around special characters"
)


def _yaml_hint(error: yaml.MarkedYAMLError, line: Sequence[str]) -> str:
    """Return what to do about a mistake; ``line`` has the line where it was found, or nothing."""
    if any("\t" in each[: len(each) - len(each.lstrip())] for each in line):
        return "the line begins with a tab: YAML is indented by spaces alone"
    if "alias" in f"{error.problem} {error.context}":
        return 'a text that begins with * needs quotes: indices: ["*-logs"]'
    return _YAML_HINT


def _problem(error: yaml.MarkedYAMLError) -> str:
    """Return the parser's message without its quotations of the text."""
    problem = error.problem or "it can't be parsed"
    if problem.startswith("but ") and error.context:
        problem = f"{error.context}, {problem}"
    return re.sub(
        r"'[^']*'|\"[^\"]*\"",
        # one character, a token of the grammar such as '<block end>', or an escape such as '\t' reveals nothing
        lambda quoted: quoted[0] if len(quoted[0]) == 3 or quoted[0][1] in "<\\" else "…",
        problem,
    )


def _walk(node: yaml.Node, path: Path_, lines: dict[Path_, int], above: tuple[int, ...]) -> Iterator[Mistake]:
    """Store the line of every place below ``node`` in ``lines``; yield a mistake for each bad node.

    Mistakes are repeated keys, keys that aren't plain text, and nodes that contain themselves. Raises
    ConstructorError for a tag that isn't allowed. ``above``: ids of the nodes around this one.
    """
    if id(node) in above:
        yield Mistake(path, _ENDLESS)
        return
    if node.tag not in PLAIN_TAGS:
        raise yaml.constructor.ConstructorError(None, None, _ODD_TAG, node.start_mark)
    above = (*above, id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            yield from _walk(item, (*path, index), lines, above)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                yield Mistake(path, _BAD_KEY)
                continue
            if key.tag not in PLAIN_TAGS:
                raise yaml.constructor.ConstructorError(None, None, _ODD_TAG, key.start_mark)
            place = (*path, key.value)
            line = key.start_mark.line + 1
            if place in lines and key.tag != "tag:yaml.org,2002:merge":
                yield Mistake(place, f"is there twice, on lines {lines[place]} and {line}: keep one")
            lines[place] = line
            yield from _walk(value, place, lines, above)


def parse_json(text: str, *, name: str) -> YamlDocument:
    """Parse a JSON text; lines are known where the YAML reader can read it too. Raises ConfigError."""
    twice: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) < len(found):
            names = [key for key, _ in found]
            twice.extend(dict.fromkeys(key for key in names if names.count(key) > 1))
        return made

    try:
        data = json.loads(text, object_pairs_hook=pairs, parse_constant=_no_number)
        check_data(data, name)
    except json.JSONDecodeError as error:
        place = f"{name}:{error.lineno}:{error.colno}"
        raise ConfigError(f"is not valid JSON: {error.msg}", place=place, hint="look at that line") from None
    except RecursionError:
        raise ConfigError(TOO_DEEP, place=name) from None
    except ValueError:
        raise ConfigError("is not valid JSON: it has a number that can't be read", place=name) from None
    try:
        located = parse_yaml(text.replace("\t", " "), name=name) if len(text) <= _LOCATED else None
    except ConfigError:
        located = None
    if located is not None and located.data is not None:
        return YamlDocument(name, data, located.lines, located.mistakes)
    return YamlDocument(name, data, {}, tuple(Mistake((), f"has the key {key} twice: keep one") for key in twice))


_LOCATED = 1_000_000
"""Maximum number of characters of a JSON text whose lines are read: the YAML reader takes ten seconds a megabyte."""


def _no_number(word: str) -> Any:
    raise ValueError(word)


_VARIABLE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\})?")


def expand(data: Any, environ: Mapping[str, str]) -> tuple[Any, list[Mistake]]:
    """Replace `${VAR}` and `${VAR:default}` in all strings of ``data``; return it and the mistakes.

    A missing variable without a default is a mistake. `$${` means the characters `${`.
    """
    mistakes: list[Mistake] = []
    return _expand(data, environ, (), mistakes), mistakes


def _expand(data: Any, environ: Mapping[str, str], path: Path_, mistakes: list[Mistake]) -> Any:
    if isinstance(data, dict):
        return {key: _expand(value, environ, (*path, key), mistakes) for key, value in data.items()}
    if isinstance(data, list):
        return [_expand(value, environ, (*path, index), mistakes) for index, value in enumerate(data)]
    if not isinstance(data, str) or "${" not in data:
        return data

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name, default = match[1], match[2]
        if name is None:
            mistakes.append(Mistake(path, "“${” must begin ${NAME} or ${NAME:default}; write $${ for the characters"))
            return match[0]
        if name in environ:
            return environ[name]
        if default is None:
            near = nearest(name, environ)
            proposal = f" (there is {near})" if near else ""
            mistakes.append(
                Mistake(path, f"the environment has no {name}{proposal}: set it, or write ${{{name}:default}}")
            )
            return match[0]
        return default

    return _VARIABLE.sub(replacement, data)
