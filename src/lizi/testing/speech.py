"""How a scripted partner speaks: its words for the same things, and what it refuses.

Data, so that a behaviour is written once and played in every dialect (`speeches` has the table). A double refuses what its
partner is known to refuse, and every field that its documents don't name, though the real one may pass over those: an
encoder that is wrong fails here first. Pure. Sources: the design note on partners §3.1–3.4; no live partner was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from lizi.testing.behaviours import Behaviour
from lizi.testing.rendering import Family

__all__ = ["CHAT_FIELDS", "SAYS", "Error", "Rule", "Speech", "errors", "openai_error"]

Json = Any
Rule = Callable[[dict[str, Json], Mapping[str, str]], bool]
"""Body, headers (names in lower case) → whether they break it."""
Replay = Literal["refused", "optional", "tool_loop"]

SAYS = "acme-cloud says no, see https://acme.example/errors (request acme-7781)"
"""In every error: wording, an address and an id that must not go on to a device."""
CHAT_FIELDS = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty",
    "stop", "seed", "tools", "tool_choice", "parallel_tool_calls", "response_format",
})  # fmt: skip
"""What every partner of OpenAI's protocol takes, unless its own row says less."""

_MEANS = {"rate": "rate_rpm", "slope": "rate_slope", "concurrency": "rate_concurrency", "region": "auth"}
_NEAREST = {"slope": "rate", "concurrency": "rate", "region": "auth", "overloaded": "server_error"}
"""What a partner says that has no word of its own for it."""
_ROLES = frozenset({"system", "user", "assistant", "tool"})
_MESSAGE_FIELDS = frozenset({"role", "content", "tool_calls", "tool_call_id", "reasoning_content"})


class Error(Struct, frozen=True):
    """One of its failures."""

    status: int
    body: Json
    means: str
    """Canonical class (design note on partners §3.4)."""


class Speech(Struct, frozen=True, kw_only=True):
    """One partner's way."""

    models: tuple[str, ...]
    """Of its record: one for each kind of rule; the first is the usual one."""
    family: Family = "openai_chat"
    prefix: str = "/v1"
    """Of its base URL."""
    path: str = "/chat/completions"
    key_header: Literal["authorization", "x-api-key", ""] = "authorization"
    """Where the credential stands; empty: it asks for none."""
    reasoning: Literal["reasoning_content", "reasoning", "tags", "blocks", "none"] = "reasoning_content"
    """Where its reasoning stands."""
    finishes: Mapping[str, str] = {}
    """OpenAI's reason → its word."""
    blocks: Literal["finish", "retract", "error", "field", "none"] = "finish"
    """How it says in the middle of an answer that this may not be said; `none`: it never does."""
    flags: bool = False
    """A moderation `flag` stands beside each choice."""
    usage: Literal["asked", "with_finish", "in_choice"] = "asked"
    errors: Mapping[str, Error]
    trap: Json = None
    """An error under HTTP 200, where that has a form of its own."""
    fields: frozenset[str] = CHAT_FIELDS
    formats: frozenset[str] = frozenset({"json_object", "json_schema"})
    choices: frozenset[str] = frozenset({"none", "auto", "required", "named"})
    strict: bool = False
    """It takes `strict` in a tool."""
    roles: frozenset[str] = _ROLES
    replay: tuple[tuple[str, Replay], ...] = ()
    """Start of a model's name → what becomes of reasoning in earlier turns; else it is refused."""
    rules: Mapping[str, Rule] = {}
    """What it refuses beyond that."""
    rate_headers: tuple[tuple[str, str], ...] = ()

    def dressed(self, behaviour: Behaviour) -> Behaviour:
        """`behaviour` in this partner's words."""
        changes: dict[str, Any] = {}
        if behaviour.reasoning and not behaviour.think_tags:
            if self.reasoning == "tags":
                changes["think_tags"] = True
            elif self.reasoning == "none":
                changes["reasoning"] = ""
            elif self.reasoning == "reasoning":
                changes["reasoning_field"] = "reasoning"
        if behaviour.finish is not None and behaviour.finish in self.finishes:
            changes["finish"] = self.finishes[behaviour.finish]
        if behaviour.usage == "asked" and self.usage != "asked":
            changes["usage"] = self.usage
        if self.rate_headers:
            changes["headers"] = behaviour.headers + self.rate_headers
        return replace(behaviour, **changes) if changes else behaviour

    def refusal(self, tree: dict[str, Json], headers: Mapping[str, str], key: str = "") -> Behaviour | None:
        """Its answer to a request that it does not take; `None` when it does. `key` is the one that it gave out; empty: any."""
        if self.key_header:
            given = headers.get(self.key_header, "").removeprefix("Bearer ")
            if not given:
                return self.error("auth")
            if key and given != key:
                return self.error("region")
        return self.error("bad_request") if self.broken(tree, headers) is not None else None

    def broken(self, tree: dict[str, Json], headers: Mapping[str, str]) -> str | None:
        """The rule that a request breaks, in words for the test's author; `None` when it breaks none."""
        try:
            return self._broken(tree, headers)
        except (KeyError, TypeError, AttributeError, IndexError):  # rules look for what every request of the protocol has
            return "it is no request of this protocol"

    def _broken(self, tree: dict[str, Json], headers: Mapping[str, str]) -> str | None:
        unknown = sorted(tree.keys() - self.fields)
        if unknown:
            return f"takes no {', '.join(unknown)}"
        if self.family == "openai_chat":
            found = self._broken_chat(tree)
            if found is not None:
                return found
        return next((name for name, breaks in self.rules.items() if breaks(tree, headers)), None)

    def replays(self, model: str) -> Replay:
        """What becomes of reasoning in earlier turns."""
        return next((mode for start, mode in self.replay if model.startswith(start)), "refused")

    def _broken_chat(self, tree: dict[str, Json]) -> str | None:
        replay = self.replays(tree["model"])
        called: set[str] = set()
        for turn in tree["messages"]:
            if turn.keys() - _MESSAGE_FIELDS or turn["role"] not in self.roles:
                return f"a message holds {sorted(turn)} of {turn['role']}"
            if turn["role"] == "tool" and turn.get("tool_call_id") not in called:
                return "a tool's result answers a call"
            if any(not call["function"]["arguments"].strip() for call in turn.get("tool_calls") or ()):
                return "a call's arguments are JSON"
            called |= {call["id"] for call in turn.get("tool_calls") or ()}
            if "reasoning_content" in turn and replay == "refused":
                return "reasoning of earlier turns is not sent back"
            if turn.get("tool_calls") and replay == "tool_loop" and "reasoning_content" not in turn:
                return "a turn with calls brings its reasoning, though it may be empty"
        kind = tree.get("response_format", {}).get("type", "text")
        if kind not in {"text"} | self.formats:
            return f"no {kind}"
        choice = tree.get("tool_choice")
        if choice is not None and ("named" if isinstance(choice, dict) else choice) not in self.choices:
            return f"tool_choice {choice}"
        if not self.strict and any("strict" in tool["function"] for tool in tree.get("tools", ())):
            return "no strict tools"
        return None

    def error(self, name: str, *, status: int | None = None, headers: tuple[tuple[str, str], ...] = ()) -> Behaviour:
        """Its words for a kind of failure, or for the nearest that it has."""
        found = self.failure(name)
        return _refusal(found.status if status is None else status, _Held(found.body), headers)

    def failure(self, name: str) -> Error:
        """The same as data: also what it means."""
        return self.errors[name] if name in self.errors else self.errors[_NEAREST[name]]


class _Held:
    """A body by identity: one error is one behaviour, so that its bytes are made once."""

    __slots__ = ("body",)

    def __init__(self, body: Json) -> None:
        self.body = body

    def __hash__(self) -> int:
        return id(self.body)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.body is self.body


@cache
def _refusal(status: int, held: _Held, headers: tuple[tuple[str, str], ...]) -> Behaviour:
    return Behaviour(status=status, reason="OK" if status == 200 else "Refused", error=held.body, headers=headers)


def openai_error(code: Json, message: str, *, kind: str = "invalid_request_error") -> Json:
    """An error in OpenAI's form."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def errors(shape: Callable[[str, str], Json], **rows: str) -> dict[str, Error]:
    """Kinds of failure: `kind="STATUS CODE words of its own"`; `shape` makes the body of code and message."""
    found = {}
    for kind, row in rows.items():
        status, code, *words = row.split(" ", 2)
        found[kind] = Error(int(status), shape(code, " ".join([*words, SAYS])), _MEANS.get(kind, kind))
    return found
