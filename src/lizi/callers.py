"""Who asks: app keys, apps and their plans.

Turns an Authorization header into a `Caller`. Never knows a device or a user, never keeps a
secret: a key is 32 random bytes, stored as its SHA-256 (enough for a random key; a slow hash
protects guessable ones) and compared in constant time. A `CallerBook` is immutable: revoking
means a new book on every worker. Authenticating costs a dict lookup and one hash.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from lizi.errors import Unauthenticated
from lizi.types import Caller, Plan

__all__ = ["CallerBook", "KeyRecord", "bound_hash", "mint"]

_PREFIX = "lz"
_ID_BYTES = 6
"""48 random bits name a key: no collision in practice for millions of keys, short enough to read out."""
_SECRET_BYTES = 32
RANDOM_BYTES = _ID_BYTES + _SECRET_BYTES
_NOBODY = hashlib.sha256(b"no such key").digest()


class KeyRecord(Struct, frozen=True, kw_only=True):
    """A stored key. `digest` is SHA-256 of the secret part; the secret is shown once and not kept."""

    key_id: str
    app: str
    digest: bytes
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    plan: Plan

    def shown(self) -> dict[str, Any]:
        """The key as the operator may see it: without its digest, which is of use to nobody but the check itself."""
        return {
            "key_id": self.key_id,
            "app": self.app,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "revoked_at": self.revoked_at,
            "plan": msgspec.to_builtins(self.plan),
        }


def mint(app: str, plan: Plan, now: float, random: bytes) -> tuple[str, KeyRecord]:
    """A new key for `app` from `random` (38 bytes of the system's generator).

    Returns the whole key, to be shown once, and the record to be stored.
    """
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"mint needs {RANDOM_BYTES} random bytes")
    key_id = base64.b32encode(random[:_ID_BYTES]).decode().rstrip("=").lower()
    secret = base64.urlsafe_b64encode(random[_ID_BYTES:]).decode().rstrip("=")
    record = KeyRecord(key_id=key_id, app=app, digest=hashlib.sha256(secret.encode()).digest(), created_at=now, plan=plan)
    return f"{_PREFIX}-{key_id}-{secret}", record


def bound_hash(secret: bytes, app: str, idempotency_key: str) -> str:
    """An Idempotency-Key as it may be kept: HMAC-SHA-256 (RFC 2104) over app and key, 128 bits of it in hex.

    Bound to the app, so that two apps never meet in one key, and keyed, so that a stored one can't be guessed back.
    """
    return hmac.new(secret, f"{app}\0{idempotency_key}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


class CallerBook:
    """All keys of one configuration generation."""

    __slots__ = ("_entries",)

    def __init__(self, records: Iterable[KeyRecord]) -> None:
        self._entries = {record.key_id: (record, Caller(app=record.app, key_id=record.key_id, plan=record.plan)) for record in records}

    def __len__(self) -> int:
        return len(self._entries)

    def authenticate(self, authorization: str | None, now: float) -> Caller:
        """The caller behind an `Authorization: Bearer lz-…` header (RFC 6750 §2.1).

        Raises `Unauthenticated` with the same words whether the key is unknown, wrong, expired or
        revoked; the hash is compared even for an unknown id, so that timing tells nothing either.
        """
        if authorization is None:
            raise Unauthenticated(
                "No app key was sent.",
                code="invalid_api_key",
                hint="Send the header 'Authorization: Bearer lz-…' with a key of this service.",
            )
        scheme, _, token = authorization.partition(" ")
        prefix, _, rest = token.strip().partition("-")
        key_id, _, secret = rest.partition("-")
        entry = self._entries.get(key_id)
        digest = entry[0].digest if entry is not None else _NOBODY
        matches = hmac.compare_digest(hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest(), digest)
        if entry is not None and matches and prefix == _PREFIX and scheme.lower() == "bearer":
            record, caller = entry
            if record.revoked_at is None and (record.expires_at is None or now < record.expires_at):
                return caller
        raise Unauthenticated(
            "The app key is not valid.",
            code="invalid_api_key",
            hint="Check the key, or create one with 'lizi key create'; a revoked or expired key stays refused.",
        )
