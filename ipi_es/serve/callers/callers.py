"""Finding the caller of a request: the server has no users of its own.

The Authorization header of a request, or the one that its session was made from, is sent to the cluster with every read
and write. So the cluster decides, at each of them, what the caller may do. Only its name and its connection are kept
for a while.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property

from starlette.requests import Request

from ipi_es.cluster.port import Cluster
from ipi_es.errors import AuthenticationFailed, ClusterError, PermissionDenied, UsageError
from ipi_es.serve.callers.caller import ANONYMOUS, Caller
from ipi_es.serve.callers.connecting import failure_of, public
from ipi_es.serve.callers.login_throttle import LoginThrottle
from ipi_es.serve.callers.trusted_proxies import STATE, is_user_name
from ipi_es.serve.failure_log import FailureLog

log = logging.getLogger(__name__)

LIFE = 60
"""Seconds that a caller's name and connection are kept."""

MOST = 256
"""Callers that are kept; the one that was made first is forgotten for a further one."""

SCHEMES = ("basic", "apikey", "bearer")
"""Schemes of the Authorization header that are passed to the cluster."""

LONGEST = 8_192
"""Characters of an Authorization header."""

SEND = "send the cluster's own credentials: Basic, ApiKey or Bearer"
GRANT = (
    "grant it to the server's own user: in Elasticsearch `run_as` in a role, in OpenSearch "
    "plugins.security.authcz.rest_impersonation_user"
)
OPEN_HINT = (
    "turn on the cluster's security, or listen on 127.0.0.1 alone; --anonymous (serve.anonymous) lets everybody who "
    "can connect read and answer"
)


class Callers:
    """The callers of one server. Any thread may use it."""

    def __init__(
        self,
        bind: Callable[[str | None], Cluster],
        clock: Callable[[], int],
        *,
        local: bool,
        anonymous: bool = False,
        session: Callable[[Request], str | None] = lambda _: None,
        act_as: Callable[[str], Cluster] | None = None,
    ) -> None:
        """Make callers of requests.

        ``bind`` returns the cluster under an Authorization header, or without credentials. ``local``: only this machine
        can connect. ``anonymous``: a cluster without security is served to everybody who can. ``session`` returns the
        header that a request's session was made from. ``act_as`` returns the cluster as a user of it whom a trusted
        proxy signed in.
        """
        self._bind, self._clock, self._session, self._act_as = bind, clock, session, act_as
        self._local, self._anonymous = local, anonymous
        self._throttle = LoginThrottle(clock)
        self._failures = FailureLog(log, "the cluster answers requests again")
        self._acting_failures = FailureLog(log, "the cluster lets this server act for users again")
        self._known: OrderedDict[bytes, tuple[int, Caller]] = OrderedDict()
        self._key = os.urandom(32)  # digests of credentials are of no use in another process
        self._lock = threading.Lock()

    def of(self, request: Request) -> Caller:
        """Return the caller of a request.

        Raises AuthenticationFailed where the cluster requires other credentials, RequestInvalid (429) where too many
        were wrong, PermissionDenied where a cluster without security is not served to this request, and the errors of
        connecting.
        """
        user = getattr(request.state, STATE, None)
        if user is not None:
            return self.acting_as(user)
        given = _authorization(request)
        caller = self.under(self._session(request)) if given is None else self.with_header(given, request)
        if caller.name == ANONYMOUS and not self._anonymous:
            self._require_local()
            _require_plain_host(request)
        return caller

    def with_header(self, authorization: str, request: Request) -> Caller:
        """Return the caller with the value of an Authorization header that came with a request. Raises as :meth:`of`.

        Unlike that of a session it may be a guess, and is counted where it is wrong.
        """
        with self._throttle.attempt(authorization, request.client.host if request.client else ""):
            return self.under(authorization)

    def under(self, authorization: str | None) -> Caller:
        """Return the caller with this Authorization header, None: without one. Raises as :meth:`of`."""
        return self._kept(f"header {authorization or ''}", lambda: self._asked(lambda: self._bind(authorization)))

    def acting_as(self, user: str) -> Caller:
        """Return the caller whom a trusted proxy signed in: a user of the cluster.

        Raises AuthenticationFailed for a name that can't be passed on, PermissionDenied where the cluster doesn't let
        this server act for that user.
        """
        act_as = self._act_as
        if act_as is None or not is_user_name(user):
            raise AuthenticationFailed(
                "the proxy in front of this server gave no name of a user that can be passed to the cluster",
                hint="let it send serve.user_header once, with a user name of the cluster",
                status=401,
            )

        def connect() -> Caller:
            try:
                cluster = act_as(user)
                name = cluster.user_name()
            except AuthenticationFailed as error:
                raise self._logged(error, self._acting_failures) from error
            except PermissionDenied as error:
                raise PermissionDenied(
                    f"the cluster doesn't let this server act for {user}: {error.message}", hint=GRANT, status=403
                ) from error
            if name != user:
                raise PermissionDenied(
                    f"the cluster took the request for one of {name or 'nobody'}, not of {user}", hint=GRANT, status=403
                )
            self._acting_failures.worked()
            return Caller(user, cluster)

        return self._kept(f"user {user}", connect)

    def _kept(self, who: str, connect: Callable[[], Caller]) -> Caller:
        """Return the caller that is known as ``who``, or make it and keep it for a while."""
        mark = hashlib.blake2b(who.encode(), key=self._key, digest_size=32).digest()
        now = self._clock()
        with self._lock:
            for each in [each for each, (until, _) in self._known.items() if until <= now]:
                del self._known[each]  # with the credentials that it holds
            known = self._known.get(mark)
        if known is not None:
            return known[1]
        made = connect()
        with self._lock:
            self._known[mark] = now + LIFE, made
            self._known.move_to_end(mark)
            while len(self._known) > MOST:
                self._known.popitem(last=False)  # not closed: its requests may be under way
        return made

    def check(self) -> None:
        """Ask the cluster, each time anew. Raises UsageError where it has no security and is not served without it."""
        with suppress(AuthenticationFailed):  # it has security
            if self._asked(lambda: self._without_credentials).name == ANONYMOUS and not self._anonymous:
                try:
                    self._require_local()
                except PermissionDenied as error:
                    raise UsageError(error.message, hint=error.hint) from None

    def _asked(self, bind: Callable[[], Cluster]) -> Caller:
        """Return the caller whom the cluster names. Raises as :meth:`of`."""
        try:
            cluster = bind()
        except ClusterError as error:  # nothing that the caller could send would help
            raise self._logged(error, self._failures) from error
        try:
            name = cluster.user_name()
        except AuthenticationFailed as error:
            self._failures.worked()  # it answers
            raise AuthenticationFailed("the cluster requires credentials, or others", hint=SEND, status=401) from error
        except PermissionDenied:
            self._failures.worked()
            raise  # the caller is known, and may read what the cluster says
        except ClusterError as error:
            raise self._logged(error, self._failures) from error
        self._failures.worked()
        return Caller(name or ANONYMOUS, cluster)

    def _logged(self, error: ClusterError, failures: FailureLog) -> ClusterError:
        """Log why a request can't be answered, and return the error for its caller."""
        failures.failed(failure_of(error).kind, f"a request can't be answered: {error.message}", self._clock())
        return public(error)

    @cached_property
    def _without_credentials(self) -> Cluster:
        return self._bind(None)

    def _require_local(self) -> None:
        if not self._local:
            raise PermissionDenied(
                "the cluster has no security, and this server can be reached from other machines",
                hint=OPEN_HINT,
                status=403,
            )


def _authorization(request: Request) -> str | None:
    """Return the request's header. Raises AuthenticationFailed for one that is not passed on."""
    given = request.headers.get("authorization")
    if given is None:
        return None
    scheme, _, rest = given.partition(" ")
    if scheme.lower() not in SCHEMES or not rest.strip() or not given.isascii() or not given.isprintable():
        raise AuthenticationFailed(
            "the Authorization header can't be used",
            hint=SEND,
            status=401,
        )
    if len(given) > LONGEST:
        raise AuthenticationFailed(
            f"the Authorization header has more than {LONGEST:,} characters", hint="send a shorter token", status=401
        )
    return given


def _require_plain_host(request: Request) -> None:
    """Raise PermissionDenied for a host name of elsewhere: a page there could have its own name resolve to here."""
    host = request.url.hostname or ""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return
    if host != "localhost" and not host.endswith(".localhost"):
        raise PermissionDenied(
            "the cluster has no security, so this server answers to localhost and to addresses only, not to a name",
            hint="use http://127.0.0.1 with the port, or --anonymous behind a proxy that protects the server",
            status=403,
        )
