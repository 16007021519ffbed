"""A scripted partner that has something of its own to say: a language model's words, in its dialect's form.

What a dialect built is translated back to the plain protocol and asked of a model on loopback; its words, its reason to stop and
its count of tokens go into a behaviour, which the partner renders as it renders any. So each dialect's form is tried with answers
that nobody wrote. A small model follows no schema that it is told in words: where a request says it so, the words that came are
read and hold the model, so that what is tried is that the schema came over. Blocks the loop of its partner while the model
speaks: such a partner needs a thread of its own (`with Partner(Live(…))`). Never takes tools of a device's, never leaves loopback.
"""

from __future__ import annotations

import contextlib
import http.client
import json
from collections import deque
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from lizi.dialects.openai_chat import SCHEMA
from lizi.testing.behaviours import Behaviour
from lizi.testing.captured import Captured
from lizi.testing.speech import Speech

__all__ = ["LIVE", "Live", "Row", "Said", "question_of"]

Json = Any
_PATIENCE_S = 60.0
"""A dozen tokens take a tenth of a second; the rest is for a machine that is busy with something else."""
_THOUGHT_TOKENS = 6
_KEPT = 1_000
"""What it said, for the tests that look at it."""
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed")


class Row(Struct, frozen=True, kw_only=True):
    """How a record is run on the model."""

    schema: Literal["json_schema", "json_object", "tool", "words"]
    """How it is asked for an object of a schema: the rung that its record allows."""
    direct: bool = False
    """It is also asked without a double: the model's own server takes its requests as they stand."""


LIVE: Mapping[str, Row] = {
    "openai_chat": Row(schema="json_schema", direct=True),
    "qwen": Row(schema="json_object"),
    "deepseek": Row(schema="json_object"),
    "qianfan": Row(schema="json_schema"),
    "ark": Row(schema="json_object"),
    "hunyuan": Row(schema="words"),
    "kimi": Row(schema="json_schema"),
    "glm": Row(schema="json_object"),
    "minimax": Row(schema="words"),
    "openai": Row(schema="json_schema"),
    "vllm": Row(schema="json_schema", direct=True),
    "sglang": Row(schema="json_schema", direct=True),
    "llamacpp": Row(schema="json_schema", direct=True),
    "anthropic": Row(schema="tool"),
}
"""Record's name → its row of tests/e2e/test_live_rows.py; the reference pages are made of the same table."""


class Said(Struct, frozen=True, kw_only=True):
    """One answer of the model's."""

    asked: dict[str, Json]
    """What it was asked, in the plain protocol."""
    text: str
    thought: str
    finish: str
    input_tokens: int
    output_tokens: int


class Live:
    """A script: `Partner(Live(SPEECHES["qwen"], "http://127.0.0.1:…", key), dialect="qwen")`.

    Raises `OSError` and `ValueError` when the model can't be asked; its partner drops the connection then.
    """

    def __init__(self, speech: Speech, address: str, key: str) -> None:
        self.said: deque[Said] = deque(maxlen=_KEPT)
        self._speech, self._address, self._key = speech, address, key

    def __call__(self, captured: Captured) -> Behaviour:
        body = question_of(captured.json, self._speech)
        text, finish, used, written = self._ask(body)
        thought, thought_tokens = "", 0
        if self._speech.reasoning != "none":
            # Of the last turn alone: a long prompt read a second time would double what an answer costs.
            thought, _, _, thought_tokens = self._ask({"messages": body["messages"][-1:], "max_tokens": _THOUGHT_TOKENS})
        output_tokens = thought_tokens + written
        self.said.append(Said(asked=body, text=text, thought=thought, finish=finish, input_tokens=used, output_tokens=output_tokens))
        return Behaviour(
            text=text, chunks=max(1, written), reasoning=thought, finish=finish, input_tokens=used, output_tokens=output_tokens
        )

    def _ask(self, body: dict[str, Json]) -> tuple[str, str, int, int]:
        """Text, reason to stop, tokens of the prompt and of the answer."""
        connection = http.client.HTTPConnection(self._address.removeprefix("http://"), timeout=_PATIENCE_S)
        with contextlib.closing(connection):
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            response = connection.getresponse()
            got = response.read()
        if response.status != 200:
            raise ValueError(f"the model answered {response.status} to what was translated back")
        answer = json.loads(got)
        choice, usage = answer["choices"][0], answer["usage"]
        return choice["message"]["content"], choice["finish_reason"], usage["prompt_tokens"], usage["completion_tokens"]


def question_of(tree: dict[str, Json], speech: Speech) -> dict[str, Json]:
    """A dialect's request in the plain protocol. Raises `ValueError` for a device's tools, which the model does not know."""
    body: dict[str, Json] = {name: tree[name] for name in _SAMPLING if name in tree}
    limit = tree.get("max_completion_tokens", tree.get("max_tokens"))
    if limit is not None:
        body["max_tokens"] = limit
    stop = tree.get("stop", tree.get("stop_sequences"))
    if stop:
        body["stop"] = stop
    messages = [{"role": "system", "content": tree["system"]}] if tree.get("system") else []
    for turn in tree["messages"]:
        role = "system" if turn["role"] == "developer" else turn["role"]
        if role not in ("system", "user", "assistant"):
            raise ValueError(f"no answer to a message of {role}")
        messages.append({"role": role, "content": _words(turn["content"])})
    body["messages"] = messages
    schema = _schema(tree, messages)
    if schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    elif tree.get("response_format", {}).get("type") == "json_object":
        body["response_format"] = {"type": "json_object"}
    if tree.get("tools") and (speech.family != "anthropic" or schema is None):
        raise ValueError("a device's tools are not asked of the model")
    return body


def _words(content: Json) -> str:
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content if part["type"] == "text")


def _schema(tree: dict[str, Json], messages: list[dict[str, Json]]) -> Json:
    """The schema that the answer must keep, wherever the dialect put it; `None` without one."""
    wanted = tree.get("response_format", {})
    if wanted.get("type") == "json_schema":
        return wanted["json_schema"]["schema"]
    choice = tree.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "tool":
        return next(tool["input_schema"] for tool in tree["tools"] if tool["name"] == choice["name"])
    for message in messages:
        _, found, rest = message["content"].partition(SCHEMA)
        if found and message["role"] == "system":
            return json.JSONDecoder().raw_decode(rest)[0]
    return None
