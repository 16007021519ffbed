"""Replies of the OpenAI chat dialect, whole or streamed: bytes → events, on one path.

Never raises, never repeats a partner's wording, ids or model name. Invariants: any split of the
bytes gives the same events; a `Finish` or a `Fault` comes exactly once and last; the end of a
stream without a finish is a fault. Bounds: 8 MiB an event, 16 MiB a whole reply, 128 tool calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from lizi.dialects.body import MOST_TOKENS, TOOL_CALLS, Body, fitting
from lizi.dialects.classes import find_error
from lizi.dialects.tagged import Tagged
from lizi.types import Event, Finish, FinishReason, Json, Reasoning, Target, Text, ToolDelta, Usage

__all__ = ["Reader"]

_EARLY_CHARACTERS = 256 * 1024  # as `tagged` allows a call that it must hold
_ERROR_KEYS = frozenset({"code", "error_code", "error_msg", "message", "msg"})

_FINISHES: dict[str, FinishReason | str] = {
    "stop": "stop",
    "eos": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    # not ends but failures, named as a finish by some partners
    "network_error": "!transport",
    "insufficient_system_resource": "!overloaded",
    "error": "!server_error",
    "abort": "!server_error",
}
"""A partner's finish → ours; `!` marks a failure's class."""


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _InputDetails(Struct, gc=False):
    cached_tokens: int | None = None


class _OutputDetails(Struct, gc=False):
    reasoning_tokens: int | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: int | None = None


class _Choice(Struct, gc=False):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    usage: _Usage | None = None
    flag: int | None = None
    """Qianfan's word on the content, here or at the chunk."""


class _Chunk(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    base_resp: dict[str, Any] | None = None
    error: Any = None
    flag: int | None = None
    input_sensitive: bool | None = None
    output_sensitive: bool | None = None


_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_tree = msgspec.json.Decoder().decode


class Reader(Body):
    """Machine for one reply: the events of its bytes, `Finish` or `Fault` exactly once.

    `Usage` may come before or after `Finish`, and more than once (each report replaces the one
    before). After a `Fault`, and after `[DONE]`, there is nothing more.
    """

    __slots__ = ("_tagged", "_tools")

    def __init__(self, streamed: bool, status: int, headers: Mapping[str, str], target: Target) -> None:
        super().__init__(streamed, status, headers, target)
        self._tagged = Tagged() if target.facts.tags else None
        self._tools: _Tools | None = None

    # --- one JSON object: a chunk or a whole reply ---

    def _payload(self, payload: bytes, events: list[Event], broken: str = "server_error") -> None:
        try:
            chunk = _decode_chunk(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            if payload.strip() == b"[DONE]":
                self._done(events)
                return
            odd = _odd(payload)
            if odd is None:
                self._fail(broken, events)
                return
            chunk = odd
        choices = chunk.choices
        if chunk.error is not None or chunk.base_resp is not None or (not choices and chunk.usage is None):
            self._look_for_error(payload, events, bool(choices))
            if self._ended:
                return
        if chunk.usage is not None:
            self._report(chunk.usage, events)
        if chunk.flag is not None:
            self._flagged(chunk.flag, events)
        elif chunk.input_sensitive or chunk.output_sensitive:
            self._fail("policy_output" if chunk.output_sensitive else "policy_input", events)
        if choices and not self._ended:
            choice = choices[0]
            if choice.usage is not None:  # Kimi's place for it
                self._report(choice.usage, events)
            if choice.flag is not None:
                self._flagged(choice.flag, events)
            delta = choice.delta or choice.message
            if delta is not None and not self._ended:
                self._delta(delta, events)
            if choice.finish_reason and not (self._finished or self._ended):
                self._finish(choice.finish_reason, events)

    def _delta(self, delta: _Delta, events: list[Event]) -> None:
        thought = delta.reasoning_content or delta.reasoning
        if thought:
            events.append(Reasoning(thought))
        if delta.content:
            self._said = True
            if self._tagged is None or (self._tagged.plain and "<" not in delta.content):
                events.append(Text(delta.content))
            else:
                self._untag(self._tagged.feed(delta.content), events)
        if delta.tool_calls:
            self._call(delta.tool_calls, events)
        if delta.refusal:
            self._fail("refused", events)

    def _call(self, calls: list[_ToolCall], events: list[Event]) -> None:
        if self._tools is None:
            self._tools = _Tools()
        if not self._tools.feed(calls, events):
            self._fail("server_error", events)

    def _untag(self, found: list[Event], events: list[Event]) -> None:
        """What stood in the text; a call found there is numbered on from those that came as calls."""
        for event in found:
            if type(event) is ToolDelta and not self._ended:
                number = self._tools.count if self._tools is not None else 0
                self._call([_ToolCall(id=f"written_{number}", function=_Function(event.name, event.arguments))], events)
            elif not self._ended:
                events.append(event)

    def _flagged(self, flag: int, events: list[Event]) -> None:
        """What the partner's moderation says of the answer so far. A flag that no table knows is taken for the worst but one."""
        action = self._facts.flags.get(str(flag), "allow" if flag <= 0 or not self._facts.flags else "stop")
        if action == "retract":
            self._withdraw(events)
        elif action == "stop":
            self._fail("policy_output", events)
        elif action == "warn":
            self.warned = True

    def _look_for_error(self, payload: bytes, events: list[Event], answered: bool) -> None:
        tree = _decode_tree(payload)
        name = find_error(tree, self._facts)
        base = tree.get("base_resp")
        certain = bool(tree.get("error")) or (isinstance(base, dict) and base.get("status_code", 0) != 0)
        if certain or (not answered and (name is not None or ("choices" not in tree and tree.keys() & _ERROR_KEYS))):
            self._fail(name or "server_error", events)

    def _report(self, usage: _Usage, events: list[Event]) -> None:
        inputs, outputs = usage.prompt_tokens, usage.completion_tokens
        if inputs is None or outputs is None or not (0 <= inputs <= MOST_TOKENS and 0 <= outputs <= MOST_TOKENS):
            return  # not a report that could be billed: the estimate does it
        cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details is not None else usage.prompt_cache_hit_tokens
        reasoned = usage.completion_tokens_details.reasoning_tokens if usage.completion_tokens_details is not None else 0
        report = Usage(
            input_tokens=inputs,
            output_tokens=outputs,
            cached_tokens=min(max(cached or 0, 0), inputs),
            reasoning_tokens=min(max(reasoned or 0, 0), outputs),
        )
        if report != self._usage:
            self._usage = report
            events.append(report)

    # --- the end ---

    def _finish(self, named: str, events: list[Event]) -> None:
        """Map the finish and give it.

        One that no table knows, after an answer, becomes `length`: the model did stop, and of
        OpenAI's values only this one says that the answer may not be whole. Calling it `stop` would
        claim a natural end that nobody checked.
        """
        reason = self._facts.finishes.get(named) or _FINISHES.get(named)
        if self._tagged is not None:
            self._untag(self._tagged.close(), events)
        if reason == "retract":
            self._withdraw(events)
            return
        called = self._tools is not None and self._tools.complete()
        if reason is None:
            self.unknown_finish = True
            reason = "length" if self._said or called else "!truncated"
        if reason == "stop" and called:
            reason = "tool_calls"  # some partners say `stop` after a forced call
        elif reason == "tool_calls" and not called:
            reason = "!truncated"  # the calls themselves are missing
        if reason[0] == "!":
            self._fail(reason[1:], events)
            return
        if reason == "tool_calls" and self._tools is not None:
            self._tools.end(events)
        self._finished = True
        events.append(Finish(reason))  # type: ignore[arg-type]


class _Tools:
    """Tool calls of one reply, numbered from 0 in order of appearance, whatever numbers the partner gives."""

    __slots__ = ("_bare", "_early", "_early_size", "_ids", "_named", "_numbers")

    def __init__(self) -> None:
        self._bare: set[int] = set()
        """Calls that have no arguments yet, or nothing but blanks."""
        self._early: dict[int, str] = {}
        """Arguments that came before their call's name: a device can't be told of a call that has none."""
        self._early_size = 0
        self._numbers: dict[int, int] = {}
        self._ids: list[str] = []
        self._named: set[int] = set()

    @property
    def count(self) -> int:
        """Calls so far."""
        return len(self._ids)

    def complete(self) -> bool:
        """At least one call, and each has its name."""
        return 0 < len(self._named) == len(self._ids)

    def feed(self, calls: list[_ToolCall], events: list[Event]) -> bool:
        """False when there are more calls than anybody asked for, or more arguments than a nameless one may have."""
        for call in calls:
            number = self._number(call)
            if number >= TOOL_CALLS:
                return False
            function = call.function or _Function()
            first = number not in self._named and bool(function.name)
            if first:
                self._named.add(number)
            arguments = function.arguments or ""
            if first:
                arguments = self._early.pop(number, "") + arguments
            elif number not in self._named:
                self._early[number] = self._early.get(number, "") + arguments
                self._early_size += len(arguments)
                if self._early_size > _EARLY_CHARACTERS:
                    return False
                continue
            if arguments.strip():
                self._bare.discard(number)
            elif first:
                self._bare.add(number)
            if first or arguments:
                events.append(
                    ToolDelta(
                        index=number,
                        id=(self._ids[number] or None) if first else None,
                        name=function.name if first else None,
                        arguments=arguments,
                    )
                )
        return True

    def end(self, events: list[Event]) -> None:
        """The calls are whole: one that came without arguments has the empty object, which is what a device can read."""
        events += [ToolDelta(index=number, arguments="{}") for number in sorted(self._bare)]
        self._bare.clear()

    def _number(self, call: _ToolCall) -> int:
        """By index; where a partner gives none, or the same to all, a new id begins a new call."""
        known = self._numbers.get(call.index) if call.index is not None else (len(self._ids) - 1 if self._ids else None)
        begins = bool(call.id) and call.function is not None and bool(call.function.name)
        if known is None or (begins and self._ids[known] not in ("", call.id)):
            self._ids.append(call.id or "")
            known = len(self._ids) - 1
            if call.index is not None:
                self._numbers[call.index] = known
        elif call.id and not self._ids[known]:
            self._ids[known] = call.id
        return known


# --- chunks that are not of the usual form ---


def _odd(payload: bytes) -> _Chunk | None:
    """A chunk with fields of unexpected types: what can be understood, `None` if it is no JSON object."""
    try:
        tree = _decode_tree(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(tree, dict):
        return None
    chunk = _Chunk(error=tree.get("error"))
    if isinstance(tree.get("base_resp"), dict):
        chunk.base_resp = tree["base_resp"]
    chunk.usage = fitting(tree.get("usage"), _Usage)
    chunk.flag = tree["flag"] if type(tree.get("flag")) is int else None
    choices = tree.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        first = choices[0]
        spoken = first.get("delta") if isinstance(first.get("delta"), dict) else first.get("message")
        finish = first.get("finish_reason")
        chunk.choices = [
            _Choice(
                delta=_odd_delta(spoken) if isinstance(spoken, dict) else None,
                finish_reason=finish if isinstance(finish, str) else None,
                usage=fitting(first.get("usage"), _Usage),
                flag=first["flag"] if type(first.get("flag")) is int else None,
            )
        ]
    return chunk


def _odd_delta(spoken: dict[str, Json]) -> _Delta:
    content = spoken.get("content")
    if isinstance(content, list):  # parts, as in a request
        content = "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    calls = []
    for call in spoken.get("tool_calls") or () if isinstance(spoken.get("tool_calls"), list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            continue
        name, arguments, index, id = function.get("name"), function.get("arguments"), call.get("index"), call.get("id")
        if isinstance(arguments, dict):  # an object where the protocol has its text
            arguments = msgspec.json.encode(arguments).decode()
        calls.append(
            _ToolCall(
                index=index if type(index) is int else None,
                id=id if isinstance(id, str) else None,
                function=_Function(
                    name=name if isinstance(name, str) else None,
                    arguments=arguments if isinstance(arguments, str) else None,
                ),
            )
        )
    texts = {key: spoken[key] for key in ("reasoning_content", "reasoning", "refusal") if isinstance(spoken.get(key), str)}
    return _Delta(content=content if isinstance(content, str) else None, tool_calls=calls or None, **texts)
