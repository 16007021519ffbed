"""The doubles of partners: each speaks in its own words, refuses what its partner refuses, and does the same again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lizi.dialects.classes import CLASSES, classify
from lizi.dialects.records import on_day
from lizi.testing.behaviours import Asked, Behaviour, Mark, ToolCall
from lizi.testing.captured import Captured
from lizi.testing.messages import SIGNATURE
from lizi.testing.partners import script_of
from lizi.testing.planted import PLANTED, find
from lizi.testing.remembering import CHEAP, GOOD, SENTENCE, ConcurrencyCap, DataHoarder, Degrading, ModelSwap, SlopeLimiter
from lizi.testing.rendering import render
from lizi.testing.speech import SAYS
from lizi.testing.speeches import SPEECHES

KEYED = {"authorization": "Bearer k", "x-api-key": "k", "anthropic-version": "2023-06-01"}
ASK = {"messages": [{"role": "user", "content": "Hello"}]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
STRICT = {"type": "function", "function": {"name": "f", "strict": True}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
BARE = CALLED | {"tool_calls": [CALL | {"function": {"name": "f", "arguments": ""}}]}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "7"}
THINKING = {"type": "enabled", "budget_tokens": 1024}
SCHEMA = {"response_format": {"type": "json_schema"}}


def turn(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


TEXT = {"type": "text", "text": "Hello"}
USE = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
GIVEN = {"type": "tool_result", "tool_use_id": "t", "content": "7"}
ANSWERED = turn("user", GIVEN)
ODD = turn("user", GIVEN | {"tool_use_id": "a:b"})
SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE}
CLAUDE = {"max_tokens": 4_096, "messages": [turn("user", TEXT)]}

REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    # every one of the protocol
    ("openai_chat", "", {"chat_id": "7"}),
    ("openai_chat", "", {"messages": [{"role": "user", "content": "Hello", "x_state": "s"}]}),
    ("openai_chat", "", {"messages": [{"role": "developer", "content": "Hello"}]}),
    ("openai_chat", "", {"messages": [*ASK["messages"], RESULT]}),
    ("openai_chat", "", {"messages": [*ASK["messages"], CALLED | {"reasoning_content": "Hm."}, RESULT]}),
    ("openai_chat", "", {"messages": [{"content": "Hello"}]}),
    ("openai_chat", "", {"messages": "Hello"}),
    ("anthropic", "", {"max_tokens": 7, "messages": "Hello"}),
    # one by one
    ("qwen", "", {"enable_thinking": True}),
    ("qwen", "", {"tools": [TOOL], "tool_choice": "required"}),
    ("qwen", "", SCHEMA),
    ("qwen", "", {"response_format": {"type": "json_object"}}),
    ("deepseek", "", {"messages": [*ASK["messages"], CALLED, RESULT]}),
    ("openai_chat", "", {"messages": [*ASK["messages"], BARE, RESULT]}),
    ("deepseek", "", {"tools": [STRICT]}),
    ("deepseek", "", {"seed": 7}),
    ("deepseek", "", {"thinking": {"type": "auto"}}),
    ("qianfan", "", {"thinking": {"type": "disabled"}}),
    ("qianfan", "deepseek-v3.2", {"enable_thinking": True}),
    ("qianfan", "deepseek-v3.2", {"messages": [*ASK["messages"], CALLED, RESULT]}),
    ("ark", "", {"max_tokens": 7, "max_completion_tokens": 7}),
    ("hunyuan", "", {"parallel_tool_calls": True}),
    ("hunyuan", "", {"response_format": {"type": "json_object"}}),
    ("kimi", "", {"temperature": 1.0}),
    ("kimi", "", {"max_tokens": 7}),
    ("kimi", "", {"tools": [STRICT]}),
    ("kimi", "kimi-k2.5", SCHEMA),
    ("kimi", "kimi-k2.5", {"messages": [*ASK["messages"], CALLED, RESULT]}),
    ("kimi", "moonshot-v1-32k", {"reasoning_effort": "low"}),
    ("glm", "", {"tools": [TOOL], "tool_choice": "none"}),
    ("glm", "", {"max_completion_tokens": 7}),
    ("glm", "", {"stream": True, "stream_options": {"include_usage": True}}),
    ("glm", "", {"temperature": 1.2}),
    ("glm", "glm-5.3", {"thinking": {"type": "disabled"}}),
    ("glm", "", {"user_id": "short"}),
    ("minimax", "", {"temperature": 0.0}),
    ("minimax", "", {"presence_penalty": 0.5}),
    ("openai", "", {"max_tokens": 7}),
    ("openai", "o3", {"temperature": 1.0}),
    ("openai", "gpt-4o", {"reasoning_effort": "low"}),
    ("openai", "o3", {"parallel_tool_calls": True}),
    ("vllm", "", {"reasoning_effort": "low"}),
    ("vllm", "", {"cache_salt": ""}),
    ("llamacpp", "", {"chat_template_kwargs": {}}),
    ("anthropic", "", {"messages": CLAUDE["messages"]}),
    ("anthropic", "", CLAUDE | {"seed": 7}),
    ("anthropic", "", CLAUDE | {"temperature": 1.2}),
    ("anthropic", "", CLAUDE | {"thinking": THINKING | {"budget_tokens": 512}}),
    ("anthropic", "", CLAUDE | {"max_tokens": 1_024, "thinking": THINKING}),
    ("anthropic", "claude-3-5-haiku", CLAUDE | {"thinking": THINKING}),
    ("anthropic", "", CLAUDE | {"thinking": THINKING, "temperature": 1.0}),
    ("anthropic", "claude-opus-4-7", CLAUDE | {"top_p": 0.5}),
    ("anthropic", "claude-opus-5-5", CLAUDE | {"tool_choice": {"type": "any"}}),
    ("anthropic", "claude-opus-5-5", CLAUDE | {"thinking": {"type": "adaptive", "block_binding": {}}}),
    ("anthropic", "", CLAUDE | {"thinking": THINKING, "tool_choice": {"type": "any"}}),
    ("anthropic", "", CLAUDE | {"messages": [turn("assistant", TEXT)]}),
    ("anthropic", "", CLAUDE | {"messages": [turn("user", TEXT), turn("user", TEXT)]}),
    ("anthropic", "", CLAUDE | {"messages": [turn("user", {"type": "text", "text": ""})]}),
    ("anthropic", "", CLAUDE | {"messages": [turn("user", TEXT), turn("assistant", SIGNED | {"signature": "forged"}, TEXT)]}),
    ("anthropic", "", CLAUDE | {"messages": [turn("user", TEXT), turn("assistant", USE), turn("user", TEXT)]}),
    ("anthropic", "", CLAUDE | {"messages": [turn("user", TEXT), turn("assistant", USE | {"id": "a:b"}), ODD]}),
    ("anthropic", "", CLAUDE | {"messages": [turn("user", TEXT), turn("assistant", USE), turn("user", GIVEN)], "thinking": THINKING}),
    ("anthropic", "", CLAUDE | {"tools": [{"name": "f"}]}),
]
TAKEN: list[tuple[str, str, dict[str, Any]]] = [
    ("openai_chat", "", {"messages": [*ASK["messages"], CALLED, RESULT], "reasoning_effort": "low", "tools": [STRICT]}),
    ("qwen", "", {"enable_thinking": True, "stream": True}),
    ("deepseek", "", {"messages": [*ASK["messages"], CALLED | {"reasoning_content": ""}, RESULT]}),
    ("ark", "", {"messages": [*ASK["messages"], CALLED, RESULT], "max_completion_tokens": 7}),
    ("kimi", "moonshot-v1-32k", {"temperature": 1.0}),
    ("glm", "glm-5", {"tools": [TOOL], "tool_choice": "auto", "thinking": {"type": "disabled"}}),
    ("openai", "", {"messages": [{"role": "developer", "content": "Be brief."}], **SCHEMA}),
    ("anthropic", "", CLAUDE | {"thinking": THINKING}),
    ("anthropic", "", {**CLAUDE, "thinking": THINKING, "messages": [turn("user", TEXT), turn("assistant", SIGNED, USE), ANSWERED]}),
]


def body(dialect: str, model: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"model": model or SPEECHES[dialect].models[0], **({} if dialect == "anthropic" else ASK), **fields}


@pytest.mark.parametrize(("dialect", "model", "fields"), REFUSED)
def test_a_double_refuses_what_its_partner_refuses(dialect: str, model: str, fields: dict[str, Any]) -> None:
    refusal = SPEECHES[dialect].refusal(body(dialect, model, fields), KEYED)
    assert refusal is not None and refusal is SPEECHES[dialect].error("bad_request"), "one object, so that its bytes are made once"


@pytest.mark.parametrize(("dialect", "model", "fields"), TAKEN)
def test_and_takes_what_its_partner_takes(dialect: str, model: str, fields: dict[str, Any]) -> None:
    assert SPEECHES[dialect].broken(body(dialect, model, fields), KEYED) is None


def test_every_rule_has_been_broken_once() -> None:
    broken = {SPEECHES[dialect].broken(body(dialect, model, fields), KEYED) for dialect, model, fields in REFUSED}
    broken |= {SPEECHES["anthropic"].broken({"model": "claude-sonnet-4-5", **CLAUDE}, {})}
    assert {rule for speech in SPEECHES.values() for rule in speech.rules} - broken == set()


@pytest.mark.parametrize("dialect", SPEECHES)
def test_a_key_is_asked_for_and_a_foreign_one_refused(dialect: str) -> None:
    speech = SPEECHES[dialect]
    asked = {"model": speech.models[0], **(CLAUDE if dialect == "anthropic" else ASK)}
    assert speech.refusal(asked, KEYED) is None
    assert speech.refusal(asked, KEYED, "k") is None
    if speech.key_header:
        assert speech.refusal(asked, {}) is speech.error("auth")
        assert speech.refusal(asked, KEYED, "of another region") is speech.error("region")
    else:
        assert speech.refusal(asked, {}, "k") is None, "self-hosted: it asks for none"


@pytest.mark.parametrize("dialect", SPEECHES)
def test_each_failure_means_what_the_table_says(dialect: str) -> None:
    speech = SPEECHES[dialect]
    facts = on_day(_record(dialect), speech.models[0], 1_795_600_000.0)
    for kind, error in speech.errors.items():
        assert error.means in CLASSES
        assert SAYS in json.dumps(error.body), "there is something in it that must not go on"
        if error.status != 200:
            found = classify(error.status, {}, json.dumps(error.body).encode(), facts)
            assert found.internal == error.means, kind


def _record(dialect: str) -> Any:
    from lizi.config import built_in

    return built_in()[dialect]


# --- the Messages protocol -------------------------------------------------------------------------


def test_messages_come_as_their_own_events() -> None:
    scripted = Behaviour(text="One two", chunks=2, reasoning="Hm.", tools=(ToolCall(name="f"),), finish="tool_calls")
    behaviour = SPEECHES["anthropic"].dressed(scripted)
    raw = b"".join(step.data for step in render(behaviour, Asked(model="m", stream=True), 7, "anthropic").steps)
    names = [line[7:] for line in raw.decode().splitlines() if line.startswith("event: ")]
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    assert names[0] == "message_start" and names[-2:] == ["message_delta", "message_stop"]
    assert names[1:5] == [block[0], block[1], block[1], block[2]], "the thought and its signature"
    assert '"stop_reason":"tool_use"' in raw.decode() and SIGNATURE in raw.decode() and "msg_00000007" in raw.decode()


def test_a_demanded_tool_is_called_with_the_answer() -> None:
    behaviour = SPEECHES["anthropic"].dressed(Behaviour(text='{"a":1}'))
    raw = render(behaviour, Asked(model="m", forced_tool="answer"), 7, "anthropic").steps[-1].data
    whole = json.loads(raw)
    assert whole["content"] == [{"type": "tool_use", "id": "toolu_acme_0001", "name": "answer", "input": {"a": 1}}]
    assert whole["stop_reason"] == "tool_use"


def test_marks_stand_from_their_event_on_or_in_it_alone() -> None:
    def seen(mark: Mark) -> list[bool]:
        raw = b"".join(step.data for step in render(Behaviour(text="abcd", chunks=4, marks=(mark,)), Asked(stream=True)).steps)
        lines = [json.loads(line[6:]) for line in raw.decode().splitlines() if line.startswith("data: {")]
        return ["flag" in line["choices"][0] for line in lines]

    assert seen(Mark(after=2, choice={"flag": 2})) == [False, False, True, True, True]
    assert seen(Mark(after=2, only=True, choice={"flag": 2})) == [False, False, True, False, False]


# --- scripts that remember --------------------------------------------------------------------------


def request(number: int, at: float = 0.0, in_flight: int = 1, words: str = "Hello") -> Captured:
    sent = json.dumps({"messages": [{"role": "user", "content": words}]}).encode()
    return Captured(number=number, head=b"", body=sent, at_mono=at, asked=Asked(), in_flight=in_flight)


def test_a_slope_limiter_lets_each_window_grow_by_half() -> None:
    limiter = SlopeLimiter(SPEECHES["qwen"], cold=4)
    served = [[limiter(request(0, at=window * 10.0)) is GOOD for _ in range(20)].count(True) for window in range(4)]
    assert served == [4, 6, 9, 13]
    assert limiter(request(0, at=39.9)) is SPEECHES["qwen"].error("slope")
    assert [limiter(request(0, at=100.0)) is GOOD for _ in range(20)].count(True) == 4, "after a quiet window it is cold again"


def test_a_concurrency_cap_looks_at_what_is_under_way() -> None:
    cap = ConcurrencyCap(SPEECHES["glm"], cap=2)
    assert [cap(request(0, in_flight=count)).status for count in (1, 2, 3)] == [200, 200, 429]


def test_a_swap_a_hoard_and_a_decay_depend_on_what_came_before() -> None:
    swap = ModelSwap(after=1)
    assert [swap(request(number)).text for number in range(3)] == [SENTENCE, CHEAP, CHEAP]
    hoarder = DataHoarder()
    assert [hoarder(request(0, words=words)).text for words in ("first", "second")] == [SENTENCE, "An earlier user told me: first"]
    by_count, by_time = Degrading(SPEECHES["qwen"], after=1), Degrading(SPEECHES["qwen"], until_s=5.0)
    assert [by_count(request(number)) is GOOD for number in range(3)] == [True, False, False]
    assert [by_time(request(0, at=at)) is GOOD for at in (4.9, 5.0)] == [True, False]


# --- by name ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", SPEECHES)
def test_every_behaviour_of_the_table_can_be_had_by_name_and_number(dialect: str) -> None:
    for planted in PLANTED:
        if dialect in planted.absent:
            with pytest.raises(ValueError, match="can't happen"):
                find(SPEECHES[dialect], dialect, planted.name)
            continue
        first, *_, last = [*planted.variants(SPEECHES[dialect])] * 2
        for name, variant in ((planted.name, first), (str(planted.number), first), (f"{planted.name}/{last.name}", last)):
            assert type(find(SPEECHES[dialect], dialect, name)) is type(variant.script)


def test_changes_reach_every_answer_and_no_refusal() -> None:
    plain = script_of("good", chunks=3, reply_bytes=50)
    assert isinstance(plain, Behaviour) and (plain.chunks, plain.reply_bytes) == (3, 50)
    several = script_of("schema_invalid/mended when asked again", "qwen", chunks=3)
    assert isinstance(several, list) and [answer.chunks for answer in several] == [3, 3]
    limited = script_of("slope_limiter", "qwen", chunks=3)
    assert callable(limited)
    answers = [limited(request(number, at=0.0)) for number in range(3)]
    assert [answer.chunks for answer in answers[:2]] == [3, 3] and answers[0] is answers[1], "one object, so that its bytes are made once"
    assert answers[2] is SPEECHES["qwen"].error("slope")
    with pytest.raises(ValueError, match="there is no behaviour 'nonsense'; there are keep_alive"):
        script_of("nonsense")
    with pytest.raises(ValueError, match="no variant 'loudly'"):
        script_of("slow/loudly", "qwen")
