"""Pseudonyms of entities: their names encrypted with a key, without which they can't be read.

The cipher is AES-SIV (RFC 5297). It is deterministic: a name has one pseudonym under a key, in every process and job.
It is authenticated: a text that wasn't made with the key is recognized, and not decrypted to nonsense.
"""

from __future__ import annotations

import binascii
import re
from base64 import b32decode, b32encode
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from stat import S_IROTH
from typing import TYPE_CHECKING

from ipi_es.errors import UsageError
from ipi_es.extras import PSEUDONYMS, require

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

PREFIX = "pseudo-"
"""What every pseudonym begins with. The rest is base32 in lower case: no index, shell, URL or step of
``entity_normalize`` changes it."""

KEY_BYTES = 64
"""AES-256 in SIV mode takes two keys of 32 bytes."""

CACHED = 1 << 18
"""Maximum number of names that are remembered with their pseudonyms, which takes 100 MiB; a new one takes 10 µs."""

_BLOCK = 16
"""Names are padded to a multiple of so many bytes: the length of a pseudonym tells little of the name's."""

_END = b"\x80"
"""The byte between a name and its padding of zeros."""

_OF_NAMES, _OF_CHECK = [b"ipi-es entity"], [b"ipi-es check"]
"""Associated data: what is made for one purpose is invalid for another."""

_CHECK_CHARACTERS = 12

_BITS, _SHAPE = 5, re.compile(rf"{PREFIX}([a-z2-7]+)")
"""Bits of a letter of base32, and the form of a pseudonym."""

_DIGITS = re.compile(r"[0-9a-fA-F]*")

_HINT = (
    "entity_pseudonyms.key_file must name the key that the job has; a new job's is made with `openssl rand -hex 64 > "
    "FILE`, readable by the worker alone"
)


class Pseudonyms:
    """Pseudonyms under the key of one file, which is read when it is needed first, and once.

    Every method raises UsageError where the file holds no key, ExtraMissing without the package `cryptography`.
    """

    def __init__(self, key_file: Path) -> None:
        self._file = key_file
        self._pseudonyms: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def of(self, names: Iterable[str]) -> list[str]:
        """Return the pseudonyms of names."""
        known = self._pseudonyms
        return [known.get(name) or self._encrypted(name) for name in names]

    def stored(self, text: str) -> str:
        """Return a name as results have it: a pseudonym stays, another text becomes one.

        Without the key, whatever has the form of a pseudonym counts as one, and a name raises UsageError.
        """
        if is_pseudonym(text) and (not self.has_key or self.name(text) is not None):
            return text
        return self.of([text])[0]

    def name(self, text: str) -> str | None:
        """Return the name that a pseudonym stands for; None for a text that wasn't made with this key."""
        name = self._names.get(text)
        return self._decrypted(text) if name is None else name

    def names(self, texts: Iterable[str]) -> list[str]:
        """Return the names that pseudonyms stand for; another text stands for itself."""
        found = ((text, self.name(text)) for text in texts)
        return [text if name is None else name for text, name in found]

    @cached_property
    def check(self) -> str:
        """Twelve hexadecimal digits by which the key is recognized, and which say nothing of it."""
        return self._cipher.encrypt(PREFIX.encode(), _OF_CHECK).hex()[:_CHECK_CHARACTERS]

    @property
    def has_key(self) -> bool:
        """Whether the key can be read."""
        try:
            return bool(self._cipher)
        except UsageError:
            return False

    @property
    def readable_by_all(self) -> bool:
        """Whether every user of this machine may read the file."""
        return bool(self._file.stat().st_mode & S_IROTH)

    @cached_property
    def _cipher(self) -> AESSIV:
        require("a job with entity_pseudonyms", PSEUDONYMS)
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        return AESSIV(_key(self._file))

    def _encrypted(self, name: str) -> str:
        plain = name.encode("utf-8", "surrogatepass") + _END
        padded = plain + bytes(-len(plain) % _BLOCK)
        pseudonym = PREFIX + _as_text(self._cipher.encrypt(padded, _OF_NAMES))
        self._remember(name, pseudonym)
        return pseudonym

    def _decrypted(self, text: str) -> str | None:
        from cryptography.exceptions import InvalidTag

        cipher = self._cipher
        if not is_pseudonym(text):
            return None
        coded = text.removeprefix(PREFIX)
        try:
            encrypted = b32decode(coded.upper() + "=" * (-len(coded) % 8))
            padded = cipher.decrypt(encrypted, _OF_NAMES)
        except (binascii.Error, InvalidTag):
            return None
        if _as_text(encrypted) != coded:  # another spelling of the same bytes
            return None
        name = padded.rstrip(b"\0").removesuffix(_END).decode("utf-8", "surrogatepass")
        self._remember(name, text)
        return name

    def _remember(self, name: str, pseudonym: str) -> None:
        if len(self._names) >= CACHED:
            self._names.clear()
            self._pseudonyms.clear()
        self._names[pseudonym], self._pseudonyms[name] = name, pseudonym


@lru_cache
def of_key_file(file: Path) -> Pseudonyms:
    """Return the pseudonyms under the key in a file; a process reads each file once, so a new key needs a restart."""
    return Pseudonyms(file)


def is_pseudonym(text: str) -> bool:
    """Return whether a text has the form of a pseudonym, under whatever key."""
    found = _SHAPE.fullmatch(text)
    size = 0 if found is None else len(found[1]) * _BITS // 8
    return size >= 2 * _BLOCK and size % _BLOCK == 0


def _as_text(encrypted: bytes) -> str:
    return b32encode(encrypted).decode("ascii").rstrip("=").lower()


def _key(file: Path) -> bytes:
    """Read a key. Neither the path nor the contents are shown: the key itself may be in the place of the path."""
    try:
        text = file.read_bytes().decode("ascii", "replace").strip()
    except OSError as error:
        raise UsageError(f"the key of pseudonyms can't be read: {error.strerror}", hint=_HINT) from None
    if not _DIGITS.fullmatch(text):
        raise UsageError("the key of pseudonyms has other characters than hexadecimal digits", hint=_HINT)
    if len(text) != 2 * KEY_BYTES:
        wrong = "short" if len(text) < 2 * KEY_BYTES else "long"
        raise UsageError(
            f"the key of pseudonyms is too {wrong}: {len(text):,} hexadecimal digits, not {2 * KEY_BYTES}", hint=_HINT
        )
    return bytes.fromhex(text)
