"""The endpoint's paths in the form of OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_FEATURES = {"type": "array", "items": {"type": "string"}, "description": "The entity, and its IP address."}
_INSTANCES = {
    "type": "object",
    "required": ["instances"],
    "properties": {"instances": {"type": "array", "items": {"type": "object", "properties": {"features": _FEATURES}}}},
}
_PREDICTION = {
    "type": "object",
    "properties": {
        "dot_product": {
            "type": ["number", "null"],
            "description": "Log-odds that the pair is usual; null for a malformed row, which has an error.",
        },
        "error": {"type": "string"},
    },
}
_PREDICTIONS = {"type": "object", "properties": {"predictions": {"type": "array", "items": _PREDICTION}}}
_REFUSED = {
    "400": "The body can't be read, or, with strict, a row of it.",
    "401": "The cluster requires credentials, or others.",
    "403": "The credentials may not read the job's snapshot.",
    "404": "There is no such job.",
    "406": "No offered content type is accepted.",
    "413": "The body is too large.",
    "415": "The content type is none of those that are read.",
    "429": "Too many requests are at work.",
    "503": "There is no snapshot, or the cluster can't be reached.",
}
_STRICT = {
    "name": "strict",
    "in": "query",
    "required": False,
    "description": "Refuse a request with a malformed row, which otherwise gets an error in its place.",
    "schema": {"type": "string", "enum": ["0", "1", "false", "true"]},
}
_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "The id of a job.",
    "schema": {"type": "string", "minLength": 1},
}


def endpoint_paths() -> dict[str, Schema]:
    """Return the paths of the endpoint: the contract of SageMaker's containers, and its runtime API's path."""
    return {
        "/ping": {
            "get": {
                "operationId": "ping",
                "summary": "Whether a request would be answered.",
                "responses": {"200": {"description": "It would."}, "503": {"description": "There is no snapshot."}},
            }
        },
        "/execution-parameters": {
            "get": {
                "operationId": "execution_parameters",
                "summary": "What a batch transform asks for before it begins.",
                "responses": {"200": {"description": "Sizes of requests.", "content": _json({"type": "object"})}},
            }
        },
        "/invocations": {"post": _invocation("invocations", [_STRICT])},
        "/endpoints/{name}/invocations": {"post": _invocation("endpoint_invocations", [_NAME, _STRICT])},
    }


def _invocation(name: str, parameters: list[Schema]) -> Schema:
    text = {"schema": {"type": "string"}}
    return {
        "operationId": name,
        "summary": "Predictions for pairs of an entity and an address, in the order of the rows.",
        "parameters": parameters,
        "requestBody": {
            "required": True,
            "content": {**_json(_INSTANCES), "application/jsonlines": text, "text/csv": text},
        },
        "responses": {
            "200": {
                "description": "A prediction for each row.",
                "content": {**_json(_PREDICTIONS), "application/jsonlines": text, "text/csv": text},
            },
            **{status: {"description": why, "content": _json({"type": "object"})} for status, why in _REFUSED.items()},
        },
    }


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}
