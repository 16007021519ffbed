"""A partner in its own name: the mark stands in each place where a partner can say something, and the rest stays as it was."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lizi.testing.behaviours import Asked, Behaviour, ToolCall
from lizi.testing.branding import branded, introductions, mark_of
from lizi.testing.captured import Captured
from lizi.testing.remembering import GOOD, ModelSwap
from lizi.testing.rendering import render
from lizi.testing.speeches import SPEECHES


def raw(dialect: str, behaviour: Behaviour, *, stream: bool) -> str:
    speech = SPEECHES[dialect]
    steps = render(speech.dressed(behaviour), Asked(model=speech.models[0], stream=stream), 7, speech.family).steps
    return b"".join(step.data for step in steps).decode()


@pytest.mark.parametrize("dialect", SPEECHES)
def test_every_place_of_an_answer_holds_it(dialect: str) -> None:
    mark = mark_of(dialect, "the-model-7")
    made = branded(replace(GOOD, tools=(ToolCall(name="f", id="c"),)), mark)
    assert isinstance(made, Behaviour)
    for stream in (True, False):
        sent = raw(dialect, made, stream=stream)
        head, _, body = sent.partition("\r\n\r\n")
        status, *headers = head.split("\r\n")
        assert mark.model in status
        assert all(any(value in line for line in headers) for _, value in mark.headers)
        ids = [f"fp_{mark.model}", f"chatcmpl-{mark.request}", f"call_{mark.request}_c"]
        places = [*ids, f'"host":"{mark.host}"', f'"model":"{mark.model}-']
        assert [place for place in places if place not in body] == []
        if stream:
            assert body.count(f": {mark.host}\n") == body.count("data: "), "a comment before each event"
            assert body.endswith(f"0\r\nx-model: {mark.model}\r\nx-request-id: {mark.request}\r\n\r\n")
    text = str(made.text)
    assert text.startswith(introductions(mark, 0))
    assert text.endswith(str(GOOD.text))


@pytest.mark.parametrize("dialect", SPEECHES)
def test_an_error_means_what_it_meant_and_names_its_partner_at_each_level(dialect: str) -> None:
    mark = mark_of(dialect, "the-model-7")
    plain = SPEECHES[dialect].error("server_error")
    made = branded(plain, mark)
    assert isinstance(made, Behaviour)
    assert made.status == plain.status
    assert str(made.error).count(mark.request) >= 2
    assert str(made.error).count("served_by") >= 1


def test_each_name_maker_and_domain_has_its_turn() -> None:
    mark = mark_of("qwen", "qwen-plus")
    said = "".join(introductions(mark, number) for number in range(7 * 13))
    assert [word for word in (*mark.names, *mark.makers, *mark.domains) if word not in said] == []


def test_a_script_that_remembers_makes_each_answer_once() -> None:
    made = branded(ModelSwap(after=1), mark_of("glm", "glm-5"))
    assert callable(made)
    first, second, third = (made(Captured(number=n, head=b"", body=b"{}", at_mono=0.0, asked=Asked())) for n in range(3))
    assert first is not second
    assert second is third
