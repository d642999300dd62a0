"""Headers that authorize one request: the same ones each time, or a signature of the request for AWS (SigV4).

The signature covers the method, the URL, the body and the time, so every attempt gets one of its own. The URL that is
signed must be the one that is sent, byte by byte: callers write a space in a query as ``%20``, since ``+`` has no place
in AWS's canonical form.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from ipi_es.errors import AuthenticationFailed
from ipi_es.extras import AWS, require

if TYPE_CHECKING:
    from ipi_es.cluster.connection import Connection

Authorizer: TypeAlias = Callable[[str, str, bytes | None], dict[str, str]]
"""``(method, URL, body)`` → headers."""

_CONTENT_HASH = "X-Amz-Content-SHA256"
_HINT = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where AWS gives a role to the machine or "
    "the container; `aws sts get-caller-identity` shows whether AWS's own tools find one"
)


def authorizer(connection: Connection) -> Authorizer:
    """Return what authorizes each request of a connection.

    Raises AuthenticationFailed where AWS's chain of credentials has none, and ExtraMissing without botocore.
    """
    if connection.aws_sigv4 is not None:
        return _AwsSigner(*connection.aws_sigv4).headers
    always = connection.headers()
    return lambda _method, _url, _body: dict(always)


def credentials_mark(connection: Connection) -> str:
    """Return a text that differs where the credentials differ; it holds secrets. Empty without any."""
    if connection.aws_sigv4 is None:
        return connection.authorization() or ""
    try:
        found = _AwsSigner(*connection.aws_sigv4).frozen()
    except AuthenticationFailed:
        return ""
    return f"{found.access_key} {found.token}"


class _AwsSigner:
    """Signs for one service of a region, by the credentials that AWS's default chain finds.

    Those of a role are renewed by botocore before they expire. Any thread may use it.
    """

    def __init__(self, region: str, service: str) -> None:
        require("signing requests for AWS (elasticsearch.aws_sigv4)", AWS)
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        # at debug level it logs what it signs, session tokens included
        logging.getLogger("botocore").setLevel(logging.WARNING)
        self._region, self._service = region, service
        try:
            self._credentials = Session().get_credentials()
        except BotoCoreError as error:
            raise AuthenticationFailed(f"AWS's credentials can't be used: {error}", hint=_HINT) from error
        if self._credentials is None:
            raise AuthenticationFailed("AWS's chain of credentials has none here", hint=_HINT)

    def frozen(self) -> Any:
        """Return the credentials of this moment. Raises AuthenticationFailed where they can't be renewed."""
        from botocore.exceptions import BotoCoreError

        try:
            return self._credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise AuthenticationFailed(f"AWS's credentials can't be renewed: {error}", hint=_HINT) from error

    def headers(self, method: str, url: str, body: bytes | None) -> dict[str, str]:
        """Return the headers of a signed request."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        signer = SigV4Auth(self.frozen(), self._service, self._region)
        request = AWSRequest(method=method, url=url, data=body)
        request.headers[_CONTENT_HASH] = signer.payload(request)  # OpenSearch Serverless requires it
        signer.add_auth(request)
        return dict(request.headers.items())
