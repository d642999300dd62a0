"""Words that logs use for the outcome of a sign-in, for success and for failure. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

Meaning: TypeAlias = Literal["success", "failure"]

SUCCESS_WORDS = frozenset(
    {
        "accept", "accepted", "allow", "allowed", "approve", "approved", "authenticated", "grant",
        "granted", "ok", "okay", "pass", "passed", "permit", "permitted", "succeed", "succeeded",
        "succeeds", "success", "successful", "successfully", "true", "valid",
    }
)  # fmt: skip
FAILURE_WORDS = frozenset(
    {
        "bad", "block", "blocked", "declined", "denied", "deny", "disallowed", "error", "errors",
        "fail", "failed", "fails", "failure", "failures", "false", "forbidden", "fraud",
        "incorrect", "invalid", "mismatch", "refused", "reject", "rejected", "unauthorised",
        "unauthorized", "unsuccessful", "wrong",
    }
)  # fmt: skip
STATUS_FAILURES = frozenset({"401", "403"})
"""HTTP's status codes for wrong or missing credentials; they count in a field whose name says that it is a status."""

_YES_OR_NO = frozenset({"true", "false"})
_SAYS_SUCCESS = frozenset(
    {
        "accepted", "allowed", "authenticated", "authorized", "granted", "ok", "passed",
        "succeeded", "success", "successful",
    }
)  # fmt: skip
"""Words in a field's name that make `true` and `false` an outcome."""

_FACTOR = frozenset({"mfa", "fa", "factor"})
"""Words in a field's name, also as in `2FA`, that let `authenticated` say how somebody signed in, not whether."""

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def parts(text: str) -> list[str]:
    """Split a text into its words in lower case, also `LOGIN_ERROR`, `loginFailed` and `a.status-code`."""
    return [part.lower() for part in _PART.findall(text)]


def meaning(word: str) -> Meaning | None:
    """Return the meaning of an outcome's word; None: it isn't known."""
    found = set(parts(word))
    if found & FAILURE_WORDS or ({"not", "no"} & found and found & SUCCESS_WORDS):
        return "failure"
    return "success" if found & SUCCESS_WORDS else None


def meaning_in(field: str, word: str) -> Meaning | None:
    """Return the meaning of a word in a field that the job doesn't name.

    As :func:`meaning`, but status codes, `true` and `false` count only if the field's name fits them.
    """
    named = set(parts(field))
    if word in STATUS_FAILURES:
        return "failure" if {"status", "code"} <= named or ({"status"} <= named and "http" in named) else None
    says = named & _SAYS_SUCCESS
    if word in _YES_OR_NO and (not says or (says == {"authenticated"} and named & _FACTOR)):
        return None
    return meaning(word)


def spelled_alike(word: str, wanted: Iterable[str]) -> bool:
    """Return whether a word may be another spelling of a wanted one.

    It has the same letters and digits, or the same meaning, or it is a number and none of the wanted ones is.
    """
    wanted = list(wanted)
    if _plain(word) in {_plain(each) for each in wanted}:
        return True
    said = meaning(word)
    if said is not None:
        return said in {meaning(each) for each in wanted}
    return _is_number(word) and not any(_is_number(each) for each in wanted)


def _plain(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum())


def _is_number(word: str) -> bool:
    return word.strip().lstrip("-").isdecimal()
