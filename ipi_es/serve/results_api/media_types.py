"""Content types of requests and answers: JSON, also under the name of Elasticsearch's compatible clients."""

from __future__ import annotations

import re

from starlette.requests import Request

from ipi_es.errors import RequestInvalid

JSON = "application/json"
_COMPATIBLE = re.compile(r"application/vnd\.elasticsearch\+json\s*;\s*compatible-with\s*=\s*(8|9)")
_ANY = ("*/*", "application/*", JSON)


def is_json(content_type: str) -> bool:
    """Decide whether a body of this content type is read."""
    kind = content_type.strip().lower()
    return kind.partition(";")[0].strip() == JSON or _COMPATIBLE.fullmatch(kind) is not None


def answer_type(request: Request) -> str:
    """Return the content type of the answer that a request accepts. Raises RequestInvalid (406) for none of ours."""
    accepted = request.headers.get("accept", "*/*").strip().lower() or "*/*"
    compatible = _COMPATIBLE.search(accepted)
    if compatible:
        return f"application/vnd.elasticsearch+json;compatible-with={compatible[1]}"
    if any(each.partition(";")[0].strip() in _ANY for each in accepted.split(",")):
        return JSON
    raise RequestInvalid(
        f"Accept header [{accepted[:100]}] is not supported",
        hint="accept application/json",
        status=406,
        kind="media_type_header_exception",
    )
