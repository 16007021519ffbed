"""App keys: what opens the door, and that nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lizi.callers import CallerBook, KeyRecord, mint
from lizi.errors import LiziError, Unauthenticated
from lizi.types import Plan

RANDOM = bytes(range(38))
NOW = 1_700_000_000.0


def book(**changes: object) -> tuple[str, CallerBook]:
    secret, record = mint("notes", Plan(streams=3), NOW, RANDOM)
    return secret, CallerBook([replace(record, **changes)])


def test_a_minted_key_opens_the_door_for_its_app_and_plan() -> None:
    secret, callers = book()
    caller = callers.authenticate(f"Bearer {secret}", NOW)
    assert (caller.app, caller.plan.streams) == ("notes", 3)
    assert len(callers) == 1


def test_the_scheme_is_case_insensitive_and_spaces_around_the_key_do_not_matter() -> None:
    secret, callers = book()
    assert callers.authenticate(f"bearer  {secret} ", NOW).app == "notes"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-1],
        lambda key: key + "A",
        lambda key: key.upper(),
        lambda key: key.replace("lz-", "sk-", 1),
        lambda key: "lz-" + key.rsplit("-", 1)[-1],
        lambda key: "",
        lambda key: "lz--",
    ],
)
def test_a_key_that_differs_anywhere_is_refused(spoil) -> None:  # type: ignore[no-untyped-def]
    secret, callers = book()
    with pytest.raises(Unauthenticated):
        callers.authenticate(f"Bearer {spoil(secret)}", NOW)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic bm9wZTpub3Bl"])
def test_without_a_bearer_key_there_is_no_caller(header: str | None) -> None:
    _, callers = book()
    with pytest.raises(Unauthenticated) as refusal:
        callers.authenticate(header, NOW)
    assert refusal.value.status == 401
    assert refusal.value.hint


def test_a_revoked_key_is_refused() -> None:
    secret, callers = book(revoked_at=NOW)
    with pytest.raises(Unauthenticated):
        callers.authenticate(f"Bearer {secret}", NOW + 1)


def test_a_key_is_good_until_the_instant_that_it_expires() -> None:
    secret, callers = book(expires_at=NOW + 10)
    assert callers.authenticate(f"Bearer {secret}", NOW + 9.999).app == "notes"
    with pytest.raises(Unauthenticated):
        callers.authenticate(f"Bearer {secret}", NOW + 10)


def test_unknown_wrong_expired_and_revoked_keys_are_refused_in_the_same_words() -> None:
    secret, callers = book()
    words = set()
    for header, at in [(f"Bearer {secret}x", NOW), ("Bearer lz-nobody-nothing", NOW)]:
        with pytest.raises(Unauthenticated) as refusal:
            callers.authenticate(header, at)
        words.add(str(refusal.value))
    for changes in ({"revoked_at": NOW}, {"expires_at": NOW}):
        secret, callers = book(**changes)
        with pytest.raises(Unauthenticated) as refusal:
            callers.authenticate(f"Bearer {secret}", NOW)
        words.add(str(refusal.value))
    assert len(words) == 1


def test_the_record_holds_no_part_of_the_secret() -> None:
    secret, record = mint("notes", Plan(), NOW, RANDOM)
    assert secret.rsplit("-", 1)[-1] not in repr(record)
    assert isinstance(record, KeyRecord)


def test_minting_needs_exactly_its_random_bytes() -> None:
    with pytest.raises(ValueError, match="38 random bytes"):
        mint("notes", Plan(), NOW, b"short")


@given(st.binary(min_size=38, max_size=38))
def test_every_minted_key_authenticates(random: bytes) -> None:
    secret, record = mint("notes", Plan(), NOW, random)
    assert CallerBook([record]).authenticate(f"Bearer {secret}", NOW).key_id == record.key_id


@given(st.text(max_size=200))
def test_no_header_crashes_the_door(header: str) -> None:
    _, callers = book()
    with pytest.raises(LiziError):
        callers.authenticate(header, NOW)
