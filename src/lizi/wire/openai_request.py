"""`POST /v1/chat/completions`: bytes → a checked `ChatRequest`, or a 400 that names the place and the cure.

Never puts content into a message; a field name that is no plain word is not repeated either.
Of duplicate keys the last counts, as in every JavaScript client. Invariant: what passes can be
encoded again (no half surrogates, no numbers beyond 64 bits) and is nested at most 64 deep.
Standards followed: RFC 8259; the field tables of `openai_fields`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import msgspec

from lizi.errors import InvalidRequest
from lizi.types import Capability, ChatRequest, Json, JsonObjectFormat, JsonSchemaFormat
from lizi.wire.images import is_inline
from lizi.wire.openai_fields import (
    CHAT_FIELDS,
    CONVERSATION,
    IMAGES,
    INTEGER_LIMIT,
    MESSAGE_FIELDS,
    MODEL_LENGTH,
    OUTPUT_TOKENS,
    PART_FIELDS,
    STATE_LENGTH,
    STOPS,
    TOOL_NAME,
    TOOLS,
    FieldRule,
)
from lizi.wire.schema import DEPTH, SchemaError, compile_schema, tree_fault

__all__ = ["decode_chat", "decode_json", "reject_field"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_TOOL_NAME = re.compile(TOOL_NAME[:-1] + r"\Z")
_CONVERSATION = re.compile(CONVERSATION)
_REFINED_BYTES = 64 * 1024  # only a small broken body is parsed a second time for a better message
_EFFORTS = frozenset(CHAT_FIELDS["reasoning_effort"].schema["enum"])

_decode = msgspec.json.Decoder().decode


def _bad(path: str, rule: str, code: str = "invalid_request") -> NoReturn:
    raise InvalidRequest(f"{path}: {rule}", code=code, param=path)


# --- JSON ------------------------------------------------------------------------------------


def decode_json(body: bytes) -> dict[str, Json]:
    """Parse a request's body, which must be one JSON object. Raises `InvalidRequest` (`invalid_json`)."""
    try:
        tree = _decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _json_error(body, error) from None
    if type(tree) is not dict:
        raise InvalidRequest("the body must be a JSON object", code="invalid_json")
    # Fewer brackets than levels can't be too deep: small requests, the most, skip the walk.
    if body.count(b"{") + body.count(b"[") > DEPTH:
        fault = tree_fault(tree, DEPTH)
        if fault is not None:
            raise InvalidRequest(f"the body {fault}", code="invalid_json")
    return tree


def _json_error(body: bytes, error: Exception) -> InvalidRequest:
    said = str(error)
    if not body.strip():
        text = "the body is empty; send a JSON object"
    elif isinstance(error, RecursionError):
        text = f"the body is nested more than {DEPTH} levels deep"
    elif "out of range" in said:
        text = "the body holds a number beyond what 64 bits can say"
    elif (position := _not_utf8(body)) is not None:
        text = f"the body is not UTF-8 (byte {position})"
    elif len(body) <= _REFINED_BYTES and (path := _half_surrogate(body)) is not None:
        return InvalidRequest(f"{path}: holds one half of a surrogate pair; send whole characters", code="invalid_json", param=path)
    elif (found := re.search(r"\(byte (\d+)\)", said)) is not None:
        text = f"the body is not valid JSON near byte {found[1]}"
    else:
        text = f"the body is not valid JSON: it ends too early (byte {len(body)})"
    return InvalidRequest(text, code="invalid_json")


def _not_utf8(body: bytes) -> int | None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def _half_surrogate(body: bytes) -> str | None:
    """Path of the first text with half a surrogate pair, if that is all that is wrong with the body."""
    try:
        level: list[tuple[str, Json]] = [("", json.loads(body))]
    except (ValueError, RecursionError):
        return None
    while level:
        path, node = level.pop()
        if isinstance(node, str) and not _encodable(node):
            return path or "body"
        if isinstance(node, dict):
            if not all(map(_encodable, node)):
                return path or "body"
            level.extend((_join(path, name), child) for name, child in node.items())
        elif isinstance(node, list):
            level.extend((f"{path}[{index}]", child) for index, child in enumerate(node))
    return None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _join(path: str, name: str) -> str:
    """`a` + `b` → `a.b`. A name that is no plain word may be content and is shown as `?`."""
    name = name if _PLAIN.fullmatch(name) else "?"
    return f"{path}.{name}" if path else name


# --- field kinds -----------------------------------------------------------------------------


def reject_field(path: str, name: str) -> NoReturn:
    """Refuse a field that no table knows. Also for the bodies of the features."""
    _bad(_join(path, name), "is not a known field; remove it", "unknown_field")


def _sort_out(fields: Mapping[str, FieldRule], tree: dict[str, Json], path: str, dropped: dict[str, None], pattern: str) -> None:
    """Refuse unknown and unsupported fields, note dropped ones. `pattern` is the path without indices."""
    for name, value in tree.items():
        rule = fields.get(name)
        if rule is None:
            reject_field(path, name)
        if rule.kind == "used" or value is None:
            continue
        if rule.kind == "unsupported" and not any(type(value) is type(ok) and value == ok for ok in rule.neutral):
            _bad(_join(path, name), "is not supported; remove it", "unsupported_parameter")
        dropped[_join(pattern, name)] = None


def _closed(tree: Json, path: str, allowed: frozenset[str]) -> dict[str, Json]:
    if type(tree) is not dict:
        _bad(path, "must be an object")
    if not tree.keys() <= allowed:
        reject_field(path, next(name for name in tree if name not in allowed))
    return tree


# --- plain values ----------------------------------------------------------------------------


def _flag(value: Json, path: str) -> bool:
    if type(value) is not bool:
        _bad(path, "must be true or false")
    return value


def _integer(low: int, high: int) -> Callable[[Json, str], int]:
    def check(value: Json, path: str) -> int:
        if type(value) is float and value.is_integer():  # JSON does not tell 1.0 from 1
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            _bad(path, f"must be an integer from {low} to {high}")
        return value

    return check


def _number(low: float, high: float) -> Callable[[Json, str], float]:
    def check(value: Json, path: str) -> float:
        if (type(value) is not float and type(value) is not int) or not low <= value <= high:
            _bad(path, f"must be a number from {low} to {high}")
        return value

    return check


def _model(value: Json, path: str) -> str:
    if type(value) is not str or not 0 < len(value) <= MODEL_LENGTH:
        _bad(path, f"must be a string of 1 to {MODEL_LENGTH} characters; `GET /v1/models` lists the names")
    return value


def _stop(value: Json, path: str) -> tuple[str, ...]:
    stops = [value] if type(value) is str else value
    if type(stops) is not list or len(stops) > STOPS or not all(type(stop) is str and stop for stop in stops):
        _bad(path, f"must be a string or a list of at most {STOPS} strings, none of them empty")
    return tuple(stops)


def _stream_options(value: Json, path: str) -> bool:
    options = _closed(value, path, frozenset({"include_usage", "include_obfuscation"}))
    usage = options.get("include_usage")
    return False if usage is None else _flag(usage, f"{path}.include_usage")


def _effort(value: Json, path: str) -> str:
    if type(value) is not str or value not in _EFFORTS:
        _bad(path, "must be one of none, minimal, low, medium, high, xhigh")
    return value


def _conversation(value: Json, path: str) -> str:
    if type(value) is not str or not _CONVERSATION.fullmatch(value):
        _bad(path, "must be 16 to 128 letters, digits, `-` or `_`, made at random for one conversation")
    return value


# --- tools and formats -----------------------------------------------------------------------


def _tool_name(value: Json, path: str) -> str:
    if type(value) is not str or not _TOOL_NAME.match(value):
        _bad(path, "must be 1 to 64 letters, digits, `_` or `-`")
    return value


def _text_or_none(value: Json, path: str) -> str | None:
    if value is not None and type(value) is not str:
        _bad(path, "must be a string")
    return value


def _tools(value: Json, path: str) -> list[dict[str, Json]] | None:
    if type(value) is not list or len(value) > TOOLS:
        _bad(path, f"must be a list of at most {TOOLS} tools")
    names = set()
    for index, tool in enumerate(value):
        here = f"{path}[{index}]"
        if type(tool) is dict and tool.get("type") != "function":
            _bad(f"{here}.type", "must be `function`: other tools are not supported", "unsupported_parameter")
        _closed(tool, here, frozenset({"type", "function"}))
        function = _closed(tool.get("function"), f"{here}.function", frozenset({"name", "description", "parameters", "strict"}))
        here += ".function"
        name = _tool_name(function.get("name"), f"{here}.name")
        if name in names:
            _bad(f"{here}.name", "is used by an earlier tool; give each its own name")
        names.add(name)
        _text_or_none(function.get("description"), f"{here}.description")
        parameters = function.get("parameters")
        if parameters is not None:
            if type(parameters) is not dict:
                _bad(f"{here}.parameters", "must be an object: the JSON Schema of the arguments", "invalid_schema")
            fault = tree_fault(parameters, DEPTH)
            if fault is not None:
                _bad(f"{here}.parameters", fault, "invalid_schema")
        if function.get("strict") is not None:
            _flag(function["strict"], f"{here}.strict")
    return value or None


def _tool_choice(value: Json, path: str) -> Json:
    if type(value) is str:
        if value not in ("none", "auto", "required"):
            _bad(path, "must be none, auto, required or a named function")
        return value
    choice = _closed(value, path, frozenset({"type", "function"}))
    if choice.get("type") != "function":
        _bad(f"{path}.type", "must be `function`: other choices are not supported", "unsupported_parameter")
    function = _closed(choice.get("function"), f"{path}.function", frozenset({"name"}))
    _tool_name(function.get("name"), f"{path}.function.name")
    return value


def _format(value: Json, path: str) -> JsonObjectFormat | JsonSchemaFormat | None:
    if type(value) is not dict:
        _bad(path, "must be an object")
    kind = value.get("type")
    if kind == "json_schema":
        _closed(value, path, frozenset({"type", "json_schema"}))
        path += ".json_schema"
        asked = _closed(value.get("json_schema"), path, frozenset({"name", "description", "schema", "strict"}))
        # Apple's client sends no name; partners insist on one.
        name = "answer" if asked.get("name") is None else _tool_name(asked["name"], f"{path}.name")
        _text_or_none(asked.get("description"), f"{path}.description")
        if asked.get("strict") is not None:
            _flag(asked["strict"], f"{path}.strict")
        schema = asked.get("schema")
        if type(schema) is not dict:
            _bad(f"{path}.schema", "must be an object: the JSON Schema of the answer", "invalid_schema")
        try:
            compile_schema(schema)
        except SchemaError as error:
            _bad(f"{path}.schema", str(error), "invalid_schema")
        return JsonSchemaFormat(name=name, schema=schema)
    if kind not in ("text", "json_object"):
        _bad(f"{path}.type", "must be text, json_object or json_schema")
    _closed(value, path, frozenset({"type"}))
    return JsonObjectFormat() if kind == "json_object" else None


# --- messages --------------------------------------------------------------------------------


class _Conversation:
    """What the messages need from a target and what was dropped from them, gathered on the way."""

    __slots__ = ("calls", "carried", "dropped", "images", "needs", "remote_images")

    def __init__(self, dropped: dict[str, None], remote_images: bool) -> None:
        self.images: list[tuple[str, dict[str, Json]]] = []
        self.remote_images = remote_images
        self.needs: set[Capability] = set()
        self.calls: set[str] = set()
        self.carried = False
        self.dropped = dropped

    def read(self, messages: Json) -> list[dict[str, Json]]:
        if type(messages) is not list or not messages:
            _bad("messages", "must be a list of at least one message")
        for index, message in enumerate(messages):
            if type(message) is not dict:
                _bad(f"messages[{index}]", "must be an object")
            role = message.get("role")
            if len(message) == 2 and type(message.get("content")) is str and (role == "user" or role == "system"):
                continue  # the plain case, which is nearly every message
            if type(role) is not str or role not in MESSAGE_FIELDS:
                code = "unsupported_parameter" if role == "function" else "invalid_request"
                _bad(f"messages[{index}].role", "must be system, developer, user, assistant or tool", code)
            self._message(role, message, f"messages[{index}]")
        return messages

    def _message(self, role: str, message: dict[str, Json], path: str) -> None:
        _sort_out(MESSAGE_FIELDS[role], message, path, self.dropped, "messages[]")
        content = message.get("content")
        if type(content) is list:
            self._parts(role, content, f"{path}.content")
        elif type(content) is not str and (content is not None or role != "assistant"):
            _bad(f"{path}.content", "must be a string or a list of parts")
        if role == "assistant":
            calls = message.get("tool_calls")
            if calls is not None:
                self._calls(calls, f"{path}.tool_calls")
            refusal = _text_or_none(message.get("refusal"), f"{path}.refusal")
            state = message.get("x_state")
            if state is not None:
                if type(state) is not str or len(state) > STATE_LENGTH:
                    _bad(f"{path}.x_state", f"must be the string of at most {STATE_LENGTH} characters that came with this turn")
                self.carried = True
            if content is None and calls is None and refusal is None:
                _bad(f"{path}.content", "must be there unless the message has tool_calls or a refusal")
        elif role == "tool":
            call = message.get("tool_call_id")
            if type(call) is not str or not call:
                _bad(f"{path}.tool_call_id", "must be a string: the id of the call that this answers")
            if call not in self.calls:
                _bad(f"{path}.tool_call_id", "answers no call of an earlier assistant message")

    def _calls(self, calls: Json, path: str) -> None:
        if type(calls) is not list or not 0 < len(calls) <= TOOLS:
            _bad(path, f"must be a list of 1 to {TOOLS} calls")
        self.needs.add("tools")
        for index, call in enumerate(calls):
            here = f"{path}[{index}]"
            _closed(call, here, frozenset({"id", "type", "function", "index"}))
            if call.get("type") != "function":
                _bad(f"{here}.type", "must be `function`: other calls are not supported", "unsupported_parameter")
            if type(call.get("id")) is not str or not call["id"]:
                _bad(f"{here}.id", "must be a string")
            function = _closed(call.get("function"), f"{here}.function", frozenset({"name", "arguments", "parsed_arguments"}))
            _tool_name(function.get("name"), f"{here}.function.name")
            if type(function.get("arguments")) is not str:
                _bad(f"{here}.function.arguments", "must be a string of JSON")
            self.calls.add(call["id"])

    def _parts(self, role: str, parts: list[Json], path: str) -> None:
        if not parts:
            _bad(path, "must hold at least one part")
        kinds = PART_FIELDS[role]
        for index, part in enumerate(parts):
            here = f"{path}[{index}]"
            if type(part) is not dict:
                _bad(here, "must be an object")
            kind = part.get("type")
            if type(kind) is not str or kind not in kinds:
                _bad(f"{here}.type", f"must be {' or '.join(kinds)} in a message of this role", "unsupported_content")
            _closed(part, here, kinds[kind])
            if kind == "image_url":
                image = _closed(part.get("image_url"), f"{here}.image_url", frozenset({"url", "detail"}))
                if image.get("detail") not in (None, "auto", "low", "high"):
                    _bad(f"{here}.image_url.detail", "must be auto, low or high")
                if is_inline(image.get("url"), f"{here}.image_url.url", remote_images=self.remote_images):
                    if len(self.images) == IMAGES:
                        _bad(here, f"is one image more than the {IMAGES} that a request may have", "unsupported_content")
                    self.images.append((f"{here}.image_url.url", image))
                self.needs.add("images")
            elif type(part.get(kind)) is not str:
                _bad(f"{here}.{kind}", "must be a string")


# --- the whole -------------------------------------------------------------------------------

_CHECKS: dict[str, Callable[[Json, str], Any]] = {
    "model": _model,
    "stream": _flag,
    "stream_options": _stream_options,
    "max_tokens": _integer(1, OUTPUT_TOKENS),
    "max_completion_tokens": _integer(1, OUTPUT_TOKENS),
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "stop": _stop,
    "seed": _integer(-INTEGER_LIMIT - 1, INTEGER_LIMIT),
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _flag,
    "response_format": _format,
    "reasoning_effort": _effort,
    "x_can_retract": _flag,
    "x_receipt": _flag,
    "x_conversation": _conversation,
}
_RENAMED = {"stream_options": "include_usage", "x_can_retract": "can_retract", "x_conversation": "conversation", "x_receipt": "receipt"}
_NO_NEEDS: frozenset[Capability] = frozenset()


def decode_chat(body: bytes, *, remote_images: bool = False) -> ChatRequest:
    """The checked view of a chat request; pictures in it are still as they came. `remote_images`: links to pictures may pass.

    Raises `InvalidRequest` with `param` at the first thing that is wrong.
    """
    tree = decode_json(body)
    dropped: dict[str, None] = {}
    found: dict[str, Any] = {}
    for name, value in tree.items():
        check = _CHECKS.get(name)
        if check is not None:
            if value is not None:
                found[_RENAMED.get(name, name)] = check(value, name)
        elif name != "messages":
            _sort_out(CHAT_FIELDS, {name: value}, "", dropped, "")
    if "model" not in found:
        _bad("model", "must be there; `GET /v1/models` lists the names")
    conversation = _Conversation(dropped, remote_images)
    messages = conversation.read(tree.get("messages"))
    old, new = found.pop("max_tokens", None), found.pop("max_completion_tokens", None)
    if old is not None and new is not None and old != new:
        _bad("max_tokens", "differs from max_completion_tokens; send one of them")
    if "include_usage" in found and tree["stream_options"].get("include_obfuscation") is not None:
        dropped["stream_options.include_obfuscation"] = None  # padding against traffic analysis; TLS record sizes are not ours to hide yet
    if type(found.get("response_format")) is JsonSchemaFormat and tree["response_format"]["json_schema"].get("description") is not None:
        dropped["response_format.json_schema.description"] = None  # the schema's own descriptions reach the model
    tools = found.get("tools")
    if tools:
        conversation.needs.add("tools")
    choice = found.get("tool_choice")
    if choice is not None:
        _check_choice(choice, tools)
    return ChatRequest(
        messages=messages,
        max_output_tokens=old if new is None else new,
        needs=frozenset(conversation.needs) if conversation.needs else _NO_NEEDS,
        images=tuple(conversation.images),
        carried=conversation.carried,
        dropped=tuple(dropped),
        **found,
    )


def _check_choice(choice: Json, tools: list[dict[str, Json]] | None) -> None:
    if not tools:
        if choice not in ("none", "auto"):
            _bad("tool_choice", "asks for a tool, but `tools` has none")
    elif type(choice) is dict and all(tool["function"]["name"] != choice["function"]["name"] for tool in tools):
        _bad("tool_choice.function.name", "is not the name of one of `tools`")
