"""The table of scripted partners: one row for each record that comes with Lizi.

Codes and restrictions are those of the design note on partners §3.1–3.4, dated November 2026; where the note marks them as
general knowledge or a third party's, so they are here. No live partner was asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from lizi.testing.messages import SIGNATURE
from lizi.testing.speech import CHAT_FIELDS, SAYS, Error, Rule, Speech, errors, openai_error

__all__ = ["SPEECHES"]

Json = Any
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
_PENALTIES = frozenset({"presence_penalty", "frequency_penalty"})
_MESSAGES_FIELDS = frozenset({
    "model", "messages", "system", "max_tokens", "stream", "temperature", "top_p", "stop_sequences", "tools", "tool_choice", "thinking",
    "output_config",
})  # fmt: skip
_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")


def _named(code: str, message: str) -> Json:
    return openai_error(code, message, kind=code)


def _typed(code: str, message: str) -> Json:
    return {"error": {"message": message, "type": code}}


def _numbered(code: str, message: str) -> Json:
    return {"error": {"code": code, "message": message}}


def _base_resp(code: str, message: str) -> Json:
    return {"id": "acme-7781", "choices": None, "base_resp": {"status_code": int(code), "status_msg": message}}


def _local(code: str, message: str) -> Json:
    return {"object": "error", "message": message, "type": code, "param": None, "code": code}


def _messages(code: str, message: str) -> Json:
    return {"type": "error", "error": {"type": code, "message": message}, "request_id": "acme-7781"}


_USUAL = {
    "auth": "401 invalid_api_key",
    "rate": "429 rate_limit_exceeded",
    "overloaded": "503 service_unavailable",
    "server_error": "500 internal_error",
    "not_found": "404 model_not_found",
    "bad_request": "400 invalid_request_error",
    "context_size": "400 context_length_exceeded",
}


# --- rules ---------------------------------------------------------------------------------------


def _has(*fields: str, models: str = "") -> Rule:
    return lambda tree, _: tree["model"].startswith(models) and any(field in tree for field in fields)


def _both(first: str, second: str) -> Rule:
    return lambda tree, _: first in tree and second in tree


def _json_unsaid(tree: dict[str, Json], _: Mapping[str, str]) -> bool:
    """JSON mode whose messages don't say the word."""
    wanted = tree.get("response_format", {}).get("type") == "json_object"
    return wanted and "json" not in "".join(str(turn.get("content") or "") for turn in tree["messages"]).lower()


def _thinks_whole(tree: dict[str, Json], _: Mapping[str, str]) -> bool:
    return bool(tree.get("enable_thinking")) and not tree.get("stream")


def _unknown_thinking(tree: dict[str, Json], _: Mapping[str, str]) -> bool:
    return "thinking" in tree and tree["thinking"].get("type") not in ("enabled", "disabled")


def _of(tree: dict[str, Json], kind: str) -> list[dict[str, Json]]:
    return [block for turn in tree["messages"] for block in turn["content"] if block["type"] == kind]


_CLAUDE = (
    # how a model's name begins (the first that fits): its kinds of thinking, its efforts, whether a tool may be demanded
    ("claude-3", (), (), True),
    (("claude-opus-5-5", "claude-fable-5-1"), ("adaptive",), ("low", "medium", "high", "xhigh", "max"), False),
    ("claude-sonnet-5-5", ("adaptive", "between_tools"), ("low", "medium", "high", "xhigh", "max"), False),
    (("claude-fable", "claude-mythos"), ("adaptive",), ("low", "medium", "high", "xhigh", "max"), True),
    (("claude-opus-4-6", "claude-sonnet-4-6"), ("enabled", "adaptive", "disabled"), ("low", "medium", "high", "max"), True),
    (("claude-opus-4-7", "claude-opus-4-8"), ("adaptive", "disabled"), ("low", "medium", "high", "xhigh", "max"), True),
    (("claude-sonnet-5", "claude-opus-5", "claude-haiku-5"), ("adaptive", "disabled"), ("low", "medium", "high", "xhigh", "max"), True),
    ("claude-", ("enabled", "disabled"), (), True),
)


def _claude(tree: dict[str, Json]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    return next((kinds, efforts, demand) for start, kinds, efforts, demand in _CLAUDE if tree["model"].startswith(start))


def _thinking(tree: dict[str, Json]) -> bool:
    return tree.get("thinking", {}).get("type") in ("enabled", "adaptive")


def _budgeted(tree: dict[str, Json]) -> bool:
    return bool(tree.get("thinking", {}).get("type") == "enabled")


def _wrong_thinking(tree: dict[str, Json], _: Mapping[str, str]) -> bool:
    kinds, efforts, _demand = _claude(tree)
    effort = tree.get("output_config", {}).get("effort")
    return ("thinking" in tree and tree["thinking"].get("type") not in kinds) or (effort is not None and effort not in efforts)


def _unasked_binding(tree: dict[str, Json], headers: Mapping[str, str]) -> bool:
    """A field of a beta that the request does not name."""
    return "block_binding" in tree.get("thinking", {}) and headers.get("anthropic-beta") != "thinking-binding-controls-2026-08-01"


def _unanswered(tree: dict[str, Json], _: Mapping[str, str]) -> bool:
    """A call whose result does not come first in the next turn."""
    turns = tree["messages"]
    for turn, after in zip(turns, [*turns[1:], None], strict=True):
        calls = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
        answers = [] if after is None else [block.get("tool_use_id") for block in after["content"]][: len(calls)]
        if calls and sorted(calls) != sorted(answers, key=str):
            return True
    return False


def _thoughtless_loop(tree: dict[str, Json], _: Mapping[str, str]) -> bool:
    """While it thinks within a budget, the turn with the calls whose results come now must begin with its thoughts."""
    turns = tree["messages"]
    results = any(block["type"] == "tool_result" for block in turns[-1]["content"])
    return _budgeted(tree) and results and len(turns) > 1 and turns[-2]["content"][0]["type"] != "thinking"


_ANTHROPIC_RULES: dict[str, Rule] = {
    "the version is named": lambda _, headers: headers.get("anthropic-version") != "2023-06-01",
    "max_tokens is mandatory": lambda tree, _: not isinstance(tree.get("max_tokens"), int) or tree["max_tokens"] < 1,
    "a thinking budget is at least 1024 and leaves room": lambda tree, _: (
        tree.get("thinking", {}).get("type") == "enabled" and not 1024 <= tree["thinking"].get("budget_tokens", 0) < tree["max_tokens"]
    ),
    "each model has its kinds of thinking": _wrong_thinking,
    "a beta is named": _unasked_binding,
    "a demanded tool is not for all": lambda tree, _: tree.get("tool_choice", {}).get("type") in ("any", "tool") and not _claude(tree)[2],
    "newer models take no sampling": lambda tree, _: "xhigh" in _claude(tree)[1] and ("temperature" in tree or "top_p" in tree),
    "thinking takes no temperature": lambda tree, _: _thinking(tree) and ("temperature" in tree or "top_p" in tree),
    "a budget takes no demanded tool": lambda tree, _: _budgeted(tree) and tree.get("tool_choice", {}).get("type") in ("any", "tool"),
    "temperature up to 1": lambda tree, _: not 0 <= tree.get("temperature", 0) <= 1,
    "turns alternate, a user's first": lambda tree, _: any(
        turn["role"] != ("user", "assistant")[at % 2] or not turn["content"] for at, turn in enumerate(tree["messages"])
    ),
    "text is not empty": lambda tree, _: any(not block["text"] for block in _of(tree, "text")),
    "thoughts come back signed": lambda tree, _: any(block.get("signature") != SIGNATURE for block in _of(tree, "thinking")),
    "calls are answered": _unanswered,
    "ids are plain": lambda tree, _: any(not _TOOL_ID.fullmatch(block["id"]) for block in _of(tree, "tool_use")),
    "thoughts come back within a tool loop": _thoughtless_loop,
    "tools have a schema": lambda tree, _: any("input_schema" not in tool or "strict" in tool for tool in tree.get("tools", ())),
}


# --- the table ------------------------------------------------------------------------------------

_GPT5 = ("gpt-5", "o3")
_QIANFAN = (("x-ratelimit-limit-requests", "600"), ("x-ratelimit-remaining-requests", "599"))

SPEECHES: dict[str, Speech] = {
    "openai_chat": Speech(
        models=("any-model",),
        errors=errors(_named, **_USUAL, billing="402 insufficient_balance", policy_input="400 content_filter"),
        fields=CHAT_FIELDS | {"reasoning_effort"},
        strict=True,
    ),
    "qwen": Speech(
        models=("qwen-plus", "qwen3-vl-plus"),
        prefix="/compatible-mode/v1",
        blocks="error",
        errors=errors(
            _named,
            **_USUAL
            | {"rate": "429 Throttling.RateQuota", "context_size": "400 InvalidParameter Range of input length should be [1, 129024]"},
            region="401 InvalidApiKey",
            billing="400 Arrearage",
            slope="429 Throttling.BurstRate Request rate increased too quickly.",
            policy_input="400 data_inspection_failed Input data may contain inappropriate content.",
            policy_output="400 data_inspection_failed Output data may contain inappropriate content.",
        ),
        fields=CHAT_FIELDS | {"enable_thinking", "thinking_budget"},
        formats=frozenset({"json_object"}),
        choices=frozenset({"none", "auto", "named"}),
        rules={"no thinking without streaming": _thinks_whole, "JSON mode says JSON": _json_unsaid},
    ),
    "deepseek": Speech(
        models=("deepseek-v4",),
        prefix="",
        errors=errors(
            partial(openai_error, kind="unknown_error"),
            **_USUAL,
            billing="402 invalid_request_error Insufficient Balance.",
            policy_input="400 content_filter",
        )
        | {"rate": Error(429, _named("rate_limit_reached", SAYS), "rate_concurrency")},
        fields=(CHAT_FIELDS - {"seed"}) | {"thinking", "reasoning_effort"},
        formats=frozenset({"json_object"}),
        replay=(("deepseek-", "tool_loop"),),
        rules={"JSON mode says JSON": _json_unsaid, "thinking is on or off": _unknown_thinking},
    ),
    "qianfan": Speech(
        models=("ernie-5.0", "qwen3-32b", "deepseek-v3.2", "kimi-k2.5", "glm-5"),
        prefix="/v2",
        flags=True,
        errors=errors(
            _named,
            **_USUAL
            | {"auth": "401 invalid_iam_token", "rate": "429 rpm_rate_limit_exceeded", "context_size": "400 tokens_too_long"},
            billing="402 insufficient_balance",
            policy_input="400 unsafe_request",
        ),
        fields=CHAT_FIELDS | {"enable_thinking", "thinking", "penalty_score", "max_completion_tokens"},
        replay=(("deepseek-", "tool_loop"),),
        rules={
            "enable_thinking is for qwen and ernie": lambda tree, _: (
                "enable_thinking" in tree and not tree["model"].startswith(("qwen", "ernie"))
            ),
            "thinking is for deepseek, kimi and glm": lambda tree, _: (
                "thinking" in tree and not tree["model"].startswith(("deepseek", "kimi", "glm"))
            ),
        },
        rate_headers=(*_QIANFAN, ("x-ratelimit-limit-tokens", "100000"), ("x-ratelimit-remaining-tokens", "99000")),
    ),
    "ark": Speech(
        models=("doubao-seed-1-6", "doubao-1-5-pro"),
        prefix="/api/v3",
        errors=errors(
            _named,
            auth="401 AuthenticationError",
            billing="403 AccountOverdueError",
            spend_cap="429 SetLimitExceeded",
            rate="429 ModelAccountRpmRateLimitExceeded",
            slope="429 RequestBurstTooFast",
            concurrency="429 InflightBatchsizeExceeded",
            overloaded="503 ServerOverloaded",
            server_error="500 InternalServiceError",
            not_found="404 ModelNotOpen",
            bad_request="400 InvalidParameter",
            context_size="400 InvalidParameter The input is longer than the maximum context length.",
            policy_input="400 InputTextSensitiveContentDetected",
            policy_output="400 OutputTextSensitiveContentDetected",
        ),
        fields=CHAT_FIELDS | {"max_completion_tokens", "thinking", "reasoning_effort"},
        replay=(("doubao-", "optional"),),
        rules={"one limit of tokens": _both("max_tokens", "max_completion_tokens"), "thinking is on or off": _unknown_thinking},
    ),
    "hunyuan": Speech(
        models=("hunyuan-turbos-latest", "hunyuan-t1-latest"),
        finishes={"content_filter": "sensitive"},
        blocks="retract",
        errors=errors(
            _named,
            **_USUAL | {"auth": "401 AuthFailure", "rate": "429 RequestLimitExceeded"},
            billing="400 FailedOperation.ServiceStopArrears",
            concurrency="429 LimitExceeded",
            policy_input="400 content_filter",
        ),
        trap={"Response": {"Error": {"Code": "RequestLimitExceeded", "Message": SAYS}, "RequestId": "acme-7781"}},
        fields=CHAT_FIELDS - _PENALTIES - {"parallel_tool_calls"},
        formats=frozenset(),
    ),
    "kimi": Speech(
        models=("kimi-k3", "kimi-k2.5", "kimi-latest", "moonshot-v1-32k"),
        blocks="none",
        usage="in_choice",
        errors=errors(
            _typed,
            auth="401 invalid_authentication_error",
            billing="403 exceeded_current_quota_error Insufficient balance.",
            rate="429 rate_limit_reached_error",
            overloaded="429 engine_overloaded_error",
            server_error="500 server_error",
            not_found="404 resource_not_found_error",
            bad_request="400 invalid_request_error",
            context_size="400 invalid_request_error Your request exceeded model token limit: 262144.",
            policy_input="400 content_filter",
        ),
        fields=(CHAT_FIELDS - {"max_tokens"}) | {"max_completion_tokens", "thinking", "reasoning_effort"},
        replay=(("kimi-k3", "tool_loop"), ("kimi-k2.5", "tool_loop"), ("kimi-", "optional")),
        rules={
            "sampling is fixed": _has(*_SAMPLING, models="kimi-"),
            "only newer models are told how to think": _has("thinking", "reasoning_effort", models="moonshot-"),
            "schemas on the newest alone": lambda tree, _: (
                tree.get("response_format", {}).get("type") == "json_schema" and not tree["model"].startswith("kimi-k3")
            ),
        },
        rate_headers=(("x-ratelimit-limit", "500"), ("x-ratelimit-remaining", "499"), ("x-ratelimit-reset", "1")),
    ),
    "glm": Speech(
        models=("glm-5", "glm-5.3", "glm-4.5", "glm-4.5v"),
        prefix="/api/paas/v4",
        finishes={"content_filter": "sensitive"},
        usage="with_finish",
        errors=errors(
            _numbered,
            auth="401 1002",
            billing="429 1113",
            rate="429 1303",
            concurrency="429 1302",
            overloaded="429 1312",
            server_error="500 500",
            not_found="400 1211",
            bad_request="400 1210",
            context_size="400 1261",
            policy_input="400 1301",
        ),
        fields=(CHAT_FIELDS - _PENALTIES - {"stream_options", "parallel_tool_calls", "seed"})
        | {"thinking", "reasoning_effort", "user_id"},
        formats=frozenset({"json_object"}),
        choices=frozenset({"auto"}),
        rules={
            "a user has 6 to 128 characters": lambda tree, _: not 6 <= len(tree.get("user_id", "unsaid")) <= 128,
            "temperature and top_p up to 1": lambda tree, _: any(not 0 <= tree.get(field, 0.5) <= 1 for field in ("temperature", "top_p")),
            "the newest always thinks": _has("thinking", models="glm-5.3"),
        },
    ),
    "minimax": Speech(
        models=("MiniMax-M3", "MiniMax-M2"),
        reasoning="tags",
        blocks="field",
        errors=errors(
            _base_resp,
            auth="200 1004",
            billing="200 1008",
            rate="200 1002",
            server_error="200 1000",
            bad_request="200 2013",
            policy_input="200 1026",
            policy_output="200 1027",
        ),
        fields=(CHAT_FIELDS - _PENALTIES - {"parallel_tool_calls"}) | {"thinking"},
        formats=frozenset(),
        replay=(("", "optional"),),
        rules={"temperature above 0, up to 1": lambda tree, _: not 0 < tree.get("temperature", 1) <= 1},
    ),
    "openai": Speech(
        models=("gpt-5", "gpt-4o", "o3"),
        reasoning="none",
        errors=errors(
            _named,
            **_USUAL,
            region="403 unsupported_country_region_territory",
            billing="429 billing_not_active",
            spend_cap="429 insufficient_quota",
            policy_input="400 content_policy_violation",
        ),
        fields=CHAT_FIELDS | {"max_completion_tokens", "reasoning_effort", "store"},
        strict=True,
        roles=frozenset({"system", "developer", "user", "assistant", "tool"}),
        rules={
            "sampling is fixed": lambda tree, _: tree["model"].startswith(_GPT5) and any(field in tree for field in (*_SAMPLING, "stop")),
            "its own limit of tokens": lambda tree, _: tree["model"].startswith(_GPT5) and "max_tokens" in tree,
            "others don't think": _has("reasoning_effort", models="gpt-4"),
            "no parallel calls": _has("parallel_tool_calls", models="o3"),
            "JSON mode says JSON": _json_unsaid,
        },
        rate_headers=(
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "499"),
            ("x-ratelimit-reset-requests", "120ms"),
            ("x-ratelimit-remaining-tokens", "29000"),
        ),
    ),
    "vllm": Speech(
        models=("qwen3-32b",),
        key_header="",
        reasoning="reasoning",
        blocks="none",
        errors=errors(_local, **_USUAL),
        fields=CHAT_FIELDS | {"chat_template_kwargs", "cache_salt"},
        strict=True,
        rules={"a salt is a word": lambda tree, _: not tree.get("cache_salt", "unsaid")},
    ),
    "sglang": Speech(
        models=("qwen3-32b",),
        key_header="",
        blocks="none",
        errors=errors(_local, **_USUAL),
        fields=CHAT_FIELDS | {"chat_template_kwargs"},
        strict=True,
    ),
    "llamacpp": Speech(
        models=("smollm2-135m",),
        key_header="",
        blocks="none",
        errors=errors(_named, **_USUAL | {"context_size": "400 exceed_context_size_error", "overloaded": "503 unavailable_error"}),
    ),
    "anthropic": Speech(
        models=(
            "claude-sonnet-4-5",
            "claude-3-5-haiku",
            "claude-opus-4-6",
            "claude-opus-4-7",
            "claude-sonnet-5",
            "claude-opus-5-5",
            "claude-sonnet-5-5",
            "claude-haiku-5-5",
            "claude-fable-5-1",
        ),
        family="anthropic",
        path="/messages",
        key_header="x-api-key",
        reasoning="blocks",
        finishes={"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"},
        errors=errors(
            _messages,
            auth="401 authentication_error",
            region="403 forbidden",
            # both stand under the type of a wrong request: only their words tell
            billing="400 invalid_request_error Your credit balance is too low.",
            spend_cap="400 invalid_request_error You have reached your specified API usage limits.",
            rate="429 rate_limit_error",
            overloaded="529 overloaded_error",
            server_error="500 api_error",
            not_found="404 not_found_error",
            bad_request="400 invalid_request_error",
            context_size="400 invalid_request_error prompt is too long: 250000 tokens > 200000 maximum",
        ),
        fields=_MESSAGES_FIELDS,
        replay=(("claude-", "tool_loop"),),
        rules=_ANTHROPIC_RULES,
        rate_headers=(
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-11-25T00:00:00Z"),
        ),
    ),
}
"""Record's name → its double."""
