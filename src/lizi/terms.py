"""Partner terms as data: a signed, dated record of what a partner may be given, where, and what it may do with it.

A record is TOML; its signature stands in a file beside it, so that what was agreed is text that people can read, sign and keep.
Never takes a record whose signature is not by a key that the configuration trusts, nor one that names another partner. What the
record says of retention and training is what the contract promises: nothing here can check that a partner keeps it. A decision,
pure; raises `ConfigError` that says what is wrong. Bounds: 64 KiB a record. Signature: Ed25519 (RFC 8032).
"""

from __future__ import annotations

import base64
import binascii
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta, Struct

from lizi.errors import ConfigError
from lizi.types import DataClass, Terms

__all__ = ["LIMIT_BYTES", "TermsRecord", "accept", "days_left", "parse", "public_key", "sign", "suffices"]

LIMIT_BYTES = 64 * 1024
"""A record is some ten lines; more is another file."""
_DOMAIN = b"lizi.partner.terms.1\n"
"""Before the record's bytes, so that a signature over anything else can't pass for one over terms."""
_DAY_S = 86_400
_HINT = "docs/guides/partner-terms.md shows a record and how it is signed."


class TermsRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file. Days are in UTC."""

    partner: Annotated[str, Meta(min_length=1, max_length=64, description="as the configuration names it")]
    data: Annotated[tuple[DataClass, ...], Meta(min_length=1, description="classes of data that it may be given")]
    regions: Annotated[tuple[str, ...], Meta(min_length=1, description="where it may compute with them")]
    retention_days: Annotated[int, Meta(ge=0, description="how long it may keep what it gets; 0: not at all")]
    training: Annotated[bool, Meta(description="whether it may train on what it gets")]
    contract: Annotated[str, Meta(min_length=1, max_length=200, description="which contract says so")]
    since: Annotated[date, Meta(description="the first day on which they hold")]
    until: Annotated[date, Meta(description="the first day on which they no longer do")]


def parse(text: bytes, source: str) -> TermsRecord:
    """A record, signed or not. Raises `ConfigError` that names the file and the place in it."""
    if len(text) > LIMIT_BYTES:
        raise _refused(source, "it is larger than 64 KiB")
    try:
        record = msgspec.convert(tomllib.loads(text.decode("utf-8")), TermsRecord, strict=True)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _refused(source, str(error)) from None
    if record.until <= record.since:
        raise _refused(source, "'until' is not after 'since'")
    if not record.contract.isprintable():
        raise _refused(source, "'contract' holds line breaks or control characters")
    return record


def accept(text: bytes, signature: str, trusted: Mapping[str, str], *, partner: str, source: str) -> Terms:
    """The terms of `partner`, when a trusted key has signed them. `trusted`: name → public key, base64.

    Raises `ConfigError` for a signature that no trusted key made, a record that can't be read, and one of another partner.
    """
    signed_by = _signer(text, signature, trusted)
    if signed_by is None:
        names = ", ".join(sorted(trusted)) or "none"
        raise _refused(source, f"its signature is by no trusted key (trusted: {names})")
    record = parse(text, source)
    if record.partner != partner:
        raise _refused(source, f"it is for the partner '{record.partner}', not '{partner}'")
    return Terms(
        data=frozenset(record.data),
        regions=frozenset(record.regions),
        retention_days=record.retention_days,
        training=record.training,
        contract=record.contract,
        since_at=_midnight(record.since),
        until_at=_midnight(record.until),
        hash=sha256(text).hexdigest(),
        signed_by=signed_by,
    )


def suffices(terms: Terms | None) -> Literal["", "none", "training"]:
    """Why `terms` are not enough for users' traffic where terms are required: there are none, or they allow training. Empty: they are."""
    if terms is None:
        return "none"
    return "training" if terms.training else ""


def days_left(terms: Terms, at: float) -> int:
    """Whole days until they end, at `at` (Unix seconds); 0 on the last day, negative from its end on."""
    return int((terms.until_at - at) // _DAY_S)


def sign(text: bytes, private: str) -> str:
    """The signature of a record, base64. Raises `ConfigError` for what is no private key, without repeating it."""
    return base64.b64encode(_private(private).sign(_DOMAIN + text)).decode()


def public_key(private: str) -> str:
    """The public half of a private key, base64, as `[veil.terms_keys]` takes it. Raises `ConfigError` as `sign` does."""
    return base64.b64encode(_private(private).public_key().public_bytes_raw()).decode()


def _private(text: str) -> Ed25519PrivateKey:
    try:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text, validate=True))
    except ValueError:  # binascii's error is one
        raise ConfigError(
            "The signing key is not 32 bytes in base64.", code="config_invalid", hint="'lizi partner terms key' makes one."
        ) from None


def _signer(text: bytes, signature: str, trusted: Mapping[str, str]) -> str | None:
    try:
        raw = base64.b64decode(signature.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    for key in trusted.values():
        try:
            Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True)).verify(raw, _DOMAIN + text)
        except (InvalidSignature, ValueError):
            continue
        return key
    return None


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _refused(source: str, why: str) -> ConfigError:
    return ConfigError(f"{source}: {why}", code="config_invalid", hint=_HINT)
