"""Lists of networks that say nothing of each: the cloud providers' range files, Tor's exits, one network a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

from ipi_es.errors import UsageError
from ipi_es.networks.listed import Listed
from ipi_es.networks.network_file import NetworkFile
from ipi_es.networks.network_ranges import NetworkRows
from ipi_es.networks.network_types import NETWORK_TYPES, NetworkType, type_bits
from ipi_es.networks.text_files import FORMATS, lines_of, opened, prefix_of

TOR_LINES = ("ExitNode ", "Published ", "LastStatus ", "ExitAddress ")
"""Beginnings of the lines of Tor's ``exit-addresses``."""


def read_exit_addresses(file: NetworkFile) -> Listed:
    """Read Tor's ``exit-addresses``: several lines an exit, of which one has its address."""
    lines = (line.split() for line in lines_of(file.path))
    found = (words[1] for words in lines if len(words) > 1 and words[0] == "ExitAddress")
    return _listed(file, "Tor's exit-addresses", found, "tor")


def read_plain_list(file: NetworkFile) -> Listed:
    """Read a list of one network a line. Raises UsageError where the job doesn't give their type."""
    if file.type is None:
        raise UsageError(
            f"{file.path} lists networks, and says nothing of them",
            hint=f"give their type: {{path: {file.path}, type: …}} with one of {', '.join(NETWORK_TYPES)}",
        )
    lines = (line.partition("#")[0].strip() for line in lines_of(file.path))
    return _listed(file, "list of networks", filter(None, lines), file.type)


def read_range_file(file: NetworkFile) -> Listed:
    """Read a cloud provider's range file. Raises UsageError where it isn't one."""
    path = file.path
    try:
        with opened(path) as plain:
            content = json.loads(plain.read().decode("utf-8-sig"))
    except (json.JSONDecodeError, RecursionError) as error:
        hint = "it is damaged or cut off: get it again from where it came"
        raise UsageError(f"{path} can't be read as JSON: {error}", hint=hint) from error
    provider, found = _provider(content)
    if provider is None:
        keys = ", ".join(str(key) for key in list(content)[:8]) if isinstance(content, dict) else "no object"
        raise UsageError(
            f"{path} is JSON of no known provider: it holds {keys or 'nothing'}", hint=f"known are {FORMATS}"
        )
    return _listed(file, f"ranges of {provider}", found, "hosting")


def _provider(content: Any) -> tuple[str | None, Iterable[object]]:
    """Return whose range file it is, and the prefixes in it; None for any other content."""
    if isinstance(content, Mapping):
        for provider, read in _PROVIDERS.items():
            found = read(content)
            if found is not None:
                return provider, found
    return None, ()


def _aws(content: Mapping[str, Any]) -> Iterable[object] | None:
    prefixes = _objects(content.get("prefixes"))
    if "ipv6_prefixes" not in content and not any("ip_prefix" in each for each in prefixes):
        return None
    both = chain(prefixes, _objects(content.get("ipv6_prefixes")))
    return (each.get("ip_prefix", each.get("ipv6_prefix")) for each in both)


def _google(content: Mapping[str, Any]) -> Iterable[object] | None:
    prefixes = _objects(content.get("prefixes"))
    if not any("ipv4Prefix" in each or "ipv6Prefix" in each for each in prefixes):
        return None
    return (each.get("ipv4Prefix", each.get("ipv6Prefix")) for each in prefixes)


def _azure(content: Mapping[str, Any]) -> Iterable[object] | None:
    properties = _objects([each.get("properties") for each in _objects(content.get("values"))])
    if not any("addressPrefixes" in each for each in properties):
        return None
    return chain.from_iterable(_items(each.get("addressPrefixes")) for each in properties)


def _cloudflare(content: Mapping[str, Any]) -> Iterable[object] | None:
    result = content.get("result")
    if not isinstance(result, Mapping) or "ipv4_cidrs" not in result:
        return None
    return chain(_items(result["ipv4_cidrs"]), _items(result.get("ipv6_cidrs")))


def _oracle(content: Mapping[str, Any]) -> Iterable[object] | None:
    regions = [_objects(each.get("cidrs")) for each in _objects(content.get("regions"))]
    return (each.get("cidr") for each in chain.from_iterable(regions)) if any(regions) else None


_PROVIDERS: dict[str, Callable[[Mapping[str, Any]], Iterable[object] | None]] = {
    "AWS": _aws,
    "Google": _google,
    "Azure": _azure,
    "Cloudflare": _cloudflare,
    "Oracle": _oracle,
}
"""Readers of the providers' files: each returns None for a file of another one."""


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [each for each in _items(value) if isinstance(each, Mapping)]


def _listed(file: NetworkFile, format_name: str, found: Iterable[object], usual: NetworkType) -> Listed:
    """Read prefixes: they have the type that the job gives, else the usual one of the format."""
    rows, left_out = NetworkRows(), 0
    types = type_bits(file.type or usual)
    for text in found:
        prefix = prefix_of(text) if isinstance(text, str) else None
        if prefix is None:
            left_out += 1
        else:
            rows.add(prefix, types=types)
    return Listed.of(file.path, format_name, rows, left_out)


def is_exit_list(line: str) -> bool:
    """Decide by its first line whether a text is Tor's ``exit-addresses``."""
    return line.startswith(TOR_LINES)
