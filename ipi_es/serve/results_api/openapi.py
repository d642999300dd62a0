"""The server's OpenAPI 3.1 document; the results API's part is made from the tables that its requests are read by."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import ipi_es
from ipi_es.serve.endpoint.description import endpoint_paths
from ipi_es.serve.results_api.api_parameters import COMMON, Parameter
from ipi_es.serve.results_api.operations import OPERATIONS, ROOTS, Operation

Schema = dict[str, Any]

_IN_PATH = re.compile(r"\{(\w+)\}")
_NUMBER, _INTEGER, _STRING, _BOOLEAN = ({"type": name} for name in ("number", "integer", "string", "boolean"))
_SCORE = {"type": "number", "minimum": 0, "maximum": 100}
_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_RESULT = {"job_id": _STRING, "timestamp": _INTEGER, "bucket_span": _INTEGER, "is_interim": _BOOLEAN}

ROWS: dict[str, Schema] = {
    "records": _RESULT
    | {
        "result_type": {"const": "record"},
        "record_score": _SCORE,
        "initial_record_score": _SCORE,
        "probability": _PROBABILITY,
        "detector_index": _INTEGER,
        "function": _STRING,
        "function_description": _STRING,
        "by_field_name": _STRING,
        "by_field_value": _STRING,
        "partition_field_name": _STRING,
        "partition_field_value": _STRING,
        "typical": {"type": "array", "items": _NUMBER},
        "actual": {"type": "array", "items": _NUMBER},
    },
    "influencers": _RESULT
    | {
        "result_type": {"const": "influencer"},
        "influencer_score": _SCORE,
        "initial_influencer_score": _SCORE,
        "probability": _PROBABILITY,
        "influencer_field_name": _STRING,
        "influencer_field_value": _STRING,
    },
    "buckets": _RESULT
    | {
        "result_type": {"const": "bucket"},
        "anomaly_score": _SCORE,
        "initial_anomaly_score": _SCORE,
        "event_count": _INTEGER,
        "processing_time_ms": _INTEGER,
        "bucket_influencers": {"type": "array", "items": {"type": "object"}},
    },
    "overall_buckets": {
        "result_type": {"const": "overall_bucket"},
        "timestamp": _INTEGER,
        "bucket_span": _INTEGER,
        "overall_score": _SCORE,
        "is_interim": _BOOLEAN,
        "jobs": {"type": "array", "items": {"type": "object"}},
    },
    "jobs": {"job_id": _STRING},
    "model_snapshots": {"job_id": _STRING, "snapshot_id": _STRING, "timestamp": _INTEGER},
    "calendars": {"calendar_id": _STRING, "job_ids": {"type": "array", "items": _STRING}},
    "events": {"event_id": _STRING, "description": _STRING, "start_time": _INTEGER, "end_time": _INTEGER},
}
"""Name of a list → the fields that each of its rows has; there may be others."""

_PATH_PARAMETERS = {
    "job_id": "The id of a job; where several are possible, also groups, wildcards and lists.",
    "timestamp": "The start of a bucket: epoch milliseconds or ISO 8601.",
    "snapshot_id": "The id of a snapshot, or _all.",
    "calendar_id": "The name of a calendar, or _all.",
}
_REFUSED = {
    "400": "A parameter is unknown or can't be read.",
    "401": "The cluster requires credentials, or others.",
    "403": "The credentials may not read this.",
    "404": "There is no such job, bucket, snapshot or calendar.",
    "406": "No offered content type is accepted.",
    "413": "The body is too large.",
    "415": "The body is no JSON.",
    "429": "Too many requests are at work.",
    "503": "The cluster can't be reached, or is busy.",
    "504": "The cluster gave no answer in time.",
}


@cache
def document() -> Schema:
    """Return the document."""
    paths: dict[str, Schema] = {}
    for operation in OPERATIONS:
        for path in operation.paths:
            for root in ROOTS:
                paths[f"{root}{path}"] = {
                    method.lower(): _operation(operation, f"{root}{path}", method) for method in operation.methods
                }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ipi-es",
            "version": ipi_es.__version__,
            "description": "Results in the form of Elastic ML's results API, and an endpoint of SageMaker's form.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"basic": []}, {"bearer": []}, {"api_key": []}],
        "paths": paths | endpoint_paths() | _probes(),
        "components": {
            "schemas": {"Error": _error(), **{name: _row(fields) for name, fields in ROWS.items()}},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "api_key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "ApiKey, and the encoded key.",
                },
            },
        },
    }


def _probes() -> dict[str, Schema]:
    """Return the paths that need no credentials."""
    texts = {
        "healthz": ("Whether the process runs.", "text/plain"),
        "readyz": ("Whether the cluster can be reached, and why not.", "application/json"),
        "metrics": ("Counts and times of requests, for Prometheus.", "text/plain"),
    }
    failed = {"readyz": {"503": {"description": "The cluster can't be reached.", "content": {"application/json": {}}}}}
    return {
        f"/{name}": {
            "get": {
                "operationId": name,
                "summary": summary,
                "security": [{}],
                "responses": {"200": {"description": summary, "content": {kind: {}}}, **failed.get(name, {})},
            }
        }
        for name, (summary, kind) in texts.items()
    }


def _operation(operation: Operation, path: str, method: str) -> Schema:
    in_path = [_path_parameter(name) for name in _IN_PATH.findall(path)]
    in_query = [_query_parameter(each) for each in (*operation.parameters, *COMMON) if each.name != "page"]
    made: Schema = {
        "operationId": "_".join([method.lower(), *re.findall(r"\w+", path)]),
        "summary": operation.summary,
        "parameters": in_path + [each for each in in_query if each["name"] not in _IN_PATH.findall(path)],
        "responses": {
            "200": {
                "description": "What matches.",
                "content": {"application/json": {"schema": _answer(operation)}},
            },
            **{
                status: {
                    "description": text,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for status, text in _REFUSED.items()
            },
        },
    }
    body = {each.name: _schema(each) for each in operation.parameters if each.in_body}
    if method == "POST" and body:
        schema = {"type": "object", "properties": body, "additionalProperties": False}
        made["requestBody"] = {"required": False, "content": {"application/json": {"schema": schema}}}
    return made


def _answer(operation: Operation) -> Schema:
    rows = {"type": "array", "items": {"$ref": f"#/components/schemas/{operation.rows}"}}
    # filter_path may leave out either
    return {"type": "object", "properties": {"count": {"type": "integer", "minimum": 0}, operation.rows: rows}}


def _path_parameter(name: str) -> Schema:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": _PATH_PARAMETERS[name],
        "schema": {"type": "string", "minLength": 1},
    }


def _query_parameter(parameter: Parameter) -> Schema:
    return {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.description,
        "schema": _schema(parameter),
    }


def _schema(parameter: Parameter) -> Schema:
    default = {} if parameter.default is None else {"default": parameter.default}
    return {"description": parameter.description, **parameter.kind.schema, **default}


def _row(fields: Schema) -> Schema:
    return {"type": "object", "properties": fields}


def _error() -> Schema:
    cause = {"type": _STRING, "reason": _STRING}
    error = {**cause, "hint": _STRING, "root_cause": {"type": "array", "items": {"type": "object"}}}
    return {
        "type": "object",
        "required": ["error", "status"],
        "properties": {
            "status": _INTEGER,
            "error": {"type": "object", "required": ["type", "reason", "root_cause"], "properties": error},
        },
    }
