"""The partner that repeats everything puts a planted word wherever a partner can say something."""

from __future__ import annotations

import msgspec

from lizi.testing.captured import Captured, asked_of
from lizi.testing.echoing import echo

WORD = "qzkfwvhxjmbbbcb"


def asked(number: int, words: str) -> Captured:
    body = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": words}]})
    return Captured(number=number, head=b"POST /v1/chat/completions HTTP/1.1\r\n\r\n", body=body, at_mono=0, asked=asked_of(body))


def test_a_word_comes_back_in_each_place_of_an_answer() -> None:
    answers = [msgspec.to_builtins(echo(asked(number, f"Repeat {WORD}")), enc_hook=repr) for number in range(10)]
    holding = {field for answer in answers for field, value in answer.items() if WORD in str(value)}
    assert holding >= {"text", "reasoning", "tools", "headers", "model", "marks", "error", "error_event", "finish"}
    assert any(answer["status"] == 500 for answer in answers)


def test_a_request_without_a_planted_word_gets_a_plain_answer() -> None:
    assert echo(asked(5, "Say hello to everybody.")).text == "Hello."
