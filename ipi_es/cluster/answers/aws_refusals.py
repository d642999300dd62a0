"""AWS's refusals of a signed request: it answers 403 where other servers answer 401. Pure."""

from __future__ import annotations

_CANONICAL = " The Canonical String"
"""What follows quotes the request, with its session token."""
_ROLE = (
    "renew the session (`aws sso login`, or new values of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
    "AWS_SESSION_TOKEN); credentials of a role or in a profile's file are read again without a restart"
)
_HINTS = (
    ("security token included in the request is expired", _ROLE),
    ("ExpiredToken", _ROLE),
    (
        "security token included in the request is invalid",
        "check that the access key exists and is active, and that AWS_SESSION_TOKEN belongs to it",
    ),
    (
        "Signature expired",
        "set this machine's clock: AWS refuses a signature that is more than five minutes old",
    ),
    ("Signature not yet current", "set this machine's clock: AWS refuses a signature of the future"),
    (
        "signature we calculated does not match",
        "check the secret access key; and elasticsearch.hosts: a proxy in between must not change host, path or query",
    ),
    (
        "Credential should be scoped",
        "check elasticsearch.aws_sigv4.region and service: they must be those of the domain",
    ),
    (
        "anonymous is not authorized",
        "this domain takes signed requests: set elasticsearch.aws_sigv4.region, see docs/security.md",
    ),
    (
        "Missing Authentication Token",
        "this domain takes signed requests: set elasticsearch.aws_sigv4.region, see docs/security.md",
    ),
)


def without_request(reason: str) -> str:
    """Return a reason without the request that it quotes."""
    return reason.partition(_CANONICAL)[0]


def signature_hint(reason: str) -> str | None:
    """Return the hint where AWS refuses who asks; None: it is another error, also a right that a known user lacks."""
    return next((hint for part, hint in _HINTS if part in reason), None)
