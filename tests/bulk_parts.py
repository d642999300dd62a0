"""Answers of a bulk by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson


def ids(body: bytes) -> Iterator[str]:
    """Of the documents that a bulk's body is about, in their order."""
    lines = iter(body.splitlines())
    for line in lines:
        action = orjson.loads(line)
        yield next(iter(action.values()))["_id"]
        if "delete" not in action:
            next(lines)


def answer(body: bytes, results: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """``results`` as items ``{verb: {…}}``, one a document of the body, with its id."""
    items = [
        {verb: {"_id": id, **result} for verb, result in each.items()}
        for id, each in zip(ids(body), results, strict=True)  # noqa: A001
    ]
    return {"errors": any("error" in result for each in results for result in each.values()), "items": items, **more}
