"""The mark of a request: random to whoever lacks the key, and found again in any text that kept it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from lizi.veil.marks import line, marks_in, salt, veil_key

KEY = veil_key(b"k" * 32)


@given(st.text(max_size=30), st.integers(1, 50), st.text(max_size=40), st.text(max_size=40))
def test_a_line_is_found_again_in_whatever_stands_around_it(exchange_id: str, attempt: int, before: str, after: str) -> None:
    made = salt(KEY, exchange_id, attempt)
    assert made[:16] in marks_in(f"{before} {line(made)} {after}")
    assert made[:16] in marks_in(f"{before}\n{line(made)[1:-1]}\n{after}"), "without its brackets"
    assert made[:16] in marks_in(f'{before} {{"user_id": "{made}"}} {after}'), "the word that a record demands"


def test_two_attempts_and_two_keys_share_no_mark() -> None:
    marks = {salt(key, f"rq_{number}", attempt)[:16] for key in (KEY, veil_key(b"j" * 32)) for number in range(50) for attempt in (1, 2)}
    assert len(marks) == 200
    assert re.fullmatch(r"\([a-p]{16}\)", line(salt(KEY, "rq_1", 1)))


def test_ordinary_text_holds_none() -> None:
    assert marks_in("A page about nothing, and its hash 9e107d9d372bb6826bd81d3542a419d6") == {"9e107d9d372bb682"}
    assert marks_in("The fog is gone. 雾散了。" * 20) == frozenset()
    assert marks_in("abcdefghijklmnopq") == marks_in("xabcdefghijklmnop") == frozenset(), "within a longer word"
