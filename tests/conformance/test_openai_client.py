"""The official `openai` client, unchanged, against the running service: sync, async, streams, tools, parsed output, errors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Literal

import openai
import pytest
from pydantic import BaseModel

from lizi.testing.partners import BEHAVIOURS, Behaviour, ToolCall
from planted_pictures import SECRET, difference, opened, planted, says_nothing, scene, url_of
from running_service import PARTNER_KEY, Running, running

ASK = [{"role": "user", "content": "How many?"}]
PARTNER_WORDS = ("acme", PARTNER_KEY, "partner")


class Count(BaseModel):
    """What the model is asked to fill."""

    number: int
    unit: Literal["apples", "pears"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def client(service: Running) -> Iterator[openai.OpenAI]:
    service.partner.play(Behaviour(text="Three pears 🍐, 三個梨。", chunks=7))
    with openai.OpenAI(base_url=service.base_url, api_key=service.key, max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture
async def async_client(service: Running) -> AsyncIterator[openai.AsyncOpenAI]:
    service.partner.play(Behaviour(text="Three pears 🍐, 三個梨。", chunks=7))
    async with openai.AsyncOpenAI(base_url=service.base_url, api_key=service.key, max_retries=0, timeout=20) as client:
        yield client


def test_a_whole_answer(client: openai.OpenAI, service: Running) -> None:
    answer = client.chat.completions.create(model="assistant", messages=ASK, user="u-1", metadata={"a": "b"}, store=True)
    assert answer.choices[0].message.content == "Three pears 🍐, 三個梨。"
    assert (answer.choices[0].finish_reason, answer.model, answer.object) == ("stop", "assistant", "chat.completion")
    assert answer.usage is not None and answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert not any(word in answer.model_dump_json().lower() for word in PARTNER_WORDS)
    asked = service.asked()
    assert asked["model"] == "acme-7-0605"
    assert not asked.keys() & {"user", "metadata", "store"}


def test_a_stream_with_usage(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="assistant", messages=ASK, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Three pears 🍐, 三個梨。"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage is not None and chunks[-1].usage.prompt_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_without_usage_has_none(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="assistant", messages=ASK, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_the_streaming_helper(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="assistant", messages=ASK) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.delta" in kinds and kinds[-1] == "content.done"
    assert final.choices[0].message.content == "Three pears 🍐, 三個梨。"


async def test_async_whole_and_streamed(async_client: openai.AsyncOpenAI) -> None:
    answer = await async_client.chat.completions.create(model="assistant", messages=ASK)
    assert answer.choices[0].message.content == "Three pears 🍐, 三個梨。"
    stream = await async_client.chat.completions.create(model="assistant", messages=ASK, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == "Three pears 🍐, 三個梨。"


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Weather of a place",
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
        },
    }
]


@pytest.mark.parametrize("stream", [False, True])
def test_a_round_with_a_tool(client: openai.OpenAI, service: Running, stream: bool) -> None:
    call = ToolCall(name="weather", arguments='{"place": "香港"}', id="toolu_of_the_partner")
    service.partner.play(Behaviour(text="", tools=(call,), finish="tool_calls"))
    if stream:
        with client.chat.completions.stream(model="assistant", messages=ASK, tools=TOOLS, tool_choice="required") as opened:
            for _ in opened:
                pass
            message = opened.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(model="assistant", messages=ASK, tools=TOOLS, tool_choice="required").choices[0].message
    assert message.tool_calls is not None
    (made,) = message.tool_calls
    assert made.type == "function"
    assert (made.function.name, json.loads(made.function.arguments)) == ("weather", {"place": "香港"})
    assert made.id.startswith("call_") and "toolu" not in made.id

    service.partner.play(Behaviour(text="Rain."))
    turns = [*ASK, message.model_dump(), {"role": "tool", "tool_call_id": made.id, "content": "rain"}]
    answer = client.chat.completions.create(model="assistant", messages=turns, tools=TOOLS)  # type: ignore[arg-type]
    assert answer.choices[0].message.content == "Rain."
    *_, call, result = service.asked()["messages"]
    assert call["tool_calls"][0]["id"] == result["tool_call_id"] != made.id, "the device's own id would be a handle"


PARSED = Behaviour(text='{"number": 3, "unit": "pears"}', chunks=5)


@pytest.mark.parametrize("model", ["assistant", "strict", "plain"])
def test_parsed_output_whatever_the_partner_can_do(client: openai.OpenAI, service: Running, model: str) -> None:
    service.partner.play(PARSED if model != "plain" else Behaviour(text='Here: ```json\n{"number": 3, "unit": "pears"}\n```'))
    parsed = client.chat.completions.parse(model=model, messages=ASK, response_format=Count).choices[0].message.parsed
    assert parsed == Count(number=3, unit="pears")
    assert service.asked().get("response_format", {}).get("type") == ("json_schema" if model != "plain" else None)


@pytest.mark.parametrize("model", ["assistant", "strict"])
def test_parsed_output_as_a_stream(client: openai.OpenAI, service: Running, model: str) -> None:
    service.partner.play(PARSED)
    with client.chat.completions.stream(model=model, messages=ASK, response_format=Count) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.parsed == Count(number=3, unit="pears")


def test_a_partner_that_refuses_the_schema_is_asked_another_way(client: openai.OpenAI, service: Running) -> None:
    service.partner.play(Behaviour(text=PARSED.text, rejects_json_schema=True))
    assert client.chat.completions.parse(model="assistant", messages=ASK, response_format=Count).choices[0].message.parsed is not None
    assert service.asked()["response_format"] == {"type": "json_object"}


def test_a_wrong_answer_is_repaired_and_a_second_one_is_a_typed_error(client: openai.OpenAI, service: Running) -> None:
    wrong = Behaviour(text='{"number": "many", "unit": "pears"}')
    service.partner.play([wrong, PARSED])
    assert client.chat.completions.parse(model="assistant", messages=ASK, response_format=Count).choices[0].message.parsed is not None
    service.partner.play(wrong)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.parse(model="assistant", messages=ASK, response_format=Count)
    assert caught.value.code == "structured_output_failed"
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["errors"] == [{"path": "/number", "rule": "type"}]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_cut_by_length_is_the_clients_own_error(client: openai.OpenAI, service: Running, stream: bool) -> None:
    service.partner.play(Behaviour(text='{"number": 3, "un', finish="length"))
    with pytest.raises(openai.LengthFinishReasonError):
        if stream:
            with client.chat.completions.stream(model="assistant", messages=ASK, response_format=Count) as opened:
                for _ in opened:
                    pass
                opened.get_final_completion()
        else:
            client.chat.completions.parse(model="assistant", messages=ASK, response_format=Count)


def test_json_mode(client: openai.OpenAI, service: Running) -> None:
    service.partner.play(PARSED)
    answer = client.chat.completions.create(model="assistant", messages=ASK, response_format={"type": "json_object"})
    assert json.loads(answer.choices[0].message.content or "") == {"number": 3, "unit": "pears"}


def test_models(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} == {"assistant", "strict", "plain"}


def test_images_pass_to_a_model_that_sees_and_are_refused_by_one_that_does_not(client: openai.OpenAI, service: Running) -> None:
    url = url_of(planted()["jpeg"])
    see = [{"role": "user", "content": [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": url}}]}]
    client.chat.completions.create(model="assistant", messages=see)  # type: ignore[arg-type]
    sent = service.asked()["messages"][-1]["content"][1]["image_url"]["url"]
    assert says_nothing(sent) and difference(opened(sent), scene()) < 3
    assert SECRET not in json.dumps(service.asked())
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="plain", messages=see)  # type: ignore[arg-type]
    assert caught.value.code == "unsupported_content"
    for broken in ("https://example.com/sea.png", url_of(planted()["png"][:200])):
        see[0]["content"][1]["image_url"]["url"] = broken  # type: ignore[index]
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model="assistant", messages=see)  # type: ignore[arg-type]
        assert (caught.value.code, caught.value.param) == ("unsupported_content", "messages[0].content[1].image_url.url")


def test_errors_are_the_clients_own_classes(client: openai.OpenAI, service: Running) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model="assistant", messages=ASK, n=2)
    assert (bad.value.code, bad.value.param, bad.value.type) == ("unsupported_parameter", "n", "invalid_request_error")
    assert bad.value.request_id and bad.value.request_id.startswith("rq_")
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="nobody", messages=ASK)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError) as unknown:
        client.with_options(api_key="lz_wrong").chat.completions.create(model="assistant", messages=ASK)
    assert unknown.value.code == "invalid_api_key"
    with pytest.raises(openai.UnprocessableEntityError) as blocked:
        service.partner.play(Behaviour(status=400, error={"error": {"code": "data_inspection_failed", "message": "acme says no"}}))
        client.chat.completions.create(model="assistant", messages=ASK)
    assert blocked.value.code == "policy_blocked"
    assert not any(word in str(blocked.value.body).lower() for word in PARTNER_WORDS)


def waits(behaviour: Behaviour) -> bool:
    """Runs into a deadline of the corridor, which tests/path does on a clock of its own."""
    return behaviour.fault == "stall" or max(behaviour.first_byte_ms, behaviour.first_token_ms, behaviour.idle_gap_ms) > 2_000


@pytest.mark.parametrize("name", sorted(name for name, behaviour in BEHAVIOURS.items() if not waits(behaviour)))
def test_no_planted_behaviour_of_a_partner_breaks_the_client_or_shows_the_partner(
    client: openai.OpenAI, service: Running, name: str
) -> None:
    """Whatever the partner does, the client has an answer or one of its own errors."""
    service.partner.play(BEHAVIOURS[name])
    for stream in (False, True):
        try:
            if stream:
                chunks = list(client.chat.completions.create(model="assistant", messages=ASK, stream=True))
                shown = "".join(chunk.model_dump_json() for chunk in chunks)
                assert chunks[-1].choices[0].finish_reason is not None
            else:
                shown = client.chat.completions.create(model="assistant", messages=ASK).model_dump_json()
        except openai.APIError as error:
            shown = f"{error.message} {error.body}"
            assert error.code, "one of ours, with its code"
        if "vendor" not in name and "canary" not in name:  # what the model itself says about its maker is the veil's, later
            assert PARTNER_KEY not in shown and "acme" not in shown.lower()
