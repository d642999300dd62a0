"""Words and codes of actions: which are sign-ins, and which log-offs, refreshes or challenges. Pure."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Literal, TypeAlias

from ipi_es.setup.contents.outcome_words import parts

Action: TypeAlias = Literal["sign-in", "log-off", "token refresh", "challenge", "password change"]

_SIGN_IN = frozenset({"login", "logins", "logon", "signin", "signon", "sso", "authenticated", "logged", "accepted"})
_LOG, _IN, _OUT = frozenset({"log", "logged", "sign", "signed"}), frozenset({"in", "on"}), frozenset({"out", "off"})
_LOG_OFF = frozenset({"logout", "logoff", "signout", "signoff", "loggedout", "disconnect", "disconnected"})
_END = frozenset({"end", "ended", "close", "closed", "terminated", "expire", "expired", "destroyed"})
_REFRESH = frozenset({"refresh", "refreshed", "renew", "renewed", "renewal"})
_TOKEN_STEPS = frozenset({"exchange", "exchanged", "introspect", "introspection", "revoke", "revoked", "code"})
_CHALLENGE = frozenset({"challenge", "challenged", "prompt", "prompted"})
_CHANGE = frozenset({"change", "changed", "reset", "update", "updated", "set", "forgot"})

_CODES: dict[str, Action] = {
    "4624": "sign-in",
    "4625": "sign-in",
    "4634": "log-off",
    "4647": "log-off",
    "4723": "password change",
    "4724": "password change",
    "4770": "token refresh",
}
"""Event numbers of Windows' Security log; those of Kerberos tickets are missing, because some logs have no others."""

_OF_CODES = frozenset({"code", "id", "eventid"})
"""Words in the names of fields in which these numbers count."""


def action(field: str, value: str) -> Action | None:
    """Return what an action's word or code means; None: it isn't known, or its words contradict one another."""
    if value in _CODES:
        return _CODES[value] if set(parts(field)) & _OF_CODES else None
    words = parts(value)
    if not 0 < len(words) <= _MOST_WORDS:
        return None
    found = {kind for kind, says in _SAYS if says(words)}
    return found.pop() if len(found) == 1 else None


_MOST_WORDS = 8
"""Words of an action; more are a message."""


def _after(words: list[str], first: frozenset[str], then: frozenset[str]) -> bool:
    return any(one in first and other in then for one, other in pairwise(words))


def _is_log_off(words: list[str]) -> bool:
    found = set(words)
    return bool(found & _LOG_OFF) or _after(words, _LOG, _OUT) or ("session" in found and bool(found & _END))


def _is_sign_in(words: list[str]) -> bool:
    if _after(words, _LOG, _OUT):
        return False
    found = set(words)
    started = "session" in found and bool(found & {"start", "started", "open", "opened", "create", "created"})
    return started or bool(found & _SIGN_IN) or _after(words, _LOG, _IN)


def _is_refresh(words: list[str]) -> bool:
    found = set(words)
    return bool(found & _REFRESH) or (bool(found & {"token", "tokens"}) and bool(found & _TOKEN_STEPS))


def _is_challenge(words: list[str]) -> bool:
    found = set(words)
    return bool(found & _CHALLENGE) or ("mfa" in found and bool(found & {"required", "request", "requested", "sent"}))


def _is_password_change(words: list[str]) -> bool:
    found = set(words)
    return bool(found & {"password", "passwd", "credential"}) and bool(found & _CHANGE)


_SAYS: tuple[tuple[Action, Callable[[list[str]], bool]], ...] = (
    ("sign-in", _is_sign_in),
    ("log-off", _is_log_off),
    ("token refresh", _is_refresh),
    ("challenge", _is_challenge),
    ("password change", _is_password_change),
)
