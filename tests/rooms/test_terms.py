"""Partner terms: what a record must say, whose signature counts, when it holds."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lizi.errors import ConfigError
from lizi.terms import LIMIT_BYTES, accept, days_left, parse, public_key, sign, suffices
from lizi.types import Terms

PRIVATE = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(1, 33))).decode()
TRUSTED = {"legal": public_key(PRIVATE)}
RECORD = b"""
partner = "acme"
data = ["text", "image"]
regions = ["cn-north"]
retention_days = 30
training = false
contract = "A-17"
since = 2026-01-01
until = 2027-01-01
"""
SINCE, UNTIL, DAY = 1_767_225_600.0, 1_798_761_600.0, 86_400.0


def accepted(text: bytes = RECORD, *, signature: str | None = None, partner: str = "acme") -> Terms:
    return accept(text, sign(text, PRIVATE) if signature is None else signature, TRUSTED, partner=partner, source="acme.toml")


def test_a_signed_record_becomes_terms() -> None:
    terms = accepted()
    assert (terms.data, terms.regions) == (frozenset({"text", "image"}), frozenset({"cn-north"}))
    assert (terms.retention_days, terms.training, terms.contract) == (30, False, "A-17")
    assert (terms.since_at, terms.until_at) == (SINCE, UNTIL)
    assert terms.signed_by == TRUSTED["legal"]
    assert (len(terms.hash), terms.short) == (64, terms.hash[:16])


@given(st.integers(0, len(RECORD) - 1), st.integers(1, 255))
def test_no_changed_byte_keeps_the_signature(place: int, change: int) -> None:
    changed = bytearray(RECORD)
    changed[place] ^= change
    with pytest.raises(ConfigError, match="no trusted key"):
        accepted(bytes(changed), signature=sign(RECORD, PRIVATE))


@given(st.text(max_size=120))
def test_no_words_pass_for_a_signature(words: str) -> None:
    with pytest.raises(ConfigError, match="no trusted key"):
        accepted(signature=words)


def test_a_signature_by_another_key_does_not_count_and_the_message_names_who_is_trusted() -> None:
    with pytest.raises(ConfigError, match=r"acme\.toml: .*trusted: legal"):
        accepted(signature=sign(RECORD, OTHER))


def test_a_signature_over_the_bare_bytes_is_none_over_terms() -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    bare = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).sign(RECORD)
    with pytest.raises(ConfigError, match="no trusted key"):
        accepted(signature=base64.b64encode(bare).decode())


def test_the_terms_of_one_partner_are_none_of_anothers() -> None:
    with pytest.raises(ConfigError, match="for the partner 'acme', not 'bolt'"):
        accepted(partner="bolt")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b'"image"', b'"everything"', "everything"),
        (b'["text", "image"]', b"[]", "length >= 1"),
        (b'["cn-north"]', b"[]", "length >= 1"),
        (b"retention_days = 30", b"retention_days = -1", ">= 0"),
        (b"training = false", b"", "training"),
        (b'contract = "A-17"', b'contract = ""', "length >= 1"),
        (b'contract = "A-17"', b'contract = "A\\n17"', "line breaks"),
        (b"until = 2027-01-01", b"until = 2026-01-01", "not after"),
        (b"until = 2027-01-01", b"until = 'soon'", "date"),
        (b"training", b"trainnig", "trainnig"),
        (b"partner =", b"partner", "line 2"),
        (b'"A-17"', b'"\xff"', "utf-8"),
        (b'"A-17"', b'"' + b"x" * LIMIT_BYTES + b'"', "64 KiB"),
    ],
)
def test_a_record_that_says_too_little_or_nonsense_is_refused_with_its_place(old: bytes, new: bytes, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        parse(RECORD.replace(old, new), "acme.toml")
    assert "acme.toml" in str(caught.value)
    assert caught.value.hint


def test_a_key_that_is_none_is_refused_without_being_repeated() -> None:
    for wrong in ("secret-words", base64.b64encode(b"short").decode(), ""):
        with pytest.raises(ConfigError) as caught:
            sign(RECORD, wrong)
        assert not wrong or wrong not in str(caught.value)


def test_days_are_whole_and_the_end_is_no_day_of_theirs() -> None:
    terms = accepted()
    assert [days_left(terms, at) for at in (UNTIL - DAY - 1, UNTIL - 1, UNTIL, UNTIL + DAY)] == [1, 0, 0, -1]


def test_what_suffices_for_users_is_a_record_that_forbids_training() -> None:
    terms = accepted()
    assert (suffices(terms), suffices(None), suffices(replace(terms, training=True))) == ("", "none", "training")
