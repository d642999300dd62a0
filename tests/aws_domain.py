"""A stand-in for a domain of Amazon OpenSearch Service: it computes each signature anew, as AWS describes SigV4."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import threading
from email.message import Message
from http.server import BaseHTTPRequestHandler
from urllib.parse import quote, unquote

from stub_server import Reply, Script, StubServer

REGION, SERVICE = "eu-central-1", "es"
KEY_ID, SECRET, TOKEN = "AKIDEXAMPLE", "wJalr+EXAMPLE/key7316", "session+7316/token=="
UNRESERVED = "-_.~"
CLOCK_TOLERANCE = dt.timedelta(minutes=5)
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=(\S+), Signature=(\w+)"
)


def canonical_request(method: str, target: str, headers: Message, signed: list[str], body: bytes) -> str:
    """The canonical form of a request as it came over the wire."""
    path, _, query = target.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")] if query else []
    # “+” is a space in a query, and a space is %20 in the canonical form
    decoded = [(unquote(name.replace("+", " ")), unquote(value.replace("+", " "))) for name, _, value in pairs]
    encoded = sorted((quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED)) for name, value in decoded)
    return "\n".join(
        [
            method,
            quote(path, safe=f"/{UNRESERVED}"),  # of the path as it was sent, so %20 becomes %2520
            "&".join(f"{name}={value}" for name, value in encoded),
            *(f"{name}:{' '.join(headers[name].split())}" for name in signed),
            "",
            ";".join(signed),
            hashlib.sha256(body).hexdigest(),
        ]
    )


def signature(secret: str, stamp: str, region: str, service: str, canonical: str) -> str:
    """The signature of a canonical request."""
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


class AwsDomain(StubServer):
    """Answers by ``script`` what is signed rightly, and 403 with AWS's texts otherwise. ``secrets``: key → secret."""

    def __init__(self, script: Script, *, service: str = SERVICE) -> None:
        super().__init__(script, product=None)
        self.script = script
        self.secrets, self.expired, self.signatures = {KEY_ID: SECRET}, set[str](), list[str]()
        self._service, self._of_this_request = service, threading.local()

    def reply_to(self, method: str, path: str, body: bytes) -> Reply:
        self._of_this_request.body = body
        return self.script(method, path, body)

    def reply(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        refusal = self._refusal(handler, self._of_this_request.body)
        super().reply(handler, reply if refusal is None else Reply(403, {"message": refusal}))

    def _refusal(self, handler: BaseHTTPRequestHandler, body: bytes) -> str | None:
        headers = handler.headers
        found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if found is None:
            return "User: anonymous is not authorized to perform: es:ESHttpGet"
        key_id, day, region, service, names, given = found.groups()
        signed, stamp = names.split(";"), headers["x-amz-date"]
        if (region, service) != (REGION, self._service):
            return f"Credential should be scoped to a valid region, not '{region}'."
        required = {"host", "x-amz-date", "x-amz-content-sha256"}
        required |= {"x-amz-security-token"} & {name.lower() for name in headers}
        if not required <= set(signed) or signed != sorted(signed):
            return f"these headers must be signed: {required}"
        age = dt.datetime.now(dt.UTC) - dt.datetime.strptime(f"{stamp}+0000", "%Y%m%dT%H%M%SZ%z")
        if day != stamp[:8] or abs(age) > CLOCK_TOLERANCE:
            return f"Signature expired: {stamp} is now earlier than the time of the server"
        if key_id not in self.secrets:
            return "The security token included in the request is invalid."
        if headers.get("x-amz-security-token") in self.expired:
            return "The security token included in the request is expired"
        canonical = canonical_request(handler.command, handler.path, headers, signed, body)
        if headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
            return "the payload has another hash"
        if given != signature(self.secrets[key_id], stamp, region, service, canonical):
            return (
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                "Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String "
                f"for this request should have been\n'{canonical}'"
            )
        self.signatures.append(given)
        return None
