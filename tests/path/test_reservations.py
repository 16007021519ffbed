"""What is reserved covers all that a plan may ask: never charged more, as long as each ask keeps to its estimate and its ceiling."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridor import CONFIG as PARTNERS
from corridor import Corridor
from lizi import pipeline
from lizi.features import FEATURES
from lizi.metering.tokens import estimate_request, estimate_tokens
from lizi.testing import FakeReply
from lizi.types import Call, ChatRequest, Exchange, JsonSchemaFormat

CONFIG = PARTNERS.replace('example/v1"', 'example/v1"\nown = true')
"""The maker's own machines: no veil, so that reservations can be compared to the token."""
LONG = "The meeting on 12 May at https://a.test/x was moved by Anna Kowalski, who could not come, to the 14th. " * 3
FAULTY = "{" + ", ".join(f'"{number}": "x"' for number in range(20)) + "}"
ANSWERS = ("", "yes", "no idea", LONG, LONG.upper(), '{"a": 1}', '{"a": "x"}', "12", "😀 🎉", "Anna moved it.", "{}")
REFUSED = FakeReply(status=400, pieces=(b'{"error": {"message": "no", "type": "invalid_request_error"}}',))
DOWN = FakeReply(status=503, pieces=(b"{}",))


class Greedy:
    """A partner that uses all it may: every prompt token of the bytes that it gets, every answer token that the ceiling allows."""

    def __init__(self, answers: Sequence[str], fails: Mapping[int, FakeReply] | None = None, finish: str = "stop") -> None:
        self.answers = answers
        self.fails = fails or {}
        self.finish = finish
        self.asked: list[dict[str, Any]] = []

    def __call__(self, call: Call) -> FakeReply:
        number = len(self.asked)
        body = json.loads(call.body)
        self.asked.append(body)
        if number in self.fails:
            return self.fails[number]
        usage = {"prompt_tokens": self.counts(body), "completion_tokens": body["max_tokens"]}
        message = {"role": "assistant", "content": self.answers[number % len(self.answers)]}
        tree = {"choices": [{"index": 0, "message": message, "finish_reason": self.finish}], "usage": usage}
        return FakeReply(pieces=(json.dumps(tree).encode(),))

    def counts(self, body: dict[str, Any]) -> int:
        """The prompt by the estimator; but an answer that is shown again has no more tokens than it was allowed when it was written."""
        messages, quoted = [], 0
        for message in body["messages"]:
            if message["role"] == "assistant" and message["content"] in self.answers:
                quoted += min(estimate_tokens(message["content"]), body["max_tokens"])
                message = message | {"content": ""}
            messages.append(message)
        form = body.get("response_format", {}).get("json_schema")
        asked = JsonSchemaFormat(name="x", schema=form["schema"]) if form else None
        return quoted + estimate_request(ChatRequest(model="m", messages=messages, tools=body.get("tools"), response_format=asked))


async def _ask(
    feature: str, body: dict[str, Any], partner: Greedy, leave_after: int | None = None, config: str = CONFIG
) -> tuple[Corridor, Exchange]:
    corridor = Corridor(partner, config=config)
    opened = corridor.open(body, feature=feature)
    async with aclosing(pipeline.serve(opened, corridor.ports)) as batches:
        if leave_after is None:
            async for _ in batches:
                pass
        else:
            work = asyncio.ensure_future(anext(batches, None))
            for _ in range(leave_after):
                await asyncio.sleep(0)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
    corridor.check_settled()
    (record,) = corridor.journal.records
    return corridor, record


# --- what may be asked ----------------------------------------------------------------------------

letters = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from("aA 1.,:/三李😀")
texts = st.text(letters, min_size=1, max_size=400).filter(str.strip) | st.sampled_from(
    [LONG, "1 2 3 4 5 6 7 8 9 " * 40, "李先生3点给王老师7号", "Ask Noor; Noor asks Ann Lee. " * 5, "`a`" * 50]
)
LONG_NAME = "长" * 60


def deep(levels: int) -> dict[str, Any]:
    """Where each fault has a path of long names."""
    schema: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "integer"}}
    for _ in range(levels):
        schema = {"type": "object", "properties": {LONG_NAME: schema, "a": {"type": "integer"}}, "additionalProperties": False}
    return schema


def nested(levels: int) -> str:
    """An answer with twenty faults, that deep down."""
    return f'{{"{LONG_NAME}":' * levels + FAULTY + "}" * levels


wide = st.dictionaries(st.text(letters, min_size=1, max_size=20), st.sampled_from(["integer", "string", "array"]), min_size=1, max_size=60)
schemas = st.integers(1, 8).map(deep) | st.tuples(wide, st.booleans()).map(
    lambda drawn: {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in drawn[0].items()},
        "required": sorted(drawn[0])[: 9 * drawn[1]],
    }
)
formats = st.one_of(
    st.none(),
    st.just({"type": "json_object"}),
    schemas.map(lambda schema: {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}),
)


def form(schema: dict[str, Any]) -> dict[str, Any]:
    asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    return {"model": "assistant", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50, "response_format": asked}


def rewriting(text: str, candidates: int = 1) -> dict[str, Any]:
    return {"input": {"text": text}, "locale": "en", "style": "elaborate", "options": {"candidates": candidates}}


@st.composite
def chats(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    asked = draw(formats)
    body = {
        "model": draw(st.sampled_from(["assistant", "strict", "alone"])),
        "messages": [{"role": "user", "content": draw(texts)}],
        "max_tokens": draw(st.integers(1, 300)),
    }
    return "chat", body if asked is None else body | {"response_format": asked}


@st.composite
def tasks(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    text = draw(texts)
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)))
    source = {
        "text": text,
        "protected_ranges": [[start, end] for start, end in pairwise(cuts)],
        "format": draw(st.sampled_from(["plain", "markdown"])),
    }
    body: dict[str, Any] = {"input": source, "locale": draw(st.sampled_from(["en", "zh-Hans", "zh-Hant", "zh-Hant-HK"]))}
    feature = draw(st.sampled_from(sorted(FEATURES)))
    if feature == "writing.rewrite":
        style = draw(st.sampled_from(["friendly", "concise", "elaborate", "emojify", "custom"]))
        body |= {"style": style, "options": {"candidates": draw(st.integers(1, 3))}}
        if style == "custom":
            body["instruction"] = draw(texts)[:200].strip() or "Shorter."
    elif feature == "writing.transform":
        body["to"] = draw(st.sampled_from(["summary", "key_points", "list", "table"]))
    return feature, body


requests = chats() | tasks()


@given(
    request=requests,
    answers=st.lists(st.sampled_from(ANSWERS) | texts | st.integers(0, 8).map(nested), min_size=1, max_size=8),
    fails=st.dictionaries(st.integers(0, 5), st.sampled_from([DOWN, REFUSED]), max_size=3),
    finish=st.sampled_from(["stop", "stop", "length"]),
    leave_after=st.one_of(st.none(), st.integers(1, 12)),
)
def test_whatever_is_answered_repaired_failed_over_or_left_the_charge_is_within_the_reservation(
    request: tuple[str, dict[str, Any]], answers: list[str], fails: dict[int, FakeReply], finish: str, leave_after: int | None
) -> None:
    feature, body = request
    corridor, record = asyncio.run(_ask(feature, body, Greedy(answers, fails, finish), leave_after))
    assert record.charged_micros <= record.reserved_micros
    assert record.usage.input_tokens + record.usage.output_tokens <= corridor.limits.demands[0].tokens
    assert record.spent_micros >= record.charged_micros


@pytest.mark.parametrize(
    ("request_", "answers"),
    [
        (
            ("chat", form({"type": "object", "properties": {f"p{number}": {"type": "integer"} for number in range(100)}})),
            ['{"p1": "x"}', "{}"],
        ),
        (("chat", form(deep(8))), [nested(8), '{"a": 1}']),
        (("writing.rewrite", rewriting("a".join(map(str, range(100, 1000))))), ["no", "so " + "a".join(map(str, range(100, 1000)))]),
    ],
    ids=["a schema of many marks", "faults under long names", "a text of nothing but pieces to keep"],
)
def test_a_repair_that_says_much_is_within_the_reservation(request_: tuple[str, dict[str, Any]], answers: list[str]) -> None:
    corridor, record = asyncio.run(_ask(*request_, Greedy(answers)))
    assert [attempt.outcome for attempt in record.attempts] == ["rejected", "ok"]
    assert record.charged_micros <= record.reserved_micros
    assert record.usage.input_tokens + record.usage.output_tokens <= corridor.limits.demands[0].tokens


@given(chats())
def test_a_plain_chat_reserves_one_ask_and_nothing_for_repairs(request: tuple[str, dict[str, Any]]) -> None:
    feature, body = request
    body.pop("response_format", None)
    corridor, record = asyncio.run(_ask(feature, body, partner := Greedy(["yes"])))
    (demand,) = corridor.limits.demands
    assert demand.tokens == record.usage.input_tokens + record.usage.output_tokens == partner.counts(partner.asked[0]) + body["max_tokens"]


@pytest.mark.parametrize("candidates", [1, 2, 3])
def test_candidates_are_reserved_each(candidates: int) -> None:
    body = {"input": {"text": LONG}, "locale": "en", "style": "friendly", "options": {"candidates": candidates}}
    alone = body | {"options": {"candidates": 1}}
    one = asyncio.run(_ask("writing.rewrite", alone, Greedy([LONG])))[1]
    record = asyncio.run(_ask("writing.rewrite", body, Greedy(["Anna could not come on 12 May: https://a.test/x."])))[1]
    assert record.reserved_micros == candidates * one.reserved_micros


# --- one ask is not the plan ----------------------------------------------------------------------


async def test_a_lane_counts_each_ask_by_itself_and_not_the_whole_plan() -> None:
    seen: list[tuple[int, int]] = []
    partner = Greedy([LONG])

    def looked_at(call: Call) -> FakeReply:
        (lane,) = [lane for lane in corridor.traffic.views(0.0).values() if lane.tokens]
        reply, body = partner(call), partner.asked[-1]
        seen.append((lane.tokens, partner.counts(body) + body["max_tokens"]))
        return reply

    corridor = Corridor(looked_at, config=CONFIG)
    body = {"input": {"text": LONG}, "locale": "en", "style": "friendly", "options": {"candidates": 3}}
    await corridor.ask(body, feature="writing.rewrite")
    assert len(seen) == 6, "three candidates, each repaired once"
    assert all(lane == ask for lane, ask in seen), seen
    assert seen[1] > seen[0], "a repair says what was lost"


@pytest.mark.parametrize("candidates", [1, 3])
async def test_the_cheapest_is_where_one_ask_costs_least_however_many_the_plan_has(candidates: int) -> None:
    config = CONFIG.replace("[models.assistant]", '[models.assistant]\nstrategy = "cheapest"')
    config = config.replace('"1"\noutput_per_million = "2"', '"5"\noutput_per_million = "5"')
    config = config.replace('"10"\noutput_per_million = "20"', '"1"\noutput_per_million = "10"')
    partner = Greedy([LONG])
    corridor = Corridor(partner, config=config)
    body = {"input": {"text": "Hello, Noor."}, "locale": "en", "style": "friendly", "options": {"candidates": candidates}}
    await corridor.ask(body, feature="writing.rewrite")
    prompt, answer = partner.counts(partner.asked[0]), partner.asked[0]["max_tokens"]
    assert prompt + 10 * answer < 5 * (prompt + answer), "the second is the cheaper one"
    assert {call.url for call in corridor.upstream.calls} == {"https://second.example/v1/chat/completions"}


NAMES = "Ask Noor, 13800138000, or a@b.example. " * 8
"""Every piece of it takes less room than the placeholder for it."""


@given(st.sampled_from([LONG, NAMES, "Hello"]), st.integers(1, 60))
def test_what_the_veil_says_is_reserved_and_a_placeholder_costs_a_few_tokens_more(text: str, ceiling: int) -> None:
    body = {"model": "assistant", "messages": [{"role": "user", "content": text}], "max_tokens": ceiling}
    corridor, record = asyncio.run(_ask("chat", body, partner := Greedy(["yes"]), config=PARTNERS))
    (demand,) = corridor.limits.demands
    hidden = json.dumps(partner.asked[0], ensure_ascii=False).count("_1⟧") and len(text) // 12
    assert record.usage.input_tokens <= demand.input_tokens + 8 * hidden
    added = demand.input_tokens - estimate_request(ChatRequest(model="m", messages=body["messages"]))  # type: ignore[arg-type]
    assert 0 < added < 80, "what the veil says is reserved, and no more"
