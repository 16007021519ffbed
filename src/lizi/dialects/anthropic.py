"""Anthropic's Messages dialect: requests built, replies and streams read.

A family of its own: turns are made of typed blocks, the system prompt stands beside them, tool results are a user's
blocks, and thinking is signed. Built anew from known keys, never forwarded. Standard followed: Anthropic API reference,
"Messages", "Streaming messages", "Handle tool calls", "Extended thinking", "Structured outputs", API version 2023-06-01.

What it has no place for, or refuses, follows a rule:

=============================  ==================================================================================
`seed`, the penalties          left out
`temperature` with `top_p`     the temperature alone: models refuse both ("Messages", `temperature`; since Opus 4.1)
temperature above 1            1, where its scale ends
either of them, thinking       left out
`stop` of blanks alone         left out; each must hold something else
blank text                     no block
detail of an image             left out
`parallel_tool_calls = true`   left out: its default
an assistant's turn at the end a user's "Go on." after it: here it would be continued, or refused, not answered
a call without its result      a result that says so: the next turn must hold one for each call
an id of other letters, twice  another id, in the call and in its result
a demanded tool, thinking      the tool, as the request's promise; thinking goes, save the adaptive kind, which takes it
a tool loop without thoughts   no thinking with a budget in it: such a loop must begin with a thought
=============================  ==================================================================================

An assistant's message may carry `reasoning`, a list of `{"text", "signature"}` that this partner once gave, and `places`, the order of
the turn's parts (`lizi.carry`): where the partner wants it back, each goes to its place, without `places` in front of the turn; unsigned
parts and a missing list are no thoughts, and none go where thinking is switched off.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, Literal

import msgspec

from lizi.dialects.anthropic_reader import REDACTED, SCHEMA_TOOL, Reader
from lizi.dialects.differences import adjust, effort
from lizi.dialects.openai_chat import OBJECT, SCHEMA, rung
from lizi.types import Call, ChatRequest, Facts, Json, JsonSchemaFormat, Target

__all__ = ["Reader", "encode"]

_VERSION = ("anthropic-version", "2023-06-01")
_MAX_TOKENS = 4096
"""It must be told a limit; the corridor always gives one, this is for a ping that does not."""
_LEAST_BUDGET = 1024
"""The API takes no smaller thinking budget."""
_ID = re.compile(r"[^a-zA-Z0-9_-]")
"""What a tool call's id may not hold here; ours never do, a device that moved over from elsewhere may bring others."""
_ID_CHARACTERS = 64
"""Of a foreign id that are kept: enough to be told apart by a person; what makes it unique is added."""

_json = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

Blocks = list[dict[str, Any]]
Replay = Literal["drop", "tool_loop", "always"]


def encode(request: ChatRequest, target: Target) -> Call:
    """The partner's HTTP call for `request`."""
    facts = target.facts
    body: dict[str, Json] = {"model": target.model, "max_tokens": request.max_output_tokens or _MAX_TOKENS}
    if request.stream:
        body["stream"] = True
    asked = effort(facts.reasoning, request.reasoning_effort)
    off = asked.get("thinking", {}).get("type") == "disabled"  # a thought that comes back then is refused, or read by nobody
    system, turns = _turns(request.messages, "drop" if off else facts.replay)
    choice = _choice(request, facts)
    body |= asked if request.stream else asked | facts.reasoning.get("whole", {})
    thinking = _think(body, demanded=choice["type"] in ("any", "tool"), turns=turns)
    if request.temperature is not None and not thinking:
        body["temperature"] = min(request.temperature, 1.0)
    elif request.top_p is not None and not thinking:
        body["top_p"] = request.top_p
    stops = [stop for stop in request.stop if stop.strip()]
    if stops:
        body["stop_sequences"] = stops
    _add_tools(body, request, target, choice, turns)
    if request.response_format is not None:
        system = _add_format(body, request, target, system)
    if system:
        body["system"] = system
    body["messages"] = turns
    adjust(body, facts, request.salt)
    named = {name for name, _ in facts.headers}
    headers = [("content-type", "application/json"), ("accept", "text/event-stream" if request.stream else "application/json")]
    headers += [*facts.headers, *([] if _VERSION[0] in named else [_VERSION])]
    return Call(
        method="POST",
        url=target.base_url + (facts.path or "/messages"),
        headers=tuple((name.encode("ascii"), value.encode("latin-1")) for name, value in headers),
        body=_json(body),
        fields=tuple(body),
        credential=target.credential,
        authorization=facts.authorization,
    )


# --- turns ---------------------------------------------------------------------------------------


def _turns(messages: list[dict[str, Json]], replay: Replay) -> tuple[str, Blocks]:
    """The system prompt and the turns, which alternate: neighbours of one role are one turn.

    Results stand at the head of the turn after their calls, wherever their messages were ("Handle tool calls").
    A system message in the middle has no place here and becomes the user's words, marked as an instruction.
    """
    system: list[str] = []
    spoken: list[tuple[str, Blocks]] = []
    ids, results = _Ids(), dict[str, list[str]]()
    for message in messages:
        role = message["role"]
        if role in ("system", "developer"):
            text = _text(message["content"])
            if spoken:
                spoken.append(("user", _words(f"<instruction>{text}</instruction>" if text.strip() else "")))
            elif text.strip():
                system.append(text)
        elif role == "assistant":
            spoken.append(("assistant", _said(message, replay, ids)))
        elif role == "tool":
            results.setdefault(ids.known(message["tool_call_id"]), []).append(_text(message["content"]))
            spoken.append(("user", []))  # where the model gets its turn back
        else:
            spoken.append(("user", _asked(message["content"])))
    turns: Blocks = []
    due: list[str] = []
    for role, blocks in [*spoken, ("user", [])]:
        if role == "assistant":
            due += [block["id"] for block in blocks if block["type"] == "tool_use"]
        elif due:
            blocks = [_result(call, results.get(call)) for call in due] + blocks
            due = []
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if not turns or turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": _words("…")})  # the first word is a user's
    if turns[-1]["role"] == "assistant":
        turns.append({"role": "user", "content": _words("Go on.")})
    return "\n\n".join(system), turns


class _Ids:
    """Ids of one conversation's calls as the API takes them: of its letters, and each only once."""

    __slots__ = ("_given", "_taken")

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()

    def new(self, given: str) -> str:
        """The id for a call."""
        legal = _ID.sub("_", given)
        if legal in self._taken or len(legal) > _ID_CHARACTERS:
            stem, number = legal[:_ID_CHARACTERS], len(self._taken)
            while (legal := f"{stem}_{number}") in self._taken:
                number += 1
        self._taken.add(legal)
        self._given[given] = legal
        return legal

    def known(self, given: str) -> str:
        """The id of the call before that a result answers: the last that was given this id."""
        return self._given.get(given, "")


def _result(call: str, said: list[str] | None) -> dict[str, Json]:
    if said is None:
        return {"type": "tool_result", "tool_use_id": call, "content": "There is no result.", "is_error": True}
    return {"type": "tool_result", "tool_use_id": call, "content": "\n".join(said)}


def _text(content: Json) -> str:
    if type(content) is str:
        return content
    return "\n".join(part[part["type"]] for part in content if part["type"] != "image_url")


def _words(text: str) -> Blocks:
    return [{"type": "text", "text": text}] if text.strip() else []


def _asked(content: Json) -> Blocks:
    if type(content) is str:
        return _words(content)
    blocks: Blocks = []
    for part in content:
        if part["type"] == "image_url":
            blocks.append({"type": "image", "source": _source(part["image_url"]["url"])})
        else:
            blocks += _words(part["text"])
    return blocks


def _source(url: str) -> dict[str, Json]:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    head, _, data = url.partition(",")
    return {"type": "base64", "media_type": head.removeprefix("data:").partition(";")[0], "data": data}


def _said(message: dict[str, Json], replay: Replay, ids: _Ids) -> Blocks:
    """An assistant's turn: its signed thoughts, its words, its calls, in their own order where that is known and else in this one."""
    asked = message.get("tool_calls") or ()
    thoughts: Blocks = []
    if replay == "always" or (replay == "tool_loop" and asked):
        # Unsigned thoughts are refused.
        thoughts = [_thought(part["text"], part["signature"]) for part in message.get("reasoning") or () if part["signature"]]
    calls: Blocks = []
    for call in asked:
        name, arguments = _tool_name(call["function"]["name"]), call["function"]["arguments"]
        calls.append({"type": "tool_use", "id": ids.new(call["id"]), "name": name, "input": _input(arguments)})
    content = message.get("content")
    if thoughts and message.get("places"):
        words = content if type(content) is str else "".join(part.get("text", "") for part in content or ())
        return _in_order(message["places"], thoughts, words, calls)
    return [*thoughts, *_words(_text(content) if content is not None else (message.get("refusal") or "")), *calls]


def _in_order(places: list[int], thoughts: Blocks, words: str, calls: Blocks) -> Blocks:
    """The turn as it was given: `places` says what followed what (`lizi.carry`), and was sealed with this very turn."""
    blocks: Blocks = []
    called, thought, at = iter(calls), iter(thoughts), 0
    for place in places:
        if place > 0:
            blocks += _words(words[at : at + place])
            at += place
        else:
            blocks += islice(thought if place else called, 1)
    return [*blocks, *thought, *_words(words[at:]), *called]


def _thought(text: str, signature: str) -> dict[str, Json]:
    if signature.startswith(REDACTED):
        return {"type": "redacted_thinking", "data": signature.removeprefix(REDACTED)}
    return {"type": "thinking", "thinking": text, "signature": signature}


def _input(arguments: str) -> Json:
    """Arguments as the object that the API wants; what a model once wrote wrongly is shown to it as it was."""
    try:
        found = _decode(arguments.strip() or "{}")
    except (msgspec.MsgspecError, ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"_invalid_json": arguments}


# --- thinking, tools and formats -------------------------------------------------------------------


def _think(body: dict[str, Json], *, demanded: bool, turns: Blocks) -> bool:
    """Keep the thinking that the effort put into the body within what the request has room for; whether it thinks."""
    thinking = body.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") in (None, "disabled"):
        return False
    budget = thinking.get("budget_tokens")
    if isinstance(budget, int):
        # The limit covers thoughts and answer together, as the reservation does: thoughts get half of it at the most.
        budget = min(budget, body["max_tokens"] // 2)
        if budget < _LEAST_BUDGET or demanded or _thoughtless(turns):
            del body["thinking"]
            return False
        body["thinking"] = thinking | {"budget_tokens": budget}
    return True


def _thoughtless(turns: Blocks) -> bool:
    """Whether the conversation ends within a tool loop that did not begin with a thought."""
    first = None
    for at in range(len(turns) - 1, 0, -2):
        if turns[at]["content"][0]["type"] != "tool_result":
            break
        first = turns[at - 1]["content"][0]["type"]
    return first is not None and first not in ("thinking", "redacted_thinking")


def _choice(request: ChatRequest, facts: Facts) -> dict[str, Json]:
    """`tool_choice` in its words; `unset` when none was asked for."""
    wanted = request.tool_choice
    if wanted is None or not request.tools:
        return {"type": "unset"}
    if ("named" if type(wanted) is dict else wanted) not in facts.tool_choices:
        # As in the base: what was demanded stays demanded where that can be said at all.
        demanded = wanted not in ("none", "auto") and "required" in facts.tool_choices
        wanted = "required" if demanded else "hidden" if wanted == "none" else "auto"
    if type(wanted) is dict:
        return {"type": "tool", "name": _tool_name(wanted["function"]["name"])}
    return {"type": {"required": "any"}.get(wanted, wanted)}


def _tool_name(name: str) -> str:
    """A device's tool never bears the name of ours: such a one gets a mark more, which the reader takes away again."""
    return name + "_" if name.rstrip("_") == SCHEMA_TOOL else name


def _add_tools(body: dict[str, Json], request: ChatRequest, target: Target, choice: dict[str, Json], turns: Blocks) -> None:
    """Tools that must not be called are shown only where there are calls already: those have to be of known tools."""
    called = dict.fromkeys(block["name"] for turn in turns for block in turn["content"] if block["type"] == "tool_use")
    if choice["type"] == "hidden" or not (called or (request.tools and choice["type"] != "none")):
        return
    tools = []
    for tool in request.tools or ():
        asked = tool["function"]
        parameters = asked.get("parameters") or {}
        built: dict[str, Json] = {"name": _tool_name(asked["name"]), "input_schema": parameters | {"type": "object"}}
        if asked.get("description") is not None:
            built["description"] = asked["description"]
        if target.strict_schema and asked.get("strict") and "tools.strict" not in target.facts.drop:
            built["strict"] = True
        tools.append(built)
    if not tools:
        tools, choice = [{"name": name, "input_schema": {"type": "object"}} for name in called], {"type": "none"}
    body["tools"] = tools
    if request.parallel_tool_calls is False and choice["type"] != "none":
        choice = (choice if choice["type"] != "unset" else {"type": "auto"}) | {"disable_parallel_tool_use": True}
    if choice["type"] != "unset":
        body["tool_choice"] = choice


def _add_format(body: dict[str, Json], request: ChatRequest, target: Target, system: str) -> str:
    """Gives the system prompt, which has the schema in words where nothing better can be had.

    Better is the partner's own constraint, where it is known to have one ("Structured outputs"), and else a tool that
    must be called, whose arguments are the answer; that one needs to be the only tool, a partner that lets a call be demanded,
    and no budgeted thinking.
    """
    asked = request.response_format
    schema = asked if isinstance(asked, JsonSchemaFormat) else None
    if schema is not None and rung(request, target) == "json_schema":
        if target.strict_schema:
            body["output_config"] = body.get("output_config", {}) | {"format": {"type": "json_schema", "schema": schema.schema}}
            return system
        callable_ = "tools" in body and body.get("tool_choice") != {"type": "none"}
        budgeted = "budget_tokens" in body.get("thinking", {})
        demandable = "named" in target.facts.tool_choices
        if demandable and not callable_ and not budgeted and schema.schema.get("type") == "object":
            tool = {"name": SCHEMA_TOOL, "description": "The answer, and all of it: call this once.", "input_schema": schema.schema}
            body["tools"] = [*body.get("tools", ()), tool]
            body["tool_choice"] = {"type": "tool", "name": SCHEMA_TOOL, "disable_parallel_tool_use": True}
            return system
    words = OBJECT if schema is None else SCHEMA + _json(schema.schema).decode()
    return f"{system}\n\n{words}" if system else words
