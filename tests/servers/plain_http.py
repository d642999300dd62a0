"""One plain request, without any of the clients that are under test."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit


def call(
    url: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    auth: tuple[str, str] | None = None,
    ca: str | None = None,
    timeout: float = 30.0,
) -> tuple[int, Any]:
    """Send one request and return (status, decoded JSON or text).

    Args:
        url: of the server, ``http`` or ``https``, with ``user:password@`` or without.
        path: with the leading slash and the query.
        body: a string or bytes as they are (newline-delimited for a bulk), anything else as JSON.
        ca: file with the certificates to trust.
    """
    parts = urlsplit(url)
    assert parts.hostname
    if parts.username and auth is None:
        auth = (unquote(parts.username), unquote(parts.password or ""))
    headers = {}
    if isinstance(body, str | bytes):
        headers["content-type"] = "application/x-ndjson"
    elif body is not None:
        headers["content-type"] = "application/json"
        body = json.dumps(body)
    if auth:
        headers["authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, parts.path.rstrip("/") + path, body=body, headers=headers)
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    try:
        return response.status, json.loads(text)
    except ValueError:
        return response.status, text.decode("utf-8", "replace")


def kind_of(url: str) -> str:
    """Ask a server what it is: ``opensearch-3.8.0``, ``elasticsearch-9.5.3``, …"""
    status, found = call(url, "GET", "/")
    if status == 200:
        version = found["version"]
        return f"{version.get('distribution', 'elasticsearch')}-{version['number']}"
    # a bare Elasticsearch has no handler for "/"
    status, found = call(url, "GET", "/_nodes/_local?filter_path=nodes.*.version")
    if status != 200:
        raise RuntimeError(f"{url} answers {status}: {found}")
    return f"elasticsearch-{next(iter(found['nodes'].values()))['version']}"
