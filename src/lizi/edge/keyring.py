"""Where the service's own keys live: one file a key, 0600, in a folder 0700.

Never prints or logs a private key, never gives out the signing one, never reads one that others can read. A purpose has
one current key; older ones stay for verifying until they are removed by hand. A new key is known before it is used: `add` makes it,
`turn` makes it current, so that whoever reads can be told of it before anybody writes with it; after a start the newest is current.
Purposes: `audit-signing` (Ed25519, RFC 8032), `idempotency` (HMAC-SHA-256, RFC 2104) and `state` (AES-256-GCM, NIST SP 800-38D).
Bound: 64 keys a purpose.
"""

from __future__ import annotations

import base64
import os
import secrets
import stat
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from lizi.audit import Record, checkpoint_bytes
from lizi.edge.store import mapped
from lizi.errors import StoreError

__all__ = ["KeyInfo", "Keyring", "Purpose"]

Purpose = Literal["audit-signing", "idempotency", "state"]
_PURPOSES: tuple[Purpose, ...] = ("audit-signing", "idempotency", "state")
_SECRET_BYTES = 32
"""Seed of Ed25519 (RFC 8032 §5.1.5), and the output length of SHA-256 (RFC 2104 §3 asks for no less)."""
_KEYS_LIMIT = 64
"""Rotating weekly fills this in 14 months; more is a script gone wrong."""
_FILE_LIMIT_BYTES = 4096
_PARTIAL = ".partial"


class KeyInfo(Struct, frozen=True, kw_only=True):
    """What may be shown of a key."""

    key_id: str
    purpose: Purpose
    created_at: float
    current: bool
    public: str | None
    """Base64 of the raw public key, for `audit-signing`: give it to whoever checks an exported chain."""


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    key_id: str
    purpose: Purpose
    created_at: float
    secret: str


class _Key:
    """One key in memory. Its representation shows no secret."""

    __slots__ = ("_secret", "created_at", "key_id", "purpose")

    def __init__(self, file: _File) -> None:
        self.key_id = file.key_id
        self.purpose = file.purpose
        self.created_at = file.created_at
        self._secret = base64.b64decode(file.secret, validate=True)
        if len(self._secret) != _SECRET_BYTES:
            raise ValueError("wrong length")

    def __repr__(self) -> str:
        return f"<key {self.key_id} for {self.purpose}>"

    def sign(self, data: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self._secret).sign(data)

    def verify(self, data: bytes, signature: bytes) -> bool:
        try:
            Ed25519PrivateKey.from_private_bytes(self._secret).public_key().verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def secret(self) -> bytes:
        return self._secret

    def public(self) -> str:
        return base64.b64encode(Ed25519PrivateKey.from_private_bytes(self._secret).public_key().public_bytes_raw()).decode()


class Keyring:
    """All keys of one data folder, held in memory; `open` again to see what another process added."""

    def __init__(self, folder: Path, keys: dict[Purpose, list[_Key]]) -> None:
        self._folder = folder
        self._keys = keys
        self._current = {purpose: found[-1] for purpose, found in keys.items() if found}

    @classmethod
    def open(cls, folder: Path, now: float) -> Keyring:
        """Load every key; make the folder and the first key of each purpose where there is none.

        For whoever holds the store's lock. Raises `StoreError` for a key file or folder that others may read, and for a damaged file.
        """
        with mapped("can't open the keyring"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_open_to_others(folder)
            for left in folder.glob(f".*{_PARTIAL}"):  # of one that was killed while it wrote
                left.unlink()
        ring = cls.read(folder)
        for purpose, found in ring._keys.items():
            if not found:
                ring.rotate(purpose, now)
        return ring

    @classmethod
    def read(cls, folder: Path) -> Keyring:
        """The keys as they are, for looking and verifying: makes nothing and changes nothing. Raises as `open` does."""
        keys: dict[Purpose, list[_Key]] = {purpose: [] for purpose in _PURPOSES}
        with mapped("can't open the keyring"):
            _refuse_open_to_others(folder)
            for path in sorted(folder.glob("*.json")):
                key = _read(path)
                keys[key.purpose].append(key)
        for found in keys.values():
            found.sort(key=lambda key: (key.created_at, key.key_id))
        return cls(folder, keys)

    def rotate(self, purpose: Purpose, now: float) -> str:
        """Make a new key, current at once; the old ones stay for verifying. Returns its id."""
        key_id = self.add(purpose, now)
        self.turn(purpose)
        return key_id

    def turn(self, purpose: Purpose) -> None:
        """The newest key is the current one from now on."""
        self._current[purpose] = self._keys[purpose][-1]

    def add(self, purpose: Purpose, now: float, record: Callable[[KeyInfo], None] = lambda key: None) -> str:
        """Make a new key, on disk but not current yet. Returns its id.

        `record` writes down that there is one; when it raises, there is none. A kill in between leaves a key that
        was not recorded: the next start does that.
        """
        keys = self._keys[purpose]
        if len(keys) >= _KEYS_LIMIT:
            raise StoreError(
                f"the keyring holds {len(keys)} keys for {purpose}",
                code="store_failed",
                hint="move files of the oldest keys away; signatures made with those can't be checked without them",
            )
        created_at = max([now, *(key.created_at + 0.001 for key in keys)])  # a clock set back must not bring an old key back
        file = _File(
            key_id=secrets.token_hex(8),
            purpose=purpose,
            created_at=created_at,
            secret=base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode(),
        )
        key, name = _Key(file), f"{purpose}.{file.key_id}.json"
        with mapped("can't write the keyring"):
            _write(self._folder, name, msgspec.json.encode(file))
        try:
            record(self._info(key))
        except BaseException:
            (self._folder / name).unlink()
            raise
        keys.append(key)
        return key.key_id

    def keys(self) -> list[KeyInfo]:
        """What may be shown of all keys, oldest first within a purpose."""
        return [self._info(key) for keys in self._keys.values() for key in keys]

    def _info(self, key: _Key) -> KeyInfo:
        return KeyInfo(
            key_id=key.key_id,
            purpose=key.purpose,
            created_at=key.created_at,
            current=key is self._current.get(key.purpose),
            public=key.public() if key.purpose == "audit-signing" else None,
        )

    def sign_checkpoint(self, record: Record) -> tuple[str, bytes]:
        """Key id and Ed25519 signature of a checkpoint record by the current key."""
        key = self._current["audit-signing"]
        return key.key_id, key.sign(checkpoint_bytes(record))

    def trusts(self, record: Record, signed: tuple[str, bytes] | None) -> bool:
        """Whether `signed` (key id, signature) of a checkpoint is by one of our keys, old ones included."""
        if signed is None:
            return False
        key_id, signature = signed
        return any(key.key_id == key_id and key.verify(checkpoint_bytes(record), signature) for key in self._keys["audit-signing"])

    def idempotency_secret(self) -> bytes:
        """The current key under which used Idempotency-Keys are remembered; for `House`, never to be shown."""
        return self._current["idempotency"].secret()

    def other_idempotency_secrets(self, since: float) -> list[bytes]:
        """Other keys under which one may have been remembered since `since`, or is about to be: a repeat is looked for under these, too."""
        return [key.secret() for key in self._others("idempotency", since)]

    def idempotency_secrets(self) -> list[bytes]:
        """All of them, oldest first: whoever traces a request's mark needs the key of its day. Never to be shown."""
        return [key.secret() for key in self._keys["idempotency"]]

    def state_secrets(self, since: float = 0.0) -> dict[str, bytes]:
        """Key id → key that opens what devices carry since `since`, last the current one, which seals; for `House`, never to be shown."""
        return {key.key_id: key.secret() for key in (*self._others("state", since), self._current["state"])}

    def _others(self, purpose: Purpose, since: float) -> list[_Key]:
        """All but the current one that were current after `since`, or will be: a key was so until the next one was made."""
        keys, current = self._keys[purpose], self._current[purpose]
        ends = [later.created_at for later in keys[1:]] + [inf]
        return [key for key, end in zip(keys, ends, strict=True) if end > since and key is not current]


def _refuse_open_to_others(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        fix = "700" if path.is_dir() else "600"
        raise StoreError(
            f"{path.name} in the keyring has mode {mode:o}: others may read it",
            code="store_failed",
            hint=f"`chmod {fix}` it; if others had access to this machine, rotate the key as well",
        )


def _read(path: Path) -> _Key:
    _refuse_open_to_others(path)
    try:
        with path.open("rb") as file:
            return _Key(msgspec.json.decode(file.read(_FILE_LIMIT_BYTES), type=_File))
    except ValueError:  # msgspec's errors are ValueErrors and may quote the file: keep them out of the message
        raise StoreError(
            f"{path.name} in the keyring is damaged",
            code="store_failed",
            hint="restore it from a backup, or move it away to start a new key",
        ) from None


def _write(folder: Path, name: str, data: bytes) -> None:
    """Whole or not at all: a half-written key would stop the next start."""
    partial = folder / f".{name}{_PARTIAL}"
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(partial, folder / name)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
