"""POST /v1/chat/completions, decoded: what passes, what is refused, where, and with which code."""

from __future__ import annotations

import base64
import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lizi.errors import InvalidRequest
from lizi.types import ChatRequest, JsonObjectFormat, JsonSchemaFormat
from lizi.wire.images import IMAGE_BYTES
from lizi.wire.openai import decode_chat
from lizi.wire.openai_fields import CHAT_FIELDS, MESSAGE_FIELDS, schema_of

USER = {"role": "user", "content": "hi"}
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 40).decode()
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
CALLED = [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "call_1", "content": "1"}]
SECRET = "canary-7f3a"


def chat(**fields: Any) -> bytes:
    return json.dumps({"model": "assistant", "messages": [USER]} | fields).encode()


def fmt(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True} | more}


def refused(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        decode_chat(body)
    assert SECRET not in caught.value.message + str(caught.value.param) + str(caught.value.hint)
    return caught.value


def test_a_plain_request_becomes_a_view() -> None:
    assert decode_chat(chat()) == ChatRequest(model="assistant", messages=[USER])


def test_every_used_field_reaches_the_view() -> None:
    request = decode_chat(
        chat(
            stream=True,
            stream_options={"include_usage": True},
            max_completion_tokens=50,
            temperature=0,
            top_p=0.5,
            presence_penalty=-2,
            frequency_penalty=2.0,
            stop="END",
            seed=-5,
            tools=[TOOL],
            tool_choice={"type": "function", "function": {"name": "look_up"}},
            parallel_tool_calls=False,
            response_format={"type": "json_object"},
            reasoning_effort="low",
        )
    )
    assert request == ChatRequest(
        model="assistant",
        messages=[USER],
        stream=True,
        include_usage=True,
        max_output_tokens=50,
        temperature=0,
        top_p=0.5,
        presence_penalty=-2,
        frequency_penalty=2.0,
        stop=("END",),
        seed=-5,
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "look_up"}},
        parallel_tool_calls=False,
        response_format=JsonObjectFormat(),
        reasoning_effort="low",
        needs=frozenset({"tools"}),
    )


def test_null_means_absent() -> None:
    nothing = dict.fromkeys(name for name in CHAT_FIELDS if name not in ("model", "messages"))
    assert decode_chat(chat(**nothing)) == decode_chat(chat())


@pytest.mark.parametrize("name", [name for name, rule in CHAT_FIELDS.items() if rule.kind == "dropped"])
def test_harmless_fields_are_dropped_and_counted(name: str) -> None:
    assert decode_chat(chat(**{name: SECRET})).dropped == (name,)


@pytest.mark.parametrize("name", [name for name, rule in CHAT_FIELDS.items() if rule.kind == "unsupported"])
def test_result_changing_fields_that_are_not_offered_are_refused_by_name(name: str) -> None:
    error = refused(chat(**{name: {"a": SECRET}}))
    assert (error.code, error.param, error.status) == ("unsupported_parameter", name, 400)
    for neutral in CHAT_FIELDS[name].neutral:
        assert decode_chat(chat(**{name: neutral})).dropped == (name,)


def test_one_is_not_true_and_true_is_not_one() -> None:
    assert refused(chat(n=True)).param == "n"
    assert refused(chat(logprobs=0)).param == "logprobs"
    assert refused(chat(seed=True)).param == "seed"
    assert refused(chat(stream=1)).param == "stream"


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    # what, fields, code, param
    ("unknown", {"temprature": 1}, "unknown_field", "temprature"),
    ("unknown, not a word", {f"{SECRET} x": 1}, "unknown_field", "?"),
    ("unknown in options", {"stream_options": {"usage": True}}, "unknown_field", "stream_options.usage"),
    ("several answers", {"n": 2}, "unsupported_parameter", "n"),
    ("no model", {"model": None}, "invalid_request", "model"),
    ("empty model", {"model": ""}, "invalid_request", "model"),
    ("model of the wrong type", {"model": 7}, "invalid_request", "model"),
    ("no messages", {"messages": None}, "invalid_request", "messages"),
    ("empty messages", {"messages": []}, "invalid_request", "messages"),
    ("messages are text", {"messages": SECRET}, "invalid_request", "messages"),
    ("two limits that differ", {"max_tokens": 5, "max_completion_tokens": 6}, "invalid_request", "max_tokens"),
    ("no tokens", {"max_tokens": 0}, "invalid_request", "max_tokens"),
    ("half a token", {"max_tokens": 1.5}, "invalid_request", "max_tokens"),
    ("huge limit", {"max_tokens": 1 << 62}, "invalid_request", "max_tokens"),
    ("too hot", {"temperature": 2.1}, "invalid_request", "temperature"),
    ("temperature is text", {"temperature": "1"}, "invalid_request", "temperature"),
    ("top_p", {"top_p": -0.1}, "invalid_request", "top_p"),
    ("penalty", {"presence_penalty": 3}, "invalid_request", "presence_penalty"),
    ("five stops", {"stop": ["a", "b", "c", "d", "e"]}, "invalid_request", "stop"),
    ("empty stop", {"stop": [""]}, "invalid_request", "stop"),
    ("stop of numbers", {"stop": [1]}, "invalid_request", "stop"),
    ("seed beyond 64 bits", {"seed": 1 << 63}, "invalid_request", "seed"),
    ("effort", {"reasoning_effort": "huge"}, "invalid_request", "reasoning_effort"),
    ("tools are an object", {"tools": {}}, "invalid_request", "tools"),
    ("a custom tool", {"tools": [{"type": "custom", "custom": {}}]}, "unsupported_parameter", "tools[0].type"),
    ("tool without a function", {"tools": [{"type": "function"}]}, "invalid_request", "tools[0].function"),
    ("tool name", {"tools": [{"type": "function", "function": {"name": "a b"}}]}, "invalid_request", "tools[0].function.name"),
    (
        "tool name ends in a line feed",
        {"tools": [{"type": "function", "function": {"name": "a\n"}}]},
        "invalid_request",
        "tools[0].function.name",
    ),
    ("tools of one name", {"tools": [TOOL, TOOL]}, "invalid_request", "tools[1].function.name"),
    ("129 tools", {"tools": [TOOL] * 129}, "invalid_request", "tools"),
    (
        "tool parameters",
        {"tools": [{"type": "function", "function": {"name": "a", "parameters": []}}]},
        "invalid_schema",
        "tools[0].function.parameters",
    ),
    (
        "unknown in a tool",
        {"tools": [{"type": "function", "function": {"name": "a", "returns": 1}}]},
        "unknown_field",
        "tools[0].function.returns",
    ),
    (
        "a big number in a tool",
        {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"maximum": 1 << 70}}}]},
        "invalid_schema",
        "tools[0].function.parameters",
    ),
    ("a choice without tools", {"tool_choice": "required"}, "invalid_request", "tool_choice"),
    (
        "a choice of no tool",
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "b"}}},
        "invalid_request",
        "tool_choice.function.name",
    ),
    ("an unknown choice", {"tools": [TOOL], "tool_choice": "any"}, "invalid_request", "tool_choice"),
    ("format type", {"response_format": {"type": "xml"}}, "invalid_request", "response_format.type"),
    ("format extra", {"response_format": {"type": "text", "x": 1}}, "unknown_field", "response_format.x"),
    (
        "no schema",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
        "invalid_schema",
        "response_format.json_schema.schema",
    ),
    ("remote reference", {"response_format": fmt({"$ref": "http://127.0.0.1/x"})}, "invalid_schema", "response_format.json_schema.schema"),
    (
        "file reference",
        {"response_format": fmt({"properties": {"a": {"$ref": "x.json#"}}})},
        "invalid_schema",
        "response_format.json_schema.schema",
    ),
    ("broken schema", {"response_format": fmt({"type": "nope"})}, "invalid_schema", "response_format.json_schema.schema"),
    (
        "broken pattern",
        {"response_format": fmt({"type": "string", "pattern": "("})},
        "invalid_schema",
        "response_format.json_schema.schema",
    ),
    (
        "foreign draft",
        {"response_format": fmt({"$schema": "http://example.com/x"})},
        "invalid_schema",
        "response_format.json_schema.schema",
    ),
    ("large schema", {"response_format": fmt({"description": "x" * 140_000})}, "invalid_schema", "response_format.json_schema.schema"),
    ("message is text", {"messages": ["hi"]}, "invalid_request", "messages[0]"),
    ("no role", {"messages": [{"content": "hi"}]}, "invalid_request", "messages[0].role"),
    ("unknown role", {"messages": [{"role": SECRET, "content": "hi"}]}, "invalid_request", "messages[0].role"),
    (
        "old function role",
        {"messages": [USER, {"role": "function", "name": "f", "content": "x"}]},
        "unsupported_parameter",
        "messages[1].role",
    ),
    ("unknown in a message", {"messages": [USER | {"colour": SECRET}]}, "unknown_field", "messages[0].colour"),
    ("tool call of a user", {"messages": [USER | {"tool_calls": []}]}, "unknown_field", "messages[0].tool_calls"),
    ("no content", {"messages": [{"role": "user"}]}, "invalid_request", "messages[0].content"),
    ("null content", {"messages": [{"role": "user", "content": None}]}, "invalid_request", "messages[0].content"),
    ("content is a number", {"messages": [{"role": "user", "content": 5}]}, "invalid_request", "messages[0].content"),
    ("no parts", {"messages": [{"role": "user", "content": []}]}, "invalid_request", "messages[0].content"),
    ("part is text", {"messages": [{"role": "user", "content": ["hi"]}]}, "invalid_request", "messages[0].content[0]"),
    (
        "audio part",
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        "unsupported_content",
        "messages[0].content[0].type",
    ),
    (
        "file part",
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
        "unsupported_content",
        "messages[0].content[0].type",
    ),
    (
        "image of the system",
        {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]},
        "unsupported_content",
        "messages[0].content[0].type",
    ),
    (
        "text part without text",
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "invalid_request",
        "messages[0].content[0].text",
    ),
    (
        "unknown in a part",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache": 1}]}]},
        "unknown_field",
        "messages[0].content[0].cache",
    ),
    ("empty assistant", {"messages": [USER, {"role": "assistant"}]}, "invalid_request", "messages[1].content"),
    (
        "assistant's audio",
        {"messages": [USER, {"role": "assistant", "content": "a", "audio": {"id": "x"}}]},
        "unsupported_parameter",
        "messages[1].audio",
    ),
    ("no calls", {"messages": [USER, {"role": "assistant", "tool_calls": []}]}, "invalid_request", "messages[1].tool_calls"),
    (
        "call without an id",
        {"messages": [USER, {"role": "assistant", "tool_calls": [CALL | {"id": None}]}]},
        "invalid_request",
        "messages[1].tool_calls[0].id",
    ),
    (
        "call arguments",
        {"messages": [USER, {"role": "assistant", "tool_calls": [CALL | {"function": {"name": "a", "arguments": {}}}]}]},
        "invalid_request",
        "messages[1].tool_calls[0].function.arguments",
    ),
    (
        "answer to no call",
        {"messages": [USER, {"role": "tool", "tool_call_id": "x", "content": "1"}]},
        "invalid_request",
        "messages[1].tool_call_id",
    ),
    ("answer without an id", {"messages": [*CALLED[:2], {"role": "tool", "content": "1"}]}, "invalid_request", "messages[2].tool_call_id"),
]


@pytest.mark.parametrize(("fields", "code", "param"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_is_wrong_is_refused_with_its_place(fields: dict[str, Any], code: str, param: str) -> None:
    error = refused(chat(**fields))
    assert (error.code, error.param, error.status) == (code, param, 400)
    assert error.message.startswith(f"{param}: ")


BROKEN: list[tuple[bytes, str]] = [
    (b"", "empty"),
    (b" \n", "empty"),
    (b"[]", "must be a JSON object"),
    (b"null", "must be a JSON object"),
    (b'{"model":', "not valid JSON"),
    (b'{"model": NaN}', "not valid JSON near byte 10"),
    (b'{"seed": Infinity}', "not valid JSON"),
    (b'{"model": "a"} x', "not valid JSON near byte 16"),
    (b"{'model': 1}", "not valid JSON"),
    (b'{"seed": 1e400}', "beyond what 64 bits"),
    (b'{"seed": ' + b"9" * 6000 + b"}", "beyond what 64 bits"),
    (b'{"model": "\xff"}', "not UTF-8 (byte 11)"),
    (b'{"\xff": 1}', "not UTF-8 (byte 2)"),
    (b'{"model": "\xed\xa0\x80"}', "not UTF-8 (byte 11)"),
    (b"\xef\xbb\xbf{}", "not valid JSON near byte 0"),
    (b'{"a":' * 65 + b"1" + b"}" * 65, "nested more than 64"),
    (b"[" * 100_000, "nested more than 64"),
    (b'{"a":' * 100_000, "nested more than 64"),
    (b'{"model": "a\x01"}', "not valid JSON"),
]


@pytest.mark.parametrize(("body", "text"), BROKEN, ids=[str(body[:20]) for body, _ in BROKEN])
def test_broken_json_is_refused_with_its_position(body: bytes, text: str) -> None:
    error = refused(body)
    assert error.code == "invalid_json"
    assert text in error.message


@pytest.mark.parametrize("half", ["\\ud800", "\\udc00", "\\ud800\\ud800", "\\ud83dx", "\\ude00\\ud83d"])
def test_half_a_surrogate_pair_is_refused_with_its_path(half: str) -> None:
    for body, path in (
        (f'{{"model":"a","messages":[{{"role":"user","content":"{half}"}}]}}', "messages[0].content"),
        (f'{{"model":"a","{half}":1}}', "body"),
        (f'{{"metadata":{{"a":[1,"{half}   "]}}}}', "metadata.a[1]"),
    ):
        error = refused(body.encode())
        assert (error.code, error.param) == ("invalid_json", path)
    assert (
        decode_chat(chat(messages=[{"role": "user", "content": "🍐"}]).replace("🍐".encode(), b"\\ud83c\\udf50")).messages[0]["content"]
        == "🍐"
    )


def test_of_duplicate_keys_the_last_counts() -> None:
    assert decode_chat(b'{"model":"a","model":"b","messages":[{"role":"user","content":"x"}]}').model == "b"


def test_sixty_four_levels_pass_and_one_more_does_not() -> None:
    def deep(levels: int) -> bytes:
        return chat(metadata=0).replace(b'"metadata": 0', b'"metadata": ' + b"[" * levels + b"]" * levels)

    assert decode_chat(deep(62)).dropped == ("metadata",)
    assert "nested" in refused(deep(66)).message


def test_whole_numbers_may_be_written_with_a_point() -> None:
    request = decode_chat(chat().replace(b"{", b'{"max_tokens": 5.0, "seed": 2.0, ', 1))
    assert (request.max_output_tokens, request.seed, type(request.seed)) == (5, 2, int)


def test_both_limits_may_be_given_when_they_agree() -> None:
    assert decode_chat(chat(max_tokens=5, max_completion_tokens=5)).max_output_tokens == 5


def test_images_are_checked_and_needed() -> None:
    def request(url: Any, **more: Any) -> bytes:
        part = {"type": "image_url", "image_url": {"url": url} | more}
        return chat(messages=[{"role": "user", "content": [{"type": "text", "text": "what?"}, part]}])

    assert decode_chat(request(PNG, detail="low")).needs == {"images"}
    at = "messages[0].content[1].image_url.url"
    for url in (
        "http://example.com/a.png",
        "file:///etc/passwd",
        "https://user:pw@example.com/a.png",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://" + "a" * 3000,
        "data:image/png;base64,",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:text/html;base64,PHN2Zz4=",
        "data:image/png;base64,!!!!",
        "data:image/png;base64," + "é" * 4,
        "https://example.com/a.png?user=7&signature=abc",
        PNG + "A",
        PNG[:30] + "=" + PNG[31:],
        PNG.replace("image/png", "image/jpeg"),
    ):
        error = refused(request(url))
        assert (error.code, error.param) == ("unsupported_content", at), url
    assert refused(request(5)).code == "invalid_request"
    assert refused(request(PNG, detail="huge")).code == "invalid_request"
    assert refused(request(PNG, size=3)).code == "unknown_field"
    assert refused(request(PNG + "A" * (IMAGE_BYTES * 4 // 3))).code == "body_too_large"


def test_a_link_to_an_image_passes_only_where_the_configuration_allows_it() -> None:
    def request(url: str) -> bytes:
        return chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])

    error = refused(request("https://example.com/a.png?x=1"))
    assert (error.code, error.param) == ("unsupported_content", "messages[0].content[0].image_url.url")
    assert "data:" in (error.hint or "") and "example" not in error.message
    allowed = decode_chat(request("https://example.com/a.png?x=1"), remote_images=True)
    assert (allowed.needs, allowed.images) == ({"images"}, ())
    for url in ("http://example.com/a.png", "https://user:pw@example.com/a.png", "https://" + "a" * 3000, "ftp://a/b.png"):
        with pytest.raises(InvalidRequest):
            decode_chat(request(url), remote_images=True)


def test_each_image_is_listed_with_its_place_and_a_request_has_at_most_twenty() -> None:
    def request(count: int) -> bytes:
        part = {"type": "image_url", "image_url": {"url": PNG}}
        turns = [{"role": "user", "content": [{"type": "text", "text": "?"}, part]} for _ in range(count)]
        return chat(messages=turns)

    found = decode_chat(request(20))
    assert [path for path, _ in found.images] == [f"messages[{index}].content[1].image_url.url" for index in range(20)]
    assert all(image is found.messages[index]["content"][1]["image_url"] for index, (_, image) in enumerate(found.images))
    error = refused(request(21))
    assert (error.code, error.param) == ("unsupported_content", "messages[20].content[1]")
    assert decode_chat(chat()).images == ()


def test_a_conversation_with_tools_passes_and_needs_them() -> None:
    request = decode_chat(chat(messages=CALLED))
    assert request.needs == {"tools"}
    assert request.messages == CALLED


def test_an_echoed_answer_passes() -> None:
    """What `message.model_dump()` of the official client gives back as the next turn."""
    echoed = {
        "role": "assistant",
        "content": "hi",
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "tool_calls": None,
    }
    assert decode_chat(chat(messages=[USER, echoed, USER])).dropped == ("messages[].annotations",)
    parsed = CALL | {"function": CALL["function"] | {"parsed_arguments": {"a": 1}}, "index": 0}
    assert decode_chat(chat(messages=[USER, {"role": "assistant", "content": None, "tool_calls": [parsed], "parsed": {"a": 1}}])).needs == {
        "tools"
    }


def test_names_of_people_are_dropped_from_messages() -> None:
    assert decode_chat(chat(messages=[USER | {"name": SECRET}, USER | {"name": "b"}])).dropped == ("messages[].name",)


def test_the_schema_of_apples_client_passes() -> None:
    """product.md §2.3: no name, optionals absent from `required`, bounds and descriptions."""
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 5, "description": "x"},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 3},
        },
        "required": ["n"],
    }
    request = decode_chat(chat(response_format={"type": "json_schema", "json_schema": {"strict": True, "schema": schema}}))
    assert request.response_format == JsonSchemaFormat(name="answer", schema=schema)


# --- the table and the code say the same -------------------------------------------------------

VALUES = st.recursive(
    st.sampled_from(
        [None, True, False, 0, 1, -3, 2.0, 0.5, 7, 1 << 62, "", "a", "auto", "none", "low", "text", "function", "json_object", PNG]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "function", "name", "arguments", "include_usage", "url", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from([name for name, rule in CHAT_FIELDS.items() if name not in ("messages", "tool_choice", "model")]), VALUES)
def test_a_field_passes_exactly_when_its_schema_says_so(name: str, value: Any) -> None:
    valid = jsonschema_rs.validator_for(schema_of(name)).is_valid(value)
    try:
        decode_chat(chat(**{name: value}))
    except InvalidRequest:
        assert not valid
    else:
        assert valid


MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from([*MESSAGE_FIELDS, "function"])},
    optional={
        "content": st.one_of(
            st.none(),
            st.just("x"),
            st.lists(
                st.sampled_from(
                    [
                        {"type": "text", "text": "a"},
                        {"type": "refusal", "refusal": "a"},
                        {"type": "image_url", "image_url": {"url": PNG}},
                        {"type": "text"},
                        1,
                    ]
                ),
                max_size=2,
            ),
        ),
        "name": st.just("n"),
        "refusal": st.sampled_from([None, "no", 1]),
        "tool_calls": st.sampled_from([None, [], [CALL], [CALL | {"x": 1}]]),
        "tool_call_id": st.sampled_from(["call_1", "", None]),
        "audio": st.sampled_from([None, {"id": "a"}]),
        "other": st.just(1),
    },
)


@given(MESSAGES)
def test_a_message_passes_exactly_when_its_schema_says_so(message: dict[str, Any]) -> None:
    valid = jsonschema_rs.validator_for(schema_of("messages")).is_valid([message])
    try:
        decode_chat(chat(messages=[*CALLED, message]))
    except InvalidRequest:
        assert not valid
    else:
        assert valid


@given(st.binary(max_size=200))
def test_any_bytes_give_a_request_or_a_refusal(body: bytes) -> None:
    try:
        decode_chat(body)
    except InvalidRequest as error:
        assert error.status == 400


@given(st.text(max_size=50), st.text(max_size=20))
def test_what_passes_can_be_encoded_again(content: str, stop: str) -> None:
    try:
        request = decode_chat(chat(messages=[{"role": "user", "content": content}], stop=[stop]))
    except InvalidRequest:
        return
    msgspec.json.encode(request)
