"""The life of a partner, as moves that are allowed and moves that are not."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.errors import InvalidRequest
from lizi.standing import check_move, check_words, serves
from lizi.types import PartnerState

STATES: tuple[PartnerState, ...] = get_args(PartnerState)


def test_a_partner_comes_is_approved_serves_and_goes() -> None:
    state: PartnerState = "candidate"
    for wanted in ("approved", "active", "retired", "candidate"):
        state = check_move("acme", state, wanted)
    assert state == "candidate"


@pytest.mark.parametrize(
    ("current", "wanted", "says"),
    [
        ("candidate", "active", "in one move"),
        ("retired", "active", "in one move"),
        ("active", "active", "already"),
        ("active", "asleep", "no state 'asleep'"),
        ("active", "candidate", "in one move"),
    ],
)
def test_a_move_that_skips_a_step_is_refused_and_says_what_may_be_done(current: PartnerState, wanted: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as caught:
        check_move("acme", current, wanted)
    assert caught.value.hint is not None
    assert "may become" in caught.value.hint


@given(st.lists(st.sampled_from(STATES), max_size=30))
def test_whatever_is_tried_users_reach_active_partners_only_and_none_becomes_active_unapproved(wanted: list[PartnerState]) -> None:
    state: PartnerState = "candidate"
    for step in wanted:
        before = state
        try:
            state = check_move("acme", state, step)
        except InvalidRequest:
            continue
        assert state != "active" or before == "approved"
        assert serves(state, synthetic=False) == (state == "active")
        assert serves(state, synthetic=True) == (state != "retired")


@pytest.mark.parametrize(
    ("by", "why"), [("", "x"), ("x", ""), ("x", "  "), ("x" * 65, "x"), ("x", "y" * 201), ("x", "a\nb"), ("x\x1b", "y")]
)
def test_who_and_why_are_there_short_and_printable(by: str, why: str) -> None:
    with pytest.raises(InvalidRequest):
        check_words(by, why)


def test_a_reason_in_any_language_will_do() -> None:
    check_words("李华", "合同已签，试运行两周无异常")
