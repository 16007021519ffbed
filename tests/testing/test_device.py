"""The device that compares answers: what it can tell apart, and what not."""

from __future__ import annotations

from typing import Any

from lizi.testing.device import Seen, read_stream, shape_of
from lizi.testing.partners import Behaviour, Partner

ASK = {"model": "assistant", "messages": [{"role": "user", "content": "Hello"}]}


async def seen_of(behaviour: Behaviour) -> Seen:
    async with Partner(behaviour) as partner:
        return await read_stream(int(partner.base_url.split(":")[2].split("/")[0]), "key", ASK)


async def form_of(**fields: Any) -> tuple[Any, ...]:
    return (await seen_of(Behaviour(close=True, transfer="eof", **fields))).form


async def test_other_words_in_other_pieces_have_the_same_form() -> None:
    assert await form_of(text="one two", chunks=2) == await form_of(text="three four five", chunks=5)


async def test_another_reason_another_field_or_another_header_is_another_form() -> None:
    forms = [
        await form_of(),
        await form_of(finish="length"),
        await form_of(reasoning="Hm."),
        await form_of(headers=(("x-more", "1"),)),
        await form_of(usage="with_finish"),
        await form_of(model="another"),
        await form_of(status=500, reason="Oh"),
    ]
    assert len(set(forms)) == len(forms)


async def test_a_connection_closed_before_a_byte_is_no_answer() -> None:
    seen = await seen_of(Behaviour(body=b"", transfer="eof"))
    assert not seen.ended and seen.text == ""


def test_a_shape_is_keys_and_kinds_and_the_values_that_a_device_acts_on() -> None:
    assert shape_of({"model": "m", "n": 1, "list": [{"finish_reason": None}, "x"]}) == "{model=m,n:int,list:[{finish_reason=None},str]}"
