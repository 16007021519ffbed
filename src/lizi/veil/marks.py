"""The mark that a request to a partner carries, and whose it is when it turns up elsewhere.

The random line behind the instructions, and the word that a record demands for its user, are made of a keyed hash of exchange and
attempt (`VeilBook.salt`). To a partner they are random; who has the key and the ledger can say of a line that was found in a leak, a data
set or another model's answer to which partner it went, and when. Nothing is stored for it. Absence proves nothing. Pure. Bound: linear in
the text, and in the attempts.
"""

from __future__ import annotations

import re
from hashlib import blake2b

__all__ = ["line", "marks_in", "salt", "veil_key"]

_DIGITS = 16
"""Of the salt's 32 hex digits a line tells this many: 64 bits, which no two of a service's requests share by chance."""
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_BACK = str.maketrans("abcdefghijklmnop", "0123456789abcdef")
_LINE = re.compile(r"(?<![A-Za-z])[a-p]{16}(?![A-Za-z])")
_WORD = re.compile(r"(?<![0-9A-Fa-f])[0-9a-f]{32}(?![0-9A-Fa-f])")


def veil_key(secret: bytes) -> bytes:
    """What a key of the keyring's purpose `idempotency` makes salts with: 64 bytes."""
    return blake2b(secret, person=b"lizi.veil").digest()


def salt(key: bytes, exchange_id: str, attempt: int) -> str:
    """32 hex digits for one attempt; without the key nobody can tell whose."""
    return blake2b(f"{exchange_id}.{attempt}".encode(), key=key, digest_size=16, person=b"lizi.salt").hexdigest()


def line(salt: str) -> str:
    """16 letters of 16: 64 bits that no two requests share. Letters, since a tokenizer makes fewer tokens of them than of digits."""
    return f"({salt[:_DIGITS].translate(_LETTERS)})"


def marks_in(text: str) -> frozenset[str]:
    """The beginnings of salts that `text` may hold, 16 hex digits each: compare `salt(…)[:16]` with them. Most are by chance."""
    return frozenset(
        [found.translate(_BACK) for found in _LINE.findall(text)] + [found[:_DIGITS] for found in _WORD.findall(text)]
    )
